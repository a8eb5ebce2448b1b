"""A campaign of benchmarks: what is kept adds up, and comes out as a table, a chart and a place in a README."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.errors import BadFile
from engine.models.unet_2d_condition import UNet2DConditionModel
from tests.benchmarks import __main__ as campaign
from tests.benchmarks import chart as charts
from tests.benchmarks import results, switch_figures, whole_picture
from tests.benchmarks.host_time import WIDTH, narrowed, nothing_computed
from tests.benchmarks.networks import TINY, Kind, kind_of
from tests.benchmarks.report import BEGIN, END, put_into, table
from tests.benchmarks.results import Figure, Found, Keeper, Place, read_campaign
from tests.benchmarks.subjects import PLAIN, TIMED, is_of_a_switch

PLACE = Place("a machine", 2, "2.0", "2026-01-02")


def kept(folder: Path, *values: float, **changes: str | int) -> None:
    """Keep a figure as a run of its own."""
    Keeper(folder).keep([Figure("step: ours to theirs", values, 0.85)])
    newest = max(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    content = json.loads(newest.read_text()) | changes
    newest.unlink()
    (folder / f"{len(list(folder.iterdir()))}.json").write_text(json.dumps(content))


class TestKeeping:
    def test_each_round_replaces_what_the_run_kept_before(self, tmp_path: Path) -> None:
        keeper = Keeper(tmp_path / "new")
        keeper.keep([Figure("a", (0.5,))])
        keeper.keep([Figure("a", (0.5, 0.6))], "text")
        (one,), texts = read_campaign(tmp_path / "new")
        assert one.figure == Figure("a", (0.5, 0.6))
        assert list(texts.values()) == ["text"]

    def test_rounds_of_the_same_command_add_up(self, tmp_path: Path) -> None:
        kept(tmp_path, 0.5, 0.7)
        kept(tmp_path, 0.9, date="2027-01-01")
        (one,), _ = read_campaign(tmp_path)
        assert one.figure.values == (0.5, 0.7, 0.9)
        assert one.figure.median == 0.7
        assert one.place.date == "2027-01-01"

    @pytest.mark.parametrize("changed", [{"threads": 99}, {"machine": "another"}, {"torch": "0"}, {"command": "x"}])
    def test_others_stay_apart(self, tmp_path: Path, changed: dict[str, str | int]) -> None:
        kept(tmp_path, 0.5)
        kept(tmp_path, 0.9, **changed)
        assert [one.figure.values for one in read_campaign(tmp_path)[0]] == [(0.5,), (0.9,)]

    def test_without_a_folder_nothing_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Keeper(None).keep([Figure("a", (0.5,))])
        assert list(tmp_path.iterdir()) == []

    def test_another_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "other.json").write_text("{}")
        with pytest.raises(BadFile, match=r"other\.json does not hold the results"):
            read_campaign(tmp_path)

    def test_the_command_is_without_what_changes_no_figure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["/somewhere/decode.py"])
        told = results.command(["--rounds", "3", "--size", "256", "--results=there", "--only", "DeepCache 3"])
        assert told == "python -m tests.benchmarks.decode --size 256 --only 'DeepCache 3'"


class TestReport:
    def test_table(self) -> None:
        other = Place("another", 1, "2.0", "2026-01-03")
        lines = table(
            [
                Found(Figure("fast", (0.5, 0.7, 0.6), 0.85), "python -m fast", PLACE),
                Found(Figure("slow", (1.5,), 1.0), "python -m slow", other),
                Found(Figure("time", (2.0,), unit="s", counted="moments"), "python -m time", PLACE),
            ]
        ).splitlines()
        assert lines[2:] == [
            "| fast | 0.600 (0.500 to 0.700) | 0.85 | 3 rounds | A | 2026-01-02 | `python -m fast` |",
            "| slow | 1.500 (1.500 to 1.500) | 1 (not met) | 1 round | B | 2026-01-03 | `python -m slow` |",
            "| time | 2.000 (2.000 to 2.000) s |  | 1 moment | A | 2026-01-02 | `python -m time` |",
            "",
            "A: a machine, 2 threads, torch 2.0.",
            "B: another, 1 threads, torch 2.0.",
        ]

    def test_the_readme_has_a_place_for_it(self, root: Path, tmp_path: Path) -> None:
        readme = tmp_path / "README.md"
        readme.write_text((root / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
        put_into(readme, "the one before")
        put_into(readme, r"second \1")
        text = readme.read_text(encoding="utf-8")
        assert f"{BEGIN}\n\nsecond \\1\n\n{END}" in text
        assert "the one before" not in text

    def test_without_a_place_it_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "README.md").write_text("nothing")
        with pytest.raises(BadFile, match="has no line"):
            put_into(tmp_path / "README.md", "")

    def test_bars_of_the_chart_end_at_the_median(self) -> None:
        figures = [Figure("met", (0.5,), 0.85), Figure("missed", (0.9,), 0.85), Figure("time", (3.0,), unit="s")]
        image = charts.chart(figures)
        rows = [charts.SCALE * int(charts.TOP + charts.ROW * (index + 0.5) + 5) for index in range(2)]
        assert image.height == charts.SCALE * (charts.TOP + 2 * charts.ROW + charts.PAD)
        colours = [charts.BETTER, charts.WORSE]
        lengths = [
            sum(image.getpixel((x, row)) == _rgb(colour) for x in range(image.width))
            for row, colour in zip(rows, colours, strict=True)
        ]
        whole = charts.SCALE * (charts.WIDTH - 2 * charts.PAD - charts.LABELS - charts.NUMBERS) / 1.2
        # Rules of the ground and the mark of what was asked lie above or over a few of its pixels.
        assert lengths[0] == pytest.approx(0.5 * whole, abs=12)
        assert lengths[1] == pytest.approx(0.9 * whole, abs=12)


class TestSwitchFigures:
    """What switches gain and lose comes from the campaign into the README and into what the settings show."""

    def test_from_the_campaign_to_both(self, tmp_path: Path) -> None:
        readme, data = tmp_path / "README.md", tmp_path / "switches.json"
        readme.write_text(f"before\n{switch_figures.BEGIN}\n{switch_figures.END}\nafter\n", encoding="utf-8")
        title = "Pictures of the embedded model, 128 pixels, 20 steps"
        figures = [
            Figure(f"{TIMED}: DeepCache 3 to no switch", (0.4, 0.6, 0.5), 0.55),
            Figure("Whole picture of another size: DeepCache 5 to no switch", (0.4,)),
            Figure(f"{title}: DeepCache 3, mean difference", (4.0, 6.0), unit="of 255", counted="pictures"),
            Figure(f"{title}: DeepCache 3, signal to noise", (26.0, 28.4), unit="dB", counted="pictures"),
        ]
        assert all(is_of_a_switch(figure.name) for figure in figures)
        assert not is_of_a_switch(f"{TIMED}: no switch to Diffusers")
        switch_figures.report_switches([Found(figure, "a command", PLACE) for figure in figures[:2]], readme, data)
        # What another campaign finds comes beside it.
        switch_figures.report_switches([Found(figure, "a command", PLACE) for figure in figures[2:]], readme, data)
        line = "| at every 3 steps | `--deep-cache 3` | 0.50 (0.40 to 0.60) | 3 | 5.0 (worst 6.0) | 27 dB |"
        assert line in readme.read_text(encoding="utf-8")
        (entry,) = json.loads(data.read_text(encoding="utf-8"))["switches"]
        assert entry["switch"] == {"deep_cache": 3}
        assert entry["time"] == [0.5, 0.4, 0.6, 3]
        # Of another device, of older days and of fewer rounds nothing is taken.
        again = Figure(f"{TIMED}: DeepCache 3 to no switch", (0.1, 0.2))
        older = replace(PLACE, date="2025-12-31")
        others = [Found(again, "a command --device cuda", PLACE), Found(figures[0], "a command", PLACE)]
        others += [Found(again, "a third", PLACE), Found(again, "a fourth", older)]
        switch_figures.report_switches(others, readme, data)
        assert line in readme.read_text(encoding="utf-8")

    def test_the_readme_has_what_the_settings_show(self, root: Path, tmp_path: Path) -> None:
        readme = tmp_path / "README.md"
        readme.write_text((root / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
        data = tmp_path / "switches.json"
        data.write_bytes((root / "resources" / "switches.json").read_bytes())
        switch_figures.report_switches([], readme, data)
        assert readme.read_text(encoding="utf-8") == (root / "README.md").read_text(encoding="utf-8")


TINY_XL = Kind(
    "a tiny network of XL's kind",
    TINY
    | {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 32,
    },
    64,
)


class TestWholePicture:
    """The same picture is made on both sides; else their times say nothing."""

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Diffusers' own
    @pytest.mark.parametrize("kind", [kind_of("tiny"), TINY_XL], ids=["tiny", "tiny-xl"])
    def test_diffusers_makes_the_same_picture(self, kind: Kind) -> None:
        options = argparse.Namespace(kind=kind, size=64, dtype="float32", device="cpu", peer=True)
        model = whole_picture.RandomModel(2, options)
        ours, theirs = (model.picture(name, 2) for name in (PLAIN, whole_picture.PEER))
        assert ours.shape == (2, 3, 64, 64)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


class TestAsking:
    """What asking for a step takes is measured with networks of as many layers, which compute next to nothing."""

    @pytest.mark.parametrize("model", ["sd15", "xl"])
    def test_the_layers_are_as_many_as_those_of_the_true_network(self, model: str) -> None:
        unet = kind_of(model).unet
        with torch.device("meta"):
            true, narrow = (UNet2DConditionModel(**options) for options in (unet, narrowed(unet)))
        kinds = [[type(module) for module in network.modules()] for network in (true, narrow)]
        # Shortcuts are where the width changes, which in a narrow network it does on the way up alone.
        assert 0 <= len(kinds[0]) - len(kinds[1]) <= 2
        assert max(parameter.shape[0] for parameter in narrow.parameters()) <= 8 * WIDTH

    def test_convolutions_have_their_shapes_and_nothing_in_them(self) -> None:
        layers = torch.nn.Conv2d(3, 5, 3, padding=1), torch.nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=False)
        image = torch.randn(2, 3, 9, 6)
        shapes = [layer(image).shape for layer in layers]
        with nothing_computed():
            assert [layer(image).shape for layer in layers] == shapes
            assert not layers[0](image).any()
        assert layers[0](image).any()


class TestCampaign:
    def test_options_go_to_the_parts_that_take_them(self) -> None:
        given = {"rounds": 3, "size": 64, "dtype": None, "device": "cpu", "results": "there"}
        line = campaign.PARTS["memory"].commands[0].line(given)
        assert line[3:] == ["--rounds", "3", "--size", "64", "--results", "there"]

    @pytest.mark.parametrize("part", campaign.PARTS)
    def test_every_command_takes_what_it_is_given(self, root: Path, part: str) -> None:
        for command in campaign.PARTS[part].commands:
            options = (root / "tests" / "benchmarks" / f"{command.module}.py").read_text(encoding="utf-8")
            shared = (root / "tests" / "benchmarks" / "denoising_step.py").read_text(encoding="utf-8")
            for name in command.takes - {"results"}:
                assert f'"--{name}"' in options or ("add_options(" in options and f'"--{name}"' in shared)
            assert "results" not in command.takes or "add_results_option(" in options or "add_options(" in options

    def test_a_part_from_the_command_to_the_readme(self, root: Path, tmp_path: Path) -> None:
        folder, readme, picture = tmp_path / "results", tmp_path / "README.md", tmp_path / "shots" / "chart.png"
        readme.write_text(f"before\n{BEGIN}\n{END}\nafter\n", encoding="utf-8")
        tiny = ["--model", "tiny", "--size", "64", "--rounds", "2", "--results", str(folder)]
        for _ in range(2):
            subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.denoising_step", *tiny], cwd=root, check=True, timeout=300
            )
        there = ["--report", "--results", str(folder), "--switches", str(tmp_path / "switches.json")]
        assert campaign.main([*there, "--readme", str(readme), "--chart", str(picture)]) == 0
        text = readme.read_text(encoding="utf-8")
        assert "(shots/chart.png)" in text
        assert text.count("| 4 rounds |") == 2
        assert "`python -m tests.benchmarks.denoising_step --model tiny --size 64`" in text
        assert picture.read_bytes().startswith(b"\x89PNG")

    def test_an_unknown_part_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            campaign.main(["stp"])
        assert "there is no part 'stp'; choose of step," in capsys.readouterr().err

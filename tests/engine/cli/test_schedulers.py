"""`sfumato schedulers`: the list, the plot and the comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from engine.catalog import SCHEDULERS
from engine.cli import main


@pytest.fixture
def sfumato(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `sfumato schedulers` in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["schedulers", *arguments])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return command


def test_the_table_names_them_all(sfumato: Any) -> None:
    code, out, err = sfumato()
    assert (code, err) == (0, "")
    rows = out.splitlines()
    assert len(rows) == len(SCHEDULERS) + 1
    for entry, row in zip(SCHEDULERS, rows[1:], strict=True):
        assert f" {entry.name} " in row
        assert entry.advice in row


def test_json_for_machines(sfumato: Any) -> None:
    code, out, _err = sfumato("--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["name"] for line in lines] == [entry.name for entry in SCHEDULERS]
    heun = next(line for line in lines if line["name"] == "heun")
    assert (heun["class"], heun["calls_per_step"], heun["deterministic"]) == ("HeunDiscreteScheduler", 2, True)


def test_one_by_any_name(sfumato: Any) -> None:
    code, out, _err = sfumato("dpmpp_2m_k", "Euler a")
    assert code == 0
    assert "DPM++ 2M Karras: " in out
    assert "use_karras_sigmas=True" in out
    assert "ComfyUI: euler_ancestral" in out
    code, out, err = sfumato("warp")
    assert (code, out) == (2, "")
    assert "'warp' is unknown" in err


def test_a_plot_of_all_and_of_some(sfumato: Any, tmp_path: Path) -> None:
    assert sfumato("--plot", "all.png")[:2] == (0, "all.png\n")
    assert sfumato("DDIM", "DPM++ 2M Karras", "Heun", "--plot", "some.png", "--steps", "7")[:2] == (0, "some.png\n")
    with Image.open(tmp_path / "all.png") as everything, Image.open(tmp_path / "some.png") as some:
        assert everything.size[0] == some.size[0]
        assert ImageChops.difference(everything, some.resize(everything.size)).getbbox() is not None
    code, _out, err = sfumato("--plot", "some.png")
    assert code == 2
    assert "some.png exists already" in err


def test_every_scheduler_has_a_plot_or_says_why_not(sfumato: Any, tmp_path: Path) -> None:
    for entry in SCHEDULERS:
        code, _out, err = sfumato(entry.name, "--plot", f"{entry.class_name}.png", "--steps", "5", "--overwrite")
        # Some need to know the model, or take other numbers of steps.
        assert code == 0 or (code == 2 and err.count("\n") == 1 and entry.predictions[0] != "epsilon"), err
        assert (tmp_path / f"{entry.class_name}.png").exists() == (code == 0)
        (tmp_path / f"{entry.class_name}.png").unlink(missing_ok=True)


def test_a_comparison(sfumato: Any, tiny_sd_folder: Path, tmp_path: Path) -> None:
    arguments = ("Euler a", "ddim", "DPM++ 2M Karras", "--compare", "an owl", "--steps", "2")
    code, out, err = sfumato(*arguments, "--model", str(tiny_sd_folder), "--out", "sheet.png")
    assert (code, out) == (0, "sheet.png\n")
    assert [line.split(" ", 1)[1] for line in err.splitlines() if "/3 " in line] == [
        "Euler a",
        "DDIM",
        "DPM++ 2M Karras",
    ]
    with Image.open(tmp_path / "sheet.png") as sheet:
        pictures = [sheet.crop((4 + 36 * i, 4, 36 + 36 * i, 36)) for i in range(3)]
    assert ImageChops.difference(pictures[0], pictures[1]).getbbox() is not None
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_a_comparison_of_what_does_not_fit(sfumato: Any, tiny_sd_folder: Path, tmp_path: Path) -> None:
    code, out, err = sfumato("edm-euler", "--compare", "an owl", "--model", str(tiny_sd_folder))
    assert (code, out) == (2, "")
    assert "needs a model that predicts edm" in err
    code, _out, err = sfumato("ddim-inverse", "--compare", "an owl", "--model", str(tiny_sd_folder))
    assert code == 2
    assert "made for inversion" in err
    assert list(tmp_path.iterdir()) == []

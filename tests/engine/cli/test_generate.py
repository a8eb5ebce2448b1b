"""`sfumato generate` and `info`, from the words typed to the file and the exit code."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from engine.metadata import read_recipe

Run = tuple[int, str, str]


@pytest.fixture
def sfumato(
    capsys: pytest.CaptureFixture[str], tiny_sd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Runs a command in an empty folder that is the home folder too; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))

    def command(*arguments: str, model: str | None = str(tiny_sd_folder)) -> Run:
        capsys.readouterr()
        chosen = ["--model", model] if model is not None and arguments[:1] == ("generate",) else []
        code = main([*arguments, *chosen])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return command


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_prompt_becomes_a_picture(sfumato: Any, tmp_path: Path) -> None:
    code, out, err = sfumato(
        "generate", "a red apple", "--out", "apple.png", "--steps", "2", "--scheduler", "Euler", "--sigmas", "karras",
        "--seed", "5", "--size", "32x48", "--guidance", "3.5", "--guidance-rescale", "0.5", "--negative", "blue",
        "--clip-skip", "1",
    )  # fmt: skip
    assert (code, out) == (0, "apple.png\n")
    assert "2/2" in err
    assert "s/step" in err
    assert files(tmp_path) == ["apple.png"]
    recipe = read_recipe(tmp_path / "apple.png")
    assert recipe is not None
    assert (recipe.prompt, recipe.negative_prompt, recipe.steps, recipe.seed) == ("a red apple", "blue", 2, 5)
    assert (recipe.scheduler, recipe.sigma_schedule, recipe.width, recipe.height) == ("euler", "karras", 32, 48)
    assert (recipe.guidance_scale, recipe.guidance_rescale, recipe.clip_skip) == (3.5, 0.5, 1)


def test_without_options_the_models_own_settings_are_used(sfumato: Any, tiny_sd_folder: Path, tmp_path: Path) -> None:
    model = shutil.copytree(tiny_sd_folder, tmp_path / "model")
    (model / "sfumato.json").write_text('{"steps": 3, "guidance": 2.0, "scheduler": "euler-a", "name": "Tiny"}')
    code, out, _err = sfumato("generate", "an owl", model=str(model))
    path = Path(out.strip())
    assert code == 0
    assert path.parent == tmp_path / "Pictures" / "Sfumato"
    recipe = read_recipe(path)
    assert recipe is not None
    assert (recipe.steps, recipe.guidance_scale, recipe.scheduler, recipe.width) == (3, 2.0, "euler-a", 32)
    assert (recipe.model, recipe.model_name) == ("~/model", "Tiny")
    assert str(recipe.seed) in path.name


def test_from_makes_the_identical_picture(sfumato: Any, tmp_path: Path) -> None:
    sfumato("generate", 'say "hi",\nSteps: 9', "--steps", "2", "--seed", "9", "--out", "first.png", "--negative", "x")
    assert sfumato("generate", "--from", "first.png", "--out", "again.png", model=None)[0] == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "first.png").read_bytes()


def test_options_change_single_settings_of_from(sfumato: Any, tmp_path: Path) -> None:
    sfumato("generate", "a", "--steps", "2", "--seed", "9", "--out", "first.png", "--negative", "x", "--guidance", "3")
    sfumato("generate", "b", "--from", "first.png", "--out", "second.png", "--seed", "0", "--negative", "", model=None)
    recipe = read_recipe(tmp_path / "second.png")
    assert recipe is not None
    assert (recipe.prompt, recipe.negative_prompt, recipe.seed, recipe.steps) == ("b", "", 0, 2)
    assert recipe.guidance_scale == 3.0


def test_from_says_when_the_model_has_changed_or_gone(sfumato: Any, tiny_sd_folder: Path, tmp_path: Path) -> None:
    model = shutil.copytree(tiny_sd_folder, tmp_path / "model")
    sfumato("generate", "a", "--steps", "1", "--out", "first.png", model=str(model))
    config = model / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.012", "0.02"))
    code, _out, err = sfumato("generate", "--from", "first.png", "--out", "second.png", model=None)
    assert code == 0
    assert "has changed since" in err
    shutil.rmtree(model)
    code, _out, err = sfumato("generate", "--from", "first.png", "--out", "third.png", model=None)
    assert (code, err.count("\n")) == (2, 1)
    assert "~/model" in err
    assert "--model" in err


def test_several_pictures(sfumato: Any, tmp_path: Path) -> None:
    code, out, err = sfumato("generate", "a", "--steps", "1", "--seed", "3", "--count", "3", "--out", "a.png")
    assert (code, out) == (0, "a.png\na-2.png\na-3.png\n")
    assert "3/3" in err
    seeds = [getattr(read_recipe(tmp_path / name), "seed", None) for name in out.split()]
    assert seeds == [3, 4, 5]
    code, out, _err = sfumato("generate", "a", "--steps", "1", "--seed", "3", "--count", "2", "--out", "{seed}.png")
    assert (code, out) == (0, "3.png\n4.png\n")


def test_json_for_machines(sfumato: Any) -> None:
    code, out, err = sfumato("generate", "a", "--steps", "2", "--out", "a.png", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [event["event"] for event in events] == [
        "job_started", "model_loading", "model_loaded", "step_done", "step_done", "image_done", "job_done",
    ]  # fmt: skip
    assert events[-2]["path"] == "a.png"
    assert events[-2]["recipe"]["prompt"] == "a"


def test_files_are_not_overwritten_unasked(sfumato: Any, tmp_path: Path) -> None:
    (tmp_path / "a-2.png").write_bytes(b"precious")
    arguments = ("generate", "a", "--steps", "1", "--count", "2", "--out", "a.png")
    code, out, err = sfumato(*arguments)
    assert (code, out) == (2, "")
    assert "a-2.png exists already" in err
    assert files(tmp_path) == ["a-2.png"]
    assert sfumato(*arguments, "--overwrite")[0] == 0
    assert (tmp_path / "a-2.png").read_bytes() != b"precious"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("generate",), "no prompt"),
        (("generate", "a", "--steps", "many"), "'many' is no whole number"),
        (("generate", "a", "--steps", "0"), "number of steps 0"),
        (("generate", "a", "--seed", "-1"), "seed -1"),
        (("generate", "a", "--seed", "1.5"), "'1.5' is no whole number"),
        (("generate", "a", "--guidance", "nan"), "guidance nan"),
        (("generate", "a", "--guidance", "much"), "'much' is no number"),
        (("generate", "a", "--guidance-rescale", "2"), "guidance rescale 2"),
        (("generate", "a", "--size", "big"), "size 'big'"),
        (("generate", "a", "--size", "33"), "width 33 is no multiple of 2"),
        (("generate", "a", "--size", "0x32"), "width 0"),
        (("generate", "a", "--size", "99999"), "width 99999"),
        (("generate", "a", "--scheduler", "warp"), "scheduler 'warp' is unknown"),
        (("generate", "a", "--scheduler", "ddim", "--sigmas", "karras"), "no sigma schedule 'karras'"),
        (("generate", "a", "--count", "0"), "number of pictures 0"),
        (("generate", "a", "--dtype", "int4"), "precision 'int4'"),
        (("generate", "a", "--device", "gpu"), "device 'gpu'"),
        (("generate", "a", "--device", "cuda:99"), "'cuda:99' is not present"),
        (("generate", "a", "--clip-skip", "0"), "text encoder layers 0"),
        (("generate", "a", "--out", "a.jpg"), "does not end with .png"),
        (("generate", "a", "--out", "a"), "does not end with .png"),
        (("generate", "a", "--out", "none/a.png"), "folder none does not exist"),
        (("generate", "a", "--out", "{colour}.png"), "no value for {colour}"),
        (("generate", "a", "--out", f"{'a' * 300}.png"), "aaa.png' is too long"),
        (("generate", "a", "--init-image", "a" * 300), "aaa' is too long"),
        (("generate", f"(a:{'9' * 50})"), "weight 1e+50 in the prompt"),
        (("generate", f"{'(' * 5000}a"), "weight"),
        (("generate", "a", "--from", "none.png"), "picture none.png does not exist"),
        (("generate", "a" * 20_001), "20,001 characters"),
        (("generate", "a", "--bogus"), "--bogus"),
        (("generate", "a", "b"), "unexpected extra argument"),
        (("paint",), "paint"),
        (("info",), "image"),
        (("info", "none.png"), "does not exist"),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_nothing(
    sfumato: Any, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = sfumato(*arguments)
    sentence = err.strip().splitlines()[-1]
    assert (code, out) == (2, "")
    assert sentence.startswith("sfumato: ")
    assert words.lower() in sentence.lower()
    assert "Traceback" not in err
    assert files(tmp_path) == []


def test_wrong_input_for_machines(sfumato: Any) -> None:
    code, out, err = sfumato("generate", "a", "--steps", "0", "--json")
    event = json.loads(out)
    assert code == 2
    assert (event["event"], event["kind"], event["wrong_input"]) == ("job_failed", "InvalidValue", True)
    assert event["message"] in err


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("model_index.json", None),
        ("model_index.json", "{"),
        ("model_index.json", '{"_class_name": "Evil"}'),
        ("unet/config.json", None),
        ("unet/diffusion_pytorch_model.safetensors", None),
        ("unet/diffusion_pytorch_model.safetensors", "not weights"),
        ("vae/config.json", "[]"),
        ("tokenizer/vocab.json", "{"),
        ("sfumato.json", '{"steps": "many"}'),
    ],
)
def test_damaged_models_are_one_sentence(
    sfumato: Any, tiny_sd_folder: Path, tmp_path: Path, part: str, content: str | None
) -> None:
    model = shutil.copytree(tiny_sd_folder, tmp_path / "model")
    if content is None:
        (model / part).unlink()
    else:
        (model / part).write_text(content)
    code, out, err = sfumato("generate", "a", "--steps", "1", "--out", "a.png", model=str(model))
    sentence = err.strip().splitlines()[-1]
    assert (code, out) == (2, "")
    assert sentence.startswith("sfumato: ")
    assert str(model) in sentence
    assert not (tmp_path / "a.png").exists()


def test_a_folder_that_cannot_be_written(sfumato: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    # Not with a mode: the system's administrator, who runs many a test machine, may write anywhere.
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    code, _out, err = sfumato("generate", "a", "--out", "locked/a.png")
    assert code == 2
    assert "cannot be written" in err


def test_info_prints_what_made_a_picture(sfumato: Any) -> None:
    sfumato("generate", "an owl", "--steps", "2", "--seed", "4", "--out", "owl.png")
    code, out, _err = sfumato("info", "owl.png")
    assert code == 0
    assert "prompt: an owl\n" in out
    assert "seed: 4\n" in out
    code, out, _err = sfumato("info", "owl.png", "--json")
    assert json.loads(out)["steps"] == 2


def test_pictures_without_settings(sfumato: Any, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "bare.png")
    for arguments in (("info", "bare.png"), ("generate", "--from", "bare.png")):
        code, out, err = sfumato(*arguments)
        assert (code, out) == (2, "")
        assert "does not say what made it" in err


def test_help_names_every_command(sfumato: Any) -> None:
    code, out, _err = sfumato("--help")
    assert code == 0
    assert "generate" in out
    assert "info" in out


def test_a_model_without_a_name_is_not_the_current_folder(sfumato: Any, tmp_path: Path) -> None:
    code, _, err = sfumato("generate", "a red apple", "--out", "a.png", model="")
    assert code != 0
    assert "The name of the model is empty; give a folder, a file or a name with --model." in err
    assert files(tmp_path) == []

"""`sfumato generate` from pictures, in two passes, with adapters and from other files; wrong options exit with 2."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from engine.cli import main
from engine.messages import EngineSettings, JobDone, Recipe
from engine.metadata import encode_png, read_recipe
from engine.runner import Runner
from tests.fixtures.requests import small_request

TARGET = "attn2.to_k.weight"


@pytest.fixture
def sfumato(
    capsys: pytest.CaptureFixture[str], tiny_sd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Runs `generate` with a tiny model and two steps; gives exit code and stderr."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 32), "orange").save("start.png")
    mask = Image.new("L", (40, 32))
    mask.paste(255, (0, 0, 20, 32))
    mask.save("mask.png")
    Path("text.png").write_text("no picture")

    def command(name: str, *arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(
            ["generate", "a red apple", "--model", str(tiny_sd_folder), "--steps", "4", "--seed", "3", "--size", "32",
             "--out", name, *arguments]
        )  # fmt: skip
        return code, capsys.readouterr().err

    return command


@pytest.fixture
def lora(tiny_sd_folder: Path, tmp_path: Path) -> Path:
    """An adapter of one weight of the tiny model's UNet."""
    (weights,) = (tiny_sd_folder / "unet").glob("*.safetensors")
    with safe_open(weights, "pt") as file:
        key = next(name for name in file.keys() if name.endswith(TARGET))  # noqa: SIM118 - no mapping
        rows, columns = file.get_slice(key).get_shape()
    module = "unet." + key.removesuffix(".weight")
    generator = torch.Generator().manual_seed(0)
    save_file(
        {
            f"{module}.lora_A.weight": torch.randn(2, columns, generator=generator),
            f"{module}.lora_B.weight": torch.randn(rows, 2, generator=generator),
        },
        tmp_path / "style.safetensors",
    )
    return tmp_path / "style.safetensors"


def pixels(path: str) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).copy()


def extras(path: str) -> dict[str, str]:
    recipe = read_recipe(Path(path))
    assert recipe is not None
    return dict(recipe.extras)


def test_from_a_picture(sfumato: Any) -> None:
    assert sfumato("noise.png")[0] == 0
    code, err = sfumato("image.png", "--init-image", "start.png", "--strength", "0.5")
    assert code == 0
    assert "2/2" in err
    assert not np.array_equal(pixels("image.png"), pixels("noise.png"))
    assert extras("image.png") == {"init_image": "start.png", "strength": "0.5"}
    # Made again from what the file says.
    assert main(["generate", "--from", "image.png", "--out", "again.png"]) == 0
    assert np.array_equal(pixels("again.png"), pixels("image.png"))


def test_from_a_picture_that_was_decoded_in_tiles(tiny_sd_folder: Path, sfumato: Any) -> None:
    request = small_request(tiny_sd_folder, Path(), width=576, steps=1, name="tiles", job_id="job")
    events = list(Runner(EngineSettings(memory_mode="balanced")).run(request))
    assert isinstance(events[-1], JobDone), events[-1]
    assert extras("tiles.png") == {"memory_plan": "tiles"}
    assert main(["generate", "--from", "tiles.png", "--out", "again.png"]) == 0
    assert np.array_equal(pixels("again.png"), pixels("tiles.png"))
    assert main(["generate", request.prompt, "--from", "tiles.png", "--seed", "8", "--out", "other.png"]) == 0
    assert not np.array_equal(pixels("other.png"), pixels("tiles.png"))
    recipe = replace(read_recipe(Path("tiles.png")) or Recipe(), extras=(("memory_plan", "wild"),))
    with Image.open("tiles.png") as image:
        Path("wild.png").write_bytes(encode_png(image, recipe))
    code, err = sfumato("again.png", "--from", "wild.png", "--overwrite")
    assert code == 2 and "memory plan is 'wild'" in err


def test_with_a_mask(sfumato: Any) -> None:
    code, _ = sfumato("masked.png", "--init-image", "start.png", "--mask", "mask.png", "--strength", "1")
    assert code == 0
    assert extras("masked.png")["mask_image"] == "mask.png"
    sfumato("other.png", "--init-image", "start.png", "--mask", "mask.png", "--strength", "1", "--seed", "4")
    # Another seed changes what is made anew; the rest only as far as the decoder's attention carries it there.
    change = np.abs(pixels("masked.png").astype(int) - pixels("other.png")).mean(axis=(0, 2))
    assert change[:12].mean() > 2 * change[-12:].mean()


def test_a_second_pass(sfumato: Any) -> None:
    code, err = sfumato("large.png", "--hires-scale", "1.5", "--hires-steps", "6", "--hires-strength", "0.5")
    assert (code, pixels("large.png").shape) == (0, (48, 48, 3))
    assert "7/7" in err


def test_an_adapter(sfumato: Any, lora: Path) -> None:
    sfumato("plain.png")
    assert sfumato("full.png", "--lora", str(lora))[0] == 0
    assert sfumato("off.png", "--lora", f"{lora}:0")[0] == 0
    assert np.array_equal(pixels("off.png"), pixels("plain.png"))
    assert not np.array_equal(pixels("full.png"), pixels("plain.png"))
    (kept,) = json.loads(extras("full.png")["adapters"])
    assert (kept["name"], kept["unet"], len(kept["sha256"])) == ("style", 1.0, 64)
    assert main(["generate", "--from", "full.png", "--lora", str(lora), "--out", "again.png"]) == 0
    assert np.array_equal(pixels("again.png"), pixels("full.png"))


def test_templates_keep_what_was_typed_and_what_was_meant(sfumato: Any, tiny_sd_folder: Path) -> None:
    arguments = ["--model", str(tiny_sd_folder), "--steps", "1", "--size", "32", "--seed", "1", "--out", "t.png"]
    assert main(["generate", "a {red|green|blue} apple", *arguments]) == 0
    recipe = read_recipe(Path("t.png"))
    assert recipe is not None
    assert recipe.prompt in {"a red apple", "a green apple", "a blue apple"}
    assert dict(recipe.extras)["prompt_template"] == "a {red|green|blue} apple"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--init-image", "no.png"], "does not exist"),
        (["--init-image", "text.png"], "cannot be read"),
        (["--mask", "mask.png"], "needs the picture"),
        (["--init-image", "start.png", "--strength", "2"], "strength"),
        (["--init-image", "start.png", "--strength", "0"], "leaves none"),
        (["--hires-scale", "9"], "scale of the second pass"),
        (["--vae", "nowhere"], "does not exist"),
        (["--prompt-syntax", "wild"], "unknown"),
        (["--lora", "no.safetensors"], "does not exist"),
        (["--lora", "start.png:much"], "no number"),
        (["--lora", "start.png", "--prompt-syntax", "plain"], "plain"),
        (["--lora", "text.png"], "text"),
    ],
)
def test_wrong_options_exit_with_two(sfumato: Any, arguments: list[str], words: str) -> None:
    code, err = sfumato("x.png", *arguments)
    assert (code, words in err) == (2, True), err
    assert "Traceback" not in err
    assert not Path("x.png").exists()


def test_a_model_that_is_no_model_exits_with_two(sfumato: Any) -> None:
    for name in ("start.png", "nowhere.safetensors"):
        assert main(["generate", "x", "--model", name, "--out", "x.png"]) == 2


def test_switches_are_in_the_picture_and_made_again_with_it(sfumato: Any) -> None:
    assert sfumato("plain.png")[0] == 0
    given = ("--deep-cache", "2", "--token-merging", "0.5", "--guidance-until", "0.8", "--unet-precision", "bfloat16")
    code, told = sfumato("fast.png", *given)
    assert code == 0
    assert "the model holds" in told
    kept = {"deep_cache": 2, "token_merging": 0.5, "guidance_until": 0.8, "unet_precision": "bfloat16"}
    assert json.loads(extras("fast.png")["switches"]) == kept
    assert not np.array_equal(pixels("fast.png"), pixels("plain.png"))
    assert sfumato("again.png", "--from", "fast.png")[0] == 0
    assert np.array_equal(pixels("again.png"), pixels("fast.png"))
    # Single ones are set back, and all of them together make the plain picture.
    off = ("--deep-cache", "1", "--token-merging", "0", "--guidance-until", "1", "--unet-precision", "same")
    assert sfumato("back.png", "--from", "fast.png", *off)[0] == 0
    assert np.array_equal(pixels("back.png"), pixels("plain.png"))
    assert "switches" not in extras("back.png")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--deep-cache", "0", "DeepCache interval 0"),
        ("--unet-precision", "int3", "unet precision 'int3' is unknown"),
        ("--final-autoencoder", "nowhere", "final autoencoder nowhere does not exist"),
    ],
)
def test_a_switch_that_cannot_be_exits_with_two(sfumato: Any, option: str, value: str, words: str) -> None:
    code, told = sfumato("none.png", option, value)
    assert code == 2
    assert words in " ".join(told.split())

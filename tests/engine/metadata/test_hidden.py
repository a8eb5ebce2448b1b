"""Recipes hidden in the transparency of pictures, written here bit by bit as NovelAI describes it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.metadata import read_facts, read_recipe
from engine.metadata.hidden import hidden_texts

COMMENT = {"prompt": "1girl, {masterpiece}", "uc": "lowres", "steps": 28, "scale": 5.0, "seed": 55, "width": 832,
           "height": 1216, "sampler": "k_euler", "noise_schedule": "karras"}  # fmt: skip
NOVELAI = json.dumps({"Software": "NovelAI", "Source": "SDXL", "Description": "1girl", "Comment": json.dumps(COMMENT)})
A1111 = "a mill\nNegative prompt: cars\nSteps: 12, Sampler: Euler a, CFG scale: 4.5, Seed: 77, Size: 64x64"


def hide(path: Path, form: str, content: bytes, bits: int | None = None, side: int = 96) -> Path:
    """A picture with `content` in the lowest bits of its transparency, column by column."""
    message = form.encode() + (len(content) * 8 if bits is None else bits).to_bytes(4, "big") + content
    image = Image.new("RGBA", (side, side + 8), (200, 30, 60, 254))
    for number in range(len(message) * 8):
        bit = message[number // 8] >> (7 - number % 8) & 1
        x, y = divmod(number, image.height)
        image.putpixel((x, y), (200, 30, 60, 254 | bit))
    image.save(path, lossless=True)
    return path


@pytest.mark.parametrize("ending", ["png", "webp"])
@pytest.mark.parametrize("packed", [True, False])
def test_novelai_s_recipe_is_found_in_the_pixels(tmp_path: Path, ending: str, packed: bool) -> None:
    content = gzip.compress(NOVELAI.encode()) if packed else NOVELAI.encode()
    path = hide(tmp_path / f"a.{ending}", "stealth_pngcomp" if packed else "stealth_pnginfo", content)
    facts = read_facts(path)
    assert (facts.width, facts.height) == (96, 104)
    recipe = facts.recipe
    assert recipe is not None
    assert (recipe.prompt, recipe.negative_prompt, recipe.seed) == ("1girl, {masterpiece}", "lowres", 55)
    assert (recipe.scheduler, recipe.sigma_schedule, recipe.program) == ("euler", "karras", "NovelAI")


def test_a_text_of_a1111_s_form_is_one_too(tmp_path: Path) -> None:
    recipe = read_recipe(hide(tmp_path / "a.png", "stealth_pngcomp", gzip.compress(A1111.encode())))
    assert recipe is not None
    assert (recipe.prompt, recipe.seed, recipe.scheduler) == ("a mill", 77, "euler-a")


@pytest.mark.parametrize(
    ("form", "content", "bits"),
    [
        ("stealth_pngcomp", b"no gzip at all", None),
        ("stealth_pnginfo", b"short", 2**31),
        ("stealth_pnginfo", b"", 0),
        ("stealth_pnginfo", b"[1, 2]", None),
        ("stealth_of_other", NOVELAI.encode(), None),
    ],
)
def test_what_only_looks_like_a_text_is_none(tmp_path: Path, form: str, content: bytes, bits: int | None) -> None:
    path = hide(tmp_path / "a.png", form[:15], content, bits)
    assert hidden_texts(path) == {}
    assert read_recipe(path) is None


def test_damaged_and_small_pictures_have_none(tmp_path: Path) -> None:
    path = hide(tmp_path / "a.png", "stealth_pnginfo", NOVELAI.encode())
    path.write_bytes(path.read_bytes()[:-400])
    assert hidden_texts(path) == {}
    Image.new("RGBA", (4, 4)).save(tmp_path / "small.png")
    assert read_recipe(tmp_path / "small.png") is None
    assert hidden_texts(tmp_path / "none.png") == {}


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=300), form=st.sampled_from(["stealth_pngcomp", "stealth_pnginfo"]))
def test_any_bytes_are_no_error(tmp_path_factory: pytest.TempPathFactory, content: bytes, form: str) -> None:
    path = hide(tmp_path_factory.mktemp("any") / "a.png", form, content)
    assert isinstance(hidden_texts(path), dict)

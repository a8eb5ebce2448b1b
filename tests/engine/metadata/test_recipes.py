"""Recipes written into pictures come out as they went in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.errors import BadFile, MissingFile
from engine.messages import Recipe
from engine.metadata import encode_png, read_a1111, read_own, read_recipe, write_a1111, write_own

RECIPE = Recipe(
    prompt='a "red" apple,\nSteps: 3, it\'s: fine',
    negative_prompt="blurry,\nугар, 模糊",
    model="~/models/x",
    model_name="x",
    model_fingerprint="0123456789ab",
    scheduler="dpmsolver++",
    sigma_schedule="karras",
    steps=20,
    guidance_scale=7.5,
    guidance_rescale=0.7,
    seed=2**64 - 1,
    width=128,
    height=96,
    clip_skip=1,
    device="cpu",
    dtype="float32",
    program="Sfumato 0.1.0 with torch 2.13.0",
)
# Without surrogates, which no file can hold, and NUL, which no PNG text can.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


def words(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet, max_size=60).map(str.strip)


@given(prompt=TEXT, negative=TEXT, extra=TEXT)
def test_own_form_is_exact(prompt: str, negative: str, extra: str) -> None:
    recipe = replace(RECIPE, prompt=prompt, negative_prompt=negative, extras=((extra, prompt),))
    assert read_own(write_own(recipe)) == recipe


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(prompt=TEXT, negative=TEXT)
def test_a_picture_keeps_its_recipe(tmp_path: Path, prompt: str, negative: str) -> None:
    recipe = replace(RECIPE, prompt=prompt, negative_prompt=negative)
    path = tmp_path / "picture.png"
    path.write_bytes(encode_png(Image.new("RGB", (2, 2)), recipe))
    assert read_recipe(path) == recipe
    with Image.open(path) as image:
        assert image.info["parameters"] == write_a1111(recipe)


@given(prompt=words('ab",:(\\)<> \n'), negative=words('ab",:(\\)<> \n'), model=words('ab",:\\ ').filter(bool))
def test_a1111_form_keeps_prompts_with_its_own_punctuation(prompt: str, negative: str, model: str) -> None:
    recipe = replace(RECIPE, prompt=prompt, negative_prompt=negative, model_name=model)
    found = read_a1111(write_a1111(recipe))
    assert (found.prompt, found.negative_prompt, found.model_name) == (prompt, negative, model)
    assert (found.seed, found.steps, found.scheduler, found.sigma_schedule) == (2**64 - 1, 20, "dpmsolver++", "karras")
    assert (found.width, found.height, found.guidance_scale, found.clip_skip) == (128, 96, 7.5, 1)
    assert (found.guidance_rescale, found.program) == (0.7, RECIPE.program)


@given(TEXT)
def test_any_text_is_read_as_some_recipe(text: str) -> None:
    assert isinstance(read_a1111(text), Recipe)


def test_text_as_a1111_writes_it() -> None:
    recipe = read_a1111(
        "a castle, (old:1.2)\nby the sea\nNegative prompt: people,\ncars\n"
        "Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 12345, Size: 512x768, Model hash: 6ce0161689, "
        'Model: v1-5-pruned, Clip skip: 2, Lora hashes: "a: 1, b: 2", Version: v1.6.0'
    )
    assert recipe == Recipe(
        prompt="a castle, (old:1.2)\nby the sea",
        negative_prompt="people,\ncars",
        model_name="v1-5-pruned",
        scheduler="dpmsolver++",
        sigma_schedule="karras",
        steps=28,
        guidance_scale=6.5,
        seed=12345,
        width=512,
        height=768,
        clip_skip=1,
        program="v1.6.0",
        extras=(("Model hash", "6ce0161689"), ("Lora hashes", "a: 1, b: 2")),
    )


def test_unknown_sampler_and_bad_numbers_are_kept_as_they_are() -> None:
    recipe = read_a1111("x\nSteps: 5, Sampler: Restart, Schedule type: Automatic, Seed: many, Size: big, Clip skip: 1")
    assert recipe.scheduler == "Restart"
    assert recipe.clip_skip is None
    assert recipe.seed is None
    assert recipe.extras == (("Schedule type", "Automatic"), ("Seed", "many"), ("Size", "big"))


def test_text_without_settings_is_a_prompt() -> None:
    assert read_a1111("a red apple: ripe, round") == Recipe(prompt="a red apple: ripe, round")


def test_a_picture_of_another_program_and_a_bare_one(tmp_path: Path) -> None:
    chunks = PngInfo()
    chunks.add_text("parameters", "an owl\nSteps: 7, Sampler: Euler a, Seed: 4")
    Image.new("RGB", (2, 2)).save(tmp_path / "a1111.png", pnginfo=chunks)
    Image.new("RGB", (2, 2)).save(tmp_path / "bare.png")
    Image.new("RGB", (2, 2)).save(tmp_path / "bare.jpg")
    assert read_recipe(tmp_path / "a1111.png") == Recipe(
        prompt="an owl", steps=7, scheduler="euler-a", sigma_schedule="default", seed=4
    )
    assert read_recipe(tmp_path / "bare.png") is None
    assert read_recipe(tmp_path / "bare.jpg") is None


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"steps": "many"}', '{"seed": true}', '{"extras": 3}'])
def test_a_changed_recipe_is_refused(text: str) -> None:
    with pytest.raises(BadFile, match="recipe in the picture"):
        read_own(text)


def test_later_forms_may_have_more_keys() -> None:
    assert read_own('{"format": 9, "prompt": "x", "something_new": [1]}') == Recipe(prompt="x")


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    text, cut = tmp_path / "text.png", tmp_path / "cut.png"
    text.write_text("not a picture")
    whole = encode_png(Image.effect_noise((64, 64), 50), Recipe(prompt="x"))
    start = whole.index(b"IDAT")
    cut.write_bytes(whole[: whole.index(b"tEXt")] + whole[start : start + 60])
    with pytest.raises(BadFile, match="not a picture"):
        read_recipe(text)
    with pytest.raises(BadFile, match="damaged"):
        read_recipe(cut)
    with pytest.raises(BadFile, match=str(tmp_path)):
        read_recipe(tmp_path)
    with pytest.raises(MissingFile, match="does not exist"):
        read_recipe(tmp_path / "none.png")

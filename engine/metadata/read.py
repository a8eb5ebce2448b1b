"""The recipe in a picture, or in a text that somebody copied, whichever program wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadFile
from engine.messages import Recipe
from engine.metadata.a1111 import read_a1111
from engine.metadata.comfyui import read_comfyui
from engine.metadata.easy_diffusion import is_easy_diffusion, read_easy_diffusion
from engine.metadata.fooocus import is_fooocus, read_fooocus
from engine.metadata.hidden import hidden_texts
from engine.metadata.invokeai import read_dream, read_invokeai, read_sd_metadata
from engine.metadata.novelai import read_novelai
from engine.metadata.own import read_own
from engine.metadata.swarmui import read_swarmui
from engine.metadata.texts import read_texts
from engine.metadata.values import MAX_TEXT, parse_object

# Where programs put a text of settings, the likeliest first.
_SETTINGS = ("parameters", "UserComment", "comment", "Comment", "XPComment", "ImageDescription", "Description")


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a file says of itself: its size in pixels, and its recipe, None where it has none."""

    width: int
    height: int
    recipe: Recipe | None


def read_recipe(path: Path) -> Recipe | None:
    """The recipe in the picture at `path`: ours where it has one, else another program's, else None.

    Raises:
        MissingFile: there is no such file.
        BadFile: it is no picture, is damaged, or its recipe cannot be read.
    """
    return read_facts(path).recipe


def read_facts(path: Path) -> PictureFacts:
    """Size and recipe of the picture at `path`; raises as `read_recipe`.

    It is decoded only where it says nothing but has a transparency, in which NovelAI hides what it said.
    """
    found = read_texts(path)
    recipe = recipe_of_texts(found.texts)
    if recipe is None and found.transparent:
        recipe = recipe_of_texts(hidden_texts(path))
    return PictureFacts(found.width, found.height, recipe)


def read_text(text: str) -> Recipe | None:
    """The recipe in a copied text: A1111's form, or the JSON of any program; None where it is a mere prompt."""
    if len(text) > MAX_TEXT:
        return None
    recipe = _of_settings(text)
    known = recipe is not None and (recipe.steps, recipe.seed, recipe.scheduler) != (None, None, None)
    return recipe if known or (recipe is not None and recipe.negative_prompt) else None


def recipe_of_texts(texts: Mapping[str, str]) -> Recipe | None:
    """The recipe in the texts of a picture; `BadFile` where a program's own text cannot be read."""
    if "sfumato" in texts:
        return read_own(texts["sfumato"])
    if texts.get("ImageDescription", "").startswith('{"format"'):  # our own JPEG and WebP files
        return read_own(texts["ImageDescription"])
    if "invokeai_metadata" in texts:
        return read_invokeai(texts["invokeai_metadata"])
    if texts.get("Software", "").startswith("NovelAI") and "Comment" in texts:
        return read_novelai(texts)
    for key in _SETTINGS:
        if texts.get(key, "").strip() and (recipe := _of_settings(texts[key], sure=key == "parameters")) is not None:
            return recipe
    if (recipe := read_comfyui(texts.get("prompt", ""), texts.get("workflow", ""))) is not None:
        return recipe
    if "sd-metadata" in texts:
        return read_sd_metadata(texts["sd-metadata"])
    if "Dream" in texts and (recipe := read_dream(texts["Dream"])) is not None:
        return recipe
    return read_easy_diffusion(texts) if is_easy_diffusion(texts) else None


def _of_settings(text: str, sure: bool = False) -> Recipe | None:
    """The recipe in one text; None where it is none. `sure`: only recipes stand there, so any text is a prompt."""
    content = parse_object(text)
    if content is None:
        return _of_words(text, sure)
    if "sui_image_params" in content:
        return read_swarmui(content)
    if is_fooocus(content):
        return read_fooocus(content)
    if content.get("format") is not None and "prompt" in content:
        return _own_or_none(text)
    if "uc" in content:
        return read_novelai({"Comment": text})
    if "positive_prompt" in content:
        return read_invokeai(text)
    if "image" in content and "model_weights" in content:
        return read_sd_metadata(text)
    if is_easy_diffusion(content):
        return read_easy_diffusion(content)
    return read_comfyui(text, text)


def _of_words(text: str, sure: bool) -> Recipe | None:
    if text.lstrip().startswith('"') and (recipe := read_dream(text)) is not None and recipe.steps is not None:
        return recipe
    recipe = read_a1111(text) if len(text) <= MAX_TEXT else None
    return recipe if recipe is not None and (sure or recipe.steps is not None) else None


def _own_or_none(text: str) -> Recipe | None:
    try:
        return read_own(text)
    except BadFile:
        return None

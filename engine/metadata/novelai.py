"""Recipes of NovelAI: settings as JSON under `Comment`, the prompt also under `Description`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.messages import Recipe
from engine.metadata.values import Extras, entries, needed_object, part, real, schedulers, text, whole

_TAKEN = (
    "prompt", "uc", "steps", "width", "height", "scale", "cfg_rescale", "seed", "sampler", "noise_schedule",
    "v4_prompt", "v4_negative_prompt", "n_samples", "request_type", "signed_hash",
)  # fmt: skip


def read_novelai(texts: Mapping[str, str]) -> Recipe:
    """The recipe in the texts of a picture whose `Software` is NovelAI; `BadFile` where it cannot be read."""
    content = needed_object(texts.get("Comment", ""), "NovelAI")
    extras = Extras()
    for key, label in (("v4_prompt", "Character"), ("v4_negative_prompt", "Unwanted of the character")):
        for character in entries(part(part(content, key), "caption").get("char_captions")):
            if isinstance(character, dict):
                extras.add(label, text(character.get("char_caption")))
    found = schedulers(_sampler(content.get("sampler")), content.get("noise_schedule"))
    extras.add_schedule(found, content.get("noise_schedule"))
    extras.add_rest(content, *_TAKEN)
    return Recipe(
        prompt=text(content.get("prompt")) or _base(content, "v4_prompt") or texts.get("Description", ""),
        negative_prompt=text(content.get("uc")) or _base(content, "v4_negative_prompt"),
        model_name=texts.get("Source") or None,
        steps=whole(content.get("steps")),
        guidance_scale=real(content.get("scale")),
        guidance_rescale=real(content.get("cfg_rescale")),
        seed=whole(content.get("seed")),
        width=whole(content.get("width")),
        height=whole(content.get("height")),
        program="NovelAI",
        extras=extras.pairs,
        **found,
    )


def _base(content: dict[str, Any], key: str) -> str:
    return text(part(part(content, key), "caption").get("base_caption"))


def _sampler(name: Any) -> str:
    plain = text(name).removeprefix("k_")
    return {"dpmpp_2m_sde": "dpmpp_2m_sde", "ddim_v3": "ddim", "dpm_fast": "dpm fast"}.get(plain, plain)

"""Recipes of Fooocus in its own scheme: a JSON object under `parameters` or in the EXIF comment.

Its other scheme is A1111's text, which `engine.metadata.a1111` reads.
"""

from __future__ import annotations

import re
from typing import Any

from engine.messages import Recipe
from engine.metadata.values import Extras, entries, real, schedulers, stem, text, whole

_TAKEN = (
    "prompt", "negative_prompt", "full_prompt", "full_negative_prompt", "base_model", "base_model_hash",
    "guidance_scale", "steps", "seed", "resolution", "sampler", "scheduler", "clip_skip", "loras", "version",
    "metadata_scheme",
)  # fmt: skip


def is_fooocus(content: dict[str, Any]) -> bool:
    """Whether the object is in Fooocus' scheme."""
    return content.get("metadata_scheme") == "fooocus" or {"base_model", "resolution", "performance"} <= content.keys()


def read_fooocus(content: dict[str, Any]) -> Recipe:
    """The recipe in `content`; texts of styles are in `full_prompt`, what the user typed is the prompt."""
    extras = Extras()
    for lora in entries(content.get("loras")):
        if isinstance(lora, list) and len(lora) >= 2:
            extras.add_lora(lora[0], lora[1])
    extras.add("Model hash", content.get("base_model_hash"))
    found = schedulers(content.get("sampler"), content.get("scheduler"))
    extras.add_schedule(found, content.get("scheduler"))
    extras.add_rest(content, *_TAKEN)
    sides = re.fullmatch(r"\D*(\d{1,6})\D+(\d{1,6})\D*", text(content.get("resolution")))
    layers = whole(content.get("clip_skip"))
    return Recipe(
        prompt=text(content.get("prompt")),
        negative_prompt=text(content.get("negative_prompt")),
        model_name=stem(content.get("base_model")),
        steps=whole(content.get("steps")),
        guidance_scale=real(content.get("guidance_scale")),
        seed=whole(content.get("seed")),
        width=int(sides[1]) if sides else None,
        height=int(sides[2]) if sides else None,
        clip_skip=layers - 1 if layers is not None and layers > 1 else None,
        program=text(content.get("version")) or "Fooocus",
        extras=extras.pairs,
        **found,
    )

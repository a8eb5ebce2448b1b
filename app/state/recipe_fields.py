"""What recipes keep beside their own fields, as fields of a request: syntax, VAE, start picture, second pass, LoRAs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from engine.messages import MEMORY_PLANS, BranchPoint, Recipe
from engine.switches import Switches

# What only some pictures have, kept under the names of the request's fields.
_READERS: dict[str, Callable[[str], Any]] = {
    "prompt_syntax": str,
    "vae": str,
    "init_image": str,
    "strength": float,
    "mask_image": str,
    "hires_scale": float,
    "hires_steps": int,
    "hires_strength": float,
    "switches": lambda text: Switches.from_json(json.loads(text)),
    "memory_plan": lambda text: _named(text, MEMORY_PLANS),
    "start": lambda text: BranchPoint(**json.loads(text)),
}
OURS = "Sfumato"
_TAG = re.compile(r"<(?:lora|lyco|locon|loha|lokr):([^:>]+)", re.IGNORECASE)


def more_fields(extras: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Those of `extras` that are fields of a request, by name; and the names of those whose values cannot be read."""
    found: dict[str, Any] = {}
    unread: list[str] = []
    for name, read in _READERS.items():
        if name in extras:
            try:
                found[name] = read(extras[name])
            except (ValueError, TypeError):
                unread.append(name)
    return found, unread


def _named(text: str, names: Collection[str]) -> str:
    if text not in names:
        raise ValueError(text)
    return text


def prompt_with_loras(recipe: Recipe) -> str:
    """The prompt of `recipe`, with a `<lora:name:strength>` for each LoRA that stands beside it and not in it.

    Most programs choose LoRAs in a list of their own; here, as in A1111's program, the prompt names them.
    """
    named = {match[1].strip().casefold() for match in _TAG.finditer(recipe.prompt)}
    tags = [f"<lora:{name}:{strength}>" for name, strength in _loras(recipe) if name.casefold() not in named]
    return " ".join([recipe.prompt, *dict.fromkeys(tags)]).strip()


def _loras(recipe: Recipe) -> Iterator[tuple[str, str]]:
    for key, value in recipe.extras:
        if key == "LoRA":
            name, _, strength = value.rpartition(": ")
            # A name with the signs of a tag cannot be named in one.
            if name and not set(name) & set("<>:"):
                yield name, strength

"""Recipes as the text that AUTOMATIC1111's web interface keeps under `parameters`, which most programs read.

Form: the prompt; a line `Negative prompt: ...` with the lines after it; a last line `Key: value, Key: value, ...`
where a value that holds a comma, colon, quote or line break is written as a JSON string. A prompt that itself looks
like such a line cannot be told apart from one; our own chunk (`engine.metadata.own`) has no such limit.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from engine.catalog import SIGMA_SCHEDULES, find_scheduler, scheduler_entry
from engine.errors import UnknownName
from engine.messages import Recipe

_MAX_LINE = 100_000
_PAIR = re.compile(r'\s*([A-Za-z][\w \-/]{0,80}):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_NEGATIVE = "Negative prompt:"
_NUMBERS = {"Steps": ("steps", int), "Seed": ("seed", int), "CFG scale": ("guidance_scale", float),
            "CFG Rescale": ("guidance_rescale", float)}  # fmt: skip
_TEXTS = {"Model": "model_name", "Version": "program"}


def write_a1111(recipe: Recipe) -> str:
    """The text for `recipe`; settings it does not have are left out."""
    pairs = [("Steps", recipe.steps), *_sampler_pairs(recipe)]
    pairs += [("CFG scale", recipe.guidance_scale), ("Seed", recipe.seed)]
    if recipe.width is not None and recipe.height is not None:
        pairs.append(("Size", f"{recipe.width}x{recipe.height}"))
    pairs.append(("Model", recipe.model_name))
    if recipe.clip_skip is not None:
        # A1111 counts the layer that is used from the end, we count the layers that are skipped.
        pairs.append(("Clip skip", recipe.clip_skip + 1))
    if recipe.guidance_rescale:
        pairs.append(("CFG Rescale", recipe.guidance_rescale))
    pairs += [*recipe.extras, ("Version", recipe.program)]
    settings = ", ".join(f"{key}: {_quote(value)}" for key, value in pairs if value is not None)
    negative = f"{_NEGATIVE} {recipe.negative_prompt}" if recipe.negative_prompt else ""
    return "\n".join(part for part in (recipe.prompt, negative, settings) if part)


def read_a1111(text: str) -> Recipe:
    """The recipe in `text`; text without a line of settings is a prompt alone."""
    *lines, last = text.strip().split("\n")
    pairs = _pairs(last)
    if "Steps" not in dict(pairs):
        lines, pairs = [*lines, last], []
    start = next((i for i, line in enumerate(lines) if line.startswith(_NEGATIVE)), len(lines))
    negative = "\n".join(lines[start:]).removeprefix(_NEGATIVE)
    return _with_settings(Recipe(prompt="\n".join(lines[:start]).strip(), negative_prompt=negative.strip()), pairs)


def _pairs(line: str) -> list[tuple[str, str]]:
    """The settings in a line, in time that grows with its length: what is pasted may be a megabyte of anything."""
    found: list[tuple[str, str]] = []
    place = 0 if len(line) <= _MAX_LINE else len(line)
    while 0 <= place < len(line):
        if (match := _PAIR.match(line, place)) is not None:
            found.append((match[1].strip(), _unquote(match[2].strip())))
            place = match.end()
        else:
            place = line.find(",", place) + 1 or len(line)
    return found


def _sampler_pairs(recipe: Recipe) -> list[tuple[str, str | None]]:
    try:
        label = scheduler_entry(recipe.scheduler or "").names[0]
    except UnknownName:
        label = recipe.scheduler
    schedule = recipe.sigma_schedule
    return [("Sampler", label), ("Schedule type", None if schedule in {None, "default"} else str(schedule).title())]


def _with_settings(recipe: Recipe, pairs: list[tuple[str, str]]) -> Recipe:
    found: dict[str, object] = {}
    extras: list[tuple[str, str]] = []
    for key, value in pairs:
        if not _take(found, key, value):
            extras.append((key, value))
    return replace(recipe, **found, extras=tuple(extras))  # pyright: ignore[reportArgumentType]


def _take(found: dict[str, object], key: str, value: str) -> bool:
    """Put a setting into its field of `found`; False where it has none or its value cannot be understood."""
    if key in _TEXTS:
        found[_TEXTS[key]] = value
    elif key in _NUMBERS:
        field, kind = _NUMBERS[key]
        found[field] = _number(value, kind)
        return found[field] is not None
    elif key == "Clip skip":
        layers = _number(value, int)
        found["clip_skip"] = int(layers) - 1 if layers is not None and layers > 1 else None
        return layers is not None
    elif key == "Size":
        sides = re.fullmatch(r"(\d{1,6})x(\d{1,6})", value)
        if sides is None:
            return False
        found["width"], found["height"] = int(sides[1]), int(sides[2])
    elif key == "Sampler":
        try:
            entry, schedule = find_scheduler(value)
        except UnknownName:
            found["scheduler"] = value
        else:
            found["scheduler"] = entry.name
            found.setdefault("sigma_schedule", schedule)
    elif key == "Schedule type" and value.lower() in SIGMA_SCHEDULES:
        found["sigma_schedule"] = value.lower()
    else:
        return False
    return True


def _number(value: str, kind: type[int] | type[float]) -> int | float | None:
    try:
        return kind(value)
    except ValueError:
        return None


def _quote(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r'[,:"\n]', text) or text != text.strip() else text


def _unquote(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except json.JSONDecodeError:
        return value

"""Values out of other programs' metadata, which may be of any type: each function gives the value or None."""

from __future__ import annotations

import json
import math
from pathlib import PurePosixPath
from typing import Any, TypedDict, cast

from engine.catalog import SIGMA_SCHEDULES, find_scheduler
from engine.errors import BadFile, UnknownName

# No program writes more; what is longer is an attack or an accident.
MAX_TEXT = 4 * 2**20
_MAX_EXTRA = 4000
_WEIGHTS_ENDINGS = {".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".sft", ".gguf"}
# Spacings that are the same as no choice at all.
_PLAIN_SCHEDULES = {"", "normal", "native", "default", "automatic"}


class SchedulerFields(TypedDict, total=False):
    """The fields of a recipe that say how it was sampled."""

    scheduler: str
    sigma_schedule: str


def parse_object(text: str) -> dict[str, Any] | None:
    """The JSON object in `text`; None where it is none, too long, or nested too deeply."""
    if len(text) > MAX_TEXT or not text.lstrip().startswith("{"):
        return None
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):  # ValueError: also numbers of thousands of digits
        return None
    return cast("dict[str, Any]", content) if isinstance(content, dict) else None


def needed_object(text: str, program: str) -> dict[str, Any]:
    """The JSON object in `text`, which is there by the program's own word; `BadFile` where it cannot be read."""
    content = parse_object(text)
    if content is None:
        raise BadFile(
            f"The recipe that {program} left in the picture cannot be read; the picture's metadata was changed."
        )
    return content


def part(content: dict[str, Any], key: str) -> dict[str, Any]:
    """The object under `key`; an empty one where there is none."""
    value = content.get(key)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def entries(value: object) -> list[Any]:
    """`value` where it is a list; an empty one where it is not."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def text(value: object) -> str:
    """`value` where it is a text; "" where it is not."""
    return value if isinstance(value, str) else ""


def real(value: object) -> float | None:
    """The finite number that `value` is or says."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, str))
        or (isinstance(value, str) and len(value) > 40)
    ):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole(value: object) -> int | None:
    """The whole number that `value` is or says, from 0 to the largest seed."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 25:
        value = int(value)  # not through float: a seed has 64 bits
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 2**64 else None
    number = real(value)
    return int(number) if number is not None and number == int(number) and 0 <= number < 2**53 else None


def stem(name: object) -> str | None:
    """The name of a model without its folders and the ending of its file."""
    plain = text(name).strip().replace("\\", "/").rstrip("/")
    if not plain:
        return None
    path = PurePosixPath(plain)
    return path.stem if path.suffix.lower() in _WEIGHTS_ENDINGS else path.name


def schedulers(sampler: object, schedule: object = None) -> SchedulerFields:
    """The fields `scheduler` and `sigma_schedule` of a recipe; names that are unknown here stay as they are."""
    name, spacing = text(sampler).strip(), text(schedule).strip().lower()
    if not name:
        return {}
    known = spacing if spacing in SIGMA_SCHEDULES and spacing not in _PLAIN_SCHEDULES else ""
    for candidate in (f"{name} {known}" if known else name, name):
        try:
            entry, own = find_scheduler(candidate)
        except UnknownName:
            continue
        return {"scheduler": entry.name, "sigma_schedule": own}
    return {"scheduler": name, "sigma_schedule": known} if known else {"scheduler": name}


class Extras:
    """What a recipe has no field for, as pairs of short texts; values that say nothing are left out."""

    def __init__(self) -> None:
        self._pairs: list[tuple[str, str]] = []

    def add(self, key: str, value: object) -> None:
        """Keep `value` under `key`."""
        if value is None or value is False or value in ("", [], {}):
            return
        plain = value if isinstance(value, str) else _short(value)
        self._pairs.append((key[:100], plain[:_MAX_EXTRA]))

    def add_lora(self, name: object, weight: object = 1.0) -> None:
        """Keep that a LoRA was used, and how strongly."""
        if (label := stem(name)) is not None:
            number = real(weight)
            self.add("LoRA", f"{label}: {1.0 if number is None else number:g}")

    def add_rest(self, content: dict[str, Any], *taken: str) -> None:
        """Keep every plain value of `content` but those `taken` already."""
        for key, value in content.items():
            if key not in taken and isinstance(value, (str, int, float)):
                self.add(str(key), value)

    def add_schedule(self, found: SchedulerFields, schedule: object) -> None:
        """Keep the spacing of the steps where the recipe's own field could not say it."""
        spacing = text(schedule).strip().lower()
        if spacing not in _PLAIN_SCHEDULES and found.get("sigma_schedule") != spacing:
            self.add("Schedule type", spacing)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All of them, in order; at most as many as any sane file has."""
        return tuple(self._pairs[:200])


def _short(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(type(value).__name__)

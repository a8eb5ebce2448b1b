"""What a grid of pictures varies along its sides: which setting, and the values typed for it. No Qt here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from engine.catalog import LIMITS, find_scheduler
from engine.errors import InvalidValue, UnknownName
from engine.messages import GenerateRequest

Setting = Literal["nothing", "prompt", "negative", "seed", "steps", "guidance", "scheduler", "model"]
SETTINGS: tuple[Setting, ...] = get_args(Setting)
MAX_VALUES, MAX_PICTURES = 100, 400

_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)\s*(?:\(\s*\+?\s*(-?\d+(?:\.\d+)?)\s*\)|\[\s*(\d+)\s*\])?")


@dataclass(frozen=True, slots=True)
class AxisValue:
    """One value of an axis: what stands on the sheet, and what it does to the request."""

    label: str
    change: Callable[[GenerateRequest], GenerateRequest]


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of the grid."""

    column: int
    row: int
    request: GenerateRequest


def axis_values(setting: Setting, text: str, models: dict[str, str] | None = None) -> list[AxisValue]:
    """The values of an axis from what was typed, divided by commas; "a, b" in quotes holds a comma.

    Numbers may be ranges: `1-5`, `1-9 (+2)` with a step, `1-10 [4]` with a count. For prompts the first value is
    looked for in the prompt, and each of them, the first included, is put in its place. `models` maps names to places.

    Raises:
        InvalidValue: there is no value, too many, or one that the setting cannot have; the text says which.
    """
    if setting == "nothing":
        return [AxisValue("", lambda request: request)]
    pieces = _pieces(text)
    if not pieces:
        raise InvalidValue(f"There is no value for the {_NAMES[setting]}; type some, divided by commas.")
    if setting in {"seed", "steps", "guidance"}:
        values = [_number(setting, value) for piece in pieces for value in _range(piece)]
    elif setting == "scheduler":
        values = [_scheduler(piece) for piece in pieces]
    elif setting == "model":
        values = [_model(piece, models or {}) for piece in pieces]
    else:
        values = _words(setting, pieces)
    if len(values) > MAX_VALUES:
        raise InvalidValue(f"There are {len(values):,} values for the {_NAMES[setting]}; give at most {MAX_VALUES}.")
    return values


def cells(request: GenerateRequest, across: list[AxisValue], down: list[AxisValue]) -> list[Cell]:
    """The pictures of a grid, row by row.

    Raises:
        InvalidValue: they are too many, or a combination cannot be made.
    """
    if len(across) * len(down) > MAX_PICTURES:
        raise InvalidValue(
            f"The grid has {len(across) * len(down):,} pictures; at most {MAX_PICTURES} fit on a sheet; give "
            "fewer values."
        )
    base = replace(request, count=1)
    return [
        Cell(column, row, down_value.change(across_value.change(base)))
        for row, down_value in enumerate(down)
        for column, across_value in enumerate(across)
    ]


_NAMES: dict[str, str] = {
    "prompt": "prompt",
    "negative": "negative prompt",
    "seed": "seed",
    "steps": "steps",
    "guidance": "guidance",
    "scheduler": "scheduler",
    "model": "model",
}


def _pieces(text: str) -> list[str]:
    found = re.findall(r'\s*(?:"((?:[^"]|"")*)"|([^,\n]*))\s*(?:,|\n|$)', text)
    return [
        (quoted.replace('""', '"') if quoted else plain).strip() for quoted, plain in found if quoted or plain.strip()
    ]


def _range(piece: str) -> list[str]:
    match = _RANGE.fullmatch(piece)
    if match is None:
        return [piece]
    first, last = float(match[1]), float(match[2])
    if match[4]:
        count = int(match[4])
        if not 2 <= count <= MAX_VALUES:
            raise InvalidValue(f"The range {piece!r} has {count} values; give 2 to {MAX_VALUES}.")
        return [_plain(first + (last - first) * number / (count - 1)) for number in range(count)]
    step = float(match[3]) if match[3] else 1.0
    if step <= 0 or last < first:
        raise InvalidValue(f"The range {piece!r} leads nowhere; write it as 1-10 (+2), from the smaller to the larger.")
    count = int((last - first) / step + 1e-9) + 1
    if count > MAX_VALUES:
        raise InvalidValue(f"The range {piece!r} has {count:,} values; give at most {MAX_VALUES}.")
    return [_plain(first + step * number) for number in range(count)]


def _plain(value: float) -> str:
    return f"{round(value, 6):g}" if abs(value) < 1e6 else f"{value:.0f}"


def _number(setting: Setting, text: str) -> AxisValue:
    field = "guidance_scale" if setting == "guidance" else setting
    try:
        value: int | float = float(text) if setting == "guidance" else int(text)
    except ValueError:
        whole = "a number" if setting == "guidance" else "a whole number"
        raise InvalidValue(f"The value {text!r} for the {_NAMES[setting]} is not {whole}; correct it.") from None
    LIMITS[field].check(value)
    changes: dict[str, Any] = {field: value}
    return AxisValue(f"{_NAMES[setting]} {text}", lambda request: replace(request, **changes))


def _scheduler(text: str) -> AxisValue:
    try:
        entry, schedule = find_scheduler(text)
    except UnknownName:
        raise InvalidValue(
            f"The scheduler {text[:60]!r} is unknown; choose one from the list beside the values."
        ) from None
    return AxisValue(
        entry.display_name(schedule),
        lambda request: replace(request, scheduler=entry.name, sigma_schedule=schedule),
    )


def _model(text: str, models: dict[str, str]) -> AxisValue:
    place = models.get(text, text)
    return AxisValue(text, lambda request: replace(request, model=place))


def _words(setting: Setting, pieces: list[str]) -> list[AxisValue]:
    field = "prompt" if setting == "prompt" else "negative_prompt"
    sought = pieces[0]

    def change(word: str) -> Callable[[GenerateRequest], GenerateRequest]:
        def changed(request: GenerateRequest) -> GenerateRequest:
            text: str = getattr(request, field)
            if sought not in text:
                raise InvalidValue(
                    f"The {_NAMES[setting]} does not contain {sought!r}, the first value, which the others replace; "
                    "begin with words that are in it."
                )
            changes: dict[str, Any] = {field: text.replace(sought, word)}
            return replace(request, **changes)

        return changed

    return [AxisValue(piece, change(piece)) for piece in pieces]

"""One large picture of many, with the values of both sides written along its edges. No Qt here."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadFile, InvalidValue, KnownError
from engine.messages import Recipe
from engine.metadata import encode_png
from engine.resources_path import resource

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

MAX_SIDE = 30_000
_INK, _PAPER, _QUIET = "#1d1e20", "#ffffff", "#e8e6e2"
_FONTS = ("NotoSans-Regular.ttf", "NotoSansArabic-Regular.ttf")


def make_sheet(
    columns: Sequence[str],
    rows: Sequence[str],
    pictures: Mapping[tuple[int, int], Path],
    messages: Mapping[tuple[int, int], str],
) -> Image:
    """The sheet of the `pictures` at (column, row); where one is missing its message is written instead.

    Labels that are all empty take no room.

    Raises:
        InvalidValue: the sheet would be too large.
        BadFile: a picture cannot be read.
    """
    from PIL import Image
    from PIL.ImageDraw import Draw

    images = {place: _opened(path) for place, path in pictures.items()}
    width = max((image.width for image in images.values()), default=128)
    height = max((image.height for image in images.values()), default=128)
    size = max(min(width, height) // 16, 12)
    gap = size // 2
    top = _label_height(columns, width, size) + 2 * gap if any(columns) else gap
    side = min(_label_width(rows, size), max(width, 160)) + 2 * gap if any(rows) else gap
    whole = (side + len(columns) * (width + gap), top + len(rows) * (height + gap))
    if max(whole) > MAX_SIDE:
        raise InvalidValue(
            f"The sheet would be {whole[0]} × {whole[1]} pixels; give fewer values, or make smaller pictures."
        )
    sheet = Image.new("RGB", whole, _PAPER)
    draw = Draw(sheet)
    for column, label in enumerate(columns):
        _write(draw, label, (side + column * (width + gap), gap, width, top - 2 * gap), size)
    for row, label in enumerate(rows):
        _write(draw, label, (gap, top + row * (height + gap), side - 2 * gap, height), size)
    for row in range(len(rows)):
        for column in range(len(columns)):
            corner = (side + column * (width + gap), top + row * (height + gap))
            image = images.get((column, row))
            if image is not None:
                sheet.paste(image, (corner[0] + (width - image.width) // 2, corner[1] + (height - image.height) // 2))
            else:
                draw.rectangle((*corner, corner[0] + width - 1, corner[1] + height - 1), fill=_QUIET)
                message = messages.get((column, row), "")
                _write(draw, message, (corner[0] + gap, corner[1], width - 2 * gap, height), max(size * 3 // 4, 10))
    return sheet


def save_sheet(sheet: Image, recipe: Recipe, folder: Path, now: datetime) -> Path:
    """Save the sheet in `folder` under a free name, with `recipe` inside; returns its path.

    Raises:
        KnownError: the folder cannot be written to.
    """
    from engine.files import write_atomic

    path, number = folder / f"{now:%Y-%m-%d-%H%M%S}-grid.png", 2
    while path.exists():
        path, number = folder / f"{now:%Y-%m-%d-%H%M%S}-grid-{number}.png", number + 1
    try:
        write_atomic(path, encode_png(sheet, recipe))
    except OSError as error:
        reason = error.strerror or str(error)
        raise KnownError(
            f"The sheet {path} cannot be written ({reason}); free space or choose another folder."
        ) from error
    return path


def _opened(path: Path) -> Image:
    from PIL.Image import open as open_image

    try:
        with open_image(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise BadFile(f"The picture {path} cannot be put on the sheet ({error}); it is damaged or gone.") from error


@functools.lru_cache(maxsize=32)
def _font(size: int, arabic: bool) -> FreeTypeFont | ImageFont:
    from PIL.ImageFont import load_default, truetype

    try:
        return truetype(str(resource("fonts", _FONTS[arabic])), size)
    except (OSError, KnownError):
        return load_default(size)


def _font_for(text: str, size: int) -> FreeTypeFont | ImageFont:
    return _font(size, any("\u0590" <= letter <= "\u08ff" or "\ufb50" <= letter <= "\ufeff" for letter in text))


def _width(text: str, size: int) -> float:
    return _font_for(text, size).getlength(text)


def _label_width(labels: Sequence[str], size: int) -> int:
    return round(max((_width(label, size) for label in labels), default=0))


def _label_height(labels: Sequence[str], width: int, size: int) -> int:
    return max(len(_lines(label, width, size, 3)) for label in labels) * round(size * 1.35)


def _lines(text: str, width: int, size: int, most: int) -> list[str]:
    """`text` in lines no wider than `width`, at most `most` of them; what is left over ends in an ellipsis."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and _width(longer, size) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    lines = [*lines, line] if line else lines
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} …"]
    return [_cut(line, width, size) for line in lines]


def _cut(line: str, width: int, size: int) -> str:
    if _width(line, size) <= width:
        return line
    while line and _width(f"{line}…", size) > width:
        line = line[:-1]
    return f"{line}…"


def _write(draw: ImageDraw, text: str, box: tuple[int, int, int, int], size: int) -> None:
    """Write `text` into the middle of `box` (left, top, width, height)."""
    left, top, width, height = box
    step = round(size * 1.35)
    lines = _lines(text, width, size, max(height // step, 1))
    start = top + (height - step * len(lines)) / 2
    for number, line in enumerate(lines):
        place = (left + width / 2, start + step * (number + 0.5))
        draw.text(place, line, fill=_INK, font=_font_for(line, size), anchor="mm")

"""The chart of a campaign: a bar for each ratio, the spread of its rounds, and what it was to be below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from engine.resources_path import resource
from tests.benchmarks.results import Figure
from tests.benchmarks.timing import digits

# On a ground of its own, so that it reads on a light page and on a dark one.
GROUND, INK, FAINT, RULE = "#f6f7f9", "#1f2328", "#6b7480", "#c9ced6"
BETTER, WORSE, MARK = "#2f6f9f", "#b4552d", "#111111"
SCALE = 2  # drawn at twice the size that it is shown at
WIDTH, ROW, PAD, TOP = 960, 34, 18, 54
LABELS, NUMBERS = 470, 130  # widths of the columns beside the bars
LONGEST = 2.0  # ratios beyond it end at the edge, and their number tells


@dataclass(frozen=True)
class _Scale:
    """Where ratios lie: `left` is 0, `right` is `most`."""

    left: float
    right: float
    most: float

    def place(self, ratio: float) -> float:
        return self.left + (self.right - self.left) * min(ratio, self.most) / self.most


def chart(figures: Sequence[Figure]) -> Image.Image:
    """Return the chart of those `figures` that are ratios, from the top in their order; below 1 ours is better."""
    ratios = [figure for figure in figures if figure.is_ratio]
    height = TOP + ROW * len(ratios) + PAD
    image = Image.new("RGB", (WIDTH * SCALE, height * SCALE), GROUND)
    draw = ImageDraw.Draw(image)
    largest = max((max(figure.values) for figure in ratios), default=1.0)
    scale = _Scale(PAD + LABELS, WIDTH - PAD - NUMBERS, min(max(1.2, largest), LONGEST))
    _text(draw, (PAD, 14), "Ratio to the peer: below 1 is faster, or smaller", INK, size=15, bold=True)
    for tick in (0.0, 0.5, 1.0, 1.5, 2.0):
        if tick <= scale.most:
            _rule(draw, scale.place(tick), height, is_one=tick == 1.0)
            _text(draw, (scale.place(tick), TOP - 18), f"{tick:g}", INK if tick == 1.0 else FAINT, anchor="ma")
    for index, figure in enumerate(ratios):
        _row(draw, TOP + ROW * index + ROW / 2, figure, scale)
    return image


def _row(draw: ImageDraw.ImageDraw, middle: float, figure: Figure, scale: _Scale) -> None:
    for line, dy in zip(_lines(figure.name), (-7, 7) if len(_lines(figure.name)) > 1 else (0,), strict=True):
        _text(draw, (PAD, middle + dy), line, INK, anchor="lm")
    met = figure.median <= (1.0 if figure.bar is None else figure.bar)
    end = scale.place(figure.median)
    _box(draw, (scale.left, middle - 7, max(end, scale.left + 1), middle + 7), BETTER if met else WORSE)
    low, high = scale.place(min(figure.values)), scale.place(max(figure.values))
    _box(draw, (low, middle - 0.75, high, middle + 0.75), MARK)
    for x in (low, high):
        _box(draw, (x - 0.75, middle - 4, x + 0.75, middle + 4), MARK)
    if figure.bar is not None:
        x = scale.place(figure.bar)
        _box(draw, (x - 1, middle - 12, x + 1, middle + 12), FAINT)
    asked = "" if figure.bar is None else f"  (at most {figure.bar:g})"
    _text(draw, (scale.right + 8, middle), f"{digits(figure.median)}{asked}", INK, anchor="lm")


def _lines(name: str) -> list[str]:
    """The name of a figure in one line, or in two: what was measured, and beside what."""
    if _font(12).getlength(name) <= LABELS - 12:
        return [name]
    head, _, tail = name.rpartition(": ")
    return [head, tail] if head else [name]


def _rule(draw: ImageDraw.ImageDraw, x: float, height: float, *, is_one: bool) -> None:
    half = 1.0 if is_one else 0.5
    _box(draw, (x - half, TOP, x + half, height - PAD / 2), INK if is_one else RULE)


def _box(draw: ImageDraw.ImageDraw, corners: tuple[float, float, float, float], colour: str) -> None:
    draw.rectangle([round(corner * SCALE) for corner in corners], fill=colour)


def _text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    colour: str,
    *,
    size: int = 12,
    bold: bool = False,
    anchor: str = "la",
) -> None:
    x, y = place
    draw.text((x * SCALE, y * SCALE), text, fill=colour, font=_font(size * SCALE, bold), anchor=anchor)


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(resource("fonts", f"NotoSans-{'SemiBold' if bold else 'Regular'}.ttf")), size)

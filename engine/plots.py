"""Pictures drawn with Pillow: curves with axes and a legend, and grids of images."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from engine.files import write_atomic

Points = Sequence[tuple[float, float]]

INK, GRID = "#222222", "#dddddd"
COLOURS = (
    "#1f5fbf", "#d9480f", "#2b8a3e", "#862e9c", "#c92a2a", "#0b7285", "#e67700", "#5f3dc4", "#495057", "#a61e4d",
)  # fmt: skip
MARGIN = (70, 34, 30, 46)  # leading, top, trailing (and the legend), bottom
LINE = 15  # of text, in pixels


def save_image(image: Image.Image, path: Path) -> None:
    """Write `image` as PNG, whole or not at all."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_atomic(path, buffer.getvalue())


def image_grid(images: Sequence[Image.Image], columns: int, labels: Sequence[str] = (), gap: int = 4) -> Image.Image:
    """Return `images` (of one size) in rows of `columns`, with `labels` under them where given."""
    width, height = images[0].size
    text = 14 if labels else 0
    rows = math.ceil(len(images) / columns)
    grid = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + text + gap) + gap), "white")
    draw = ImageDraw.Draw(grid)
    for i, image in enumerate(images):
        x, y = gap + (i % columns) * (width + gap), gap + (i // columns) * (height + text + gap)
        grid.paste(image, (x, y))
        if labels:
            draw.text((x, y + height + 1), labels[i][: width // 6], fill=INK)
    return grid


def stack(images: Sequence[Image.Image]) -> Image.Image:
    """Return `images`, one under the other."""
    whole = Image.new("RGB", (max(image.width for image in images), sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        whole.paste(image, (0, top))
        top += image.height
    return whole


@dataclass(frozen=True)
class Axis:
    """A range of values along `length` pixels from `start`, evenly or logarithmically."""

    low: float
    high: float
    start: float
    length: float
    logarithmic: bool

    def place(self, value: float) -> float:
        """Return the pixel of `value`."""
        return self.start + self.length * (self._scale(value) - self._scale(self.low)) / self._span

    def ticks(self) -> Iterator[tuple[float, float]]:
        """Yield round values and their pixels: powers of ten, over few of them also their double and fivefold."""
        round_values = [10.0**power * digit for power in range(-12, 13) for digit in (1, 2, 5)]
        if self.logarithmic:
            values = round_values[::3] if self._span > math.log(1000) else round_values
        else:
            step = next((value for value in round_values if self._span / value <= 6), self._span)
            first = math.ceil(self.low / step - 1e-9)
            values = [(first + i) * step for i in range(8)]
        edge = 1e-9 * abs(self.high)
        for value in values:
            if self.low - edge <= value <= self.high + edge:
                yield value, self.place(value)

    def shows(self, value: float) -> bool:
        """Whether `value` has a place: it is a number, and positive on a logarithmic axis."""
        return math.isfinite(value) and (value > 0 or not self.logarithmic)

    def _scale(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value

    @property
    def _span(self) -> float:
        return self._scale(self.high) - self._scale(self.low) or 1.0


def line_plot(
    curves: Mapping[str, Points],
    title: str,
    x_label: str,
    log_x: bool = False,
    log_y: bool = False,
    size: tuple[int, int] = (900, 420),
) -> Image.Image:
    """Return a plot of `curves` (label -> points); points that an axis cannot show are left out."""
    # Grows with the legend, so that every curve keeps its name.
    width, height = size[0], max(size[1], MARGIN[1] + MARGIN[3] + LINE * len(curves))
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(12)
    draw.text((MARGIN[0], 10), title, fill=INK, font=font)
    points = [point for curve in curves.values() for point in curve]
    legend = max(map(font.getlength, curves), default=0)
    left, right, top, bottom = MARGIN[0], width - MARGIN[2] - legend, MARGIN[1], height - MARGIN[3]
    across = _axis([x for x, _ in points], left, right - left, log_x)
    up = _axis([y for _, y in points], bottom, top - bottom, log_y)
    for value, x in across.ticks():
        draw.text((x - 10, bottom + 8), f"{value:.4g}", fill=INK, font=font)
    for value, y in up.ticks():
        draw.line((left, y, right, y), fill=GRID)
        draw.text((6, y - 7), f"{value:.3g}", fill=INK, font=font)
    draw.text(((left + right) / 2 - 3 * len(x_label), bottom + 26), x_label, fill=INK, font=font)
    for i, (label, curve) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        shown = [(across.place(x), up.place(y)) for x, y in curve if across.shows(x) and up.shows(y)]
        draw.line(shown, fill=colour, width=2)
        for x, y in shown:
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
        draw.text((right + 12, top + LINE * i), label, fill=colour, font=font)
    return image


def _axis(values: Sequence[float], start: float, length: float, logarithmic: bool) -> Axis:
    usable = [value for value in values if math.isfinite(value) and (value > 0 or not logarithmic)] or [1.0]
    return Axis(min(usable), max(usable), start, length, logarithmic)

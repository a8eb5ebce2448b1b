"""The loss curve of a run, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from engine.plots import GRID, INK, save_image

SIZE = (900, 420)
MARGIN = (70, 34, 20, 40)  # leading, top, trailing, bottom
RAW, SMOOTH = "#b7cdf0", "#1f5fbf"
POINTS = 600  # more than this cannot be told apart in the picture


def save_loss_curve(losses: Sequence[float], path: Path, title: str = "loss") -> None:
    """Draw the loss of every step (pale: means of short spans; dark: moving average), logarithmic upwards."""
    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN[0], 10), f"{title}, {len(losses):,} steps", fill=INK)
    spans = _spans(losses)
    finite = [value for _, value in spans if math.isfinite(value) and value > 0]
    if finite:
        _draw_curve(draw, spans, min(finite), max(finite), len(losses))
    save_image(image, path)


def _draw_curve(
    draw: ImageDraw.ImageDraw, spans: Sequence[tuple[float, float]], low: float, high: float, steps: int
) -> None:
    left, top, right, bottom = MARGIN[0], MARGIN[1], SIZE[0] - MARGIN[2], SIZE[1] - MARGIN[3]
    log_low, log_high = math.log(low), math.log(max(high, low * 1.01))

    def place(step: float, value: float) -> tuple[float, float]:
        share = (math.log(value) - log_low) / (log_high - log_low)
        return left + (right - left) * step / max(1, steps), bottom - (bottom - top) * share

    for i in range(5):
        value = math.exp(log_low + (log_high - log_low) * i / 4)
        _, y = place(0, value)
        draw.line((left, y, right, y), fill=GRID)
        draw.text((6, y - 6), f"{value:.4g}", fill=INK)
        x, _ = place(steps * i / 4, low)
        draw.text((x - 12, bottom + 10), f"{steps * i // 4:,}", fill=INK)
    usable = [(step, value) for step, value in spans if math.isfinite(value) and value > 0]
    draw.line([place(*point) for point in usable], fill=RAW, width=1)
    draw.line([place(*point) for point in _smooth(usable)], fill=SMOOTH, width=2)


def _spans(losses: Sequence[float]) -> list[tuple[float, float]]:
    """Return (middle step, mean loss) of at most `POINTS` equal spans."""
    size = max(1, math.ceil(len(losses) / POINTS))
    cuts = range(0, len(losses), size)
    return [(cut + size / 2, math.fsum(losses[cut : cut + size]) / len(losses[cut : cut + size])) for cut in cuts]


def _smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    smoothed: list[tuple[float, float]] = []
    mean = points[0][1]
    for i, (step, value) in enumerate(points):
        mean += max(0.05, 1 / (i + 1)) * (value - mean)
        smoothed.append((step, mean))
    return smoothed

"""Plots are read by people: axes have round numbers, every curve its name, and what has no place is left out."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from PIL import Image

from engine.plots import COLOURS, Axis, line_plot, save_image, stack


@pytest.mark.parametrize(
    ("low", "high", "logarithmic", "expected"),
    [
        (0, 999, False, [0, 200, 400, 600, 800]),
        (0, 19.5, False, [0, 5, 10, 15]),
        (-0.4, 0.4, False, [-0.4, -0.2, 0, 0.2, 0.4]),
        (0.03, 14.6, True, [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]),
        (1e-6, 0.5, True, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
        (3, 3, False, [3]),
    ],
)
def test_ticks_are_round_values(low: float, high: float, logarithmic: bool, expected: list[float]) -> None:
    axis = Axis(low, high, 100, 500, logarithmic)
    assert [value for value, _ in axis.ticks()] == pytest.approx(expected)
    assert all(100 - 1e-6 <= place <= 600 + 1e-6 for _, place in axis.ticks())


def test_places_lie_between_the_ends() -> None:
    assert [Axis(0, 10, 50, 200, False).place(value) for value in (0, 5, 10)] == [50, 150, 250]
    assert [Axis(1, 100, 300, -200, True).place(value) for value in (1, 10, 100)] == pytest.approx([300, 200, 100])


def colours(image: Image.Image) -> set[tuple[int, ...]]:
    return {colour for _, colour in image.getcolors(1 << 20) or ()}


def rgb(text: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(text.removeprefix("#")))


def test_every_curve_is_drawn_in_its_colour() -> None:
    image = line_plot({"one": [(0, 1), (1, 10)], "other": [(0, 10), (1, 1)]}, "title", "step", log_y=True)
    assert {rgb(COLOURS[0]), rgb(COLOURS[1])} <= colours(image)
    assert rgb(COLOURS[2]) not in colours(image)


def test_what_has_no_place_is_left_out() -> None:
    points = [(0.0, 1.0), (1.0, 0.1)]
    impossible = [(2.0, 0.0), (2.0, math.nan), (2.0, -1.0), (2.0, math.inf)]
    plain = line_plot({"one": points}, "title", "step", log_y=True)
    assert line_plot({"one": points + impossible[:1]}, "title", "step", log_y=True).size == plain.size
    assert colours(line_plot({"none": impossible}, "title", "step", log_y=True)) >= {rgb(COLOURS[0])}  # its name
    assert line_plot({}, "title", "step").size == plain.size


def test_a_long_legend_makes_the_picture_taller(tmp_path: Path) -> None:
    image = line_plot({f"curve {i}": [(0, i), (1, i)] for i in range(60)}, "title", "step")
    assert image.height > 60 * 15
    both = stack([image, image])
    assert both.size == (image.width, 2 * image.height)
    save_image(both, tmp_path / "both.png")
    with Image.open(tmp_path / "both.png") as read:
        assert read.size == both.size

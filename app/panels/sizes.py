"""Sizes of pictures in usual shapes, with about as many pixels as a model was trained with."""

from __future__ import annotations

from math import sqrt

SHAPES = ((1, 1), (5, 4), (4, 3), (3, 2), (16, 9), (21, 9), (4, 5), (3, 4), (2, 3), (9, 16))


def sizes_like(width: int, height: int, multiple: int) -> list[tuple[str, tuple[int, int]]]:
    """Label and (width, height) of each shape, sides rounded to `multiple` (to 64 for large models, as usual)."""
    pixels = width * height
    grid = 64 if pixels >= 512 * 512 and 64 % multiple == 0 else multiple
    sizes: list[tuple[str, tuple[int, int]]] = []
    for across, down in SHAPES:
        unit = sqrt(pixels / (across * down))
        size = (max(round(unit * across / grid), 1) * grid, max(round(unit * down / grid), 1) * grid)
        if size not in [known for _, known in sizes]:
            sizes.append((f"{across}:{down}", size))
    return sizes

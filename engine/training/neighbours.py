"""Further captions of a training set, each with the images that it may mean: words that no caption has.

A file has one JSON object a line: `caption`, `images` (rows of the list of captioned images, as many in every line) and
`shares` (how likely each of them is). `engine.training.data.neighbours` makes one from a sentence encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from engine.config import fits
from engine.errors import BadFile, MissingFile
from engine.training.dataset import read_objects


@dataclass(frozen=True)
class Neighbours:
    """Captions with the images that they may mean.

    Attributes:
        captions: the texts.
        images: (captions, images each), rows of the list of captioned images.
        shares: the same shape, sums of 1.
    """

    captions: list[str]
    images: NDArray[np.int64]
    shares: NDArray[np.float64]

    def draw(
        self, which: NDArray[np.float64], what: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (captions, images) as numbers for as many uniform chances of either, from 0 to 1."""
        captions = (which * len(self.captions)).astype(np.int64)
        places = (self.shares[captions].cumsum(axis=1) <= what[:, None]).sum(axis=1)
        return captions, self.images[captions, places.clip(max=self.shares.shape[1] - 1)]


def read_neighbours(path: Path, images: int) -> Neighbours:
    """Read the file at `path`, for a list of `images` images; `MissingFile`, or `BadFile` naming the line."""
    if not path.is_file():
        raise MissingFile(f"The list of further captions {path} is missing; make it, or leave neighbours out.")
    rows = [(where, _row(where, content, images)) for where, content in read_objects(path)]
    if not rows:
        raise BadFile(f"{path} has no captions; make it again, or leave neighbours out.")
    width = len(rows[0][1][1])
    for where, (_, meant, _) in rows:
        if len(meant) != width:
            raise BadFile(
                f"{where}: it has {len(meant)} images, and the first line has {width}: all must have as many."
            )
    shares = np.array([row[2] for _, row in rows], dtype=np.float64)
    return Neighbours(
        [row[0] for _, row in rows],
        np.array([row[1] for _, row in rows], dtype=np.int64),
        shares / shares.sum(axis=1, keepdims=True),
    )


def _row(where: str, content: dict[str, Any], images: int) -> tuple[str, list[int], list[float]]:
    caption = content.get("caption")
    meant, shares = (cast("list[Any]", content.get(key)) for key in ("images", "shares"))
    if not isinstance(caption, str):
        raise BadFile(f'{where}: needs "caption", a text, and has {caption!r}.')
    if not (meant and fits(meant, list[int]) and all(0 <= one < images for one in meant)):
        raise BadFile(f'{where}: needs "images", numbers from 0 to {images - 1}, and has {meant!r}.')
    good = fits(shares, list[float]) and all(0 <= one <= 1 for one in shares)
    if not (good and len(shares) == len(meant) and sum(shares) > 0):
        raise BadFile(f'{where}: needs "shares", a number from 0 to 1 for each image, not all 0, and has {shares!r}.')
    return caption, meant, shares

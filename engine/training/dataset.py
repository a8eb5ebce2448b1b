"""Captioned images: a folder in, pixels and captions out, errors that name the file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from engine.errors import BadFile, InvalidValue, MissingFile

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"})
CAPTIONS, PIXELS = "captions.jsonl", "images.npy"


@dataclass(frozen=True)
class CaptionedImage:
    """One image file with the captions it may be shown with; `style` may be empty."""

    path: Path
    captions: tuple[str, ...]
    style: str = ""


@dataclass(frozen=True)
class CaptionedImages:
    """A training set.

    Attributes:
        items: the images in their order.
        pixels: (items, resolution, resolution, 3), uint8.
    """

    items: tuple[CaptionedImage, ...]
    pixels: NDArray[np.uint8]

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return int(self.pixels.shape[1])

    def weights(self, style_weights: Mapping[str, float]) -> NDArray[np.float64]:
        """Return how often each image is shown relative to others, by its style (1 where none is given).

        Raises `InvalidValue` for a style that no image has.
        """
        styles = Counter(item.style for item in self.items)
        unknown = sorted(set(style_weights) - set(styles))
        if unknown:
            known = ", ".join(repr(style) for style in sorted(styles))
            raise InvalidValue(f"style_weights names {unknown[0]!r}, but the images have the styles {known}.")
        return np.array([style_weights.get(item.style, 1.0) for item in self.items], dtype=np.float64)


def load_images(source: str | Path, resolution: int) -> CaptionedImages:
    """Read captioned images from a folder, or from a list of files in the form of `captions.jsonl`.

    A folder has `captions.jsonl`, one object a line: `file` (relative to it), `captions` (a list) or `caption`, and
    `style` if there are several; or else every image has its captions beside it in a text file of the same name, one
    a line. `images.npy` in the folder, uint8 (images, resolution, resolution, 3) in the same order, spares decoding.
    Other images are put on white, cropped to a centred square and resized.
    Raises `MissingFile` or `BadFile` with the file (and line) that is wrong.
    """
    items = read_items(Path(source))
    folder = Path(source) if Path(source).is_dir() else Path(source).parent
    pixels = _stored_pixels(folder / PIXELS, len(items), resolution) if (folder / PIXELS).is_file() else None
    if pixels is None:
        pixels = np.stack([read_pixels(item.path, resolution) for item in items])
    return CaptionedImages(items, pixels)


def read_items(source: Path) -> tuple[CaptionedImage, ...]:
    """Return the files and captions of `source`, without reading a pixel."""
    if not source.exists():
        raise MissingFile(f"{source} is missing; give a folder of captioned images, or a list such as {CAPTIONS}.")
    listing = source / CAPTIONS if source.is_dir() else source
    items = _listed(listing) if listing.is_file() else _beside(source)
    if not items:
        raise MissingFile(f"{source} has no captioned images; it needs {CAPTIONS}, or a .txt beside each image.")
    return items


def _read_objects(listing: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where it stands, the object) of each line of `listing` that is not empty; an odd one is a `BadFile`."""
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise BadFile(f"{listing} is not a text file; it must have one JSON object a line.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{listing}, line {number}"
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadFile(f"{where}: not valid JSON ({error.msg}).") from error
        if not isinstance(entry, dict):
            raise BadFile(f"{where}: needs a JSON object, and has {entry!r}.")
        yield where, cast("dict[str, Any]", entry)


def _listed(listing: Path) -> tuple[CaptionedImage, ...]:
    return tuple(_item(listing, where, content) for where, content in _read_objects(listing))


def _item(listing: Path, where: str, content: dict[str, Any]) -> CaptionedImage:
    if not isinstance(content.get("file"), str):
        raise BadFile(f'{where}: needs an object with "file", the path of an image.')
    captions = content.get("captions", [content["caption"]] if "caption" in content else None)
    if (
        not isinstance(captions, list)
        or not captions
        or not all(isinstance(text, str) for text in cast("list[Any]", captions))
    ):
        raise BadFile(f'{where}: needs "captions", a list of at least one text, and has {captions!r}.')
    style = content.get("style", "")
    if not isinstance(style, str):
        raise BadFile(f'{where}: "style" must be a text, and is {style!r}.')
    path = listing.parent / content["file"]
    if not path.is_file():
        raise MissingFile(f"{where}: the image {path} is missing.")
    return CaptionedImage(path, tuple(cast("list[str]", captions)), style)


def _beside(folder: Path) -> tuple[CaptionedImage, ...]:
    if not folder.is_dir():
        raise BadFile(f"{folder} is neither a folder nor a list of captioned images.")
    items: list[CaptionedImage] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            text = path.with_suffix(".txt")
            if not text.is_file():
                raise MissingFile(f"{text} is missing: {path.name} needs its caption in it.")
            captions = tuple(line.strip() for line in text.read_text(encoding="utf-8").splitlines() if line.strip())
            if not captions:
                raise BadFile(f"{text} is empty: {path.name} needs its caption in it.")
            items.append(CaptionedImage(path, captions))
    return tuple(items)


def _stored_pixels(path: Path, count: int, resolution: int) -> NDArray[np.uint8] | None:
    """Return the array in `path`, read where it is mapped; None when it has another resolution."""
    try:
        pixels = np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise BadFile(f"{path} is not a NumPy array; delete it, and the image files are read.") from error
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3 or len(pixels) != count:  # noqa: PLR2004
        raise BadFile(
            f"{path} has the shape {list(pixels.shape)} and type {pixels.dtype}, and {count} images of uint8 "
            "(height, width, 3) are listed; delete it, and the image files are read."
        )
    return pixels if pixels.shape[1:3] == (resolution, resolution) else None


def read_pixels(path: Path, resolution: int) -> NDArray[np.uint8]:
    """Return the image on white, its centred square resized: (resolution, resolution, 3)."""
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise BadFile(f"{path} cannot be read as an image ({error}).") from error
    canvas = Image.new("RGBA", image.size, "white")
    canvas.alpha_composite(image)
    square = ImageOps.fit(canvas.convert("RGB"), (resolution, resolution), Image.Resampling.LANCZOS)
    return np.asarray(square, dtype=np.uint8)


class Order:
    """The order in which items are shown: every epoch a new permutation, in which item i stands weights[i] times.

    A function of (seed, epoch) alone, so that a resumed run goes on where it was. Fractions are evened out by
    systematic resampling: over epochs each item is shown as often as its weight says.
    """

    def __init__(self, weights: NDArray[np.float64], seed: int) -> None:
        total = float(weights.sum())
        if weights.min(initial=0.0) < 0 or total <= 0:
            raise InvalidValue("sampling weights cannot be negative, and one at least must be above 0.")
        self.length = max(1, round(total))
        self._edges = np.cumsum(weights) * (self.length / total)
        self._seed = seed
        self._epoch = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def take(self, start: int, count: int) -> NDArray[np.int64]:
        """Return items `start` to `start + count` of the endless sequence of epochs."""
        positions = np.arange(start, start + count)
        epochs = positions // self.length
        parts = [self._order_of(int(epoch))[positions[epochs == epoch] % self.length] for epoch in np.unique(epochs)]
        return np.concatenate(parts)

    def _order_of(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            chance = np.random.default_rng((self._seed, epoch))
            shifted = np.floor(self._edges + chance.random() - 1e-9).astype(np.int64)
            counts = np.diff(shifted, prepend=0)
            self._permutation = chance.permutation(np.repeat(np.arange(len(counts)), counts))
            self._epoch = epoch
        return self._permutation


def to_tensor_range(pixels: NDArray[np.uint8] | Sequence[NDArray[np.uint8]]) -> Any:
    """Return pixels (batch, height, width, 3) as a float tensor (batch, 3, height, width) in [-1, 1]."""
    import torch

    # The permuted view is channels-last already, which convolutions want.
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)

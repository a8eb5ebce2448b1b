"""Pictures of the packages as square RGB arrays on white."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.errors import BadFile, MissingDependency

OVERSAMPLING = 2
ICONIFY_BOX = {"left": 0, "top": 0, "width": 16, "height": 16}
Pixels = NDArray[np.uint8]


def on_white(image: Image.Image, size: int) -> Pixels:
    """Lay a picture with transparency on white and scale it to `size`; gives uint8 [size, size, 3].

    White is laid under first: compositing and resampling are linear, so this equals resampling premultiplied
    alpha, and no colour of a transparent pixel can bleed in. A picture that is not square is centred.
    """
    image = image.convert("RGBA")
    side = max(image.size)
    ground = Image.new("RGBA", (side, side), "white")
    ground.alpha_composite(image, ((side - image.width) // 2, (side - image.height) // 2))
    return np.asarray(ground.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))


def rasterise_file(file: BinaryIO, size: int) -> Pixels:
    """A WebP or PNG file as uint8 [size, size, 3]."""
    with Image.open(file) as image:
        return on_white(image, size)


def rasterise_svg(svg: str, size: int) -> Pixels:
    """An SVG document as uint8 [size, size, 3], antialiased.

    Needs resvg (QtSvg knows neither clip paths nor nested symbols, which spoiled 60 of 3,200 icons).
    Raises `BadFile` for a broken SVG.
    """
    try:
        import resvg_py
    except ImportError as error:
        raise MissingDependency(
            f"Drawing SVG icons needs resvg ({error}); install it with `pip install resvg-py`."
        ) from error
    side = size * OVERSAMPLING
    try:
        png = resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side)
    except ValueError as error:
        raise BadFile(f"This SVG cannot be drawn ({error}): {svg[:120]}...") from error
    return rasterise_file(io.BytesIO(bytes(png)), size)


def iconify_svg(collection: dict[str, Any], name: str) -> str:
    """The SVG document of one icon of an Iconify collection (its `icons.json`)."""
    icon = collection["icons"][name]
    box = [icon.get(key, collection.get(key, default)) for key, default in ICONIFY_BOX.items()]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{" ".join(map(str, box))}">{icon["body"]}</svg>'
    )

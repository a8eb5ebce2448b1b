"""Pictures and masks that a user hands over, as the tensors that pipelines work on.

A picture is a PIL image, an array (height, width, channels), a tensor (channels, height, width), or a batch or list of
these. Numbers go from 0 to 1. A tensor with as many channels as latents have is taken for latents.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, cast

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.errors import InvalidValue
from engine.images import normalize, numpy_to_pt, pil_to_numpy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    ImageInput = Image.Image | npt.NDArray[Any] | Tensor | list[Image.Image] | list[npt.NDArray[Any]] | list[Tensor]
    Box = tuple[int, int, int, int]

logger = logging.getLogger(__name__)

Resample = Literal["lanczos", "bicubic"]


@dataclass(frozen=True)
class Reading:
    """How pictures are read: `what` names them in errors, sides are multiples of `scale`."""

    what: str
    scale: int
    height: int | None = None
    width: int | None = None
    latent_channels: int | None = None
    crop: Box | None = None
    resample: Resample = "lanczos"

    def sides(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width that a picture of `height` x `width` gets."""
        scale = self.scale
        sides = (self.height or height) // scale * scale, (self.width or width) // scale * scale
        if not all(sides):
            raise InvalidValue(f"{self.what} has {width} x {height} pixels; it needs at least {scale} each way.")
        return sides


def image_tensor(
    image: Any,
    scale: int,
    *,
    height: int | None = None,
    width: int | None = None,
    latent_channels: int | None = None,
    crop: Box | None = None,
    resample: Resample = "lanczos",
) -> Tensor:
    """Return pictures as (batch, 3, height, width) in [-1, 1], or latents as they are.

    Sides are those asked for, or the picture's own, rounded down to multiples of `scale`. `crop` (left, top, right,
    bottom), for PIL images, is cut out first and then fitted in with its aspect ratio kept. Raises `InvalidValue` for
    what is no picture.
    """
    ways = Reading("image", scale, height, width, latent_channels, crop, resample)
    pixels = _pixels(image, ways, lambda one: one.convert("RGB"))
    if latent_channels is not None and isinstance(_first(image), Tensor) and pixels.shape[1] == latent_channels:
        return pixels
    if pixels.shape[1] != 3:
        raise InvalidValue(f"the image has {pixels.shape[1]} channels; give red, green and blue.")
    if pixels.min() < 0:
        logger.warning("the image has values below 0, so that it is taken to go from -1 to 1; give 0 to 1")
        return pixels
    return normalize(pixels)


def mask_tensor(
    mask: Any, scale: int, *, height: int | None = None, width: int | None = None, crop: Box | None = None
) -> Tensor:
    """Return masks as (batch, 1, height, width) of 0 (keep) and 1 (paint anew); the arguments are as for pictures."""
    if isinstance(mask, Tensor) and mask.ndim == 3:
        mask = mask.unsqueeze(1)
    elif not isinstance(mask, list) and _is_array(mask) and mask.ndim == 3:
        mask = mask[None] if mask.shape[-1] == 1 else mask[..., None]
    values = _pixels(mask, Reading("mask_image", scale, height, width, None, crop), lambda one: one.convert("L"))
    if values.shape[1] != 1:
        raise InvalidValue(f"the mask_image has {values.shape[1]} channels; give one, white where to paint.")
    return (values >= 0.5).to(values.dtype)


def _pixels(image: Any, ways: Reading, convert: Callable[[Image.Image], Image.Image]) -> Tensor:
    what = ways.what
    if isinstance(image, list) and not image:
        raise InvalidValue(f"the list of {what} is empty; give at least one picture.")
    images: list[Any] = cast("list[Any]", image) if isinstance(image, list) else [image]
    if all(_is_pil(one) for one in images):
        # Cut, then scaled, then converted: filters see the colours, or the palette, that the file has.
        cut = images if ways.crop is None else [one.crop(ways.crop) for one in images]
        height, width = ways.sides(cut[0].height, cut[0].width)
        fit = functools.partial(_resized, resample=ways.resample) if ways.crop is None else resize_and_fill
        return numpy_to_pt(pil_to_numpy([convert(fit(one, width, height)) for one in cut]))
    if ways.crop is not None:
        raise InvalidValue(f"padding_mask_crop needs PIL images, but {what} is a {type(images[0]).__name__}.")
    pixels = _joined(what, images)
    if ways.latent_channels is not None and isinstance(images[0], Tensor) and pixels.shape[1] == ways.latent_channels:
        return pixels
    rows, columns = pixels.shape[2:]
    return interpolate(pixels, size=ways.sides(rows, columns))


def _joined(what: str, images: list[Any]) -> Tensor:
    """Return arrays or tensors, single pictures or batches of them, as one batch (batch, channels, height, width)."""
    arrays, tensors = all(_is_array(one) for one in images), all(isinstance(one, Tensor) for one in images)
    if not (arrays or tensors) or any(one.ndim not in (2, 3, 4) for one in images):
        raise InvalidValue(
            f"{what} cannot be {_described(images[0])}; give a PIL image, an array or a tensor, or a list of one kind."
        )
    if len({one.shape[-3:] for one in images}) > 1:
        raise InvalidValue(
            f"the pictures of {what} have the shapes {[tuple(one.shape) for one in images]}; give one size."
        )
    if arrays:
        import numpy as np

        batch = np.concatenate(images) if images[0].ndim == 4 else np.stack(images)
        pixels = numpy_to_pt(batch)
    else:
        pixels = torch.cat(images) if images[0].ndim == 4 else torch.stack(images)
    if not pixels.is_floating_point():
        raise InvalidValue(f"{what} has whole numbers ({pixels.dtype}); give numbers from 0 to 1, or a PIL image.")
    return pixels.unsqueeze(1) if pixels.ndim == 3 else pixels


def _first(image: Any) -> Any:
    return cast("list[Any]", image)[0] if isinstance(image, list) else image


def _is_pil(value: Any) -> TypeGuard[Image.Image]:
    return hasattr(value, "getbbox") and hasattr(value, "convert")


def _is_array(value: Any) -> TypeGuard[npt.NDArray[np.generic]]:
    return hasattr(value, "__array_interface__") and hasattr(value, "ndim") and not _is_pil(value)


def _described(value: Any) -> str:
    return f"a {type(value).__name__}{list(value.shape) if hasattr(value, 'shape') else ''}"


# --------------------------------------------------------------------------------------------------- fitting in


def _resized(image: Image.Image, width: int, height: int, resample: Resample) -> Image.Image:
    from PIL import Image

    return image.resize((width, height), resample=Image.Resampling[resample.upper()])


def resize_and_fill(image: Image.Image, width: int, height: int) -> Image.Image:
    """Return `image` scaled to fit into `width` x `height`, in the middle; what is left shows its outermost lines."""
    from PIL import Image

    wider = width / height < image.width / image.height
    inner = (width, image.height * width // image.width) if wider else (image.width * height // image.height, height)
    scaled = image.resize(inner, resample=Image.Resampling.LANCZOS)
    result = Image.new("RGB", (width, height))
    left, top = width // 2 - inner[0] // 2, height // 2 - inner[1] // 2
    result.paste(scaled, box=(left, top))
    if wider and top > 0:
        result.paste(scaled.resize((width, top), box=(0, 0, width, 0)), box=(0, 0))
        result.paste(scaled.resize((width, top), box=(0, inner[1], width, inner[1])), box=(0, top + inner[1]))
    elif not wider and left > 0:
        result.paste(scaled.resize((left, height), box=(0, 0, 0, height)), box=(0, 0))
        result.paste(scaled.resize((left, height), box=(inner[0], 0, inner[0], height)), box=(left + inner[0], 0))
    return result


def resize_and_crop(image: Image.Image, width: int, height: int) -> Image.Image:
    """Return the middle of `image` scaled to cover `width` x `height`."""
    from PIL import Image

    wider = width / height > image.width / image.height
    outer = (width, image.height * width // image.width) if wider else (image.width * height // image.height, height)
    scaled = image.resize(outer, resample=Image.Resampling.LANCZOS)
    result = Image.new("RGB", (width, height))
    result.paste(scaled, box=(width // 2 - outer[0] // 2, height // 2 - outer[1] // 2))
    return result


def crop_region(mask: Image.Image, width: int, height: int, padding: int) -> Box:
    """Return the rectangle (left, top, right, bottom) around the white of `mask`, with `padding` pixels around it.

    It is widened to the aspect ratio `width` / `height` as far as the picture goes. Raises `InvalidValue` for a mask
    without any white.
    """
    box = mask.convert("L").getbbox()
    if box is None:
        raise InvalidValue("the mask_image is black all over, so that there is nothing to cut out; paint some white.")
    left, top = max(box[0] - padding, 0), max(box[1] - padding, 0)
    right, bottom = min(box[2] + padding, mask.width), min(box[3] + padding, mask.height)
    if (right - left) / (bottom - top) > width / height:
        top, bottom = _widened(top, bottom, int((right - left) / (width / height) - (bottom - top)), mask.height)
    else:
        left, right = _widened(left, right, int((bottom - top) * (width / height) - (right - left)), mask.width)
    return left, top, right, bottom


def _widened(start: int, end: int, more: int, limit: int) -> tuple[int, int]:
    """Return the range widened by `more` on both sides alike, moved back into [0, limit] and cut there."""
    start, end = start - more // 2, end + more - more // 2
    if end >= limit:
        start, end = start - (end - limit), limit
    if start < 0:
        start, end = 0, end - start
    return start, min(end, limit)


def overlay(mask: Image.Image, original: Image.Image, painted: Image.Image, box: Box) -> Image.Image:
    """Return `original` with `painted`, scaled to `box`, where `mask` is white."""
    from PIL import Image, ImageOps

    kept = Image.new("RGBa", original.size)
    kept.paste(original.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask.convert("L")))
    result = Image.new("RGBA", original.size)
    result.paste(resize_and_crop(painted, box[2] - box[0], box[3] - box[1]), box[:2])
    # Through RGB, so that where nothing was painted is opaque black below the original.
    result = result.convert("RGB").convert("RGBA")
    result.alpha_composite(kept.convert("RGBA"))
    return result.convert("RGB")

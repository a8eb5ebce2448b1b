"""Inputs of inpainting: what is kept, what is painted anew, and what the UNet is shown of it. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.errors import InvalidValue
from engine.pipelines.image_input import crop_region, image_tensor, mask_tensor, overlay
from engine.pipelines.latents import check_generators, encode_images, for_each_image, for_rows, noise_or_given
from engine.rng import Generators

if TYPE_CHECKING:
    from engine.pipelines.image_input import Box


@dataclass(frozen=True, eq=False)
class Inpainting:
    """Pixels of one call.

    Attributes:
        image: (images, 3, height, width) in [-1, 1], or latents.
        mask: (images, 1, height, width), 1 where to paint.
        box: what was cut out of the picture, (left, top, right, bottom); None for the whole picture.
    """

    image: Tensor
    mask: Tensor
    box: Box | None


@dataclass(frozen=True, eq=False)
class InpaintingLatents:
    """The same as latents, for each image of the run.

    Attributes:
        first: what denoising starts from.
        noise: the noise in it.
        original: latents of the image, None for a UNet that sees the masked image itself.
        mask: (images, 1, rows, columns).
        masked: latents of the image without what is painted, None if there is no such image.
    """

    first: Tensor
    noise: Tensor
    original: Tensor | None
    mask: Tensor
    masked: Tensor | None

    def carried(self) -> dict[str, Tensor]:
        """Return what a run that goes on from a later step needs of these."""
        named = {"noise": self.noise, "original": self.original, "mask": self.mask, "masked": self.masked}
        return {name: tensor for name, tensor in named.items() if tensor is not None}

    @classmethod
    def resumed(cls, latents: Tensor, carried: Mapping[str, Tensor]) -> InpaintingLatents | None:
        """Return these as an earlier run had them; None if it did not keep them."""
        if not {"noise", "mask"} <= carried.keys():
            return None
        return cls(latents, carried["noise"], carried.get("original"), carried["mask"], carried.get("masked"))


def check_inpainting(image: Any, mask_image: Any, padding_mask_crop: int | None, output_type: str) -> None:
    """Raise `InvalidValue` where picture and mask are missing, or cannot be cut as `padding_mask_crop` asks."""
    for name, value in (("image", image), ("mask_image", mask_image)):
        if value is None:
            raise InvalidValue(f"inpainting needs the {name}; give one.")
        if padding_mask_crop is not None and not hasattr(value, "getbbox"):
            raise InvalidValue(f"padding_mask_crop needs a PIL image, but {name} is a {type(value).__name__}.")
    if padding_mask_crop is not None and output_type != "pil":
        raise InvalidValue(f"padding_mask_crop gives PIL images; output_type cannot be {output_type!r}.")


def read_inpainting(
    image: Any,
    mask_image: Any,
    size: tuple[int, int],
    scale: int,
    latent_channels: int,
    padding_mask_crop: int | None = None,
) -> Inpainting:
    """Return the pixels of picture and mask, of `size` (height, width), or of what is cut out around the mask."""
    height, width = size
    box = None if padding_mask_crop is None else crop_region(mask_image, width, height, padding_mask_crop)
    pixels = image_tensor(image, scale, height=height, width=width, latent_channels=latent_channels, crop=box).float()
    return Inpainting(pixels, mask_tensor(mask_image, scale, height=height, width=width, crop=box), box)


def inpainting_latents(
    vae: Any,
    pixels: Inpainting,
    shape: tuple[int, int, int, int],
    *,
    generator: Generators,
    device: torch.device,
    dtype: torch.dtype,
    given: Tensor | None = None,
    masked_given: Tensor | None = None,
    keep_original: bool = True,
    add_noise: Callable[[Tensor, Tensor], Tensor] | None = None,
    noise_scale: float = 1.0,
    noisy: bool = True,
    upcast: bool = False,
) -> InpaintingLatents:
    """Return the latents of a run of `shape`.

    Draws from `generator` in the reference's order: latents of the image, noise, latents of the masked image.
    `add_noise` (latents, noise) makes the start of a strength below 1, where None means pure noise times `noise_scale`;
    with `noisy` False the image's latents are the start. `given` takes the place of noise, `masked_given` that of the
    masked image.
    """
    images, channels = shape[0], shape[1]
    check_generators(generator, images)
    has_latents = pixels.image.shape[1] == channels
    original = None
    if has_latents:
        original = for_each_image("image", pixels.image, images).to(device, dtype)
    elif keep_original or not noisy or (given is None and add_noise is not None):
        encoded = encode_images(vae, pixels.image, generator, upcast)
        original = for_each_image("image", encoded, images).to(device, dtype)
    noise = noise_or_given(shape, given if noisy else None, generator, device, dtype)
    first = noise * noise_scale
    if original is not None and not noisy:
        first = original
    elif original is not None and add_noise is not None and given is None:
        first = add_noise(original, noise)
    mask = interpolate(pixels.mask, size=shape[2:]).to(device, dtype)
    masked = masked_given
    if masked is None and not has_latents:
        kept = pixels.image * (pixels.mask < 0.5)
        masked = encode_images(vae, kept, for_rows(generator, len(kept)), upcast)
    elif masked is not None and masked.shape[1] != channels:
        masked = encode_images(vae, masked, for_rows(generator, len(masked)), upcast)
    return InpaintingLatents(
        first,
        noise,
        original,
        for_each_image("mask_image", mask, images),
        None if masked is None else for_each_image("image", masked, images).to(device, dtype),
    )


def check_channels(in_channels: int, latent_channels: int, masked: Tensor | None) -> bool:
    """Return whether a UNet of `in_channels` is shown mask and masked image; raises `InvalidValue` for another one."""
    if in_channels == latent_channels:
        return False
    if in_channels != 2 * latent_channels + 1:
        raise InvalidValue(
            f"this UNet has {in_channels} input channels; inpainting takes {latent_channels} or "
            f"{2 * latent_channels + 1}."
        )
    if masked is None:
        raise InvalidValue("this UNet is shown the masked image, but image has latents; give masked_image_latents too.")
    return True


def blended(latents: Tensor, original: Tensor, mask: Tensor) -> Tensor:
    """Return `latents` where `mask` is 1, and `original` elsewhere."""
    return (1 - mask) * original + mask * latents


def pasted(pictures: list[Any], image: Any, mask_image: Any, box: Box | None) -> list[Any]:
    """Return the PIL images `pictures`, which were made of what was cut out, in their places in `image`."""
    return pictures if box is None else [overlay(mask_image, image, picture, box) for picture in pictures]

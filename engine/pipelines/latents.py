"""From pictures to latents and back: pure functions of an autoencoder, and latents for every image of a run."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.rng import Generators, randn_tensor

logger = logging.getLogger(__name__)


def vae_scale(vae: Any) -> int:
    """Return how many pixels of a picture lie along one latent pixel; 8 without an autoencoder."""
    if vae is None:
        return 8
    stages = vae.config.get("block_out_channels") or vae.config.encoder_block_out_channels
    return 2 ** (len(stages) - 1)


def latent_channels(vae: Any) -> int:
    """Return the number of channels of the latents; 4 without an autoencoder."""
    return 4 if vae is None else vae.config.latent_channels


@contextmanager
def without_overflow(vae: Any, upcast: bool = True) -> Generator[None]:
    """Run a float16 autoencoder whose configuration says `force_upcast` in float32, where it does not overflow."""
    needed = upcast and vae.dtype == torch.float16 and vae.config.get("force_upcast", False)
    if needed:
        vae.to(dtype=torch.float32)
    try:
        yield
    finally:
        if needed:
            vae.to(dtype=torch.float16)


def encode_images(vae: Any, images: Tensor, generator: Generators = None, upcast: bool = False) -> Tensor:
    """Return latents, as the denoiser sees them, drawn from the posterior of `images` (batch, 3, height, width)."""
    with without_overflow(vae, upcast):
        encoded = vae.encode(images.to(vae.device, vae.dtype))
        if hasattr(encoded, "latent_dist"):
            drawn = encoded.latent_dist.sample(for_rows(generator, len(images)))
        else:
            drawn = encoded.latents
    return scaled(vae, drawn)


def encode_images_to_mode(vae: Any, images: Tensor, upcast: bool = False) -> Tensor:
    """Return the autoencoder's most likely latents of `images`, not scaled."""
    with without_overflow(vae, upcast):
        encoded = vae.encode(images.to(vae.device, vae.dtype))
        return encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents


def decode_latents(vae: Any, latents: Tensor, upcast: bool = False) -> Tensor:
    """Return the pictures (batch, 3, height, width) in [-1, 1] of `latents` as the denoiser gives them.

    An autoencoder that overflows in float16 all the same does it again in float32, and stays there.
    """
    with without_overflow(vae, upcast):
        decoded = _decode(vae, latents)
    if vae.dtype == torch.float16 and not decoded.isfinite().all() and latents.isfinite().all():
        logger.warning("the autoencoder overflows in float16; it works in float32 from now on")
        vae.to(dtype=torch.float32)
        decoded = _decode(vae, latents)
    return decoded


def _decode(vae: Any, latents: Tensor) -> Tensor:
    return vae.decode(unscaled(vae, latents).to(vae.dtype), return_dict=False)[0]


def scaled(vae: Any, latents: Tensor) -> Tensor:
    """Return the autoencoder's `latents` as the denoiser was trained to see them."""
    mean, std = _statistics(vae, latents)
    if mean is None or std is None:
        return vae.config.scaling_factor * latents
    return (latents - mean) * vae.config.scaling_factor / std


def unscaled(vae: Any, latents: Tensor) -> Tensor:
    """Return the denoiser's `latents` as the autoencoder takes them: the reverse of `scaled`."""
    mean, std = _statistics(vae, latents)
    if mean is None or std is None:
        return latents / vae.config.scaling_factor
    return latents * std / vae.config.scaling_factor + mean


def _statistics(vae: Any, latents: Tensor) -> tuple[Tensor | None, Tensor | None]:
    mean, std = vae.config.get("latents_mean"), vae.config.get("latents_std")
    if mean is None or std is None:
        return None, None
    return torch.tensor(mean).view(1, -1, 1, 1).to(latents), torch.tensor(std).view(1, -1, 1, 1).to(latents)


def for_rows(generator: Generators, rows: int) -> Generators:
    """Return the generators of the first `rows` images, where there is one for each."""
    return generator[:rows] if isinstance(generator, list) and len(generator) > rows else generator


def for_each_image(what: str, tensor: Tensor, images: int) -> Tensor:
    """Return `tensor`, (some images, ...), repeated as a whole for all `images`; `what` names it in an error."""
    times, rest = divmod(images, len(tensor))
    if rest or not times:
        raise InvalidValue(f"{len(tensor)} of {what} do not fit {images} images; give one, or one for each.")
    return tensor if times == 1 else torch.cat([tensor] * times)


def check_generators(generator: Generators, images: int) -> None:
    """Raise `InvalidValue` for a list that has not one generator for each of the `images`."""
    if isinstance(generator, list) and len(generator) not in (1, images):
        raise InvalidValue(f"{len(generator)} generators do not fit {images} images; give one, or one for each.")


def image_latents(
    vae: Any, images: Tensor, count: int, generator: Generators, channels: int = 4, upcast: bool = False
) -> Tensor:
    """Return the latents of `images` for `count` images; tensors with `channels` channels are latents already."""
    check_generators(generator, count)
    if images.shape[1] == channels:
        return for_each_image("image", images, count)
    if isinstance(generator, list):
        # Each image draws from its own generator, also where one picture serves them all.
        images = for_each_image("image", images, count)
    return for_each_image("image", encode_images(vae, images, generator, upcast), count)


def noise_or_given(
    shape: Sequence[int], given: Tensor | None, generator: Generators, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return the noise `given` if there is any, else new noise of `shape`."""
    if given is None:
        return randn_tensor(shape, generator, device, dtype)
    if given.shape != tuple(shape):
        raise InvalidValue(f"latents {list(given.shape)} do not fit this call, which needs {list(shape)}.")
    return given.to(device, dtype)

"""Small pictures of unfinished latents: one matrix instead of the decoder, cheap enough for every step.

Each latent vector with its neighbours is mapped linearly to a patch of `side` x `side` pixels (least squares against
real pictures). The matrix is kept beside an autoencoder's configuration as `latent_preview.json`: `{"weight": [a kernel
of a convolution for each colour of each pixel of the patch], "bias": [as many numbers]}`. Those of well-known ones ship
in `resources/previews`, each with the `families` and the configuration of the `autoencoder` that it is for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.errors import BadFile, InvalidValue
from engine.files import read_json, write_atomic
from engine.messages import Bitmap
from engine.resources_path import resource

FILE_NAME = "latent_preview.json"
# What tells the latents of one autoencoder from those of another that has the same shapes.
FACTS = ("block_out_channels", "latent_channels", "scaling_factor", "shift_factor", "latents_mean", "latents_std")
# Pixels of the picture for each pixel of the preview: fine enough to see a face, and a latent knows no more.
REDUCTION = 4
RIDGE = 1e-3
# Latents along a side of the neighbourhood that a patch is seen in. Alone, one latent of factor 16 gives visible tiles:
# on the embedded model the mean error falls from 0.235 to 0.186 of the range -1 to 1.
REACH = 3


class Autoencoder(Protocol):
    """What is needed of an autoencoder: `AutoencoderKL` and `AutoencoderTiny` have it."""

    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def dtype(self) -> torch.dtype: ...
    @property
    def device(self) -> torch.device: ...
    def encode(self, x: Tensor) -> Any: ...


@dataclass(frozen=True)
class LinearPreview:
    """The map from latents to colours in [-1, 1]: a convolution and a rearrangement of its channels to pixels.

    `weight` is (3 * side * side, channels, reach, reach) with an odd reach, `bias` (3 * side * side,).
    Latents are those that a diffusion model sees: shifted and scaled as the autoencoder's configuration says. Raises
    `InvalidValue` where the shapes do not fit together.
    """

    weight: Tensor
    bias: Tensor

    def __post_init__(self) -> None:
        rows, square = self.weight.shape[:1], self.weight.shape[2:] == (self.reach, self.reach) and self.reach % 2 == 1
        if self.weight.dim() != 4 or not square or self.bias.shape != rows or 3 * self.side**2 != len(self.bias):
            raise InvalidValue(
                f"A preview needs 3 * n * n square kernels of an odd side and as many biases, not shapes "
                f"{tuple(self.weight.shape)} and {tuple(self.bias.shape)}."
            )

    @property
    def side(self) -> int:
        """Pixels along a side of the patch of one latent."""
        return math.isqrt(self.bias.numel() // 3)

    @property
    def reach(self) -> int:
        """Latents along a side of the neighbourhood that a patch is seen in."""
        return self.weight.shape[-1]

    @torch.no_grad()
    def rgb(self, latents: Tensor) -> Tensor:
        """Return the picture of `latents` (channels, h, w), or the first of a batch: uint8 (h * side, w * side, 3)."""
        image = (latents[0] if latents.dim() == 4 else latents).to(self.weight)
        if image.dim() != 3 or image.shape[0] != self.weight.shape[1]:
            raise InvalidValue(
                f"The preview was made for {self.weight.shape[1]} channels; latents of shape {tuple(latents.shape)} "
                "do not fit."
            )
        patches = F.conv2d(_extended(image[None], self.reach), self.weight, self.bias)
        colours = F.pixel_shuffle(patches, self.side)[0].permute(1, 2, 0)
        return ((colours + 1) * 127.5).nan_to_num(0).clamp(0, 255).round().to(torch.uint8).contiguous()

    def __call__(self, latents: Tensor) -> Bitmap:
        """Return the picture of `latents` as bytes."""
        pixels = self.rgb(latents)
        return Bitmap(width=pixels.shape[1], height=pixels.shape[0], pixels=pixels.numpy().tobytes())


@torch.no_grad()
def fit_linear_preview(vae: Autoencoder, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the `LinearPreview` that best explains `images` by the latents `vae` makes of them.

    `images` (batch, 3, height, width) in [-1, 1], with sides that are multiples of the autoencoder's factor. The fit is
    ridge regression, so that few pictures, or channels that always agree, do no harm.
    """
    latents = _latents(vae, images).float().cpu().nan_to_num(0, 0, 0)
    factor = images.shape[-1] // latents.shape[-1]
    side = max(factor // REDUCTION, 1)
    small = F.interpolate(images.float().cpu(), scale_factor=side / factor, mode="area")
    inputs = F.unfold(_extended(latents, REACH), REACH).movedim(1, -1).flatten(0, -2).double()
    targets = F.pixel_unshuffle(small, side).movedim(1, -1).flatten(0, -2).double()
    mean_in, mean_out = inputs.mean(0), targets.mean(0)
    # In units of each input's deviation, so that the penalty is the same whatever the scale of the latents.
    deviation = inputs.std(0).clamp(min=1e-6)
    inputs, targets = (inputs - mean_in) / deviation, targets - mean_out
    penalty = RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=torch.float64)
    weight = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ targets).T / deviation
    kernels = weight.unflatten(1, (latents.shape[1], REACH, REACH))
    return kernels.float(), (mean_out - weight @ mean_in).float()


def _extended(latents: Tensor, reach: int) -> Tensor:
    """Return `latents` (batch, channels, h, w) with its border repeated: then every latent has all its neighbours."""
    return F.pad(latents, (reach // 2,) * 4, mode="replicate")


def _latents(vae: Autoencoder, images: Tensor) -> Tensor:
    """Return the latents of `images` as a diffusion model sees them."""
    encoded = vae.encode(images.to(vae.device, vae.dtype))
    latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
    config = vae.config
    scaling = config.get("scaling_factor", 1.0)
    if config.get("latents_mean") is not None and config.get("latents_std") is not None:
        mean, std = (latents.new_tensor(config[key]).view(1, -1, 1, 1) for key in ("latents_mean", "latents_std"))
        return (latents - mean) * scaling / std
    return (latents - (config.get("shift_factor") or 0.0)) * scaling


def smooth_images(count: int, size: int, seed: int = 0) -> Tensor:
    """Return random soft colour fields, (count, 3, size, size) in [-1, 1]: stand-ins where there are no pictures."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 4, 4, generator=generator) + torch.randn(count, 3, 1, 1, generator=generator)
    return F.interpolate(coarse, size=(size, size), mode="bicubic").tanh()


def save_preview(path: Path, preview: LinearPreview, about: Mapping[str, Any] | None = None) -> None:
    """Write `preview` into the file `path`, with what there is to say `about` it."""
    # Five decimals are a hundredth of what a pixel can show.
    weight, bias = (tensor.double().round(decimals=5).tolist() for tensor in (preview.weight, preview.bias))
    # Not indented: one line a number would be most of the file.
    write_atomic(path, json.dumps({**(about or {}), "weight": weight, "bias": bias}).encode())


def fit_preview(vae: Autoencoder) -> LinearPreview:
    """Return the preview that best explains soft colour fields: for an autoencoder that brings none."""
    factor = 2 ** (len(vae.config["block_out_channels"]) - 1)
    return LinearPreview(*fit_linear_preview(vae, smooth_images(count=4, size=8 * factor)))


def facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an autoencoder's configuration says of its latents, as JSON has it; what it does not say is None."""
    values = {name: config.get(name) for name in FACTS}
    # No shift and one of zero are the same.
    values["shift_factor"] = values["shift_factor"] or None
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def known_preview(family: str, config: Mapping[str, Any]) -> LinearPreview | None:
    """Return the shipped preview of a `family`'s own autoencoder, or None where `config` is that of another one.

    The family counts too: a file of weights does not say how its latents are scaled, and its model may be wrong.
    """
    for path in sorted(resource("previews").glob("*.json")):
        content = read_json(path)
        if family in content["families"] and facts(content["autoencoder"]) == facts(config):
            return read_preview(path, config["latent_channels"])
    return None


def read_preview(path: Path, channels: int) -> LinearPreview:
    """Return the preview in the file `path`, for latents of so many `channels`.

    Raises `BadFile` where the file is damaged or belongs to an autoencoder with other channels.
    """
    content = read_json(path)
    try:
        weight, bias = (torch.tensor(content[key], dtype=torch.float32) for key in ("weight", "bias"))
        preview = LinearPreview(weight, bias)
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(f"{path} does not hold a weight and a bias that fit together; delete it.") from error
    if preview.weight.shape[1] != channels:
        raise BadFile(f"{path} is for {preview.weight.shape[1]} latent channels, the model has {channels}; delete it.")
    return preview

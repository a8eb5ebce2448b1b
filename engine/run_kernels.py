"""What the names of a denoiser's tensors tell before they are loaded: its 3x3 kernels, and how large its blocks are."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

from engine.loading.keymaps.unet import to_diffusers
from engine.memory import grouped_tensors, weight_files

_KERNEL = re.compile(r"(?:(down|up)_blocks\.(\d+)|mid_block)\.resnets\.\d+\.conv[12]\.weight")
_ORIGINAL = "model.diffusion_model."  # before the names of a file of the original layout


class Kernels(NamedTuple):
    """Kernels (out_channels, channels, 3, 3) for images that were halved `level` times."""

    level: int
    channels: tuple[int, int]


# Blocks as `engine.models.streaming` lets them come one by one.
_BLOCK = re.compile(r".*?(?:transformer_blocks|resnets|downsamplers|upsamplers)\.\d+(?=\.)")


def block_numbers(location: Path) -> dict[str, int]:
    """How many numbers each block of the denoiser at `location` has, by its name; under "" all that lies between."""
    found: dict[str, int] = {}
    for name, shape in _shapes(location).items():
        match = _BLOCK.match(name)
        block = "" if match is None else match[0]
        found[block] = found.get(block, 0) + math.prod(shape)
    return found


def residual_kernels(location: Path) -> list[Kernels]:
    """Those of the model at `location`, read from the names of its tensors; none where these are others."""
    shapes = _shapes(location)
    found = {name: match for name in shapes if (match := _KERNEL.fullmatch(name))}
    deepest = max((int(match[2]) for match in found.values() if match[1] == "down"), default=0)

    def level(match: re.Match[str]) -> int:
        if match[1] is None:
            return deepest
        return int(match[2]) if match[1] == "down" else deepest - int(match[2])

    return [Kernels(level(match), (shapes[name][0], shapes[name][1])) for name, match in found.items()]


def _shapes(location: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the denoiser's tensors, by the names that they have in a folder."""
    shapes = {
        key.removeprefix(_ORIGINAL): stored.shape
        for path in weight_files(location)
        for group, key, stored in grouped_tensors(location, path)
        if group == "denoiser"
    }
    names = to_diffusers(shapes)
    return {names.get(name, name): shape for name, shape in shapes.items()}

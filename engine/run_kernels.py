"""The 3x3 kernels of a denoiser's residual blocks, and how often the images that each is for were halved."""

from __future__ import annotations

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


def residual_kernels(location: Path) -> list[Kernels]:
    """Those of the model at `location`, read from the names of its tensors; none where these are others."""
    shapes = {
        key.removeprefix(_ORIGINAL): stored.shape
        for path in weight_files(location)
        for group, key, stored in grouped_tensors(location, path)
        if group == "denoiser"
    }
    shapes |= {name: shapes[original] for original, name in to_diffusers(shapes).items()}
    found = {name: match for name in shapes if (match := _KERNEL.fullmatch(name))}
    deepest = max((int(match[2]) for match in found.values() if match[1] == "down"), default=0)

    def level(match: re.Match[str]) -> int:
        if match[1] is None:
            return deepest
        return int(match[2]) if match[1] == "down" else deepest - int(match[2])

    return [Kernels(level(match), (shapes[name][0], shapes[name][1])) for name, match in found.items()]

"""Running an autoencoder in slices (one image at a time) and in overlapping tiles, to bound its memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from engine.errors import InvalidValue

Network = Callable[[Tensor], Tensor]


class SlicingTilingMixin:
    """The two memory switches of an autoencoder.

    Attributes:
        use_slicing: encode and decode a batch image by image; the result is the same.
        use_tiling: encode and decode large images in overlapping, blended tiles; the result differs a little, because
            normalisation and attention see one tile at a time.
    """

    use_slicing: bool = False
    use_tiling: bool = False

    def enable_slicing(self) -> None:
        """Encode and decode batches image by image."""
        self.use_slicing = True

    def disable_slicing(self) -> None:
        """Encode and decode batches at once."""
        self.use_slicing = False

    def enable_tiling(self) -> None:
        """Encode and decode large images tile by tile."""
        self.use_tiling = True

    def disable_tiling(self) -> None:
        """Encode and decode large images at once."""
        self.use_tiling = False

    def _sliced(self, network: Network, x: Tensor) -> Tensor:
        """Return `network(x)`, computed image by image where slicing is on."""
        if self.use_slicing and x.shape[0] > 1:
            return torch.cat([network(image) for image in x.split(1)])
        return network(x)


def seam_blended(network: Network, x: Tensor, tile: int, stride: int, blend: int, keep: int, least: int) -> Tensor:
    """Return `network(x)` from tiles whose first rows and columns fade over from their neighbours' last ones.

    `x` (batch, channels, height, width) is cut into squares of `tile`, `stride` apart; of each result the first `blend`
    rows and columns are mixed linearly with the tile above and the tile on the left, and the first `keep` rows and
    columns are used. A rest of fewer than `least` rows or columns, for which the network has no result, is left to the
    tile before it. `tile`, `stride` and `least` count elements of `x`, `blend` and `keep` elements of the result.
    Raises `InvalidValue` where the tiles are too small to advance.
    """
    if stride < 1 or keep < 1:
        raise InvalidValue(f"Tiles of {tile} are too small to overlap; choose a larger tile or turn tiling off.")
    result: list[Tensor] = []
    above: list[Tensor] = []
    for top in range(0, max(x.shape[-2] - least, 0) + 1, stride):
        row: list[Tensor] = []
        for column, left in enumerate(range(0, max(x.shape[-1] - least, 0) + 1, stride)):
            part = network(x[..., top : top + tile, left : left + tile])
            if above:
                part = fade(above[column], part, blend, dim=-2)
            if row:
                part = fade(row[-1], part, blend, dim=-1)
            row.append(part)
        result.append(torch.cat([part[..., :keep, :keep] for part in row], dim=-1))
        above = row
    return torch.cat(result, dim=-2)


def fade(before: Tensor, after: Tensor, extent: int, dim: int) -> Tensor:
    """Return `after` with its first `extent` entries along `dim` mixed linearly with the last ones of `before`.

    The weight of `after` grows as 0, 1/extent, 2/extent, ...; `extent` is cut to what both have.
    """
    extent = min(extent, before.shape[dim], after.shape[dim])
    if extent < 1:
        return after
    shape = [1] * after.dim()
    shape[dim] = extent
    weight = (_counted(extent, after) / extent).view(shape).to(after.dtype)
    last = before.narrow(dim, before.shape[dim] - extent, extent)
    seam = last * (1 - weight) + after.narrow(dim, 0, extent) * weight
    return torch.cat([seam, after.narrow(dim, extent, after.shape[dim] - extent)], dim=dim)


def ramp_blended(network: Network, x: Tensor, tile: int, overlap: int, scale: float) -> Tensor:
    """Return `network(x)` from tiles that are laid over each other, each fading in over what is already there.

    `x` (batch, channels, height, width) is cut into squares of `tile` that share `overlap` elements of `x`; the result
    is `scale` times as long. Raises `InvalidValue` where the tiles cannot advance.
    """
    stride = tile - overlap
    if stride < 1:
        raise InvalidValue(f"Tiles of {tile} with an overlap of {overlap} cannot advance; choose a smaller overlap.")
    result: Tensor | None = None
    for top in range(0, x.shape[-2], stride):
        for left in range(0, x.shape[-1], stride):
            part = network(x[..., top : top + tile, left : left + tile])
            if result is None:
                result = part.new_zeros(*part.shape[:2], *(math.ceil(length * scale) for length in x.shape[-2:]))
            place = result[..., int(top * scale) :, int(left * scale) :][..., : part.shape[-2], : part.shape[-1]]
            part = part[..., : place.shape[-2], : place.shape[-1]]
            rows = _ramp(part.shape[-2], overlap * scale, top == 0, part)
            columns = _ramp(part.shape[-1], overlap * scale, left == 0, part)
            weight = rows[:, None] * columns
            place.copy_(weight * part + (1 - weight) * place)
    if result is None:
        raise InvalidValue(f"An image of shape {tuple(x.shape)} has nothing in it to cut into tiles.")
    return result


def _ramp(length: int, overlap: float, first: bool, like: Tensor) -> Tensor:
    """Return `length` weights that grow from 0 to 1 within `overlap` entries; all ones for a first tile."""
    if first or overlap <= 1:
        return like.new_ones(length)
    return (_counted(length, like) / (overlap - 1)).clamp(0, 1).to(like.dtype)


def _counted(length: int, like: Tensor) -> Tensor:
    """Return 0, 1, 2, ... on the device of `like`, where no copy has to be waited for, in float32 or its precision."""
    return torch.arange(length, dtype=torch.promote_types(like.dtype, torch.float32), device=like.device)

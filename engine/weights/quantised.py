"""Weights that GGUF packed into a few bits each, unpacked where their bytes lie: on the processor or on a card.

A row of a matrix is cut into blocks of 32 or 256 numbers; a block holds its scales and the codes of its numbers.
https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import torch
from torch import Tensor

from engine.formats.gguf_header import TYPES

# Numbers that a processor unpacks at a time: what lies between the operations then stays in its cache.
PIECE = 2**20
# The steps of the codes of IQ4: closer where weights are frequent.
IQ4_VALUES = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


def dequantise(packed: Tensor, quantisation: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """The values of `packed` (its bytes, uint8), of `shape` and on the same device.

    They are computed in float32, as by the library `gguf`, and rounded to `dtype`.
    """
    numbers, size = _SIZES[quantisation]
    blocks = packed.reshape(-1, size)
    values = torch.empty(len(blocks), numbers, dtype=dtype, device=packed.device)
    # On a card each piece would cost the launches of all kernels.
    step = PIECE // numbers if packed.device.type == "cpu" else max(len(blocks), 1)
    for source, target in zip(blocks.split(step), values.split(step), strict=True):
        target.copy_(KINDS[quantisation](source).flatten(1))
    return values.view(shape)


# ---------------------------------------------------------------------------------------------------- pieces of blocks


def _codes(packed: Tensor, bits: int, run: int) -> Tensor:
    """The codes of `bits` bits in rows of bytes: of each `run` bytes first the lowest bits of all, last the highest."""
    runs = packed.unflatten(1, (-1, 1, run))
    mask = (1 << bits) - 1
    return torch.cat([(runs >> shift) & mask for shift in range(0, 8, bits)], dim=2).flatten(1)


def _around(codes: Tensor, middle: int) -> Tensor:
    """The codes less `middle`, with a sign."""
    return (codes - middle).view(torch.int8)  # bytes wrap as signed ones do


def _half(packed: Tensor) -> Tensor:
    # Copied, since a file may have put the block at an odd place, where no number of two bytes can be seen.
    return packed.clone(memory_format=torch.contiguous_format).view(torch.float16).float()


def _times(scales: Tensor, codes: Tensor) -> Tensor:
    """The numbers (blocks, groups, ...) of `codes`, each group of a block by its one of `scales` (blocks, groups)."""
    return codes.float().unflatten(1, (scales.shape[1], -1)).mul_(scales.unsqueeze(-1))


def _scales_and_minima(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Eight of each, of six bits, out of twelve bytes; the first eight have the upper bits of the last four of each."""
    low, minima, both = packed.split(4, dim=1)
    return (
        torch.cat((low & 63, (both & 15) | ((low >> 2) & 48)), dim=1),
        torch.cat((minima & 63, (both >> 4) | ((minima >> 2) & 48)), dim=1),
    )


@cache
def _iq4_values(device: torch.device) -> Tensor:
    """The table on `device`; to bring it there at each call would wait for the device each time."""
    return torch.tensor(IQ4_VALUES, dtype=torch.float32, device=device)


def _iq4(packed: Tensor) -> Tensor:
    codes = _codes(packed, 4, 16)
    return _iq4_values(packed.device).index_select(0, codes.flatten().int()).view_as(codes)


# ---------------------------------------------------------------------------------------------------- kinds of blocks


def _q4_0(blocks: Tensor) -> Tensor:
    scale, codes = blocks.split((2, 16), dim=1)
    return _times(_half(scale), _around(_codes(codes, 4, 16), 8))


def _q4_1(blocks: Tensor) -> Tensor:
    scale, least, codes = blocks.split((2, 2, 16), dim=1)
    return _times(_half(scale), _codes(codes, 4, 16)).add_(_half(least).unsqueeze(-1))


def _q5_0(blocks: Tensor) -> Tensor:
    scale, high, low = blocks.split((2, 4, 16), dim=1)
    return _times(_half(scale), _around(_codes(low, 4, 16) | _codes(high, 1, 1) << 4, 16))


def _q5_1(blocks: Tensor) -> Tensor:
    scale, least, high, low = blocks.split((2, 2, 4, 16), dim=1)
    return _times(_half(scale), _codes(low, 4, 16) | _codes(high, 1, 1) << 4).add_(_half(least).unsqueeze(-1))


def _q8_0(blocks: Tensor) -> Tensor:
    scale, codes = blocks.split((2, 32), dim=1)
    return _times(_half(scale), codes.view(torch.int8))


def _q2_k(blocks: Tensor) -> Tensor:
    both, codes, scale, least = blocks.split((16, 64, 2, 2), dim=1)
    scales, minima = _half(scale) * (both & 15), _half(least) * (both >> 4)
    return _times(scales, _codes(codes, 2, 32)).sub_(minima.unsqueeze(-1))


def _q3_k(blocks: Tensor) -> Tensor:
    high, low, low_scales, high_scales, scale = blocks.split((32, 64, 8, 4, 2), dim=1)
    scales = _half(scale) * _around(_codes(low_scales, 4, 8) | _codes(high_scales, 2, 4) << 4, 32)
    return _times(scales, _around(_codes(low, 2, 32) | _codes(high, 1, 32) << 2, 4))


def _q4_k(blocks: Tensor) -> Tensor:
    scale, least, packed, codes = blocks.split((2, 2, 12, 128), dim=1)
    scales, minima = _scales_and_minima(packed)
    return _times(_half(scale) * scales, _codes(codes, 4, 32)).sub_((_half(least) * minima).unsqueeze(-1))


def _q5_k(blocks: Tensor) -> Tensor:
    scale, least, packed, high, low = blocks.split((2, 2, 12, 32, 128), dim=1)
    scales, minima = _scales_and_minima(packed)
    codes = _codes(low, 4, 32) | _codes(high, 1, 32) << 4
    return _times(_half(scale) * scales, codes).sub_((_half(least) * minima).unsqueeze(-1))


def _q6_k(blocks: Tensor) -> Tensor:
    low, high, scales, scale = blocks.split((128, 64, 16, 2), dim=1)
    codes = _around(_codes(low, 4, 64) | _codes(high, 2, 32) << 4, 32)
    return _times(_half(scale) * scales.view(torch.int8), codes)


def _iq4_nl(blocks: Tensor) -> Tensor:
    scale, codes = blocks.split((2, 16), dim=1)
    return _times(_half(scale), _iq4(codes))


def _iq4_xs(blocks: Tensor) -> Tensor:
    scale, high_scales, low_scales, codes = blocks.split((2, 2, 4, 128), dim=1)
    scales = _around(_codes(low_scales, 4, 1) | _codes(high_scales, 2, 1) << 4, 32)
    return _times(_half(scale) * scales, _iq4(codes))


# What unpacks blocks (number of blocks, bytes of one) to numbers in float32 (number of blocks, ...).
KINDS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    "IQ4_NL": _iq4_nl,
    "IQ4_XS": _iq4_xs,
}
# The numbers of a block, and its bytes.
_SIZES: Mapping[str, tuple[int, int]] = {name: (numbers, size) for name, numbers, size in TYPES.values()}

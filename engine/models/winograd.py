"""Convolutions with 3x3 kernels by fewer multiplications.

Winograd's F(2x2, 3x3) (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, section
4.1): a tile of 2x2 output pixels depends on 4x4 input pixels d and on the kernel g, and

    Y = A^T [(G g G^T) * (B^T d B)] A

takes 16 multiplications in place of 36. Summed over channels, each of the 16 is one matrix product over all tiles. B
and A hold only 0, 1 and -1, so that the error is that of float32 sums, and smaller than the direct convolution's, whose
sums are longer.

Of an image that is doubled first, by repeating pixels, the middle two of the four pixels in a tile's row are equal: one
of the four terms of each side vanishes, and 9 multiplications are left of 36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

# G: what each term multiplies, of the three rows of a kernel.
KERNEL_TERMS = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))
DOUBLED_KERNEL_TERMS = ((1.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0))
# Numbers in the terms of one strip, for each thread: 8 MB, which caches hold while the terms are made, multiplied and
# summed.
STRIP_NUMBERS = 2**21
# Numbers in the terms of the kernels that are made at a time where they are used once: 16 MB.
KERNEL_NUMBERS = 2**22


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, look: Callable[[], None]) -> Tensor:
    """Return the convolution of `x` (batch, channels, height, width) with 3x3 kernels, padded to the same size.

    `weight` is (out_channels, channels, 3, 3), in the precision of `x` or a narrower one, which is widened as it is
    used. The image is done in strips, and `look` is called before each. There are no gradients.
    """
    return _in_strips(x, weight, bias, look, doubled=False)


def convolve_doubled(x: Tensor, weight: Tensor, bias: Tensor | None, look: Callable[[], None]) -> Tensor:
    """Return the same of `x` with every pixel repeated twice along both sides: twice as high and wide."""
    return _in_strips(x, weight, bias, look, doubled=True)


def _in_strips(x: Tensor, weight: Tensor, bias: Tensor | None, look: Callable[[], None], doubled: bool) -> Tensor:
    batch, channels, height, width = x.shape
    reach = 1 if doubled else 2  # pixels from one tile to the next
    rows, columns = -(-height // reach), -(-width // reach)
    out_channels = weight.shape[0]
    terms = 3 if doubled else 4
    # In the plain layout: PyTorch's group norm for channels last loses digits where a mean is large.
    result = x.new_empty(batch, out_channels, 2 * height // reach, 2 * width // reach)
    row_numbers = terms**2 * batch * columns * max(channels, out_channels)
    step = max(STRIP_NUMBERS * torch.get_num_threads() // row_numbers, 1)
    kernels = _Kernels(weight, bias, x.dtype, terms, used=-(-rows // step))
    for top in range(0, rows, step):
        count = min(step, rows - top)
        # Channels last: the terms of all channels of a pixel are made by the same instructions.
        strip = _padded(x, reach * top - 1, reach * (top + count) + 1, reach * columns - width + 1)
        # Rows first, then columns: (terms, terms, batch, rows, columns, channels).
        across = _image_terms(strip, 1, x.new_empty(terms, batch, count, strip.shape[2], channels))
        tiles = x.new_empty(terms, terms, batch, count, columns, channels)
        _image_terms(across, 3, tiles.transpose(0, 1))
        pixels = x.new_empty(batch, count, 2, columns, 2, out_channels)
        for first, kernel, shift in kernels:
            look()
            products = torch.bmm(tiles.view(terms**2, -1, channels), kernel)
            if shift is not None:
                # The term in the middle enters all four pixels of a tile once.
                products[terms + 1] += shift
            products = products.view(*tiles.shape[:-1], -1)
            summed = x.new_empty(2, *products.shape[1:])
            _sum_terms(products, summed)
            piece = pixels[..., first : first + kernel.shape[2]]
            _sum_terms(summed.transpose(0, 1), piece.permute(4, 2, 0, 1, 3, 5))
        # While the strip is in the cache: the same copy of a whole large image takes three times as long.
        rows_of_strip = result[:, :, 2 * top : 2 * (top + count)]
        image = pixels.view(batch, 2 * count, 2 * columns, out_channels)
        rows_of_strip.copy_(image[:, : rows_of_strip.shape[2], : result.shape[3]].permute(0, 3, 1, 2))
    return result


def _padded(x: Tensor, first: int, end: int, right: int) -> Tensor:
    """Return the rows `first` to `end` of `x`, channels last, with zeros around: one pixel left, `right` of them right.

    A tile begins one pixel before its output, and the last one may reach past an odd edge.
    """
    height = x.shape[2]
    rows = x[:, :, max(first, 0) : min(end, height)]
    return F.pad(rows.permute(0, 2, 3, 1), (0, 0, 1, right, max(-first, 0), max(end - height, 0)))


class _Kernels:
    """The terms G g G^T of the kernels: (first output channel, terms, their bias).

    Terms are (terms ** 2, channels, out_channels of the piece). An image of one strip uses them once: they are made for
    some output channels at a time. Several strips use the same, which are then made for all channels and kept.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, terms: int, used: int) -> None:
        sides = KERNEL_TERMS if terms == len(KERNEL_TERMS) else DOUBLED_KERNEL_TERMS
        self._sides = torch.tensor(sides, dtype=dtype, device=weight.device)
        self._weight, self._bias = weight, None if bias is None else bias.to(dtype)
        self._size = max(KERNEL_NUMBERS // (terms**2 * weight.shape[1]), 1) if used == 1 else len(weight)
        self._kept = list(self._pieces()) if used > 1 else None

    def __iter__(self) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        return iter(self._kept) if self._kept is not None else self._pieces()

    def _pieces(self) -> Iterator[tuple[int, Tensor, Tensor | None]]:
        both = torch.kron(self._sides, self._sides)
        for first in range(0, len(self._weight), self._size):
            piece = self._weight[first : first + self._size].to(self._sides.dtype)
            terms = (both @ piece.reshape(-1, 9).t()).view(-1, *piece.shape[:2]).transpose(1, 2)
            yield first, terms, None if self._bias is None else self._bias[first : first + self._size]


def _image_terms(image: Tensor, dim: Literal[1, 3], terms: Tensor) -> Tensor:
    """Write B^T d along `dim` into `terms`, whose first dimension counts them, and return it."""
    if len(terms) == len(DOUBLED_KERNEL_TERMS):
        count = image.shape[dim] - 2
        before, here, after = (image.narrow(dim, first, count) for first in range(3))
        torch.sub(before, here, out=terms[0])
        terms[1].copy_(here)
        torch.sub(here, after, out=terms[2])
        return terms
    length = image.shape[dim] - 2
    d = [_every_second(image.narrow(dim, first, length), dim) for first in range(3)]
    d.append(_every_second(image.narrow(dim, 2, length), dim, start=1))
    torch.sub(d[0], d[2], out=terms[0])
    torch.add(d[1], d[2], out=terms[1])
    torch.sub(d[2], d[1], out=terms[2])
    torch.sub(d[1], d[3], out=terms[3])
    return terms


def _every_second(image: Tensor, dim: Literal[1, 3], start: int = 0) -> Tensor:
    return image[:, start::2] if dim == 1 else image[:, :, :, start::2]


def _sum_terms(terms: Tensor, result: Tensor) -> None:
    """Write A^T m, for `terms` m along the first dimension, into the two entries of `result`."""
    torch.add(terms[0], terms[1], out=result[0])
    if len(terms) == len(DOUBLED_KERNEL_TERMS):
        torch.sub(terms[1], terms[2], out=result[1])
        return
    result[0].add_(terms[2])
    torch.sub(terms[1], terms[2], out=result[1]).sub_(terms[3])

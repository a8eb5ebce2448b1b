"""Convolutions with 3x3 kernels by fewer multiplications.

Winograd's F(m x m, 3x3) (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, section
4.1): a tile of m x m output pixels depends on (m + 2) x (m + 2) input pixels d and on the kernel g, and

    Y = A^T [(G g G^T) * (B^T d B)] A

takes (m + 2)^2 multiplications in place of 9 m^2: 16 of 36 for m = 2, 36 of 144 for m = 4. Summed over channels, each
of them is one matrix product over all tiles. What stands around them is written as products, too, one for both sides of
a tile: B^T d B is (B^T x B^T) d, with Kronecker's product x and the pixels of d in one column.

- m = 2: B and A hold only 0, 1 and -1, so that the error is that of float32 sums, and smaller than the direct
  convolution's, whose sums are longer.
- m = 4: the matrices come from polynomials' values at five points. Those at 0, +-1/sqrt 2 and +-sqrt 2 are right to
  3e-6 of the largest value; with the usual 0, +-1 and +-2 it is 1.2e-5 (Barabasz et al., arXiv:1803.10986, has why).
- Of an image that is doubled first, by repeating pixels, the middle two of the four pixels in a tile's row are equal:
  one of the four terms of each side vanishes, and 9 multiplications are left of 36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Numbers in the terms of one strip, for each thread: 8 MB, which caches hold while the terms are made, multiplied and
# summed.
STRIP_NUMBERS = 2**21
# Numbers in the terms of the kernels that are made at a time where they are used once: 32 MB, the most that the C
# library hands out again without asking the system.
KERNEL_NUMBERS = 2**23
# The points of m = 4: beside 0, and with their negatives. Their product is 1.
NEAR, FAR = 0.5**0.5, 2**0.5
# What as many bytes in a row are copied as, in one piece: a tile's pixels of one line.
_PIECES = {8: torch.complex64, 16: torch.complex128}

Matrix = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Form:
    """One way of convolving.

    Attributes:
        pixels: m, of the output, along a tile's side.
        reach: input pixels from one tile to the next.
        kernel_terms: G, what each term multiplies of the three rows of a kernel.
        image_terms: B^T, what it multiplies of the rows of a tile of the image.
        sum_terms: A^T, what each row of pixels takes of the terms.
    """

    pixels: int
    reach: int
    kernel_terms: Matrix
    image_terms: Matrix
    sum_terms: Matrix


def _kernel_terms_of_4() -> Matrix:
    """G: a kernel's value at each point, over the product of its distances from the others."""
    rows = [(1.0, 0.0, 0.0)]  # 0: the product is that of the squares of the others, 1
    for point, other in ((NEAR, FAR), (FAR, NEAR)):
        product = 2 * point**2 * (point**2 - other**2)
        rows += [(1 / product, sign * point / product, point**2 / product) for sign in (1, -1)]
    return [*rows, (0.0, 0.0, 1.0)]


def _image_terms_of_4() -> Matrix:
    """B^T: the coefficients of the polynomials that vanish at all points but one; the last one is infinity."""
    both = NEAR**2 + FAR**2
    rows = [(1.0, 0.0, -both, 0.0, 1.0, 0.0)]
    for point, other in ((NEAR, FAR), (FAR, NEAR)):
        rows += [(0.0, -sign * point * other**2, -(other**2), sign * point, 1.0, 0.0) for sign in (1, -1)]
    return [*rows, (0.0, 1.0, 0.0, -both, 0.0, 1.0)]


def _sum_terms_of_4() -> Matrix:
    """A^T: the powers of the points."""
    points = (0.0, NEAR, -NEAR, FAR, -FAR)
    return [(*(point**power for point in points), float(power == 3)) for power in range(4)]


TILES_OF_2 = Form(
    pixels=2,
    reach=2,
    kernel_terms=((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
    image_terms=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    sum_terms=((1, 1, 1, 0), (0, 1, -1, -1)),
)
TILES_OF_4 = Form(
    pixels=4,
    reach=4,
    kernel_terms=_kernel_terms_of_4(),
    image_terms=_image_terms_of_4(),
    sum_terms=_sum_terms_of_4(),
)
DOUBLED = Form(
    pixels=2,
    reach=1,
    kernel_terms=((1, 0, 0), (1, 1, 1), (0, 0, 1)),
    image_terms=((1, -1, 0), (0, 1, 0), (0, 1, -1)),
    sum_terms=((1, 1, 0), (0, 1, -1)),
)


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, look: Callable[[], None], form: Form = TILES_OF_2
) -> Tensor:
    """Return the convolution of `x` (batch, channels, height, width) with 3x3 kernels, padded to the same size.

    `weight` is (out_channels, channels, 3, 3), in the precision of `x` or a narrower one, which is widened as it is
    used. With the form `DOUBLED` every pixel of `x` is repeated twice along both sides first. The image is done in
    strips, and `look` is called before each. There are no gradients.
    """
    batch, channels, height, width = x.shape
    out_channels, terms, pixels, reach = len(weight), len(form.kernel_terms), form.pixels, form.reach
    rows, columns = -(-height // reach), -(-width // reach)
    # In the plain layout: PyTorch's group norm for channels last loses digits where a mean is large.
    result = x.new_empty(batch, out_channels, pixels * rows, pixels * columns)
    if batch * rows * columns <= min(channels, out_channels):
        step = rows  # fewer terms than the kernels have: those of the image are made at once, the kernels' in pieces
    else:
        row_numbers = terms**2 * batch * columns * max(channels, out_channels)
        step = max(STRIP_NUMBERS * torch.get_num_threads() // row_numbers, 1)
    kernels = _Kernels(weight, x.dtype, form, used=-(-rows // step))
    of_image, of_sum = (_both_sides(matrix, x.dtype) for matrix in (form.image_terms, form.sum_terms))
    shift = x.new_zeros(out_channels) if bias is None else bias.to(x.dtype)
    for top in range(0, rows, step):
        count = min(step, rows - top)
        # Channels last: what is done to one channel of a pixel is done to all of them, which lie in a row.
        strip = _padded(x, reach * top - 1, reach * (top + count) + 1, reach * columns - width + 1)
        tiles = (of_image @ _tiles(strip, count, columns, form)).view(terms**2, -1, channels)
        part = result[:, :, pixels * top : pixels * (top + count)]
        for first, kernel in kernels:
            look()
            some = slice(first, first + kernel.shape[2])
            products = torch.bmm(tiles, kernel).view(terms**2, -1)
            # The pixels of a tile in a row.
            shifts = shift[some].repeat(products.shape[1] // kernel.shape[2])[:, None]
            summed = torch.addmm(shifts, products.t(), of_sum.t())
            _lay(summed.view(batch, count, columns, -1, pixels, pixels), part[:, some])
    return result[:, :, : height * pixels // reach, : width * pixels // reach].contiguous()


def _both_sides(matrix: Matrix, dtype: torch.dtype) -> Tensor:
    """Return what multiplies the numbers of a square in one column as `matrix` multiplies its rows and its columns."""
    side = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(side, side).to(dtype)


def _padded(x: Tensor, first: int, end: int, right: int) -> Tensor:
    """Return the rows `first` to `end` of `x`, channels last, with zeros around: one pixel left, `right` of them right.

    A tile begins one pixel before its output, and the last one may reach past an odd edge.
    """
    height = x.shape[2]
    rows = x[:, :, max(first, 0) : min(end, height)]
    return F.pad(rows.permute(0, 2, 3, 1), (0, 0, 1, right, max(-first, 0), max(end - height, 0)))


def _tiles(strip: Tensor, rows: int, columns: int, form: Form) -> Tensor:
    """Return the pixels of all tiles of `strip` (batch, height, width, channels): (pixels of a tile, all else)."""
    side = len(form.kernel_terms)
    of_picture, of_row, of_pixel, of_channel = strip.stride()
    size = (side, side, len(strip), rows, columns, strip.shape[3])
    stride = (of_row, of_pixel, of_picture, form.reach * of_row, form.reach * of_pixel, of_channel)
    return strip.as_strided(size, stride).reshape(side**2, -1)


def _lay(tiles: Tensor, image: Tensor) -> None:
    """Copy `tiles` (batch, rows, columns, channels, m, m) to where they are in `image` (batch, channels, ...)."""
    _, rows, columns, _, m, _ = tiles.shape
    there = image.unflatten(3, (columns, m)).unflatten(2, (rows, m))
    here = tiles.permute(0, 3, 1, 4, 2, 5)
    piece = _PIECES.get(m * tiles.element_size())
    if piece is not None:
        there, here = there.view(piece), here.view(piece)
    there.copy_(here)


class _Kernels:
    """The terms G g G^T of the kernels: (first output channel, terms).

    Terms are (terms ** 2, channels, out_channels of the piece). An image of one strip uses them once: they are made for
    some output channels at a time. Several strips use the same, which are then made for all channels and kept.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype, form: Form, used: int) -> None:
        self._sides = _both_sides(form.kernel_terms, dtype)
        self._weight = weight
        self._size = max(KERNEL_NUMBERS // (len(self._sides) * weight.shape[1]), 1) if used == 1 else len(weight)
        self._kept = list(self._pieces()) if used > 1 else None

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        return iter(self._kept) if self._kept is not None else self._pieces()

    def _pieces(self) -> Iterator[tuple[int, Tensor]]:
        for first in range(0, len(self._weight), self._size):
            piece = self._weight[first : first + self._size].to(self._sides.dtype)
            yield first, (self._sides @ piece.reshape(-1, 9).t()).view(-1, *piece.shape[:2]).transpose(1, 2)

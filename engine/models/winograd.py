"""Convolutions with 3x3 kernels by fewer multiplications.

Winograd's F(m x m, 3x3) (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, section
4.1): a tile of m x m output pixels depends on (m + 2) x (m + 2) input pixels d and on the kernel g, and

    Y = A^T [(G g G^T) * (B^T d B)] A

takes (m + 2)^2 multiplications in place of 9 m^2: 16 of 36 for m = 2, 36 of 144 for m = 4. Summed over channels, each
of them is one matrix product over all tiles.

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
# Numbers in the terms of the kernels that are made at a time where they are used once: 16 MB.
KERNEL_NUMBERS = 2**22
# The points of m = 4: beside 0, and with their negatives. Their product is 1.
NEAR, FAR = 0.5**0.5, 2**0.5


@dataclass(frozen=True)
class Form:
    """One way of convolving.

    Attributes:
        pixels: m, of the output, along a tile's side.
        reach: input pixels from one tile to the next.
        kernel_terms: G, what each term multiplies of the three rows of a kernel.
        image_terms: writes B^T d into a tensor whose first dimension counts the terms.
        sum_terms: writes A^T m into a tensor whose first dimension counts the pixels.
    """

    pixels: int
    reach: int
    kernel_terms: Sequence[tuple[float, float, float]]
    image_terms: Callable[[Sequence[Tensor], Tensor], None]
    sum_terms: Callable[[Tensor, Tensor], None]


def _image_terms_of_2(d: Sequence[Tensor], terms: Tensor) -> None:
    torch.sub(d[0], d[2], out=terms[0])
    torch.add(d[1], d[2], out=terms[1])
    torch.sub(d[2], d[1], out=terms[2])
    torch.sub(d[1], d[3], out=terms[3])


def _sum_terms_of_2(terms: Tensor, pixels: Tensor) -> None:
    torch.add(terms[0], terms[1], out=pixels[0]).add_(terms[2])
    torch.sub(terms[1], terms[2], out=pixels[1]).sub_(terms[3])


def _image_terms_of_4(d: Sequence[Tensor], terms: Tensor) -> None:
    """Rows of B^T: the coefficients of the polynomials that vanish at all points but one; the last one is infinity."""
    both = NEAR**2 + FAR**2
    torch.add(d[0], d[4], out=terms[0]).sub_(d[2], alpha=both)
    for first, point, other in ((1, NEAR, FAR), (3, FAR, NEAR)):
        even, odd = torch.sub(d[4], d[2], alpha=other**2), torch.sub(d[3], d[1], alpha=other**2)
        torch.add(even, odd, alpha=point, out=terms[first])
        torch.sub(even, odd, alpha=point, out=terms[first + 1])
    torch.add(d[1], d[5], out=terms[5]).sub_(d[3], alpha=both)


def _sum_terms_of_4(terms: Tensor, pixels: Tensor) -> None:
    """Rows of A^T: the powers of the points."""
    near, near_odd = terms[1] + terms[2], terms[1] - terms[2]
    far, far_odd = terms[3] + terms[4], terms[3] - terms[4]
    torch.add(terms[0], near, out=pixels[0]).add_(far)
    torch.mul(near_odd, NEAR, out=pixels[1]).add_(far_odd, alpha=FAR)
    torch.mul(near, NEAR**2, out=pixels[2]).add_(far, alpha=FAR**2)
    torch.add(terms[5], near_odd, alpha=NEAR**3, out=pixels[3]).add_(far_odd, alpha=FAR**3)


def _kernel_terms_of_4() -> list[tuple[float, float, float]]:
    """Rows of G: a kernel's value at each point, over the product of its distances from the others."""
    rows = [(1.0, 0.0, 0.0)]  # 0: the product is that of the squares of the others, 1
    for point, other in ((NEAR, FAR), (FAR, NEAR)):
        product = 2 * point**2 * (point**2 - other**2)
        rows += [(1 / product, sign * point / product, point**2 / product) for sign in (1, -1)]
    return [*rows, (0.0, 0.0, 1.0)]


def _image_terms_of_doubled(d: Sequence[Tensor], terms: Tensor) -> None:
    torch.sub(d[0], d[1], out=terms[0])
    terms[1].copy_(d[1])
    torch.sub(d[1], d[2], out=terms[2])


def _sum_terms_of_doubled(terms: Tensor, pixels: Tensor) -> None:
    torch.add(terms[0], terms[1], out=pixels[0])
    torch.sub(terms[1], terms[2], out=pixels[1])


TILES_OF_2 = Form(
    pixels=2,
    reach=2,
    kernel_terms=((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0)),
    image_terms=_image_terms_of_2,
    sum_terms=_sum_terms_of_2,
)
TILES_OF_4 = Form(
    pixels=4,
    reach=4,
    kernel_terms=_kernel_terms_of_4(),
    image_terms=_image_terms_of_4,
    sum_terms=_sum_terms_of_4,
)
DOUBLED = Form(
    pixels=2,
    reach=1,
    kernel_terms=((1.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0)),
    image_terms=_image_terms_of_doubled,
    sum_terms=_sum_terms_of_doubled,
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
    result = x.new_empty(batch, out_channels, height * pixels // reach, width * pixels // reach)
    row_numbers = terms**2 * batch * columns * max(channels, out_channels)
    step = max(STRIP_NUMBERS * torch.get_num_threads() // row_numbers, 1)
    kernels = _Kernels(weight, x.dtype, form, used=-(-rows // step))
    added = None if bias is None else bias.to(x.dtype)[:, None, None]
    for top in range(0, rows, step):
        count = min(step, rows - top)
        # Channels last: the terms of all channels of a pixel are made by the same instructions.
        strip = _padded(x, reach * top - 1, reach * (top + count) + 1, reach * columns - width + 1)
        # Rows first, then columns: (terms, terms, batch, rows, columns, channels).
        across = x.new_empty(terms, batch, count, strip.shape[2], channels)
        form.image_terms(_inputs(strip, 1, form), across)
        tiles = x.new_empty(terms, terms, batch, count, columns, channels)
        form.image_terms(_inputs(across, 3, form), tiles.transpose(0, 1))
        image = x.new_empty(batch, count, pixels, columns, pixels, out_channels)
        for first, kernel in kernels:
            look()
            products = torch.bmm(tiles.view(terms**2, -1, channels), kernel).view(*tiles.shape[:-1], -1)
            summed = x.new_empty(pixels, *products.shape[1:])
            form.sum_terms(products, summed)
            piece = image[..., first : first + kernel.shape[2]]
            form.sum_terms(summed.transpose(0, 1), piece.permute(4, 2, 0, 1, 3, 5))
        # While the strip is in the cache: the same copy of a whole large image takes three times as long.
        part = result[:, :, pixels * top : pixels * (top + count)]
        whole = image.view(batch, pixels * count, pixels * columns, out_channels)
        fitting = whole[:, : part.shape[2], : part.shape[3]].permute(0, 3, 1, 2)
        part.copy_(fitting) if added is None else torch.add(fitting, added, out=part)
    return result


def _padded(x: Tensor, first: int, end: int, right: int) -> Tensor:
    """Return the rows `first` to `end` of `x`, channels last, with zeros around: one pixel left, `right` of them right.

    A tile begins one pixel before its output, and the last one may reach past an odd edge.
    """
    height = x.shape[2]
    rows = x[:, :, max(first, 0) : min(end, height)]
    return F.pad(rows.permute(0, 2, 3, 1), (0, 0, 1, right, max(-first, 0), max(end - height, 0)))


def _inputs(image: Tensor, dim: int, form: Form) -> list[Tensor]:
    """Return the first, second, ... pixel of every tile along `dim`."""
    end = image.shape[dim] - 2  # past the beginnings of all tiles
    index = [slice(None)] * image.ndim
    inputs: list[Tensor] = []
    for number in range(len(form.kernel_terms)):
        index[dim] = slice(number, number + end, form.reach)
        inputs.append(image[tuple(index)])
    return inputs


class _Kernels:
    """The terms G g G^T of the kernels: (first output channel, terms).

    Terms are (terms ** 2, channels, out_channels of the piece). An image of one strip uses them once: they are made for
    some output channels at a time. Several strips use the same, which are then made for all channels and kept.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype, form: Form, used: int) -> None:
        sides = torch.tensor(form.kernel_terms, dtype=dtype, device=weight.device)
        self._sides = torch.kron(sides, sides)
        self._weight = weight
        self._size = max(KERNEL_NUMBERS // (len(self._sides) * weight.shape[1]), 1) if used == 1 else len(weight)
        self._kept = list(self._pieces()) if used > 1 else None

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        return iter(self._kept) if self._kept is not None else self._pieces()

    def _pieces(self) -> Iterator[tuple[int, Tensor]]:
        for first in range(0, len(self._weight), self._size):
            piece = self._weight[first : first + self._size].to(self._sides.dtype)
            yield first, (self._sides @ piece.reshape(-1, 9).t()).view(-1, *piece.shape[:2]).transpose(1, 2)

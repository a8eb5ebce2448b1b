"""`Conv2d`: the convolution of PyTorch, which computes 3x3 kernels on a CPU in the way that is fastest for the size.

Weights stay as the file has them: no copy in another layout is kept, so that a mapped checkpoint stays mapped and an
adapter finds what it looks for. Only what goes to a GPU anyway is laid out there as its convolutions read it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models import doubling, winograd
from engine.models.arithmetic import computes_wider
from engine.models.exact import Win, is_on
from engine.models.linear import linear

# Below, terms cost more than the multiplications that they save; measured on two cores, the first two with AVX2, the
# third with AVX-512.
WINOGRAD_TILES = 100
WINOGRAD_CHANNELS = 192
LARGER_TILES_CHANNELS = 128
# With more, threads that wait for each other after each of the many short operations may cost more than is saved;
# measured with one and with two.
WINOGRAD_THREADS = 4
DOUBLED_TILES = 60
DOUBLED_CHANNELS = 96
# Up to here, oneDNN takes longer to rearrange the weights than a matrix product needs.
SMALL_PIXELS = 600
SMALL_CHANNELS = 256


def reads_channels_last(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether convolutions on `device` read kernels (out, in, height, width) of `dtype` best with the channels last.

    So do a GPU's matrix units, which else have to rearrange all weights at each call, in 16 bits.
    """
    return device.type == "cuda" and dtype.itemsize == 2 and torch.cuda.get_device_capability(device) >= (7, 0)


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`, with the same arguments, weights and results (rounding aside)."""

    _is_laid_out = False

    def lay_out(self, device: torch.device | None = None) -> None:
        """Lay the kernel as convolutions on `device`, by default its own, read it best; elsewhere back as it was."""
        wanted = reads_channels_last(self.weight.dtype, self.weight.device if device is None else device)
        if wanted:
            # Not `contiguous`: it would leave kernels of one pixel as they are, which then do not say that they are so.
            self.weight.data = self.weight.data.to(memory_format=torch.channels_last)
        elif self._is_laid_out:
            self.weight.data = self.weight.data.clone(memory_format=torch.contiguous_format)
        self._is_laid_out = wanted

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # `to` and the like come through here; others who bring weights call `lay_out`.
        super()._apply(fn, recurse)
        self.lay_out()
        return self

    def between_pieces(self) -> None:
        """Called between the pieces of a long convolution; `engine.cancel` puts its look at the cancel flag here."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch.nn
        if computes_wider(input):
            return self(input.float()).to(input.dtype)
        if not self._is_plain_3x3(input):
            return self.direct(input)
        batch, _, height, width = input.shape
        channels = min(self.in_channels, self.out_channels)
        form = self._winograd_form(input, channels)
        if form is not None:
            return winograd.convolve(input, self.weight, self.bias, self.between_pieces, form)
        if batch * height * width <= SMALL_PIXELS and channels >= SMALL_CHANNELS and is_on(Win.SMALL_IMAGES):
            return self._as_product(input)
        return self.direct(input)

    def doubled(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return the convolution of `input` with every pixel repeated along both sides, twice as high and wide."""
        if computes_wider(input):
            return self.doubled(input.float()).to(input.dtype)
        wide = min(self.in_channels, self.out_channels) >= DOUBLED_CHANNELS
        if torch.jit.is_tracing() and wide and self._is_plain_3x3(input):  # pyright: ignore[reportPrivateImportUsage]
            return doubling.convolve_doubled(input, self.weight, self.bias)  # of any size, and what is exported is fast
        tiles = input.shape[0] * input.shape[-2] * input.shape[-1]
        if tiles >= DOUBLED_TILES and wide and self._is_plain_3x3(input) and is_on(Win.DOUBLING):
            return winograd.convolve(input, self.weight, self.bias, self.between_pieces, winograd.DOUBLED)
        return self(F.interpolate(input, scale_factor=2.0, mode="nearest"))

    def direct(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return the convolution as PyTorch computes it; `engine.cancel` computes it in pieces here."""
        return self._conv_forward(input, *self.parameters_in(input.dtype))

    def parameters_in(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias for an input of `dtype`, widened where they are narrower."""
        if self.weight.dtype.itemsize >= dtype.itemsize:
            return self.weight, self.bias
        return self.weight.to(dtype), None if self.bias is None else self.bias.to(dtype)

    def _is_plain_3x3(self, x: Tensor) -> bool:
        """Whether the faster ways can compute this; oneDNN is as fast in lower precisions, and a GPU chooses itself."""
        return (
            x.device.type == "cpu"
            and self.kernel_size == (3, 3)
            and self.stride == self.padding == self.dilation == (1, 1)
            and self.groups == 1
            and self.padding_mode == "zeros"
            and x.ndim == 4
            and x.dtype == torch.float32
            and not torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
        )

    def _winograd_form(self, x: Tensor, channels: int) -> winograd.Form | None:
        """Return the form with the largest tiles of which `x` has enough, and enough `channels`, if any."""
        for win, form, least in (
            (Win.LARGER_TILES, winograd.TILES_OF_4, LARGER_TILES_CHANNELS),
            (Win.WINOGRAD, winograd.TILES_OF_2, WINOGRAD_CHANNELS),
        ):
            tiles = len(x) * -(-x.shape[2] // form.reach) * -(-x.shape[3] // form.reach)
            if channels >= least and tiles >= WINOGRAD_TILES and is_on(win):
                # Asked last: no compiler can read it.
                return form if torch.get_num_threads() <= WINOGRAD_THREADS else None
        return None

    def _as_product(self, x: Tensor) -> Tensor:
        """Return the convolution as one matrix product: the pixels' neighbourhoods times the weights."""
        batch, channels, height, width = x.shape
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        of_image, of_row, of_pixel, of_channel = padded.stride()
        neighbourhoods = padded.as_strided(
            (batch, height, width, channels, 3, 3), (of_image, of_row, of_pixel, of_channel, of_row, of_pixel)
        )
        weight = self.weight.reshape(self.out_channels, -1)
        pixels = linear(neighbourhoods.reshape(batch * height * width, -1), weight, self.bias)
        return pixels.view(batch, height, width, -1).permute(0, 3, 1, 2).contiguous()

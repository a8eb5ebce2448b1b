"""Layers whose weights are kept as 8-bit floats (e4m3fn) with a scale for each output, and computed in more.

A weight then takes one byte instead of two or four; it is widened anew at each use, layer by layer. The scale brings
the largest weight of each output to the largest 8-bit float: without it most weights of a network would be smaller than
the least number that has all three bits.
"""

from __future__ import annotations

from typing import Any, Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.arithmetic import computes_wider
from engine.models.convolution import Conv2d

FLOAT8 = torch.float8_e4m3fn
LARGEST = torch.finfo(FLOAT8).max
# The first and the last layer see the picture itself; together they are a thousandth of the weights.
KEPT_WHOLE = ("conv_in", "conv_out")
# Numbers that a processor widens at a time: what lies between the operations then stays in its cache.
PIECE = 2**20


class _Float8Layer(nn.Module):
    """The weights of a layer, (outputs, ...), in eight bits.

    Attributes:
        codes: the 8-bit floats, of the weights' shape.
        scale: what they are multiplied by, float32 of shape (outputs, 1, ...).
        bias: as of the plain layer.
    """

    codes: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, bias: nn.Parameter | None) -> None:
        super().__init__()
        weight = weight.detach().float()
        scale = weight.abs().amax(dim=tuple(range(1, weight.ndim)), keepdim=True).clamp_min(1e-12) / LARGEST
        self.register_buffer("codes", (weight / scale).to(FLOAT8), persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.bias = bias

    def weight_in(self, dtype: torch.dtype) -> Tensor:
        """The weights in `dtype`, made anew at each call."""
        return _widened(self.codes, self.scale, dtype)

    def _bias_in(self, dtype: torch.dtype) -> Tensor | None:
        return None if self.bias is None else self.bias.to(dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        # Moves between devices; a change of precision leaves codes and scale as they are.
        codes, scale = self.codes, self.scale
        super()._apply(fn, recurse)
        if self.codes.dtype != codes.dtype:
            self.codes, self.scale = codes.to(self.codes.device), scale.to(self.codes.device)
        elif self.scale.dtype != scale.dtype:
            self.scale = scale.to(self.scale.device)
        return self


def _widened(codes: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Return `codes` (outputs, ...) times `scale` (outputs, 1, ...) in `dtype`.

    A processor converts 8-bit floats one by one. With sign, exponent and fraction moved to the places that float16 has
    for them, the same bits are the number / 256, since the exponents of float16 begin eight lower.
    """
    if codes.device.type != "cpu":
        return codes.to(dtype) * scale.to(dtype)
    result = torch.empty(codes.shape, dtype=dtype)
    rows = max(PIECE * len(codes) // max(codes.numel(), 1), 1)
    for piece, factor, target in zip(codes.split(rows), scale.split(rows), result.split(rows), strict=True):
        # The sign of a byte fills the upper one, and all but its bit at the place of the exponent goes.
        bits = piece.view(torch.int8).to(torch.int16).bitwise_left_shift_(7).bitwise_and_(~(1 << 14))
        torch.mul(bits.view(torch.float16), factor * 256, out=target)
    return result


class Float8Linear(_Float8Layer):
    """`nn.Linear` with such weights."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.weight, layer.bias)
        self.in_features, self.out_features = layer.in_features, layer.out_features

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float() if computes_wider(x) else x
        return F.linear(wide, self.weight_in(wide.dtype), self._bias_in(wide.dtype)).to(x.dtype)

    def plain(self, dtype: torch.dtype) -> nn.Linear:
        """The layer with its weights in `dtype`."""
        layer = nn.Linear(self.in_features, self.out_features, bias=False, device="meta")
        layer.weight = nn.Parameter(self.weight_in(dtype), requires_grad=False)
        layer.bias = cast("Any", self.bias)
        return layer


class Float8Conv2d(_Float8Layer):
    """`Conv2d` with such weights, padded with zeros."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__(layer.weight, cast("Any", layer.bias))
        self.in_channels, self.out_channels, self.kernel_size = layer.in_channels, layer.out_channels, layer.kernel_size
        self.stride, self.padding, self.dilation, self.groups = (
            layer.stride,
            cast("tuple[int, int]", layer.padding),
            layer.dilation,
            layer.groups,
        )

    def between_pieces(self) -> None:
        """As of `Conv2d`."""

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float() if computes_wider(x) else x
        if wide.device.type == "cpu":  # which has faster ways
            return self._widened(wide.dtype)(wide).to(x.dtype)
        weight, bias = self.weight_in(wide.dtype), self._bias_in(wide.dtype)
        return F.conv2d(wide, weight, bias, self.stride, self.padding, self.dilation, self.groups).to(x.dtype)

    def doubled(self, x: Tensor) -> Tensor:
        """Return the convolution of `x` with every pixel repeated along both sides."""
        wide = x.float() if computes_wider(x) else x
        return self._widened(wide.dtype).doubled(wide).to(x.dtype)

    def _widened(self, dtype: torch.dtype) -> Conv2d:
        layer = self.plain(dtype)
        layer.bias = None if self.bias is None else nn.Parameter(self.bias.to(dtype), requires_grad=False)
        vars(layer)["between_pieces"] = self.between_pieces
        return layer

    def plain(self, dtype: torch.dtype) -> Conv2d:
        """The layer with its weights in `dtype`."""
        with torch.device("meta"):
            layer = Conv2d(
                self.in_channels,
                self.out_channels,
                cast("tuple[int, int]", self.kernel_size),
                cast("tuple[int, int]", self.stride),
                self.padding,
                cast("tuple[int, int]", self.dilation),
                self.groups,
                bias=False,
            )
        layer.weight = nn.Parameter(self.weight_in(dtype), requires_grad=False)
        layer.bias = cast("Any", self.bias)
        return layer


@torch.no_grad()
def keep_in_float8(network: nn.Module, dtype: torch.dtype) -> None:
    """Put 8-bit layers in the places of the linear layers and convolutions of `network`, and the rest in `dtype`.

    One layer at a time, so that the network is never in memory twice.
    """
    # By name: a list of the layers would hold on to the weights of all of them.
    for name in [name for name, _ in network.named_modules()]:
        parent, _, last = name.rpartition(".")
        if last in KEPT_WHOLE or not parent:
            continue
        layer = network.get_submodule(name)
        if isinstance(layer, nn.Linear):
            setattr(network.get_submodule(parent), last, Float8Linear(layer))
        elif isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros" and isinstance(layer.padding, tuple):
            setattr(network.get_submodule(parent), last, Float8Conv2d(layer))
    network.to(dtype)

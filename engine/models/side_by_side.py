"""Weights that lie side by side in memory, so that one product takes the place of several of the same input.

A GPU then is asked once where it would be three times, which takes longer than such a product: in Stable Diffusion XL
140 times less at each step. No second copy is made: the layers' own weights are parts of one piece of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.exact import Win, is_on
from engine.models.linear import Linear

# A processor asks itself, at no cost.
DEVICES = frozenset({"cuda"})


class _Joined(NamedTuple):
    """Weights and biases, with their addresses, and all as one; `is_own` where nothing else lies in their memory."""

    parts: list[tuple[Tensor, int]]
    weight: Tensor
    bias: Tensor | None
    is_own: bool


class SideBySide:
    """What is known of layers that take the same input, and of their weights; they are told at each call."""

    def __init__(self) -> None:
        self._known: _Joined | None = None

    def lay(self, *layers: nn.Module) -> None:
        """Let the weights of `layers`, and their biases, lie one after the other, where that is of use.

        Nothing is done where they are not of one shape. It is for after they have moved.
        """
        self._known = None
        if not _are_plain(layers) or layers[0].weight.device.type not in DEVICES:
            return
        weights, biases = [layer.weight for layer in layers], _biases(layers)
        if len({(weight.shape, weight.dtype, weight.device) for weight in weights}) != 1:
            return
        for tensors in filter(None, (weights, biases)):
            if _as_one(tensors) is None:
                memory = torch.cat([tensor.data for tensor in tensors])
                for tensor, part in zip(tensors, memory.split([len(tensor) for tensor in tensors]), strict=True):
                    tensor.data = part

    def product(self, x: Tensor, *layers: nn.Module) -> Tensor | None:
        """Return what all `layers` make of `x` (..., in_features), joined along the last side; None where they do not.

        So where their weights lie elsewhere by now, an adapter has put others in their place, or somebody listens to
        one of them.
        """
        if x.device.type not in DEVICES or torch.is_grad_enabled() or not is_on(Win.SIDE_BY_SIDE):
            return None
        if not _are_plain(layers):
            return None
        joined = self._known
        if joined is None or not _are_those(joined.parts, layers):
            joined = _joined(layers)
            # What is known keeps memory: a place that blocks only pass through may not be.
            self._known = joined if joined is not None and joined.is_own else None
        if joined is None or joined.weight.dtype != x.dtype:
            return None
        return F.linear(x, joined.weight, joined.bias)


def _are_plain(layers: Sequence[nn.Module]) -> TypeGuard[Sequence[Linear]]:
    """Whether all are what they seem: no weights in eight bits, and nobody who listens to one alone."""
    return all(
        type(layer) is Linear
        and type(layer.weight) is nn.Parameter
        and not layer._forward_hooks  # pyright: ignore[reportPrivateUsage]
        and not layer._forward_pre_hooks  # pyright: ignore[reportPrivateUsage]
        for layer in layers
    )


def _joined(layers: Sequence[Linear]) -> _Joined | None:
    weights, biases = [layer.weight for layer in layers], _biases(layers)
    weight, bias = _as_one(weights), _as_one(biases) if biases else None
    if weight is None or (biases and (bias is None or len(biases) != len(layers))):
        return None
    is_own = weight.untyped_storage().nbytes() == weight.nbytes
    return _Joined([(one, one.data_ptr()) for one in (*weights, *biases)], weight, bias, is_own)


def _are_those(parts: Sequence[tuple[Tensor, int]], layers: Sequence[Linear]) -> bool:
    """Whether `parts` are the tensors of `layers` still, and lie where they lay."""
    now = [*(layer.weight for layer in layers), *_biases(layers)]
    return len(now) == len(parts) and all(
        one is other and one.data_ptr() == address for one, (other, address) in zip(now, parts, strict=True)
    )


def _biases(layers: Sequence[Linear]) -> list[Tensor]:
    found: list[Tensor | None] = [layer.bias for layer in layers]
    return [bias for bias in found if bias is not None]


def _as_one(tensors: Sequence[Tensor]) -> Tensor | None:
    """Return `tensors`, all of one shape, as one; None where they do not lie side by side."""
    first = tensors[0]
    size, begin, memory = first.nbytes, first.data_ptr(), first.untyped_storage()
    # Neighbours by chance lie in memory that ends between them.
    if begin + len(tensors) * size > memory.data_ptr() + memory.nbytes():
        return None
    for place, tensor in enumerate(tensors):
        if tensor.data_ptr() != begin + place * size or tensor.shape != first.shape or not tensor.is_contiguous():
            return None
    return first.as_strided((len(tensors) * len(first), *first.shape[1:]), first.stride())

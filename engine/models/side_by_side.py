"""Weights that lie side by side in memory, so that one product takes the place of several of the same input.

A GPU then is asked once where it would be three times, which takes longer than such a product: in Stable Diffusion XL
140 times less at each step. No second copy is made: the layers' own weights are parts of one piece of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.exact import Win, is_on
from engine.models.linear import Linear

# A processor asks itself, at no cost.
DEVICES = frozenset({"cuda"})


class SideBySide:
    """What is known of layers that take the same input, and of their weights; they are told at each call."""

    def __init__(self) -> None:
        # Weights with their addresses, and all of them as one.
        self._known: tuple[list[tuple[Tensor, int]], Tensor, Tensor | None] | None = None

    def lay(self, *layers: nn.Module) -> None:
        """Let the weights of `layers`, and their biases, lie one after the other, where that is of use.

        Nothing is done where they are not of one shape. It is for after they have moved.
        """
        self._known = None
        if not _are_plain(layers) or layers[0].weight.device.type not in DEVICES:
            return
        weights, biases = [layer.weight for layer in layers], _biases(layers)
        if len({weight.shape for weight in weights}) == 1 and _as_one(weights) is None:
            for tensors in filter(None, (weights, biases)):
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
        if self._known is None or any(
            layer.weight is not weight or weight.data_ptr() != address
            for layer, (weight, address) in zip(layers, self._known[0], strict=True)
        ):
            self._known = _joined(layers)
        if self._known is None or self._known[1].dtype != x.dtype:
            return None
        return F.linear(x, self._known[1], self._known[2])


def _are_plain(layers: Sequence[nn.Module]) -> TypeGuard[Sequence[Linear]]:
    """Whether all are what they seem: no weights in eight bits, and nobody who listens to one alone."""
    return all(
        type(layer) is Linear
        and type(layer.weight) is nn.Parameter
        and not layer._forward_hooks  # pyright: ignore[reportPrivateUsage]
        and not layer._forward_pre_hooks  # pyright: ignore[reportPrivateUsage]
        for layer in layers
    )


def _joined(layers: Sequence[Linear]) -> tuple[list[tuple[Tensor, int]], Tensor, Tensor | None] | None:
    weights, biases = [layer.weight for layer in layers], _biases(layers)
    weight, bias = _as_one(weights), _as_one(biases) if biases else None
    if weight is None or (biases and (bias is None or len(biases) != len(layers))):
        return None
    return [(one, one.data_ptr()) for one in weights], weight, bias


def _biases(layers: Sequence[Linear]) -> list[Tensor]:
    found: list[Tensor | None] = [layer.bias for layer in layers]
    return [bias for bias in found if bias is not None]


def _as_one(tensors: Sequence[Tensor]) -> Tensor | None:
    """Return `tensors`, all of one shape, as one; None where they do not lie side by side, in memory of their own."""
    first = tensors[0]
    size, begin, memory = first.nbytes, first.data_ptr(), first.untyped_storage()
    # In other memory, neighbours may be so by chance, or for a moment.
    if memory.data_ptr() != begin or memory.nbytes() != len(tensors) * size:
        return None
    for place, tensor in enumerate(tensors):
        if tensor.data_ptr() != begin + place * size or tensor.shape != first.shape or not tensor.is_contiguous():
            return None
    return first.as_strided((len(tensors) * len(first), *first.shape[1:]), first.stride())

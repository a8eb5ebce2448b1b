"""Weights that lie side by side in memory, so that one product takes the place of several of the same input.

A GPU then is asked once where it would be three times, which takes longer than such a product: in Stable Diffusion XL
140 times less at each step. No second copy is made: the layers' own weights are parts of one piece of memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.exact import Win, is_on
from engine.models.linear import Linear

# A processor asks itself, at no cost.
DEVICES = frozenset({"cuda"})


def lay_side_by_side(*layers: nn.Module) -> None:
    """Let the weights of `layers`, and their biases, lie one after the other where that is of use.

    They are of one shape, or nothing is done.
    """
    plain = _plain(layers)
    if len({layer.weight.shape for layer in plain}) != 1:
        return
    if plain[0].weight.device.type not in DEVICES or _product(plain) is not None:
        return
    for tensors in ([layer.weight for layer in plain], _biases(plain)):
        if tensors:
            memory = torch.cat([tensor.data for tensor in tensors])
            for tensor, part in zip(tensors, memory.split([len(tensor) for tensor in tensors]), strict=True):
                tensor.data = part


def side_by_side(x: Tensor, *layers: nn.Module) -> Tensor | None:
    """Return what all `layers` make of `x` (..., in_features), joined along the last side; None where none such can."""
    if x.device.type not in DEVICES or torch.is_grad_enabled() or not is_on(Win.SIDE_BY_SIDE):
        return None
    plain = _plain(layers)
    joined = _product(plain) if plain else None
    return None if joined is None or joined[0].dtype != x.dtype else F.linear(x, *joined)


def _plain(layers: tuple[nn.Module, ...]) -> list[Linear]:
    """`layers`, if all of them are what they seem: no weights in eight bits, and nobody who listens to one alone."""
    plain = [
        layer
        for layer in layers
        if type(layer) is Linear
        and type(layer.weight) is nn.Parameter
        and not layer._forward_hooks  # pyright: ignore[reportPrivateUsage]
        and not layer._forward_pre_hooks  # pyright: ignore[reportPrivateUsage]
    ]
    return plain if len(plain) == len(layers) else []


def _product(layers: list[Linear]) -> tuple[Tensor, Tensor | None] | None:
    """Weight and bias of all `layers` as one; None where they do not lie side by side."""
    weight = _as_one([layer.weight for layer in layers])
    biases = _biases(layers)
    if weight is None or not biases:
        return None if weight is None else (weight, None)
    bias = _as_one(biases) if len(biases) == len(layers) else None
    return None if bias is None else (weight, bias)


def _biases(layers: Sequence[nn.Linear]) -> list[Tensor]:
    found: list[Tensor | None] = [layer.bias for layer in layers]
    return [bias for bias in found if bias is not None]


def _as_one(tensors: Sequence[Tensor]) -> Tensor | None:
    first = tensors[0]
    size, begin = first.nbytes, first.data_ptr()
    for place, tensor in enumerate(tensors):
        if tensor.data_ptr() != begin + place * size or tensor.shape != first.shape or not tensor.is_contiguous():
            return None
    # Neighbours by chance lie in memory that ends between them.
    memory = first.untyped_storage()
    if begin + len(tensors) * size > memory.data_ptr() + memory.nbytes():
        return None
    return first.as_strided((len(tensors) * len(first), *first.shape[1:]), first.stride())

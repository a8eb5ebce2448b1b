"""Activations and sums that are written into a tensor which nothing else needs, instead of into a new one.

The numbers are the same to the bit. The maps of an autoencoder's last stage are its largest, and one less of them has
to be in memory. With gradients everything stays as it is: they need what was there before.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.exact import Win, is_on

_FUNCTIONS: dict[type[nn.Module], Callable[..., Tensor]] = {nn.SiLU: F.silu, nn.Mish: F.mish, nn.ReLU: F.relu}


def activated(activation: nn.Module, x: Tensor) -> Tensor:
    """Return `activation(x)` of any shape; `x` is lost."""
    function = _FUNCTIONS.get(type(activation))
    if function is None or not _is_allowed():
        return activation(x)
    return function(x, inplace=True)


def added(x: Tensor, other: Tensor) -> Tensor:
    """Return `x + other`, where `other` is of the same shape or has edges of 1; `x` is lost."""
    if not _is_allowed() or torch.result_type(x, other) != x.dtype:
        return x + other
    return x.add_(other)


def _is_allowed() -> bool:
    return is_on(Win.IN_PLACE) and not torch.is_grad_enabled()

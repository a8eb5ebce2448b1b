"""Exponential moving average of weights: a second model that follows the trained one and is the one kept."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


class Ema(Generic[Model]):
    """ema <- decay * ema + (1 - decay) * weights, with decay = min(max_decay, (1 + n) / (10 + n)) at update n.

    The rising decay lets the average forget the random start quickly (Karras et al. 2023, arXiv 2312.02696, discuss
    why a fixed one does not).

    Attributes:
        model: the averaged copy, in eval mode, without gradients; use it like the model itself.
        updates: how many updates it has seen.
    """

    def __init__(self, model: Model, max_decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.max_decay = max_decay
        self.updates = 0

    @property
    def decay(self) -> float:
        """The decay of the next update."""
        return min(self.max_decay, (1 + self.updates) / (10 + self.updates))

    @torch.no_grad()
    def update(self, model: Model) -> None:
        """Take in the present weights of `model`."""
        # One fused call for all tensors: a loop over hundreds of small ones costs more than the arithmetic.
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - self.decay)  # pyright: ignore[reportPrivateImportUsage, reportPrivateUsage]
        self.updates += 1

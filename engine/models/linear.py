"""`Linear`: the linear layer of PyTorch, in the precision that the processor computes best."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.arithmetic import computes_wider


class Linear(nn.Linear):
    """`nn.Linear`, with the same arguments, weights and results (rounding aside)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch.nn
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x weight^T + bias: (..., in_features) -> (..., out_features), in the precision of `x`."""
    if not computes_wider(x):
        return F.linear(x, weight, bias)
    return F.linear(x.float(), weight.float(), None if bias is None else bias.float()).to(x.dtype)

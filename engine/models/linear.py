"""`Linear`: the linear layer of PyTorch, in the precision that the processor computes best."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.arithmetic import computes_wider

# Numbers of a weight that are widened at a time: 16 MB, which the C library hands out again and again. For more than
# 32 MB it asks the system each time, and clearing new pages takes ten times as long as widening.
WIDENED_NUMBERS = 2**22


class Linear(nn.Linear):
    """`nn.Linear`, with the same arguments, weights and results (rounding aside)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch.nn
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x weight^T + bias: (..., in_features) -> (..., out_features), in the precision of `x`.

    Weights that are narrower than what is computed in are widened for some outputs at a time.
    """
    if computes_wider(x):
        return linear(x.float(), weight, bias).to(x.dtype)
    if weight.dtype.itemsize >= x.dtype.itemsize:
        return F.linear(x, weight, bias)
    bias = None if bias is None else bias.to(x.dtype)
    rows = max(WIDENED_NUMBERS // weight.shape[1], 1)
    if len(weight) <= rows:
        return F.linear(x, weight.to(x.dtype), bias)
    tokens = x.reshape(-1, x.shape[-1])
    result = x.new_empty(len(tokens), len(weight))
    for first in range(0, len(weight), rows):
        some = slice(first, first + rows)
        widened = weight[some].to(x.dtype)
        if hasattr(widened, "__tensor_flatten__"):  # of torchao, which unpacks it in here and nowhere else
            result[:, some] = F.linear(tokens, widened)
        else:
            torch.mm(tokens, widened.t(), out=result[:, some])
    if bias is not None:
        result += bias
    return result.view(*x.shape[:-1], -1)

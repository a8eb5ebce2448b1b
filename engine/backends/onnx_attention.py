"""Attention as one operation of ONNX Runtime's own, while a graph is exported for it.

ONNX itself writes it as two matrix products and a softmax, with the scores of all tokens in memory: 1.1 GB for the
largest attention of Stable Diffusion at 512 pixels, several times over. `MultiHeadAttention` computes them in blocks.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.attention import Attention

DOMAIN, DOMAIN_VERSION = "com.microsoft", 1


@contextmanager
def fused_attention(network: nn.Module) -> Generator[dict[str, int]]:
    """Have what is exported of `network` while the block runs attend by that operation, where there is no mask.

    Gives the sets of operations that this needs beside ONNX's own.
    """
    layers = [module for module in network.modules() if isinstance(module, Attention)]
    before = [vars(layer).get("attend") for layer in layers]
    for layer in layers:
        layer.attend = partial(_attend, layer)
    try:
        yield {DOMAIN: DOMAIN_VERSION} if layers else {}
    finally:
        for layer, attend in zip(layers, before, strict=True):
            del layer.attend
            if attend is not None:
                layer.attend = attend


def _attend(layer: Attention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    if mask is not None:
        return Attention.attend(layer, query, key, value, mask)
    return _MultiHeadAttention.apply(query, key, value, layer.heads)


class _MultiHeadAttention(torch.autograd.Function):
    """`F.scaled_dot_product_attention` with a name for exporters."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value)

    @staticmethod
    def symbolic(g: Any, query: Any, key: Any, value: Any, heads: int) -> Any:
        """What stands in the graph `g`; the operation takes and gives (batch, tokens, channels of all heads)."""
        joined = g.op("Constant", value_t=torch.tensor([0, 0, -1]))
        given = [g.op("Reshape", g.op("Transpose", part, perm_i=[0, 2, 1, 3]), joined) for part in (query, key, value)]
        attended = g.op(f"{DOMAIN}::MultiHeadAttention", *given, num_heads_i=heads)
        apart = g.op("Constant", value_t=torch.tensor([0, 0, heads, -1]))
        return g.op("Transpose", g.op("Reshape", attended, apart), perm_i=[0, 2, 1, 3])

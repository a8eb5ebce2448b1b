"""The transformer inside a U-Net: image features attend to each other and to the prompt's tokens."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.models.attention import BasicTransformerBlock
from engine.models.convolution import Conv2d
from engine.models.halves import spread
from engine.models.linear import Linear
from engine.models.prompt_keys import PromptKeys
from engine.models.token_merging import TokenMerging


class Context(NamedTuple):
    """What cross-attention looks at.

    Attributes:
        tokens: (batch, tokens, channels).
        self_mask: added to the scores of self-attention, (batch, 1, pixels).
        token_mask: added to the scores of cross-attention, (batch, 1, tokens).
        prompt_keys: what cross-attention made of `tokens` in the steps before.
    """

    tokens: Tensor | None = None
    self_mask: Tensor | None = None
    token_mask: Tensor | None = None
    prompt_keys: PromptKeys | None = None


class SpatialTransformer(nn.Module):
    """Transformer blocks over the pixels of (batch, in_channels, height, width), around a residual.

    Rombach et al., arXiv:2112.10752, appendix E.2.1. `use_linear_projection` enters and leaves the tokens by linear
    layers instead of 1x1 convolutions; the numbers are the same, the shape of the weights differs. The share
    `token_merging` of the tokens takes no part in self-attention of its own (`engine.models.token_merging`).
    """

    def __init__(
        self,
        num_attention_heads: int,
        attention_head_dim: int,
        in_channels: int,
        num_layers: int,
        cross_attention_dim: int | None,
        norm_num_groups: int,
        use_linear_projection: bool = False,
        only_cross_attention: bool = False,
        upcast_attention: bool = False,
    ) -> None:
        super().__init__()
        inner_dim = num_attention_heads * attention_head_dim
        self.use_linear_projection = use_linear_projection
        self.token_merging = 0.0
        self.norm = nn.GroupNorm(norm_num_groups, in_channels, eps=1e-6)
        self.proj_in = _projection(in_channels, inner_dim, use_linear_projection)
        self.transformer_blocks = nn.ModuleList(
            BasicTransformerBlock(
                inner_dim,
                num_attention_heads,
                attention_head_dim,
                cross_attention_dim=cross_attention_dim,
                only_cross_attention=only_cross_attention,
                upcast_attention=upcast_attention,
            )
            for _ in range(num_layers)
        )
        self.proj_out = _projection(inner_dim, in_channels, use_linear_projection)

    def forward(self, hidden_states: Tensor, context: Context) -> Tensor:
        size = hidden_states.shape[-2:]
        tokens = self.norm(hidden_states)
        tokens = self.proj_in(_to_tokens(tokens)) if self.use_linear_projection else _to_tokens(self.proj_in(tokens))
        for block in self.transformer_blocks:
            tokens = block(tokens, *context, self._merging(tokens, size, context))
        hidden_states = spread(hidden_states, tokens)
        if self.use_linear_projection:
            return hidden_states + _to_image(self.proj_out(tokens), size)
        return hidden_states + self.proj_out(_to_image(tokens, size))

    def _merging(self, tokens: Tensor, size: torch.Size, context: Context) -> TokenMerging | None:
        if not self.token_merging or context.self_mask is not None or min(size) < 2:
            return None
        return TokenMerging(tokens, (size[0], size[1]), self.token_merging)


def _projection(channels: int, out_channels: int, linear: bool) -> nn.Module:
    return Linear(channels, out_channels) if linear else Conv2d(channels, out_channels, 1)


def _to_tokens(image: Tensor) -> Tensor:
    return image.flatten(2).transpose(1, 2)


def _to_image(tokens: Tensor, size: torch.Size) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, size)

"""Attention, feed-forward layers, and the transformer block made of them.

Token tensors are (batch, tokens, channels); images (batch, channels, height, width).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import ConfigError, InvalidValue
from engine.models.activations import GEGLU, GELU
from engine.models.arithmetic import computes_wider
from engine.models.exact import Win, is_on
from engine.models.halves import spread
from engine.models.linear import Linear
from engine.models.prompt_keys import KeysAndValues, PromptKeys
from engine.models.side_by_side import SideBySide
from engine.models.token_merging import TokenMerging

# Numbers in the middle of a feed-forward layer that are made at a time: 16 MB in float32.
PIECE_NUMBERS = 2**22


class Attention(nn.Module):
    """Multi-head attention over tokens, or over the pixels of an image. Vaswani et al., arXiv:1706.03762, section 3.2.

    Queries come from `hidden_states`, keys and values from `encoder_hidden_states` or, without it, from
    `hidden_states` too. An image goes through the group norm first and comes back as an image. With
    `residual_connection` the input is added to the result, which is then divided by `rescale_output_factor`.

    `prompt_keys` keeps the keys and values of `encoder_hidden_states` from call to call.

    `attention_mask` is added to the scores and has the shape (batch, keys) or (batch, 1 or queries, keys).
    `upcast_attention` needs no code: all kernels of `scaled_dot_product_attention` sum scores in float32.
    """

    def __init__(
        self,
        query_dim: int,
        cross_attention_dim: int | None = None,
        heads: int = 8,
        dim_head: int = 64,
        dropout: float = 0.0,
        bias: bool = False,
        upcast_attention: bool = False,
        norm_num_groups: int | None = None,
        out_bias: bool = True,
        eps: float = 1e-5,
        rescale_output_factor: float = 1.0,
        residual_connection: bool = False,
    ) -> None:
        super().__init__()
        if heads < 1:
            raise ConfigError(f"An attention with {query_dim} channels has {heads} heads; it needs at least one.")
        inner_dim = heads * dim_head
        key_dim = query_dim if cross_attention_dim is None else cross_attention_dim
        self.heads = heads
        self.upcast_attention = upcast_attention
        self.rescale_output_factor = rescale_output_factor
        self.residual_connection = residual_connection
        self.slice_size: int | None = None
        self._side_by_side = SideBySide()

        self.group_norm = None if norm_num_groups is None else nn.GroupNorm(norm_num_groups, query_dim, eps=eps)
        self.to_q = Linear(query_dim, inner_dim, bias=bias)
        self.to_k = Linear(key_dim, inner_dim, bias=bias)
        self.to_v = Linear(key_dim, inner_dim, bias=bias)
        self.to_out = nn.ModuleList([Linear(inner_dim, query_dim, bias=out_bias), nn.Dropout(dropout)])

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        prompt_keys: PromptKeys | None = None,
    ) -> Tensor:
        tokens = self._to_tokens(hidden_states) if hidden_states.ndim == 4 else hidden_states
        if encoder_hidden_states is None:
            query, key, value = self._of_themselves(tokens)
        else:
            query = self._split_heads(self.to_q(tokens))
            if prompt_keys is None:
                key, value = self._keys_and_values(encoder_hidden_states)
            else:
                key, value = prompt_keys.get(self._key_layers(), encoder_hidden_states, self._keys_and_values)
        mask = None if attention_mask is None else _broadcast_mask(attention_mask, key.shape[-2])

        attended = self.attend(query, key, value, mask).transpose(1, 2).flatten(2)
        out, dropout = self.to_out
        attended = out(attended)
        if self.training:  # else a call of it would do nothing, and take its time
            attended = dropout(attended)

        if hidden_states.ndim == 4:
            attended = attended.transpose(1, 2).unflatten(2, hidden_states.shape[2:])
        if self.residual_connection:
            attended = attended + hidden_states
        return attended if self.rescale_output_factor == 1.0 else attended / self.rescale_output_factor

    def set_attention_slice(self, slice_size: int | None) -> None:
        """Attend `slice_size` heads at a time, to need less memory; None: all at once. Raises `InvalidValue`."""
        if slice_size is not None and not 1 <= slice_size <= self.heads:
            raise InvalidValue(f"slice_size is {slice_size}; give 1 to {self.heads}, the number of heads.")
        self.slice_size = slice_size

    def lay_out(self) -> None:
        """Let the weights of queries, keys and values lie in one piece of memory, where that is of use."""
        self._side_by_side.lay(self.to_q, self.to_k, self.to_v)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # `to` and the like come through here; others who bring weights call `lay_out`.
        super()._apply(fn, recurse)
        self.lay_out()
        return self

    def _of_themselves(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values of tokens that look at each other."""
        joined = self._side_by_side.product(tokens, self.to_q, self.to_k, self.to_v)
        if joined is None:
            return self._split_heads(self.to_q(tokens)), *self._keys_and_values(tokens)
        return joined.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()

    def _to_tokens(self, image: Tensor) -> Tensor:
        if self.group_norm is not None:
            image = self.group_norm(image)
        return image.flatten(2).transpose(1, 2)

    def _key_layers(self) -> tuple[nn.Module, ...]:
        return self.to_k, self.to_v

    def _keys_and_values(self, context: Tensor) -> KeysAndValues:
        return self._split_heads(self.to_k(context)), self._split_heads(self.to_v(context))

    def _split_heads(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Return what (batch, heads, tokens, channels) attend to; cancel and exporters put their own in its place."""
        if computes_wider(query):
            mask = mask.float() if mask is not None and mask.is_floating_point() else mask
            return self.attend(query.float(), key.float(), value.float(), mask).to(query.dtype)
        if self.slice_size is None:
            return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        slices = zip(*(tensor.split(self.slice_size, dim=1) for tensor in (query, key, value)), strict=True)
        return torch.cat([F.scaled_dot_product_attention(q, k, v, attn_mask=mask) for q, k, v in slices], dim=1)


def _broadcast_mask(mask: Tensor, keys: int) -> Tensor:
    if mask.shape[-1] != keys:
        raise InvalidValue(f"The attention mask covers {mask.shape[-1]} tokens, but there are {keys} to attend to.")
    return mask[:, None, None] if mask.ndim == 2 else mask[:, None]


def set_attention_slice(model: nn.Module, slice_size: Literal["auto", "max"] | int | Sequence[int] | None) -> None:
    """Slice every attention of a model: `auto` halves the heads, `max` takes one at a time, None undoes it.

    A list gives one number per attention, in the order of `model.modules()`. Raises `InvalidValue`.
    """
    attentions = [module for module in model.modules() if isinstance(module, Attention)]
    if slice_size == "auto":
        sizes = [max(attention.heads // 2, 1) for attention in attentions]
    elif slice_size == "max":
        sizes = [1] * len(attentions)
    elif isinstance(slice_size, str):
        raise InvalidValue(f"slice_size is {slice_size!r}; give 'auto', 'max', a number of heads or None.")
    elif slice_size is None or isinstance(slice_size, int):
        sizes = [slice_size] * len(attentions)
    else:
        sizes = list(slice_size)
    if len(sizes) != len(attentions):
        raise InvalidValue(f"slice_size has {len(sizes)} entries; this model has {len(attentions)} attention layers.")
    for attention, size in zip(attentions, sizes, strict=True):
        attention.set_attention_slice(size)


class FeedForward(nn.Module):
    """Linear layer with activation, dropout, linear layer: (..., dim) -> (..., dim_out)."""

    def __init__(
        self,
        dim: int,
        dim_out: int | None = None,
        mult: int = 4,
        dropout: float = 0.0,
        activation_fn: Literal["geglu", "gelu", "gelu-approximate"] = "geglu",
        inner_dim: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        inner_dim = inner_dim or dim * mult
        if activation_fn == "geglu":
            activation = GEGLU(dim, inner_dim, bias=bias)
        elif activation_fn in ("gelu", "gelu-approximate"):
            activation = GELU(dim, inner_dim, approximate="none" if activation_fn == "gelu" else "tanh", bias=bias)
        else:
            raise ConfigError(f"activation_fn is {activation_fn!r}; use 'geglu', 'gelu' or 'gelu-approximate'.")
        self.widest = 2 * inner_dim
        self.net = nn.ModuleList([activation, nn.Dropout(dropout), Linear(inner_dim, dim_out or dim, bias=bias)])

    def forward(self, hidden_states: Tensor) -> Tensor:
        # Nothing is kept for gradients: then some tokens at a time, so that what is in the middle stays in the cache.
        rows = max(PIECE_NUMBERS // self.widest, 1)
        tokens = hidden_states.numel() // hidden_states.shape[-1]
        if (
            tokens <= rows
            or torch.is_grad_enabled()
            or hidden_states.device.type != "cpu"
            or not is_on(Win.FEED_FORWARD)
        ):
            return self._layers(hidden_states)
        pieces = hidden_states.reshape(tokens, -1).split(rows)
        return torch.cat([self._layers(piece) for piece in pieces]).view(*hidden_states.shape[:-1], -1)

    def _layers(self, hidden_states: Tensor) -> Tensor:
        activation, dropout, out = self.net
        hidden_states = activation(hidden_states)
        return out(dropout(hidden_states) if self.training else hidden_states)


class BasicTransformerBlock(nn.Module):
    """Self-attention, cross-attention and feed-forward, each after a layer norm and around a residual.

    `only_cross_attention` makes the first attention look at `encoder_hidden_states` too; without a
    `cross_attention_dim` there is no second attention.
    Where `hidden_states` has fewer rows than `encoder_hidden_states`, each stands for several (`engine.models.halves`).
    `merging` makes self-attention one of fewer tokens. Rombach et al., arXiv:2112.10752, appendix E.2.1.
    """

    def __init__(
        self,
        dim: int,
        num_attention_heads: int,
        attention_head_dim: int,
        dropout: float = 0.0,
        cross_attention_dim: int | None = None,
        only_cross_attention: bool = False,
        upcast_attention: bool = False,
    ) -> None:
        super().__init__()

        def attention(key_dim: int | None) -> Attention:
            return Attention(
                dim, key_dim, num_attention_heads, attention_head_dim, dropout, upcast_attention=upcast_attention
            )

        self.only_cross_attention = only_cross_attention
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = attention(cross_attention_dim if only_cross_attention else None)
        self.norm2 = None if cross_attention_dim is None else nn.LayerNorm(dim)
        self.attn2 = None if cross_attention_dim is None else attention(cross_attention_dim)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim, dropout=dropout)

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        prompt_keys: PromptKeys | None = None,
        merging: TokenMerging | None = None,
    ) -> Tensor:
        # The new tensor goes first in each sum: the result takes its contiguous layout, not that of a flattened image.
        context = encoder_hidden_states if self.only_cross_attention else None
        if context is not None:
            hidden_states = spread(hidden_states, context)
        tokens = self.norm1(hidden_states)
        if merging is None:
            hidden_states = self.attn1(tokens, context, attention_mask, prompt_keys) + hidden_states
        else:
            attended = self.attn1(merging.merge(tokens), context, None, prompt_keys)
            hidden_states = merging.split(attended) + hidden_states
        if self.norm2 is not None and self.attn2 is not None:
            if encoder_hidden_states is not None:
                hidden_states = spread(hidden_states, encoder_hidden_states)
            attended = self.attn2(self.norm2(hidden_states), encoder_hidden_states, encoder_attention_mask, prompt_keys)
            hidden_states = attended + hidden_states
        return self.ff(self.norm3(hidden_states)) + hidden_states

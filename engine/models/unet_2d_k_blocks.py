"""The stages of the denoisers by Katherine Crowson, of which the latent upscaler of Stable Diffusion is one.

Norms have no weights of their own: scale and shift come from the time embedding (Dhariwal & Nichol, arXiv:2105.05233,
section 3). Sizes change with a fixed smoothing filter. Shapes are as in `unet_2d_blocks`.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import ConfigError, InvalidValue
from engine.models.activations import get_activation
from engine.models.attention import Attention
from engine.models.convolution import Conv2d
from engine.models.linear import Linear
from engine.models.prompt_keys import KeysAndValues
from engine.models.spatial_transformer import Context
from engine.models.time_embeddings import Embedding, projected

KDownBlockType = Literal["KDownBlock2D", "KCrossAttnDownBlock2D"]
KUpBlockType = Literal["KUpBlock2D", "KCrossAttnUpBlock2D"]

GROUP_SIZE = 32
# The cubic B-spline that halves and doubles, applied along both sides.
KERNEL = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


class AdaGroupNorm(nn.Module):
    """Group norm whose scale and shift are a linear function of the time embedding."""

    def __init__(self, embedding_dim: int, channels: int, num_groups: int, eps: float = 1e-5) -> None:
        super().__init__()
        if num_groups < 1 or channels % num_groups:
            raise ConfigError(f"{channels} channels cannot be normed in groups of {GROUP_SIZE}; widen the stage.")
        self.num_groups, self.eps = num_groups, eps
        self.linear = Linear(embedding_dim, 2 * channels)

    def forward(self, hidden_states: Tensor, temb: Embedding) -> Tensor:
        scale, shift = projected(temb, self.linear, self.linear).chunk(2, dim=1)
        return F.group_norm(hidden_states, self.num_groups, eps=self.eps) * (1 + scale) + shift


class KResnetBlock2D(nn.Module):
    """Norm, activation, convolution, twice, around a shortcut without bias; the last convolution may widen again."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        temb_channels: int,
        eps: float,
        non_linearity: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.norm1 = AdaGroupNorm(temb_channels, in_channels, in_channels // GROUP_SIZE, eps)
        self.conv1 = Conv2d(in_channels, channels, 3, padding=1)
        self.norm2 = AdaGroupNorm(temb_channels, channels, channels // GROUP_SIZE, eps)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = Conv2d(channels, out_channels, 3, padding=1)
        self.nonlinearity = get_activation(non_linearity)
        same = in_channels == out_channels
        self.conv_shortcut = None if same else Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, input_tensor: Tensor, temb: Embedding) -> Tensor:
        hidden_states = self.conv1(self.nonlinearity(self.norm1(input_tensor, temb)))
        hidden_states = self.conv2(self.dropout(self.nonlinearity(self.norm2(hidden_states, temb))))
        return hidden_states + (input_tensor if self.conv_shortcut is None else self.conv_shortcut(input_tensor))


class NormedCrossAttention(Attention):
    """Attention to a prompt that goes through a layer norm first."""

    def __init__(self, query_dim: int, cross_attention_dim: int, heads: int, dim_head: int) -> None:
        super().__init__(query_dim, cross_attention_dim, heads, dim_head, bias=True)
        self.norm_cross = nn.LayerNorm(cross_attention_dim)

    def _key_layers(self) -> tuple[nn.Module, ...]:
        return *super()._key_layers(), self.norm_cross

    def _keys_and_values(self, context: Tensor) -> KeysAndValues:
        return super()._keys_and_values(self.norm_cross(context))


class KAttentionBlock(nn.Module):
    """Attention to the picture itself, if `self_attention`, and then to the prompt."""

    def __init__(
        self, channels: int, head_dim: int, cross_attention_dim: int, temb_channels: int, self_attention: bool
    ) -> None:
        super().__init__()
        heads, groups = channels // head_dim, max(1, channels // GROUP_SIZE)
        self.norm1 = AdaGroupNorm(temb_channels, channels, groups) if self_attention else None
        self.attn1 = Attention(channels, None, heads, head_dim, bias=True) if self_attention else None
        self.norm2 = AdaGroupNorm(temb_channels, channels, groups)
        self.attn2 = NormedCrossAttention(channels, cross_attention_dim, heads, head_dim)

    def forward(self, hidden_states: Tensor, temb: Embedding, context: Context) -> Tensor:
        if self.norm1 is not None and self.attn1 is not None:
            hidden_states = hidden_states + self.attn1(self.norm1(hidden_states, temb), None, context.self_mask)
        normed = self.norm2(hidden_states, temb)
        return hidden_states + self.attn2(normed, context.tokens, context.token_mask, context.prompt_keys)


class KDownStage(nn.Module):
    """One stage on the way down; gives its result and, for the way up, the states after each layer."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_layers: int,
        temb_channels: int,
        downsample: bool,
        head_dim: int | None,
        cross_attention_dim: int,
        **residual: Any,
    ) -> None:
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(), nn.ModuleList()
        for layer in range(num_layers):
            before = in_channels if layer == 0 else out_channels
            self.resnets.append(KResnetBlock2D(before, out_channels, out_channels, temb_channels, **residual))
            if head_dim is not None:
                own = not downsample
                self.attentions.append(KAttentionBlock(out_channels, head_dim, cross_attention_dim, temb_channels, own))
        self.downsample = downsample

    def forward(
        self, sample: Tensor, temb: Embedding, context: Context, adapter: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        states: tuple[Tensor, ...] = ()
        for layer, resnet in enumerate(self.resnets):
            sample = resnet(sample, temb)
            if self.attentions:
                sample = self.attentions[layer](sample, temb, context)
            states += (sample,)
        if adapter is not None:
            sample = sample + adapter
        return (halved(sample) if self.downsample else sample), states


class KUpStage(nn.Module):
    """One stage on the way up; takes the last of the states that its counterpart left, if it was made for one."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_layers: int,
        temb_channels: int,
        upsample: bool,
        head_dim: int | None,
        cross_attention_dim: int,
        **residual: Any,
    ) -> None:
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(), nn.ModuleList()
        # The first stage with attention follows the last one down directly: there is nothing to join.
        deepest = head_dim is not None and in_channels == out_channels == temb_channels
        self.joins = not deepest
        for layer in range(num_layers):
            last = layer == num_layers - 1
            before = (1 + self.joins) * out_channels if layer == 0 else out_channels
            after = in_channels if last else out_channels
            # Without attention the whole last block has the next stage's width, with it the last convolution only.
            inner = after if head_dim is None else out_channels
            self.resnets.append(KResnetBlock2D(before, inner, after, temb_channels, **residual))
            if head_dim is not None:
                self.attentions.append(KAttentionBlock(after, head_dim, cross_attention_dim, temb_channels, deepest))
        self.upsample = upsample

    def forward(
        self,
        sample: Tensor,
        states: tuple[Tensor, ...],
        temb: Embedding,
        context: Context,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        if self.joins:
            if states[-1].shape[2:] != sample.shape[2:]:
                raise InvalidValue("height or width cannot be halved in every stage of this model; choose others.")
            sample = torch.cat([sample, states[-1]], dim=1)
        for layer, resnet in enumerate(self.resnets):
            sample = resnet(sample, temb)
            if self.attentions:
                sample = self.attentions[layer](sample, temb, context)
        return doubled(sample) if self.upsample else sample


def halved(sample: Tensor) -> Tensor:
    """Return `sample` smoothed and at half its size."""
    return F.conv2d(F.pad(sample, (1,) * 4, "reflect"), _filter(sample, 1.0), stride=2, groups=sample.shape[1])


def doubled(sample: Tensor) -> Tensor:
    """Return `sample` at twice its size, smoothed."""
    padded = F.pad(sample, (1,) * 4, "reflect")
    return F.conv_transpose2d(padded, _filter(sample, 2.0), stride=2, padding=3, groups=sample.shape[1])


def _filter(like: Tensor, gain: float) -> Tensor:
    # Filled where it is needed: a copy from the CPU would have no place in a CUDA graph.
    line = gain * torch.cat([like.new_full((1,), tap) for tap in KERNEL])
    return torch.outer(line, line).expand(like.shape[1], 1, len(KERNEL), len(KERNEL))

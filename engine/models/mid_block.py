"""The narrowest part of a U-Net or an autoencoder: residual blocks with self-attention between them."""

from __future__ import annotations

from torch import Tensor, nn

from engine.models.attention import Attention
from engine.models.resnet import ResnetBlock2D, TimeEmbeddingNorm
from engine.models.time_embeddings import Embedding


class UNetMidBlock2D(nn.Module):
    """A residual block, then `num_layers` times self-attention (optional) and a residual block.

    `attention_head_dim` channels make one head (None: a single head). `attn_groups` normalise the attention's input
    (None: as in the residual blocks, but none at all with "scale_shift"). `resnet_groups` None stands for a quarter of
    the channels, at most 32. Input and output have the shape (batch, in_channels, height, width).
    """

    def __init__(
        self,
        in_channels: int,
        temb_channels: int | None,
        dropout: float = 0.0,
        num_layers: int = 1,
        resnet_eps: float = 1e-6,
        resnet_time_scale_shift: TimeEmbeddingNorm = "default",
        resnet_act_fn: str = "swish",
        resnet_groups: int | None = 32,
        attn_groups: int | None = None,
        add_attention: bool = True,
        attention_head_dim: int | None = 1,
        output_scale_factor: float = 1.0,
    ) -> None:
        super().__init__()
        groups = min(in_channels // 4, 32) if resnet_groups is None else resnet_groups
        head_dim = in_channels if attention_head_dim is None else attention_head_dim
        if attn_groups is None and resnet_time_scale_shift == "default":
            attn_groups = groups
        self.resnets, self.attentions = nn.ModuleList(), nn.ModuleList()
        for index in range(num_layers + 1):
            if index > 0 and add_attention:
                attention = spatial_attention(in_channels, head_dim, attn_groups, resnet_eps, output_scale_factor)
                self.attentions.append(attention)
            resnet = ResnetBlock2D(
                in_channels=in_channels,
                out_channels=in_channels,
                temb_channels=temb_channels,
                eps=resnet_eps,
                groups=groups,
                dropout=dropout,
                time_embedding_norm=resnet_time_scale_shift,
                non_linearity=resnet_act_fn,
                output_scale_factor=output_scale_factor,
            )
            self.resnets.append(resnet)

    def forward(self, hidden_states: Tensor, temb: Embedding | None = None) -> Tensor:
        """Return the features after the last residual block; `temb` has the shape (batch, temb_channels)."""
        for index, resnet in enumerate(self.resnets):
            if index > 0 and self.attentions:
                hidden_states = self.attentions[index - 1](hidden_states)
            hidden_states = resnet(hidden_states, temb)
        return hidden_states


def spatial_attention(
    channels: int, head_dim: int, groups: int | None, eps: float, output_scale_factor: float = 1.0
) -> Attention:
    """Return a residual self-attention over the pixels of a feature map with `channels` channels."""
    return Attention(
        query_dim=channels,
        heads=channels // head_dim,
        dim_head=head_dim,
        rescale_output_factor=output_scale_factor,
        eps=eps,
        norm_num_groups=groups,
        residual_connection=True,
        bias=True,
    )

"""The stages of an autoencoder: residual blocks, with attention after each where wanted, then a change of size."""

from __future__ import annotations

from torch import Tensor, nn

from engine.heap import give_holes_back
from engine.models.mid_block import spatial_attention
from engine.models.resnet import Downsample2D, ResnetBlock2D, Upsample2D

NORM_EPS = 1e-6


class _Stage(nn.Module):
    """`num_layers` residual blocks without a time embedding, each followed by attention if `add_attention`."""

    def __init__(
        self, in_channels: int, out_channels: int, num_layers: int, groups: int, act_fn: str, add_attention: bool
    ) -> None:
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(), nn.ModuleList()
        for layer in range(num_layers):
            resnet = ResnetBlock2D(
                in_channels=in_channels if layer == 0 else out_channels,
                out_channels=out_channels,
                temb_channels=None,
                eps=NORM_EPS,
                groups=groups,
                non_linearity=act_fn,
            )
            self.resnets.append(resnet)
            if add_attention:
                self.attentions.append(spatial_attention(out_channels, out_channels, groups, NORM_EPS))

    def residual_layers(self, hidden_states: Tensor) -> Tensor:
        """Return the features after all residual blocks and attentions, at the size they came in."""
        for index, resnet in enumerate(self.resnets):
            give_holes_back(hidden_states)
            hidden_states = resnet(hidden_states, None)
            if self.attentions:
                hidden_states = self.attentions[index](hidden_states)
        return hidden_states


class DownEncoderBlock2D(_Stage):
    """One stage of the encoder, (batch, in_channels, h, w) to (batch, out_channels, h // 2, w // 2).

    Without `add_downsample` the size stays. The stride-2 convolution pads below and on the right only.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_layers: int = 1,
        resnet_groups: int = 32,
        resnet_act_fn: str = "swish",
        add_downsample: bool = True,
        add_attention: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, num_layers, resnet_groups, resnet_act_fn, add_attention)
        self.downsamplers = nn.ModuleList(
            Downsample2D(out_channels, use_conv=True, out_channels=out_channels, padding=0)
            for _ in range(int(add_downsample))
        )

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return the features of the next stage."""
        hidden_states = self.residual_layers(hidden_states)
        for downsampler in self.downsamplers:
            hidden_states = downsampler(hidden_states)
        return hidden_states


class UpDecoderBlock2D(_Stage):
    """One stage of the decoder, (batch, in_channels, h, w) to (batch, out_channels, 2 h, 2 w).

    Without `add_upsample` the size stays.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_layers: int = 1,
        resnet_groups: int = 32,
        resnet_act_fn: str = "swish",
        add_upsample: bool = True,
        add_attention: bool = False,
    ) -> None:
        super().__init__(in_channels, out_channels, num_layers, resnet_groups, resnet_act_fn, add_attention)
        self.upsamplers = nn.ModuleList(
            Upsample2D(out_channels, use_conv=True, out_channels=out_channels) for _ in range(int(add_upsample))
        )

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return the features of the next stage."""
        hidden_states = self.residual_layers(hidden_states)
        for upsampler in self.upsamplers:
            give_holes_back(hidden_states)
            hidden_states = upsampler(hidden_states)
        return hidden_states

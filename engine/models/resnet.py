"""Residual convolution blocks and the layers that halve and double an image.

Shapes are (batch, channels, height, width) throughout; time embeddings are (batch, temb_channels).
"""

from __future__ import annotations

from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import ConfigError, InvalidValue
from engine.models.activations import get_activation
from engine.models.convolution import Conv2d
from engine.models.fir import fir_downsample, fir_upsample
from engine.models.in_place import activated, added
from engine.models.linear import Linear
from engine.models.time_embeddings import Embedding, projected

TimeEmbeddingNorm = Literal["default", "scale_shift"]
ResampleKernel = Literal["fir", "sde_vp"]


class Downsample2D(nn.Module):
    """Halves height and width, with a strided 3x3 convolution or by averaging 2x2 pixels.

    `padding=0` pads only the right and lower edges, as the autoencoders of latent diffusion do. An odd edge is
    rounded up by the convolution with `padding=1` and down otherwise.
    """

    def __init__(
        self, channels: int, use_conv: bool = False, out_channels: int | None = None, padding: int = 1
    ) -> None:
        super().__init__()
        out_channels = channels if out_channels is None else out_channels
        if not use_conv and out_channels != channels:
            raise ConfigError(f"Averaging cannot turn {channels} channels into {out_channels}; use a convolution.")
        self.pad_end_only = use_conv and padding == 0
        self.conv = Conv2d(channels, out_channels, 3, stride=2, padding=padding) if use_conv else nn.AvgPool2d(2)

    def forward(self, hidden_states: Tensor) -> Tensor:
        if self.pad_end_only:
            hidden_states = F.pad(hidden_states, (0, 1, 0, 1))
        return self.conv(hidden_states)


class Upsample2D(nn.Module):
    """Doubles height and width by repeating pixels, then convolves 3x3 if `use_conv`.

    `output_size` (height, width) replaces the doubling where a skip connection has an odd edge.
    """

    def __init__(self, channels: int, use_conv: bool = False, out_channels: int | None = None) -> None:
        super().__init__()
        out_channels = channels if out_channels is None else out_channels
        self.conv = Conv2d(channels, out_channels, 3, padding=1) if use_conv else None

    def forward(self, hidden_states: Tensor, output_size: tuple[int, int] | None = None) -> Tensor:
        height, width = hidden_states.shape[-2:]
        if self.conv is not None and output_size in (None, (2 * height, 2 * width)):
            return self.conv.doubled(hidden_states)
        hidden_states = F.interpolate(hidden_states, size=output_size or (2 * height, 2 * width), mode="nearest")
        return hidden_states if self.conv is None else self.conv(hidden_states)


class _FirResample(nn.Module):
    """Weightless halving or doubling with a smoothing filter, as StyleGAN2 and NCSN++ do."""

    def __init__(self, up: bool) -> None:
        super().__init__()
        self.resample = fir_upsample if up else fir_downsample

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.resample(hidden_states)


def _resampler(channels: int, up: bool, down: bool, kernel: ResampleKernel | None) -> nn.Module | None:
    if not up and not down:
        return None
    if kernel == "fir":
        return _FirResample(up)
    return Upsample2D(channels) if up else Downsample2D(channels)


class ResnetBlock2D(nn.Module):
    """norm, activation, convolution, twice, around a shortcut; the time embedding enters before the second norm
    (`default`: added) or after it (`scale_shift`: as scale and shift, Dhariwal & Nichol, arXiv:2105.05233, section 3).

    `temb_channels=None` makes a block without a time embedding (autoencoders). `up` or `down` resamples both branches
    before the first convolution. The sum is divided by `output_scale_factor`. The shortcut has a 1x1 convolution
    where the channels change, or as `use_in_shortcut` says.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int | None = None,
        dropout: float = 0.0,
        temb_channels: int | None = 512,
        groups: int = 32,
        groups_out: int | None = None,
        eps: float = 1e-6,
        non_linearity: str = "swish",
        skip_time_act: bool = False,
        time_embedding_norm: TimeEmbeddingNorm = "default",
        kernel: ResampleKernel | None = None,
        output_scale_factor: float = 1.0,
        use_in_shortcut: bool | None = None,
        up: bool = False,
        down: bool = False,
        conv_shortcut_bias: bool = True,
    ) -> None:
        super().__init__()
        out_channels = in_channels if out_channels is None else out_channels
        self.out_channels = out_channels
        self.scale_shift = time_embedding_norm == "scale_shift"
        self.skip_time_act = skip_time_act
        self.output_scale_factor = output_scale_factor

        self.norm1 = nn.GroupNorm(groups, in_channels, eps=eps)
        self.conv1 = Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = (
            None if temb_channels is None else Linear(temb_channels, (1 + self.scale_shift) * out_channels)
        )
        self.norm2 = nn.GroupNorm(groups_out or groups, out_channels, eps=eps)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = Conv2d(out_channels, out_channels, 3, padding=1)
        self.nonlinearity = get_activation(non_linearity)
        self.resample = _resampler(in_channels, up, down, kernel)
        if use_in_shortcut is None:
            use_in_shortcut = in_channels != out_channels
        self.conv_shortcut = Conv2d(in_channels, out_channels, 1, bias=conv_shortcut_bias) if use_in_shortcut else None

    def forward(self, input_tensor: Tensor, temb: Embedding | None = None) -> Tensor:
        hidden_states = activated(self.nonlinearity, self.norm1(input_tensor))
        if self.resample is not None:
            input_tensor = self.resample(input_tensor)
            hidden_states = self.resample(hidden_states)
        hidden_states = self._norm_with_time(self.conv1(hidden_states), temb)
        hidden_states = activated(self.nonlinearity, hidden_states)
        hidden_states = self.conv2(self.dropout(hidden_states) if self.training else hidden_states)
        if self.conv_shortcut is not None:
            input_tensor = self.conv_shortcut(input_tensor)
        output = added(hidden_states, input_tensor)
        return output if self.output_scale_factor == 1.0 else output / self.output_scale_factor

    def _norm_with_time(self, hidden_states: Tensor, temb: Embedding | None) -> Tensor:
        if self.time_emb_proj is None:
            return self.norm2(hidden_states)
        if temb is None:
            raise InvalidValue("This residual block was built for a time embedding, but `temb` is None; pass one.")
        told = projected(temb, self.time_emb_proj, self._project_time)
        if len(told) > len(hidden_states):
            told = told[: hidden_states.shape[0]]  # of equal halves only the first is here (`engine.models.halves`)
        if self.scale_shift:
            scale, shift = told.chunk(2, dim=1)
            return self.norm2(hidden_states) * (1 + scale) + shift
        return self.norm2(added(hidden_states, told))

    def _project_time(self, temb: Tensor) -> Tensor:
        return cast("Linear", self.time_emb_proj)(temb if self.skip_time_act else self.nonlinearity(temb))

"""`UNet2DModel`: the denoiser of DDPM, DDIM, score-based models and latent diffusion without a prompt.

Ho et al., arXiv:2006.11239; Song et al., arXiv:2011.13456.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from torch import Tensor, nn

from engine.config import Config, register_to_config
from engine.errors import ConfigError, InvalidValue
from engine.models.activations import ActivationName
from engine.models.attention import set_attention_slice
from engine.models.base import ModelMixin
from engine.models.checkpointing import GradientCheckpointing
from engine.models.compilation import has_compiled_blocks
from engine.models.convolution import Conv2d
from engine.models.embeddings import GaussianFourierProjection, TimestepEmbedding, Timesteps, expand_timesteps
from engine.models.mid_block import UNetMidBlock2D
from engine.models.resnet import TimeEmbeddingNorm
from engine.models.time_embeddings import Embedding, StepTime
from engine.models.unet_2d_blocks import DownStage, ResampleType, Residual, SelfAttention, UpStage, check_stage_lists
from engine.models.unet_2d_skip_blocks import (
    IMAGE_CHANNELS,
    SkipDownBlockType,
    SkipDownStage,
    SkipResidual,
    SkipUpBlockType,
    SkipUpStage,
)
from engine.models.unet_conditioning import check_numbers, class_embedding, embed_class
from engine.output import Output

PlainDownBlockType = Literal["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"]
PlainUpBlockType = Literal["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"]


@dataclass
class UNet2DOutput(Output):
    """`sample`: the prediction, (batch, out_channels, height, width)."""

    sample: Tensor


class UNet2DModel(GradientCheckpointing, ModelMixin):
    """U-Net that predicts noise or image from a noisy image and a timestep or noise level.

    The arguments are the keys of `config.json`. `attention_head_dim` is the number of channels in a head (None: a
    single head). `norm_num_groups` None is for skip blocks, which choose their own. Raises `ConfigError` for values
    and combinations that cannot be.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int | tuple[int, int] | None = None,
        in_channels: int = 3,
        out_channels: int = 3,
        center_input_sample: bool = False,
        time_embedding_type: Literal["positional", "fourier", "learned"] = "positional",
        time_embedding_dim: int | None = None,
        freq_shift: int = 0,
        flip_sin_to_cos: bool = True,
        down_block_types: tuple[PlainDownBlockType | SkipDownBlockType, ...] = (
            "DownBlock2D",
            "AttnDownBlock2D",
            "AttnDownBlock2D",
            "AttnDownBlock2D",
        ),
        mid_block_type: Literal["UNetMidBlock2D"] | None = "UNetMidBlock2D",
        up_block_types: tuple[PlainUpBlockType | SkipUpBlockType, ...] = (
            "AttnUpBlock2D",
            "AttnUpBlock2D",
            "AttnUpBlock2D",
            "UpBlock2D",
        ),
        block_out_channels: tuple[int, ...] = (224, 448, 672, 896),
        layers_per_block: int = 2,
        mid_block_scale_factor: float = 1,
        downsample_padding: int = 1,
        downsample_type: ResampleType = "conv",
        upsample_type: ResampleType = "conv",
        dropout: float = 0.0,
        act_fn: ActivationName = "silu",
        attention_head_dim: int | None = 8,
        norm_num_groups: int | None = 32,
        attn_norm_num_groups: int | None = None,
        norm_eps: float = 1e-5,
        resnet_time_scale_shift: TimeEmbeddingNorm = "default",
        add_attention: bool = True,
        class_embed_type: Literal["timestep", "identity"] | None = None,
        num_class_embeds: int | None = None,
        num_train_timesteps: int | None = None,
    ) -> None:
        super().__init__()
        config, width = self.config, block_out_channels[0]
        _check(config)
        self.size_step = 2 ** (len(block_out_channels) - 1)
        time_dim = time_embedding_dim or 4 * width

        self.conv_in = Conv2d(in_channels, width, 3, padding=1)
        self.time_proj, projected_dim = _time_projection(config)
        self.time_embedding = TimestepEmbedding(projected_dim, time_dim)
        self.class_embedding = class_embedding(config, projected_dim, time_dim, act_fn="silu")
        self.down_blocks = _down_stages(config, time_dim)
        self.mid_block = _mid_stage(config, time_dim)
        self.up_blocks = _up_stages(config, time_dim)
        self.conv_norm_out = nn.GroupNorm(norm_num_groups or min(width // 4, 32), width, eps=norm_eps)
        self.conv_act = nn.SiLU()
        self.conv_out = Conv2d(width, out_channels, 3, padding=1)

    def set_attention_slice(self, slice_size: Literal["auto", "max"] | int | Sequence[int] | None = "auto") -> None:
        """Compute attention a few heads at a time, with less memory and equal results; None undoes it."""
        set_attention_slice(self, slice_size)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        class_labels: Tensor | None = None,
        return_dict: bool = True,
        step_time: StepTime | None = None,
    ) -> UNet2DOutput | tuple[Tensor]:
        """Predict from `sample` (batch, in_channels, height, width), noisy to the degree `timestep` says.

        `timestep` (a noise level with `fourier`) is one number for all, or (batch,); `class_labels` is what
        `class_embed_type` asks for. `return_dict=False` returns a tuple. `step_time` says which step of a run it is:
        then what all of its steps are told is embedded at once. Raises `InvalidValue` for shapes that do not
        fit: height and width have to be multiples of `size_step`.
        """
        self._check_sample(sample)
        if self.config.center_input_sample:
            sample = 2 * sample - 1.0
        timesteps = expand_timesteps(timestep, sample)
        temb = self._embedded(sample, timesteps, class_labels, step_time)
        features, skips = self._go_down(sample, temb)
        if self.mid_block is not None:
            features = self.run_stage(self.mid_block, features, temb)
        features, image = self._go_up(features, skips, temb)

        sample = self.conv_out(self.conv_act(self.conv_norm_out(features)))
        if image is not None:
            sample = sample + image
        if isinstance(self.time_proj, GaussianFourierProjection):
            sample = sample / timesteps.to(sample.dtype)[:, None, None, None]
        return UNet2DOutput(sample) if return_dict else (sample,)

    def _embed(self, sample: Tensor, timesteps: Tensor, class_labels: Tensor | None, *, steps: bool = False) -> Tensor:
        """Return the embedding (batch, channels) of `timesteps` and classes, for the rows of `sample`.

        With `steps`, that of each of the `timesteps` for all rows, (steps, batch or 1, channels).
        """
        if isinstance(self.time_proj, nn.Embedding):
            check_numbers("timestep", timesteps, self.time_proj)
        temb = self.time_embedding(self.time_proj(timesteps).to(sample.dtype))
        temb = temb[:, None] if steps else temb
        of_class = embed_class(self.class_embedding, self.time_proj, self.config.class_embed_type, class_labels, sample)
        return temb if of_class is None else temb + of_class

    def _embedded(
        self, sample: Tensor, timesteps: Tensor, class_labels: Tensor | None, step_time: StepTime | None
    ) -> Embedding:
        """Return what `_embed` does; where it is known which step of a run this is, as one of all its steps."""
        # Compiled blocks take tensors and nothing else.
        if step_time is not None and not has_compiled_blocks(self):
            layers = [self.time_proj, self.time_embedding, self.class_embedding]
            present = [layer for layer in layers if layer is not None]
            temb = step_time.embed(
                present,
                (class_labels,),
                len(sample),
                lambda timesteps: self._embed(sample, timesteps.to(sample.device), class_labels, steps=True),
            )
            if temb is not None:
                return temb
        return self._embed(sample, timesteps, class_labels)

    def _check_sample(self, sample: Tensor) -> None:
        fits = sample.ndim == 4 and sample.shape[1] == self.config.in_channels
        if not fits or any(edge % self.size_step for edge in sample.shape[2:]):
            raise InvalidValue(
                f"sample has the shape {tuple(sample.shape)}; this model takes "
                f"(batch, {self.config.in_channels}, height, width), the last two multiples of {self.size_step}."
            )

    def _go_down(self, sample: Tensor, temb: Embedding) -> tuple[Tensor, tuple[Tensor, ...]]:
        image, features = sample, self.conv_in(sample)
        skips: tuple[Tensor, ...] = (features,)
        for stage in self.down_blocks:
            if isinstance(stage, SkipDownStage):
                features, states, image = self.run_stage(stage, features, temb, image)
            else:
                features, states = self.run_stage(stage, features, temb)
            skips += states
        return features, skips

    def _go_up(self, features: Tensor, skips: tuple[Tensor, ...], temb: Embedding) -> tuple[Tensor, Tensor | None]:
        image: Tensor | None = None
        for stage in cast("Iterable[UpStage | SkipUpStage]", self.up_blocks):
            layers = len(stage.resnets)
            skips, used = skips[:-layers], skips[-layers:]
            if isinstance(stage, SkipUpStage):
                features, image = self.run_stage(stage, features, used, temb, image)
            else:
                features = self.run_stage(stage, features, used, temb)
        return features, image


def _check(config: Config) -> None:
    check_stage_lists(config)
    kinds = (*config.down_block_types, *config.up_block_types)
    plain = [kind for kind in kinds if "Skip" not in kind]
    if config.norm_num_groups is None and plain:
        raise ConfigError(f"norm_num_groups is null, but {plain[0]} needs a number; only skip blocks choose their own.")
    if len(plain) < len(kinds) and (config.in_channels, config.out_channels) != (IMAGE_CHANNELS, IMAGE_CHANNELS):
        raise ConfigError(
            f"in_channels {config.in_channels} and out_channels {config.out_channels} do not go with skip blocks, "
            f"which carry an image of {IMAGE_CHANNELS} channels along; both must be {IMAGE_CHANNELS}."
        )
    if config.time_embedding_type == "learned" and config.num_train_timesteps is None:
        raise ConfigError("time_embedding_type 'learned' needs num_train_timesteps, which is null.")


def _time_projection(config: Config) -> tuple[nn.Module, int]:
    width = config.block_out_channels[0]
    if config.time_embedding_type == "fourier":
        return GaussianFourierProjection(width, scale=16), 2 * width
    if config.time_embedding_type == "learned":
        return nn.Embedding(config.num_train_timesteps, width), width
    return Timesteps(width, config.flip_sin_to_cos, config.freq_shift), width


def _residual(config: Config, temb_channels: int) -> Residual:
    return Residual(
        temb_channels=temb_channels,
        groups=config.norm_num_groups,
        eps=config.norm_eps,
        non_linearity=config.act_fn,
        time_embedding_norm=config.resnet_time_scale_shift,
        dropout=config.dropout,
    )


def _skip_residual(config: Config, temb_channels: int) -> SkipResidual:
    return SkipResidual(
        temb_channels=temb_channels,
        eps=config.norm_eps,
        non_linearity=config.act_fn,
        time_embedding_norm=config.resnet_time_scale_shift,
        dropout=config.dropout,
    )


def _head_dim(config: Config, kind: str, width: int) -> int | None:
    """Channels in a head, or None for a stage without attention."""
    return (config.attention_head_dim or width) if kind.startswith("Attn") else None


def _self_attention(config: Config, kind: str, width: int) -> SelfAttention | None:
    head_dim = _head_dim(config, kind, width)
    groups, eps = config.norm_num_groups, config.norm_eps
    return None if head_dim is None else SelfAttention(head_dim=head_dim, groups=groups, eps=eps)


def _resample(kind: str, type_of_attention_stages: ResampleType) -> ResampleType:
    if kind.startswith("Resnet"):
        return "resnet"
    return type_of_attention_stages if kind.startswith("Attn") else "conv"


def _down_stages(config: Config, temb_channels: int) -> nn.ModuleList:
    widths, layers = config.block_out_channels, config.layers_per_block
    stages = nn.ModuleList()
    for i, kind in enumerate(config.down_block_types):
        inner, width, halves = widths[max(i - 1, 0)], widths[i], i < len(widths) - 1
        if "Skip" in kind:
            residual, head_dim = _skip_residual(config, temb_channels), _head_dim(config, kind, width)
            stages.append(SkipDownStage(inner, width, layers, residual, head_dim, halves))
        else:
            residual, attention = _residual(config, temb_channels), _self_attention(config, kind, width)
            how = _resample(kind, config.downsample_type) if halves else None
            stages.append(DownStage(inner, width, layers, residual, attention, how, config.downsample_padding))
    return stages


def _mid_stage(config: Config, temb_channels: int) -> UNetMidBlock2D | None:
    if config.mid_block_type is None:
        return None
    return UNetMidBlock2D(
        config.block_out_channels[-1],
        temb_channels,
        dropout=config.dropout,
        resnet_eps=config.norm_eps,
        resnet_act_fn=config.act_fn,
        output_scale_factor=config.mid_block_scale_factor,
        resnet_time_scale_shift=config.resnet_time_scale_shift,
        attention_head_dim=config.attention_head_dim,
        resnet_groups=config.norm_num_groups,
        attn_groups=config.attn_norm_num_groups,
        add_attention=config.add_attention,
    )


def _up_stages(config: Config, temb_channels: int) -> nn.ModuleList:
    widths, layers, last = config.block_out_channels, config.layers_per_block + 1, len(config.block_out_channels) - 1
    stages = nn.ModuleList()
    for i, kind in enumerate(config.up_block_types):
        level, doubles = last - i, i < last
        channels = widths[max(level - 1, 0)], widths[min(level + 1, last)], widths[level]
        if "Skip" in kind:
            residual, head_dim = _skip_residual(config, temb_channels), _head_dim(config, kind, widths[level])
            stages.append(SkipUpStage(*channels, layers, residual, head_dim, doubles))
        else:
            residual, attention = _residual(config, temb_channels), _self_attention(config, kind, widths[level])
            how = _resample(kind, config.upsample_type) if doubles else None
            stages.append(UpStage(*channels, layers, residual, attention, how))
    return stages

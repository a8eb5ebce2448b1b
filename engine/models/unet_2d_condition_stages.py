"""From the configuration of a conditional U-Net to its stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from engine.config import Config
from engine.errors import ConfigError
from engine.models.mid_block import UNetMidBlock2D
from engine.models.unet_2d_blocks import (
    CrossAttention,
    DownStage,
    ResampleType,
    Residual,
    SelfAttention,
    UNetMidBlock2DCrossAttn,
    UpStage,
)
from engine.models.unet_2d_k_blocks import KDownStage, KUpStage


def per_stage(config: Config, key: str) -> list[Any]:
    """The values of `key`, one for each stage, whether the configuration has one for all or a list."""
    value, stages = config[key], len(config.block_out_channels)
    if not isinstance(value, (list, tuple)):
        return [value] * stages
    if len(value) != stages:
        raise ConfigError(f"{key} has {len(value)} entries, block_out_channels has {stages}; give one for each stage.")
    return list(value)


def down_stages(config: Config, temb_channels: int) -> nn.ModuleList:
    """The stages on the way down; all but the last halve the size."""
    widths, layers = config.block_out_channels, per_stage(config, "layers_per_block")
    transformers = per_stage(config, "transformer_layers_per_block")
    only_cross = per_stage(config, "only_cross_attention")
    stages = nn.ModuleList()
    for i, kind in enumerate(config.down_block_types):
        if kind.startswith("K"):
            stages.append(
                KDownStage(
                    widths[max(i - 1, 0)],
                    widths[i],
                    layers[i],
                    temb_channels,
                    downsample=i < len(widths) - 1,
                    **_k_settings(config, kind, i, i),
                )
            )
            continue
        attention = _attention(config, kind, i, i, _per_layer(transformers[i], layers[i]), only_cross[i])
        stages.append(
            DownStage(
                widths[max(i - 1, 0)],
                widths[i],
                layers[i],
                _residual(config, kind, temb_channels),
                attention,
                _resample(kind) if i < len(widths) - 1 else None,
                config.downsample_padding,
            )
        )
    return stages


def mid_stage(config: Config, temb_channels: int) -> nn.Module | None:
    """The narrowest stage, or None where the configuration has none."""
    if config.mid_block_type is None:
        return None
    width = config.block_out_channels[-1]
    if config.mid_block_type == "UNetMidBlock2D":
        return UNetMidBlock2D(
            width,
            temb_channels,
            num_layers=0,
            resnet_eps=config.norm_eps,
            resnet_time_scale_shift=config.resnet_time_scale_shift,
            resnet_act_fn=config.act_fn,
            resnet_groups=config.norm_num_groups,
            dropout=config.dropout,
            output_scale_factor=config.mid_block_scale_factor,
        )
    residual = _residual(config, config.mid_block_type, temb_channels, config.mid_block_scale_factor)
    layers = _per_layer(per_stage(config, "transformer_layers_per_block")[-1], 1)
    attention = _cross_attention(config, len(config.block_out_channels) - 1, layers)
    return UNetMidBlock2DCrossAttn(width, residual, attention)


def up_stages(config: Config, temb_channels: int) -> nn.ModuleList:
    """The stages on the way up, each with one layer more than on the way down; all but the last double the size."""
    widths, layers = config.block_out_channels, per_stage(config, "layers_per_block")
    only_cross = per_stage(config, "only_cross_attention")
    last = len(widths) - 1
    stages = nn.ModuleList()
    for i, (kind, transformers) in enumerate(zip(config.up_block_types, _transformers_up(config), strict=True)):
        level = last - i
        if kind.startswith("K"):
            stages.append(
                KUpStage(
                    widths[max(level - 1, 0)],
                    widths[level],
                    layers[level],
                    temb_channels,
                    upsample=i < last,
                    **_k_settings(config, kind, level, i),
                )
            )
            continue
        num_layers = layers[level] + 1
        attention = _attention(config, kind, level, i, _per_layer(transformers, num_layers), only_cross[level])
        stages.append(
            UpStage(
                widths[max(level - 1, 0)],
                widths[min(level + 1, last)],
                widths[level],
                num_layers,
                _residual(config, kind, temb_channels),
                attention,
                _resample(kind) if i < last else None,
            )
        )
    return stages


def _k_settings(config: Config, kind: str, level: int, position: int) -> dict[str, Any]:
    """What the stages of `unet_2d_k_blocks` have in common."""
    # By position, not by level: on the way up the reference does not reverse this list.
    head_dim = per_stage(config, "attention_head_dim")[position] if "CrossAttn" in kind else None
    if head_dim is not None and config.block_out_channels[level] % head_dim:
        width = config.block_out_channels[level]
        raise ConfigError(f"attention_head_dim {head_dim} does not divide a width of {width} channels.")
    return {
        "head_dim": head_dim,
        "cross_attention_dim": per_stage(config, "cross_attention_dim")[level],
        "eps": config.norm_eps,
        "non_linearity": config.act_fn,
        "dropout": config.dropout,
    }


def _transformers_up(config: Config) -> list[Any]:
    if config.reverse_transformer_layers_per_block is not None:
        return per_stage(config, "reverse_transformer_layers_per_block")
    transformers = per_stage(config, "transformer_layers_per_block")
    if any(not isinstance(entry, int) for entry in transformers):
        raise ConfigError(
            f"transformer_layers_per_block is {config.transformer_layers_per_block}, with lists inside; "
            "then reverse_transformer_layers_per_block has to say what holds on the way up."
        )
    return transformers[::-1]


def _per_layer(transformers: int | Sequence[int], layers: int) -> list[int]:
    if isinstance(transformers, int):
        return [transformers] * layers
    if len(transformers) < layers:
        raise ConfigError(
            f"transformer_layers_per_block has {list(transformers)} for a stage of {layers} layers; give one for each."
        )
    return list(transformers)


def _resample(kind: str) -> ResampleType:
    return "resnet" if kind.startswith("Resnet") else "conv"


def _residual(config: Config, kind: str, temb_channels: int, output_scale_factor: float = 1.0) -> Residual:
    resamples_by_resnet = kind.startswith("Resnet")
    return Residual(
        temb_channels=temb_channels,
        groups=config.norm_num_groups,
        eps=config.norm_eps,
        non_linearity=config.act_fn,
        time_embedding_norm=config.resnet_time_scale_shift,
        dropout=config.dropout,
        output_scale_factor=config.resnet_out_scale_factor if resamples_by_resnet else output_scale_factor,
        skip_time_act=resamples_by_resnet and config.resnet_skip_time_act,
    )


def _attention(
    config: Config, kind: str, level: int, position: int, layers: list[int], only_cross: bool
) -> CrossAttention | SelfAttention | None:
    if kind.startswith("CrossAttn"):
        return _cross_attention(config, level, layers, only_cross)
    if kind.startswith("Attn"):
        # By position, not by level: on the way up the reference does not reverse this list.
        head_dim = per_stage(config, "attention_head_dim")[position]
        return SelfAttention(head_dim=head_dim, groups=config.norm_num_groups, eps=config.norm_eps)
    return None


def _cross_attention(config: Config, level: int, layers: list[int], only_cross: bool = False) -> CrossAttention:
    # The key is called attention_head_dim and holds the number of heads: a slip of the first published
    # configurations that all later ones keep.
    heads, width = per_stage(config, "attention_head_dim")[level], config.block_out_channels[level]
    if not 1 <= heads <= width:
        raise ConfigError(f"attention_head_dim {heads} (the number of heads) does not fit a width of {width} channels.")
    return CrossAttention(
        heads=heads,
        layers=layers,
        cross_attention_dim=per_stage(config, "cross_attention_dim")[level],
        groups=config.norm_num_groups,
        use_linear_projection=config.use_linear_projection,
        only_cross_attention=only_cross,
        upcast_attention=bool(config.upcast_attention),
    )

"""Names of the autoencoder: `decoder.up.3.block.0.conv1` is `decoder.up_blocks.0.resnets.0.conv1`, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Inside encoder and decoder: original, Diffusers. `nin_shortcut` and the two sides of the middle keep their layers.
_PIECES = (
    ("nin_shortcut", "conv_shortcut"),
    ("mid.block_1", "mid_block.resnets.0"),
    ("mid.block_2", "mid_block.resnets.1"),
    ("mid.attn_1.norm", "mid_block.attentions.0.group_norm"),
    ("mid.attn_1.q", "mid_block.attentions.0.to_q"),
    ("mid.attn_1.k", "mid_block.attentions.0.to_k"),
    ("mid.attn_1.v", "mid_block.attentions.0.to_v"),
    ("mid.attn_1.proj_out", "mid_block.attentions.0.to_out.0"),
    ("norm_out", "conv_norm_out"),
)
# The layers of the attention, which the original has as convolutions over one pixel.
POINTWISE = tuple(f"mid.attn_1.{name}.weight" for name in ("q", "k", "v", "proj_out"))
# Names that Diffusers used for the attention before version 0.17.
_EARLY = (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0"))


def to_diffusers(names: Iterable[str]) -> dict[str, str]:
    """Original name -> name in Diffusers, for all `names` that have one."""
    names = list(names)
    last = max((int(match[1]) for match in map(re.compile(r"decoder\.up\.(\d+)\.").match, names) if match), default=0)
    return {
        name: _new_name(name, last)
        for name in names
        if name.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv."))
    }


def to_original(names: Iterable[str]) -> dict[str, str]:
    """Name in Diffusers -> original name, for all `names` that have one."""
    names = list(names)
    numbers = (int(match[1]) for match in map(re.compile(r"decoder\.up_blocks\.(\d+)\.").match, names) if match)
    last = max(numbers, default=0)
    return {
        name: _old_name(name, last)
        for name in names
        if name.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv."))
    }


def _new_name(name: str, last: int) -> str:
    for old, new in _PIECES:
        name = re.sub(rf"\.{re.escape(old)}\.", f".{new}.", name)
    name = re.sub(r"\.down\.(\d+)\.block\.", r".down_blocks.\1.resnets.", name)
    name = re.sub(r"\.down\.(\d+)\.downsample\.", r".down_blocks.\1.downsamplers.0.", name)
    name = re.sub(r"\.up\.(\d+)\.block\.", lambda match: f".up_blocks.{last - int(match[1])}.resnets.", name)
    return re.sub(r"\.up\.(\d+)\.upsample\.", lambda match: f".up_blocks.{last - int(match[1])}.upsamplers.0.", name)


def _old_name(name: str, last: int) -> str:
    for early, new in _EARLY:
        name = name.replace(f".attentions.0.{early}.", f".attentions.0.{new}.")
    for old, new in _PIECES:
        name = re.sub(rf"\.{re.escape(new)}\.", f".{old}.", name)
    name = re.sub(r"\.down_blocks\.(\d+)\.resnets\.", r".down.\1.block.", name)
    name = re.sub(r"\.down_blocks\.(\d+)\.downsamplers\.0\.", r".down.\1.downsample.", name)
    name = re.sub(r"\.up_blocks\.(\d+)\.resnets\.", lambda match: f".up.{last - int(match[1])}.block.", name)
    return re.sub(r"\.up_blocks\.(\d+)\.upsamplers\.0\.", lambda match: f".up.{last - int(match[1])}.upsample.", name)

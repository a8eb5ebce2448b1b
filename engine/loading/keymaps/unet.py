"""Names of the U-Net: `input_blocks.4.1.norm.weight` is `down_blocks.1.attentions.0.norm.weight`, and back.

The original counts every block from the input on; Diffusers counts stages, and layers in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

# Inside a residual block and at the two ends: original, Diffusers.
RESNET = (
    ("in_layers.0", "norm1"),
    ("in_layers.2", "conv1"),
    ("emb_layers.1", "time_emb_proj"),
    ("out_layers.0", "norm2"),
    ("out_layers.3", "conv2"),
    ("skip_connection", "conv_shortcut"),
)
ENDS = (
    ("input_blocks.0.0", "conv_in"),
    ("time_embed.0", "time_embedding.linear_1"),
    ("time_embed.2", "time_embedding.linear_2"),
    # Published files of the original layout have kept the second name; it is the one that is written.
    ("time_embed.cond_proj", "time_embedding.cond_proj"),
    ("time_embedding.cond_proj", "time_embedding.cond_proj"),
    ("label_emb.0.0", "add_embedding.linear_1"),
    ("label_emb.0.2", "add_embedding.linear_2"),
    ("label_emb", "class_embedding"),
    ("out.0", "conv_norm_out"),
    ("out.2", "conv_out"),
)


@dataclass
class _Stage:
    """One resolution: for each layer whether it attends, and whether the resolution changes after it."""

    attends: list[bool] = field(default_factory=list[bool])
    resamples: bool = False


@dataclass
class _Shape:
    """The stages on the way down and up, and the kinds of the layers in the middle."""

    down: list[_Stage]
    up: list[_Stage]
    middle: list[str]


def to_diffusers(names: Iterable[str]) -> dict[str, str]:
    """Original name -> name in Diffusers, for all `names` that have one."""
    names = list(names)
    return _renamed(names, [(original, new) for original, new in _pairs(_original_shape(set(names)))])


def to_original(names: Iterable[str]) -> dict[str, str]:
    """Name in Diffusers -> original name, for all `names` that have one."""
    names = list(names)
    return _renamed(names, [(new, original) for original, new in _pairs(_diffusers_shape(set(names)))])


def _renamed(names: list[str], pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Names by the pair of prefixes that begins them; the longest that fits counts."""
    table = dict(pairs)
    renamed: dict[str, str] = {}
    for name in names:
        at = len(name)
        while (at := name.rfind(".", 0, at)) > 0:
            if name[:at] in table:
                renamed[name] = table[name[:at]] + name[at:]
                break
    return renamed


def _pairs(shape: _Shape) -> list[tuple[str, str]]:
    """Prefixes: original, Diffusers."""
    pairs = list(ENDS)

    def resnet(original: str, new: str) -> None:
        pairs.extend((f"{original}.{inner}", f"{new}.{outer}") for inner, outer in RESNET)

    block = 1
    for number, stage in enumerate(shape.down):
        for layer, attends in enumerate(stage.attends):
            resnet(f"input_blocks.{block}.0", f"down_blocks.{number}.resnets.{layer}")
            if attends:
                pairs.append((f"input_blocks.{block}.1", f"down_blocks.{number}.attentions.{layer}"))
            block += 1
        if stage.resamples:
            pairs.append((f"input_blocks.{block}.0.op", f"down_blocks.{number}.downsamplers.0.conv"))
            block += 1
    counts = {"resnets": 0, "attentions": 0}
    for position, kind in enumerate(shape.middle):
        original, new = f"middle_block.{position}", f"mid_block.{kind}.{counts[kind]}"
        counts[kind] += 1
        resnet(original, new) if kind == "resnets" else pairs.append((original, new))
    block = 0
    for number, stage in enumerate(shape.up):
        for layer, attends in enumerate(stage.attends):
            resnet(f"output_blocks.{block}.0", f"up_blocks.{number}.resnets.{layer}")
            if attends:
                pairs.append((f"output_blocks.{block}.1", f"up_blocks.{number}.attentions.{layer}"))
            if stage.resamples and layer == len(stage.attends) - 1:
                place = f"output_blocks.{block}.{2 if attends else 1}.conv"
                pairs.append((place, f"up_blocks.{number}.upsamplers.0.conv"))
            block += 1
    return pairs


def _original_shape(names: set[str]) -> _Shape:
    down, up = [_Stage()], [_Stage()]
    block = 1
    while True:
        prefix = f"input_blocks.{block}."
        if f"{prefix}0.op.weight" in names:
            down[-1].resamples = True
            down.append(_Stage())
        elif f"{prefix}0.in_layers.0.weight" in names:
            down[-1].attends.append(f"{prefix}1.norm.weight" in names)
        else:
            break
        block += 1
    block = 0
    while f"output_blocks.{block}.0.in_layers.0.weight" in names:
        prefix = f"output_blocks.{block}."
        up[-1].attends.append(f"{prefix}1.norm.weight" in names)
        if f"{prefix}1.conv.weight" in names or f"{prefix}2.conv.weight" in names:
            up[-1].resamples = True
            up.append(_Stage())
        block += 1
    middle: list[str] = []
    while True:
        prefix = f"middle_block.{len(middle)}."
        if f"{prefix}in_layers.0.weight" in names:
            middle.append("resnets")
        elif f"{prefix}norm.weight" in names:
            middle.append("attentions")
        else:
            return _Shape(down, up, middle)


def _diffusers_shape(names: set[str]) -> _Shape:
    def stages(way: str, sampler: str) -> list[_Stage]:
        found: list[_Stage] = []
        while f"{way}.{len(found)}.resnets.0.norm1.weight" in names:
            prefix = f"{way}.{len(found)}"
            stage = _Stage(resamples=f"{prefix}.{sampler}.0.conv.weight" in names)
            while f"{prefix}.resnets.{len(stage.attends)}.norm1.weight" in names:
                stage.attends.append(f"{prefix}.attentions.{len(stage.attends)}.norm.weight" in names)
            found.append(stage)
        return found

    middle: list[str] = []
    for layer in range(len(names)):
        if f"mid_block.resnets.{layer}.norm1.weight" not in names:
            break
        middle.append("resnets")
        if f"mid_block.attentions.{layer}.norm.weight" in names:
            middle.append("attentions")
    return _Shape(stages("down_blocks", "downsamplers"), stages("up_blocks", "upsamplers"), middle)

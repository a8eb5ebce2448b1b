"""Names of CLIP's text encoder in OpenCLIP's layout, where query, key and value are one matrix.

`transformer.resblocks.0.attn.in_proj_weight` holds the rows of `q_proj`, `k_proj` and `v_proj` one after the other, and
`text_projection` stands transposed.
"""

from __future__ import annotations

import re

LAYERS = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
# Inside a layer: OpenCLIP, transformers.
LAYER = (
    ("ln_1", "layer_norm1"),
    ("ln_2", "layer_norm2"),
    ("attn.out_proj", "self_attn.out_proj"),
    ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
)
ENDS = (
    ("positional_embedding", "embeddings.position_embedding.weight"),
    ("token_embedding.weight", "embeddings.token_embedding.weight"),
    ("ln_final.weight", "final_layer_norm.weight"),
    ("ln_final.bias", "final_layer_norm.bias"),
)
FUSED = ("q_proj", "k_proj", "v_proj")  # in the order of the rows
PROJECTION = ("text_projection", "text_projection.weight")
PREFIX = "text_model."


def fused_names(name: str) -> tuple[str, ...] | None:
    """The names of the three parts of the OpenCLIP tensor `name`, if it is one of those."""
    match = LAYERS.fullmatch(name)
    if match is None or match[2] not in ("attn.in_proj_weight", "attn.in_proj_bias"):
        return None
    kind = match[2].removeprefix("attn.in_proj_")
    return tuple(f"{PREFIX}encoder.layers.{match[1]}.self_attn.{part}.{kind}" for part in FUSED)


def to_transformers(name: str) -> str | None:
    """The name in transformers of the OpenCLIP tensor `name`; None for those that are split, turned or not used."""
    match = LAYERS.fullmatch(name)
    if match is None:
        new = dict(ENDS).get(name)
        return None if new is None else PREFIX + new
    for old, new in LAYER:
        if match[2].startswith(f"{old}."):
            return f"{PREFIX}encoder.layers.{match[1]}.{new}{match[2].removeprefix(old)}"
    return None


def to_open_clip(name: str) -> str | None:
    """The OpenCLIP name of the tensor `name` of transformers; None for those that are joined or turned there."""
    bare = name.removeprefix(PREFIX)
    for old, new in ENDS:
        if bare == new:
            return old
    match = re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)", bare)
    if match is None:
        return None
    for old, new in LAYER:
        if match[2].startswith(f"{new}."):
            return f"transformer.resblocks.{match[1]}.{old}{match[2].removeprefix(new)}"
    return None

"""What shapes of tensors say of a configuration, so that models of another size than the published ones load too.

Names are those of Diffusers. Heads of attention cannot be seen in shapes: where widths differ from the published ones
the family's rule counts, 8 heads in Stable Diffusion 1 and heads of 64 channels in the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

Shapes = Mapping[str, tuple[int, ...]]


def _count(shapes: Shapes, pattern: str) -> int:
    """How many of `pattern`, such as "down_blocks.{}.resnets.0.conv1.weight", there are from 0 on."""
    number = 0
    while pattern.format(number) in shapes:
        number += 1
    return number


def _one_or_list(values: list[Any]) -> Any:
    return values[0] if values and all(value == values[0] for value in values) else values


def unet_config(base: Mapping[str, Any], shapes: Shapes, pooled: int | None = None) -> dict[str, Any]:
    """`base` with what `shapes` say of a U-Net; `pooled` is the width of the pooled prompt in XL."""
    config = dict(base)
    stages = _count(shapes, "down_blocks.{}.resnets.0.conv1.weight")
    widths = [shapes[f"down_blocks.{stage}.resnets.0.conv1.weight"][0] for stage in range(stages)]
    config["in_channels"], config["out_channels"] = shapes["conv_in.weight"][1], shapes["conv_out.weight"][0]
    layers = [_count(shapes, f"down_blocks.{stage}.resnets.{{}}.conv1.weight") for stage in range(stages)]
    config["layers_per_block"] = _one_or_list(layers)
    blocks = [f"down_blocks.{stage}.attentions.{{}}.norm.weight" for stage in range(stages)]
    attends = [pattern.format(0) in shapes for pattern in blocks]
    config["down_block_types"] = ["CrossAttnDownBlock2D" if here else "DownBlock2D" for here in attends]
    ups = [f"up_blocks.{stage}.attentions.0.norm.weight" in shapes for stage in range(stages)]
    config["up_block_types"] = ["CrossAttnUpBlock2D" if here else "UpBlock2D" for here in ups]
    context = [shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight")]
    if context:
        config["cross_attention_dim"] = context[0]
    if not isinstance(base.get("transformer_layers_per_block", 1), int) or any(attends):
        config["transformer_layers_per_block"] = _depths(base, shapes, stages, attends)
    if widths != list(base["block_out_channels"]):
        config["block_out_channels"] = widths
        by_heads = isinstance(base["attention_head_dim"], int)
        config["attention_head_dim"] = 8 if by_heads else [max(1, width // 64) for width in widths]
        config["norm_num_groups"] = math.gcd(32, *widths)
    proj = next((shape for name, shape in shapes.items() if name.endswith(".proj_in.weight")), None)
    if proj is not None:
        config["use_linear_projection"] = len(proj) == 2
    own = _attends_itself(shapes, stages, widths, config.get("cross_attention_dim"))
    if own is not None:
        config["only_cross_attention"] = _one_or_list(own)
    if "class_embedding.weight" in shapes:
        config["num_class_embeds"] = shapes["class_embedding.weight"][0]
    if "time_embedding.cond_proj.weight" in shapes:
        config["time_cond_proj_dim"] = shapes["time_embedding.cond_proj.weight"][1]
    _added(config, base, shapes, pooled)
    return config


def _depths(base: Mapping[str, Any], shapes: Shapes, stages: int, attends: list[bool]) -> Any:
    """How many transformer layers each stage has; where it has none, what the published configuration says."""
    named = base.get("transformer_layers_per_block", 1)
    depths: list[Any] = []
    for stage in range(stages):
        counts = [
            _count(shapes, f"down_blocks.{stage}.attentions.{layer}.transformer_blocks.{{}}.norm1.weight")
            for layer in range(_count(shapes, f"down_blocks.{stage}.attentions.{{}}.norm.weight"))
        ]
        usual = named if isinstance(named, int) else named[stage] if stage < len(named) else 1
        if stage == stages - 1:  # the middle is as deep as the last stage
            usual = _count(shapes, "mid_block.attentions.0.transformer_blocks.{}.norm1.weight") or usual
        depths.append(_one_or_list(counts) if attends[stage] else usual)
    return depths if not isinstance(named, int) else _one_or_list(depths)


def _attends_itself(shapes: Shapes, stages: int, widths: list[int], context: int | None) -> list[bool] | None:
    """Where the first attention looks at the prompt too (the upscaler's); None where it is nowhere so."""
    found: list[bool] = []
    for stage in range(stages):
        key = shapes.get(f"down_blocks.{stage}.attentions.0.transformer_blocks.0.attn1.to_k.weight")
        found.append(key is not None and key[1] == context and key[1] != widths[stage])
    if not any(found):
        return None
    # A stage without attention has none to tell from; nor has one as wide as the prompt.
    last = max(stage for stage, here in enumerate(found) if here)
    return [True] * (last + 1) + [False] * (stages - last - 1)


def _added(config: dict[str, Any], base: Mapping[str, Any], shapes: Shapes, pooled: int | None) -> None:
    added = shapes.get("add_embedding.linear_1.weight")
    if added is None or added[1] == base.get("projection_class_embeddings_input_dim"):
        return
    config["projection_class_embeddings_input_dim"] = added[1]
    # Sizes and crop are six numbers; size, crop and the aesthetic score of the refiner are five.
    numbers = 5 if base.get("projection_class_embeddings_input_dim") == 2560 else 6
    if pooled is not None and added[1] > pooled:
        config["addition_time_embed_dim"] = (added[1] - pooled) // numbers


def vae_config(base: Mapping[str, Any], shapes: Shapes) -> dict[str, Any]:
    """`base` with what `shapes` say of an autoencoder."""
    config = dict(base)
    stages = _count(shapes, "encoder.down_blocks.{}.resnets.0.conv1.weight")
    widths = [shapes[f"encoder.down_blocks.{stage}.resnets.0.conv1.weight"][0] for stage in range(stages)]
    config["layers_per_block"] = _count(shapes, "encoder.down_blocks.0.resnets.{}.conv1.weight")
    config["latent_channels"] = shapes["decoder.conv_in.weight"][1]
    config["in_channels"], config["out_channels"] = (
        shapes["encoder.conv_in.weight"][1],
        shapes["decoder.conv_out.weight"][0],
    )
    if widths != list(base["block_out_channels"]):
        config["block_out_channels"] = widths
        config["down_block_types"] = ["DownEncoderBlock2D"] * stages
        config["up_block_types"] = ["UpDecoderBlock2D"] * stages
        config["norm_num_groups"] = math.gcd(32, *widths)
    return config


def text_config(base: Mapping[str, Any], shapes: Shapes) -> dict[str, Any]:
    """`base` with what `shapes` say of a text encoder of CLIP, in names of transformers."""
    config = dict(base)
    tokens = shapes["text_model.embeddings.token_embedding.weight"]
    config["vocab_size"], width = cast("tuple[int, int]", tokens)
    config["max_position_embeddings"] = shapes["text_model.embeddings.position_embedding.weight"][0]
    config["num_hidden_layers"] = _count(shapes, "text_model.encoder.layers.{}.layer_norm1.weight")
    config["intermediate_size"] = shapes["text_model.encoder.layers.0.mlp.fc1.weight"][0]
    if width != base["hidden_size"]:
        config["hidden_size"], config["num_attention_heads"] = width, max(1, width // 64)
    if "text_projection.weight" in shapes:
        config["projection_dim"] = shapes["text_projection.weight"][0]
    return config

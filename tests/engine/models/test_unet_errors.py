"""What a U-Net says to configurations and inputs that it cannot take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import ConfigError, InvalidValue
from engine.models.unet_2d import UNet2DModel
from engine.models.unet_2d_condition import UNet2DConditionModel

CONDITION: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 12,
    "norm_num_groups": 4,
    "attention_head_dim": 2,
    "layers_per_block": 1,
}
PLAIN: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "norm_num_groups": 4,
    "attention_head_dim": 4,
    "layers_per_block": 1,
}
TEXT_TIME = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 4,
    "projection_class_embeddings_input_dim": 6 * 4 + 5,
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"down_block_types": ("DownBlock2D",)}, ["down_block_types", "1", "2"]),
        ({"up_block_types": ("UpBlock2D",) * 3}, ["up_block_types", "3", "2"]),
        ({"attention_head_dim": [1, 2, 3]}, ["attention_head_dim", "3", "2"]),
        ({"layers_per_block": [1]}, ["layers_per_block", "1", "2"]),
        ({"cross_attention_dim": [12, 12, 12]}, ["cross_attention_dim"]),
        ({"only_cross_attention": [True]}, ["only_cross_attention"]),
        ({"transformer_layers_per_block": [1, 2, 3]}, ["transformer_layers_per_block"]),
        ({"transformer_layers_per_block": [[1], [1]]}, ["reverse_transformer_layers_per_block"]),
        (
            {"transformer_layers_per_block": [[1], [1]], "reverse_transformer_layers_per_block": [[1], [1]]},
            ["transformer_layers_per_block", "2 layers"],
        ),
        ({"norm_num_groups": 3}, ["norm_num_groups", "3", "8"]),
        ({"attention_head_dim": 0}, ["attention_head_dim", "0"]),
        ({"attention_head_dim": 9}, ["attention_head_dim", "9", "8"]),
        ({"num_attention_heads": 8}, ["num_attention_heads", "8", "null"]),
        ({"class_embed_type": "projection"}, ["projection_class_embeddings_input_dim"]),
        ({"class_embed_type": "words"}, ["class_embed_type", "words", "simple_projection"]),
        ({"class_embeddings_concat": True}, ["class_embeddings_concat", "num_class_embeds"]),
        ({"addition_embed_type": "text_time"}, ["addition_time_embed_dim", "projection_class_embeddings_input_dim"]),
        ({"addition_embed_type": "text"}, ["addition_embed_type", "text_time"]),
        ({"encoder_hid_dim": 64}, ["encoder_hid_dim", "64"]),
        ({"cross_attention_norm": "layer_norm"}, ["cross_attention_norm", "layer_norm"]),
        ({"attention_type": "gated"}, ["attention_type", "gated", "default"]),
        ({"dual_cross_attention": True}, ["dual_cross_attention"]),
        ({"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}, ["mid_block_type", "UNetMidBlock2DCrossAttn"]),
        ({"down_block_types": ("LDownBlock2D",) * 2}, ["down_block_types", "LDownBlock2D", "CrossAttnDownBlock2D"]),
        ({"down_block_types": ("KDownBlock2D",) * 2}, ["8 channels", "groups of 32"]),
        ({"time_embedding_type": "fourier", "time_embedding_dim": 7}, ["time_embedding_dim", "7", "even"]),
        ({"resnet_time_scale_shift": "ada_group"}, ["resnet_time_scale_shift", "scale_shift"]),
    ],
)
def test_impossible_conditional_models(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        UNet2DConditionModel(**(CONDITION | changes))
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"block_out_channels": (8, 16, 16)}, ["down_block_types", "2", "3"]),
        ({"norm_num_groups": None}, ["norm_num_groups", "DownBlock2D"]),
        ({"down_block_types": ("SkipDownBlock2D",) * 2, "in_channels": 4}, ["in_channels 4", "3"]),
        ({"time_embedding_type": "learned"}, ["num_train_timesteps"]),
        ({"attention_head_dim": 100}, ["16 channels", "0 heads"]),
        ({"down_block_types": ("CrossAttnDownBlock2D",) * 2}, ["CrossAttnDownBlock2D", "AttnSkipDownBlock2D"]),
        ({"mid_block_type": "UNetMidBlock2DCrossAttn"}, ["mid_block_type"]),
    ],
)
def test_impossible_plain_models(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        UNet2DModel(**(PLAIN | changes))
    for word in words:
        assert word in str(error.value)


def call(**changes: Any) -> dict[str, Any]:
    """A call that fits `CONDITION`, with changes."""
    return {
        "sample": torch.zeros(2, 4, 8, 8),
        "timestep": 1,
        "encoder_hidden_states": torch.zeros(2, 3, 12),
    } | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sample": torch.zeros(2, 9, 8, 8)}, ["(2, 9, 8, 8)", "(batch, 4, height, width)"]),
        ({"sample": torch.zeros(4, 8, 8)}, ["(4, 8, 8)"]),
        ({"timestep": torch.tensor([1, 2, 3])}, ["timestep", "(3,)", "2"]),
        ({"timestep": torch.zeros(2, 1)}, ["timestep", "(2, 1)"]),
        ({"encoder_hidden_states": None}, ["encoder_hidden_states", "()", "(2, tokens, 12)"]),
        ({"encoder_hidden_states": torch.zeros(1, 3, 12)}, ["(1, 3, 12)", "(2, tokens, 12)"]),
        ({"encoder_hidden_states": torch.zeros(2, 3, 768)}, ["(2, 3, 768)", "12"]),
        ({"encoder_attention_mask": torch.ones(2, 4)}, ["4 tokens", "3"]),
        ({"encoder_attention_mask": torch.ones(2, 1, 3)}, ["(2, 1, 3)", "(batch, tokens)"]),
        ({"class_labels": torch.tensor([1, 2])}, ["class_labels"]),
        ({"timestep_cond": torch.zeros(2, 8)}, ["timestep_cond"]),
        ({"cross_attention_kwargs": {"gligen": {}}}, ["cross_attention_kwargs", "gligen", "scale"]),
        ({"down_block_additional_residuals": []}, ["mid_block_additional_residual", "down_intrablock"]),
        (
            {"down_block_additional_residuals": [], "mid_block_additional_residual": torch.zeros(2, 16, 4, 4)},
            ["down_block_additional_residuals", "0 entries", "4 skip connections"],
        ),
        ({"down_intrablock_additional_residuals": [torch.zeros(2, 8, 4, 4)]}, ["(2, 8, 4, 4)", "(2, 8, 8, 8)"]),
        (
            {"down_intrablock_additional_residuals": [torch.zeros(1), torch.zeros(1), torch.zeros(1)]},
            ["(1,)", "(2, 8, 8, 8)"],
        ),
    ],
)
def test_wrong_inputs(changes: dict[str, Any], words: list[str]) -> None:
    model = UNet2DConditionModel(**CONDITION).eval()
    with pytest.raises(InvalidValue) as error, torch.no_grad():
        model(**call(**changes))
    for word in words:
        assert word in str(error.value)


def test_adapter_residuals_without_a_stage() -> None:
    model = UNet2DConditionModel(**CONDITION).eval()
    features = [torch.zeros(2, 8, 8, 8), torch.zeros(2, 16, 4, 4), torch.zeros(2, 8, 2, 2)]
    with pytest.raises(InvalidValue, match="1 of the down_intrablock_additional_residuals"), torch.no_grad():
        model(**call(down_intrablock_additional_residuals=features))


@pytest.mark.parametrize(
    ("added", "words"),
    [
        (None, ["text_embeds", "time_ids"]),
        ({"text_embeds": torch.zeros(2, 5)}, ["no time_ids"]),
        ({"text_embeds": torch.zeros(2, 6), "time_ids": torch.zeros(2, 6)}, ["30 features", "29"]),
        ({"text_embeds": torch.zeros(1, 5), "time_ids": torch.zeros(2, 6)}, ["(1, 5)", "(2, 6)"]),
    ],
)
def test_wrong_added_conditions(added: Any, words: list[str]) -> None:
    model = UNet2DConditionModel(**(CONDITION | TEXT_TIME)).eval()
    with pytest.raises(InvalidValue) as error, torch.no_grad():
        model(**call(added_cond_kwargs=added))
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, ["class_labels"]),
        (torch.tensor([1]), ["class_labels", "(1,)", "2 samples"]),
        (torch.tensor([1, 5]), ["[1, 5]", "from 0 to 4"]),
        (torch.tensor([0.5, 1.0]), ["[0.5, 1.0]", "whole"]),
    ],
)
def test_wrong_classes(labels: Any, words: list[str]) -> None:
    condition = UNet2DConditionModel(**(CONDITION | {"num_class_embeds": 5})).eval()
    plain = UNet2DModel(**(PLAIN | {"num_class_embeds": 5})).eval()
    for model, inputs in ((condition, call()), (plain, {"sample": torch.zeros(2, 3, 8, 8), "timestep": 1})):
        with pytest.raises(InvalidValue) as error, torch.no_grad():
            model(**inputs, class_labels=labels)
        for word in words:
            assert word in str(error.value)


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (torch.zeros(2, 3, 8, 9), ["(2, 3, 8, 9)", "multiples of 2"]),
        (torch.zeros(2, 4, 8, 8), ["(2, 4, 8, 8)", "(batch, 3, height, width)"]),
    ],
)
def test_wrong_pictures(sample: torch.Tensor, words: list[str]) -> None:
    with pytest.raises(InvalidValue) as error, torch.no_grad():
        UNet2DModel(**PLAIN).eval()(sample, 1)
    for word in words:
        assert word in str(error.value)


def test_a_learned_timestep_outside_the_table() -> None:
    model = UNet2DModel(**(PLAIN | {"time_embedding_type": "learned", "num_train_timesteps": 10})).eval()
    with pytest.raises(InvalidValue, match=r"timestep is \[10\].*from 0 to 9"), torch.no_grad():
        model(torch.zeros(1, 3, 8, 8), 10)


@pytest.mark.parametrize("slice_size", ["half", 0, 5, [1]])
def test_wrong_slices(slice_size: Any) -> None:
    model = UNet2DConditionModel(**CONDITION)
    with pytest.raises(InvalidValue, match="slice_size"):
        model.set_attention_slice(slice_size)


def test_sizes_that_resnet_upsampling_cannot_double_back() -> None:
    kinds = {
        "down_block_types": ("ResnetDownsampleBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D"),
    }
    model = UNet2DConditionModel(**(CONDITION | kinds)).eval()
    with pytest.raises(InvalidValue, match="can be halved"), torch.no_grad():
        model(**call(sample=torch.zeros(2, 4, 9, 8)))


@pytest.mark.parametrize(
    "changes",
    [{"in_channels": -1}, {"conv_out_kernel": -3}, {"layers_per_block": 0}, {"norm_num_groups": 0}, {"dropout": 2.0}],
    ids=str,
)
def test_numbers_that_no_layer_can_have_name_the_file(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(changes))
    with pytest.raises(ConfigError, match=r"config\.json describes no UNet2DConditionModel .*; download it again"):
        UNet2DConditionModel.from_pretrained(tmp_path)


def test_a_class_name_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": ["a", "b"]}))
    with pytest.raises(ConfigError, match=r"config\.json describes a \['a', 'b'\], not a UNet2DConditionModel"):
        UNet2DConditionModel.from_pretrained(tmp_path)

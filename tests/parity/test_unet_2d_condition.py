"""`UNet2DConditionModel` against Diffusers: every family's shape of model, every input, weights in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor, nn

from engine.models.unet_2d_condition import UNet2DConditionModel

# Largest difference over largest value.
TOLERANCE = 1e-5
DOUBLE_TOLERANCE = 1e-12
TOKENS, CROSS = 7, 24

TWO_STAGES: dict[str, Any] = {
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": CROSS,
    "norm_num_groups": 8,
    "attention_head_dim": 4,
    "layers_per_block": 1,
}
SD1 = TWO_STAGES | {
    "block_out_channels": (16, 32, 32, 32),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2,
}
SDXL = TWO_STAGES | {
    "block_out_channels": (16, 32, 48),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": [1, 2, 3],
    "attention_head_dim": [2, 4, 8],
    "use_linear_projection": True,
    "upcast_attention": None,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 20,
    "sample_size": 128,
}
UPSCALER = TWO_STAGES | {
    "in_channels": 7,
    "block_out_channels": (16, 32, 32, 64),
    "down_block_types": ("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 3,
    "up_block_types": ("CrossAttnUpBlock2D",) * 3 + ("UpBlock2D",),
    "only_cross_attention": [True, True, True, False],
    "num_class_embeds": 1000,
    "use_linear_projection": True,
    "attention_head_dim": 8,
}
MODELS: dict[str, dict[str, Any]] = {
    "sd1": SD1,
    "sd2": SD1 | {"attention_head_dim": [1, 2, 4, 4], "use_linear_projection": True, "upcast_attention": True},
    "sdxl": SDXL,
    "sdxl-refiner": SDXL | {"projection_class_embeddings_input_dim": 5 * 8 + 20, "transformer_layers_per_block": 2},
    "lcm": SD1 | {"time_cond_proj_dim": 12},
    "inpaint": TWO_STAGES | {"in_channels": 9},
    "instruct-pix2pix": TWO_STAGES | {"in_channels": 8},
    "depth": TWO_STAGES | {"in_channels": 5},
    "upscaler": UPSCALER,
    "tiny without middle": TWO_STAGES | {"mid_block_type": None},
    "plain middle": TWO_STAGES | {"mid_block_type": "UNetMidBlock2D", "mid_block_scale_factor": 1.5},
    "one stage": TWO_STAGES
    | {
        "block_out_channels": (16,),
        "down_block_types": ("CrossAttnDownBlock2D",),
        "up_block_types": ("CrossAttnUpBlock2D",),
    },
    "scale shift": TWO_STAGES | {"resnet_time_scale_shift": "scale_shift", "act_fn": "gelu"},
    "resnet resampling": TWO_STAGES
    | {
        "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "attention_head_dim": [4, 8],
        "resnet_skip_time_act": True,
        "resnet_out_scale_factor": 1.4,
    },
    "self-attention first": TWO_STAGES
    | {
        "block_out_channels": (16, 32, 32),
        "down_block_types": ("AttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "AttnUpBlock2D"),
        "attention_head_dim": [2, 4, 8],
    },
    "lists": SDXL
    | {
        "layers_per_block": [1, 2, 1],
        "cross_attention_dim": [CROSS, CROSS, CROSS],
        "only_cross_attention": [False, True, False],
        "transformer_layers_per_block": [[1], [1, 2], [1]],
        "reverse_transformer_layers_per_block": [[1, 1], [2, 1, 1], [1, 1]],
    },
    "flat list up": SDXL | {"reverse_transformer_layers_per_block": [2, 1, 1]},
    "only cross everywhere": TWO_STAGES | {"only_cross_attention": True},
    "time": TWO_STAGES
    | {
        "center_input_sample": True,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "time_embedding_dim": 20,
        "time_embedding_act_fn": "mish",
        "timestep_post_act": "silu",
        "downsample_padding": 0,
        "norm_eps": 1e-3,
    },
    "fourier": TWO_STAGES | {"time_embedding_type": "fourier", "conv_in_kernel": 5, "conv_out_kernel": 1},
    "class numbers": TWO_STAGES | {"num_class_embeds": 5},
    "class timestep": TWO_STAGES | {"class_embed_type": "timestep"},
    "class identity": TWO_STAGES | {"class_embed_type": "identity"},
    "class projection": TWO_STAGES | {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 6},
    "class simple projection": TWO_STAGES
    | {"class_embed_type": "simple_projection", "projection_class_embeddings_input_dim": 6},
    "class joined": TWO_STAGES | {"class_embed_type": "identity", "class_embeddings_concat": True},
    "uneven heads": TWO_STAGES | {"attention_head_dim": 3},
}


def make_pair(
    options: dict[str, Any], dtype: torch.dtype = torch.float32
) -> tuple[UNet2DConditionModel, diffusers.UNet2DConditionModel]:
    """Ours and the reference's, with the same random weights (norms included), in eval mode."""
    torch.manual_seed(0)
    reference = diffusers.UNet2DConditionModel(**options).to(dtype).eval()
    randomise(reference)
    ours = UNet2DConditionModel.from_config(reference.config).to(dtype).eval()
    ours.load_state_dict(reference.state_dict(), strict=True)
    return ours, reference


def randomise(model: nn.Module) -> None:
    """Move all weights, so that norms and biases differ from layer to layer."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def random(*shape: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal numbers that depend on nothing but the seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def inputs(
    options: dict[str, Any], batch: int = 2, size: tuple[int, int] = (16, 8), dtype: torch.dtype = torch.float32
) -> dict[str, Any]:
    """Everything that a model with these options takes."""
    channels = options.get("in_channels", 4)
    call: dict[str, Any] = {
        "sample": random(batch, channels, *size, seed=1, dtype=dtype),
        "timestep": 431,
        "encoder_hidden_states": random(batch, TOKENS, CROSS, seed=2, dtype=dtype),
    }
    if options.get("num_class_embeds"):
        call["class_labels"] = torch.arange(batch) % options["num_class_embeds"]
    elif options.get("class_embed_type") == "timestep":
        call["class_labels"] = torch.arange(batch) * 7.5
    elif options.get("class_embed_type"):
        width = options.get("projection_class_embeddings_input_dim", 64)
        call["class_labels"] = random(batch, width, seed=3, dtype=dtype)
    if options.get("time_cond_proj_dim"):
        call["timestep_cond"] = random(batch, options["time_cond_proj_dim"], seed=4, dtype=dtype)
    if options.get("addition_embed_type"):
        ids = (options["projection_class_embeddings_input_dim"] - 20) // options["addition_time_embed_dim"]
        call["added_cond_kwargs"] = {
            "text_embeds": random(batch, 20, seed=5, dtype=dtype),
            "time_ids": torch.tensor([[1024.0, 768.0, 0.0, 16.0, 512.0, 640.0][:ids]] * batch),
        }
    return call


def distance(ours: Tensor, reference: Tensor) -> float:
    """Largest difference over largest value."""
    assert ours.shape == reference.shape
    return float((ours - reference).abs().max() / reference.abs().max())


def assert_same_gradient(name: str, ours: Tensor, reference: Tensor | None) -> None:
    """Equal in float64; some gradients (of key biases) are zero but for rounding."""
    assert reference is not None
    assert (ours - reference).abs().max() <= 1e-9 * reference.abs().max() + 1e-14, name


@torch.no_grad()
def compare(
    options: dict[str, Any], changes: dict[str, Any] | None = None, dtype: torch.dtype = torch.float32, **shape: Any
) -> float:
    """The distance between both models' answers to the same call."""
    ours, reference = make_pair(options, dtype)
    call = inputs(options, dtype=dtype, **shape) | (changes or {})
    # The reference empties the lists it is given.
    theirs = reference(**{key: list(value) if isinstance(value, list) else value for key, value in call.items()})
    return distance(ours(**call).sample, theirs.sample)


@pytest.mark.parametrize("name", MODELS)
def test_every_family(name: str) -> None:
    assert compare(MODELS[name]) <= TOLERANCE


@pytest.mark.parametrize("name", ["sd1", "sdxl", "upscaler", "scale shift"])
def test_in_double_precision(name: str) -> None:
    assert compare(MODELS[name], dtype=torch.float64) <= DOUBLE_TOLERANCE


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (9, 13), (5, 22)])
def test_odd_sizes_and_batches(batch: int, size: tuple[int, int]) -> None:
    assert compare(SD1, batch=batch, size=size) <= TOLERANCE


@pytest.mark.parametrize(
    "timestep",
    [0, 999, 12.75, torch.tensor(17), torch.tensor(3.5), torch.tensor([5]), torch.tensor([1, 400, 999]), torch.ones(3)],
    ids=str,
)
def test_timesteps(timestep: Any) -> None:
    assert compare(TWO_STAGES, {"timestep": timestep}, batch=3) <= TOLERANCE


def test_masks() -> None:
    keep_tokens = torch.tensor([[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0]])
    keep_pixels = (random(2, 64, seed=9) > 0).int()
    attends_at_one_size = MODELS["one stage"] | {"layers_per_block": 2}
    for options in (SD1, SDXL):
        assert compare(options, {"encoder_attention_mask": keep_tokens}) <= TOLERANCE
    masks = {"encoder_attention_mask": keep_tokens.bool(), "attention_mask": keep_pixels}
    assert compare(attends_at_one_size, masks, size=(8, 8)) <= TOLERANCE


def test_masked_tokens_do_not_matter() -> None:
    ours, _ = make_pair(SD1)
    call = inputs(SD1)
    call["encoder_attention_mask"] = torch.tensor([[1, 1, 1, 0, 0, 0, 0]] * 2)
    other = call["encoder_hidden_states"].clone()
    other[:, 3:] = 100.0
    with torch.no_grad():
        expected = ours(**call).sample
        assert torch.equal(ours(**(call | {"encoder_hidden_states": other})).sample, expected)


def residual_shapes(options: dict[str, Any], size: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Channels, height and width of each skip connection."""
    widths, layers = options["block_out_channels"], options["layers_per_block"]
    shapes = [(widths[0], *size)]
    for index, width in enumerate(widths):
        shapes += [(width, *size)] * layers
        if index < len(widths) - 1:
            size = (-(-size[0] // 2), -(-size[1] // 2))
            shapes.append((width, *size))
    return shapes


@pytest.mark.parametrize("size", [(16, 8), (11, 9)])
def test_controlnet_residuals(size: tuple[int, int]) -> None:
    shapes = residual_shapes(SD1, size)
    changes = {
        "down_block_additional_residuals": tuple(random(2, *shape, seed=i) for i, shape in enumerate(shapes)),
        "mid_block_additional_residual": random(2, *shapes[-1], seed=99),
    }
    assert compare(SD1, changes, size=size) <= TOLERANCE


@pytest.mark.parametrize("count", [1, 4])
def test_adapter_residuals(count: int) -> None:
    shapes = [(16, 16, 8), (32, 8, 4), (32, 4, 2), (32, 2, 1)]
    features = [random(2, *shape, seed=i) for i, shape in enumerate(shapes[:count])]
    assert compare(SD1, {"down_intrablock_additional_residuals": features}) <= TOLERANCE


def test_adapter_residuals_of_sdxl_reach_stages_without_attention_and_the_middle() -> None:
    # Stages without attention take their residual after halving, the others before.
    shapes = [(16, 8, 4), (32, 8, 4), (48, 4, 2), (48, 4, 2)]
    features = [random(2, *shape, seed=i) for i, shape in enumerate(shapes)]
    assert compare(SDXL, {"down_intrablock_additional_residuals": features}) <= TOLERANCE


def test_controlnet_and_adapter_together_leave_the_lists_alone() -> None:
    shapes = residual_shapes(TWO_STAGES, (16, 8))
    features = [random(2, 16, 16, 8, seed=1), random(2, 32, 8, 4, seed=2)]
    changes = {
        "down_block_additional_residuals": [random(2, *shape, seed=i) for i, shape in enumerate(shapes)],
        "mid_block_additional_residual": random(2, *shapes[-1], seed=99),
        "down_intrablock_additional_residuals": features,
    }
    assert compare(TWO_STAGES, changes) <= TOLERANCE
    assert len(features) == 2


@pytest.mark.parametrize("slice_size", ["auto", "max", 1, 3])
def test_sliced_attention_gives_equal_results(slice_size: Any) -> None:
    ours, reference = make_pair(SD1)
    call = inputs(SD1) | {"encoder_attention_mask": torch.tensor([[1, 1, 1, 0, 0, 0, 0]] * 2)}
    with torch.no_grad():
        whole = ours(**call).sample
        ours.set_attention_slice(slice_size)
        assert distance(ours(**call).sample, whole) <= 1e-6
        ours.set_attention_slice(None)
        assert torch.equal(ours(**call).sample, whole)
        assert distance(whole, reference(**call).sample) <= TOLERANCE


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients(checkpointing: bool) -> None:
    ours, reference = make_pair(SDXL, torch.float64)
    if checkpointing:
        ours.enable_gradient_checkpointing()
    call = inputs(SDXL, dtype=torch.float64)
    for model in (ours, reference):
        model.train()
        model(**call).sample.square().mean().backward()
    expected = dict(reference.named_parameters())
    for name, parameter in ours.named_parameters():
        assert parameter.grad is not None
        assert_same_gradient(name, parameter.grad, expected[name].grad)


def test_channels_last_changes_nothing_but_the_layout() -> None:
    ours, reference = make_pair(SD1)
    call = inputs(SD1)
    with torch.no_grad():
        expected = reference(**call).sample
        ours = ours.to(memory_format=torch.channels_last)
        sample = call["sample"].to(memory_format=torch.channels_last)
        result = ours(**(call | {"sample": sample})).sample
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert distance(result, expected) <= TOLERANCE


def test_folders_go_both_ways(tmp_path: Path) -> None:
    ours, reference = make_pair(SDXL)
    reference.save_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    call = inputs(SDXL)
    with torch.no_grad():
        expected = reference(**call).sample
        loaded = UNet2DConditionModel.from_pretrained(tmp_path / "theirs")
        assert distance(loaded(**call).sample, expected) <= TOLERANCE
        back = diffusers.UNet2DConditionModel.from_pretrained(tmp_path / "ours")
        assert torch.equal(back(**call).sample, expected)


def test_autocast_with_masks_and_checkpointing_trains() -> None:
    ours, _ = make_pair(SD1)
    ours.train().enable_gradient_checkpointing()
    call = inputs(SD1) | {"encoder_attention_mask": torch.tensor([[1, 1, 1, 0, 0, 0, 0]] * 2)}
    expected = ours(**call).sample
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = ours(**call).sample
    result.float().square().mean().backward()
    assert distance(result.detach().float(), expected.detach()) <= 0.05
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in ours.parameters())


def test_arguments_by_position_and_as_a_tuple() -> None:
    ours, _ = make_pair(TWO_STAGES)
    call = inputs(TWO_STAGES)
    with torch.no_grad():
        output = ours(call["sample"], 431, call["encoder_hidden_states"])
        assert torch.equal(output.sample, output[0])
        (alone,) = ours(**call, return_dict=False)
    assert torch.equal(alone, output["sample"])


def test_same_module_names_in_full_size() -> None:
    """The published configuration of Stable Diffusion 1: same keys, same shapes."""
    with torch.device("meta"):
        ours, reference = (
            UNet2DConditionModel(cross_attention_dim=768),
            diffusers.UNet2DConditionModel(cross_attention_dim=768),
        )
    shapes = {key: value.shape for key, value in reference.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == shapes

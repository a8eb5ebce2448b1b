"""`UNet2DModel` against Diffusers: DDPM, class-conditional and score-based shapes, weights in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor, nn

from engine.models.unet_2d import UNet2DModel

# Largest difference over largest value.
TOLERANCE = 1e-5
DOUBLE_TOLERANCE = 1e-12

DDPM: dict[str, Any] = {
    "block_out_channels": (16, 32, 32),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "norm_num_groups": 8,
    "attention_head_dim": 8,
}
SCORE: dict[str, Any] = {
    "block_out_channels": (32, 64),
    "down_block_types": ("SkipDownBlock2D", "AttnSkipDownBlock2D"),
    "up_block_types": ("AttnSkipUpBlock2D", "SkipUpBlock2D"),
    "layers_per_block": 2,
    "norm_num_groups": None,
    "attention_head_dim": None,
    "time_embedding_type": "fourier",
    "mid_block_scale_factor": 2**0.5,
}
MODELS: dict[str, dict[str, Any]] = {
    "ddpm": DDPM,
    "published ddpm": DDPM
    | {
        "downsample_padding": 0,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "attention_head_dim": None,
        "norm_eps": 1e-6,
        "act_fn": "swish",
    },
    "ldm": DDPM
    | {"in_channels": 4, "out_channels": 4, "down_block_types": ("DownBlock2D",) + ("AttnDownBlock2D",) * 2},
    "resnet blocks": DDPM
    | {
        "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "resnet_time_scale_shift": "scale_shift",
        "attn_norm_num_groups": 4,
    },
    "scale shift without groups": DDPM | {"resnet_time_scale_shift": "scale_shift", "center_input_sample": True},
    "no middle": DDPM | {"mid_block_type": None, "act_fn": "gelu", "time_embedding_dim": 20},
    "no attention in the middle": DDPM | {"add_attention": False, "mid_block_scale_factor": 2.0},
    "learned time": DDPM | {"time_embedding_type": "learned", "num_train_timesteps": 1000},
    "class numbers": DDPM | {"num_class_embeds": 10},
    "class timestep": DDPM | {"class_embed_type": "timestep"},
    "class identity": DDPM | {"class_embed_type": "identity"},
    "score": SCORE,
    "score, other order": SCORE
    | {
        "block_out_channels": (64, 128, 128),
        "down_block_types": ("SkipDownBlock2D", "AttnSkipDownBlock2D", "SkipDownBlock2D"),
        "up_block_types": ("SkipUpBlock2D", "AttnSkipUpBlock2D", "SkipUpBlock2D"),
        "attention_head_dim": 16,
        "layers_per_block": 1,
    },
    "mixed": SCORE
    | {
        "norm_num_groups": 8,
        "down_block_types": ("SkipDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "SkipUpBlock2D"),
        "resnet_time_scale_shift": "scale_shift",
    },
}


def make_pair(options: dict[str, Any], dtype: torch.dtype = torch.float32) -> tuple[UNet2DModel, diffusers.UNet2DModel]:
    """Ours and the reference's, with the same random weights (norms included), in eval mode."""
    torch.manual_seed(0)
    reference = diffusers.UNet2DModel(**options).to(dtype).eval()
    randomise(reference)
    ours = UNet2DModel.from_config(reference.config).to(dtype).eval()
    ours.load_state_dict(reference.state_dict(), strict=True)
    return ours, reference


def randomise(model: nn.Module) -> None:
    """Move all weights, so that norms and biases differ from layer to layer."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def inputs(
    options: dict[str, Any], batch: int = 2, size: tuple[int, int] = (16, 8), dtype: torch.dtype = torch.float32
) -> dict[str, Any]:
    """Everything that a model with these options takes."""
    numbers = torch.Generator().manual_seed(1)
    sample = torch.randn(batch, options.get("in_channels", 3), *size, generator=numbers, dtype=torch.float64)
    call: dict[str, Any] = {"sample": sample.to(dtype), "timestep": 431}
    if options.get("time_embedding_type") == "fourier":
        call["timestep"] = torch.linspace(0.3, 4.0, batch, dtype=dtype)
    if options.get("num_class_embeds"):
        call["class_labels"] = torch.arange(batch)
    elif options.get("class_embed_type") == "timestep":
        call["class_labels"] = torch.arange(batch) * 7.5
    elif options.get("class_embed_type"):
        call["class_labels"] = torch.randn(batch, 64, generator=numbers, dtype=torch.float64).to(dtype)
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
    return distance(ours(**call).sample, reference(**call).sample)


@pytest.mark.parametrize("name", MODELS)
def test_every_shape(name: str) -> None:
    assert compare(MODELS[name]) <= TOLERANCE


@pytest.mark.parametrize("name", ["published ddpm", "resnet blocks"])
def test_in_double_precision(name: str) -> None:
    assert compare(MODELS[name], dtype=torch.float64) <= DOUBLE_TOLERANCE


def test_score_model_in_double_precision() -> None:
    # The filters are sums of the same numbers in another order.
    assert compare(SCORE, dtype=torch.float64) <= DOUBLE_TOLERANCE


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (12, 20)])
def test_sizes_and_batches(batch: int, size: tuple[int, int]) -> None:
    assert compare(DDPM, batch=batch, size=size) <= TOLERANCE


@pytest.mark.parametrize(
    "timestep", [0, 999, torch.tensor(17), torch.tensor(3.5), torch.tensor([5]), torch.tensor([1, 400, 999])], ids=str
)
def test_timesteps(timestep: Any) -> None:
    assert compare(DDPM, {"timestep": timestep}, batch=3) <= TOLERANCE


def test_a_fractional_number_is_not_cut_off() -> None:
    """The reference turns a float, unlike a tensor, into a whole number; here both mean the same."""
    ours, _ = make_pair(DDPM)
    call = inputs(DDPM)
    with torch.no_grad():
        expected = ours(call["sample"], torch.tensor(3.5)).sample
        assert torch.equal(ours(call["sample"], 3.5).sample, expected)


@pytest.mark.parametrize("name", ["resnet blocks", "score"])
def test_sliced_attention_gives_equal_results(name: str) -> None:
    ours, _ = make_pair(MODELS[name])
    call = inputs(MODELS[name])
    with torch.no_grad():
        whole = ours(**call).sample
        ours.set_attention_slice("max")
        assert distance(ours(**call).sample, whole) <= 1e-6


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", ["ddpm", "score"])
def test_gradients(name: str, checkpointing: bool) -> None:
    ours, reference = make_pair(MODELS[name], torch.float64)
    if checkpointing:
        ours.enable_gradient_checkpointing()
    call = inputs(MODELS[name], dtype=torch.float64)
    for model in (ours, reference):
        model.train()
        model(**call).sample.square().mean().backward()
    expected = dict(reference.named_parameters())
    for key, parameter in ours.named_parameters():
        assert parameter.requires_grad == expected[key].requires_grad
        if parameter.grad is not None:
            assert_same_gradient(key, parameter.grad, expected[key].grad)


@pytest.mark.parametrize("name", ["ddpm", "score"])
def test_folders_go_both_ways(name: str, tmp_path: Path) -> None:
    ours, reference = make_pair(MODELS[name])
    reference.save_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    call = inputs(MODELS[name])
    with torch.no_grad():
        expected = reference(**call).sample
        assert distance(UNet2DModel.from_pretrained(tmp_path / "theirs")(**call).sample, expected) <= TOLERANCE
        assert torch.equal(diffusers.UNet2DModel.from_pretrained(tmp_path / "ours")(**call).sample, expected)


def test_same_module_names_in_full_size() -> None:
    """The class's own defaults: same keys, same shapes."""
    with torch.device("meta"):
        ours, reference = UNet2DModel(), diffusers.UNet2DModel()
    shapes = {key: value.shape for key, value in reference.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == shapes

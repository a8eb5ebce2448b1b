"""Autoencoders against Diffusers: posteriors, pictures, slices, tiles, weights in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.autoencoder_tiny import AutoencoderTiny
from engine.models.distributions import DiagonalGaussianDistribution
from engine.models.exact import Win, without
from engine.models.mid_block import UNetMidBlock2D
from engine.models.vq_model import VQModel

# Largest difference over largest value.
TOLERANCE = 1e-5


def stages(channels: tuple[int, ...], **options: Any) -> dict[str, Any]:
    """Options of an AutoencoderKL or VQModel with these channels."""
    count = len(channels)
    return {
        "block_out_channels": channels,
        "down_block_types": ("DownEncoderBlock2D",) * count,
        "up_block_types": ("UpDecoderBlock2D",) * count,
        "norm_num_groups": 4,
    } | options


STAGES = [
    stages((16,), norm_num_groups=16, sample_size=24),
    stages((8, 16)),
    stages((8, 12, 16), layers_per_block=2, latent_channels=8, sample_size=64),
    stages((16, 32, 64, 128, 128), norm_num_groups=8, latent_channels=16, mid_block_add_attention=False),
    stages((8, 16), in_channels=1, out_channels=4, latent_channels=1),
    stages((8, 16), act_fn="gelu"),
    stages(
        (8, 16, 16),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"),
    ),
]
KL = [
    *STAGES,
    stages((8, 16), use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1, scaling_factor=0.3),
    stages((8, 8), use_quant_conv=False, latents_mean=[0.0] * 4, latents_std=[1.0] * 4, force_upcast=False),
]
VQ = [
    *STAGES,
    stages((8, 16), num_vq_embeddings=7, vq_embed_dim=5),
    stages((8, 16), mid_block_add_attention=False, force_upcast=True),
    stages(
        (32, 64), norm_type="spatial", latent_channels=4, up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D")
    ),
]
TINY: list[dict[str, Any]] = [
    {},
    {"encoder_block_out_channels": (8, 8, 8, 8), "decoder_block_out_channels": (8, 8, 8, 8), "latent_channels": 16},
    {
        "encoder_block_out_channels": (8, 8),
        "decoder_block_out_channels": (12, 12),
        "num_encoder_blocks": (2, 1),
        "num_decoder_blocks": (1, 0),
        "act_fn": "silu",
        "upsample_fn": "bilinear",
        "latent_magnitude": 2,
        "latent_shift": 0.4,
        "in_channels": 1,
        "out_channels": 2,
    },
]


def pair(ours: type[nn.Module], theirs: type[nn.Module], options: dict[str, Any]) -> tuple[Any, Any]:
    """Both models with the same random weights, of which no bias or norm is left at its start value."""
    torch.manual_seed(0)
    reference = theirs(**options).eval()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    model = ours(**options).eval()
    model.load_state_dict(reference.state_dict(), strict=True)
    reference.load_state_dict(model.state_dict(), strict=True)
    return model, reference


def error(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    return float((actual - expected).abs().max() / expected.abs().max())


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def no_gradients() -> Any:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("options", KL)
@pytest.mark.parametrize(("batch", "height", "width"), [(1, 32, 32), (3, 37, 50)])
def test_autoencoder_kl(options: dict[str, Any], batch: int, height: int, width: int) -> None:
    model, reference = pair(AutoencoderKL, diffusers.AutoencoderKL, options)
    x = noise(batch, options.get("in_channels", 3), height, width)
    ours, theirs = model.encode(x).latent_dist, reference.encode(x).latent_dist
    assert error(ours.parameters, theirs.parameters) <= TOLERANCE
    z = noise(batch, options.get("latent_channels", 4), 5, 7)
    assert error(model.decode(z).sample, reference.decode(z).sample) <= TOLERANCE
    assert error(model(x).sample, reference(x).sample) <= TOLERANCE
    sampled = [
        m(x, sample_posterior=True, generator=torch.Generator().manual_seed(3)).sample for m in (model, reference)
    ]
    assert error(*sampled) <= TOLERANCE


@pytest.mark.parametrize("options", [{}, *KL])
def test_autoencoder_kl_configuration(options: dict[str, Any]) -> None:
    model, reference = AutoencoderKL(**options), diffusers.AutoencoderKL(**options)
    assert {key: value for key, value in reference.config.items() if not key.startswith("_")} == model.config
    assert model.tile_sample_min_size == reference.tile_sample_min_size
    assert model.tile_latent_min_size == reference.tile_latent_min_size
    assert model.tile_overlap_factor == reference.tile_overlap_factor


@pytest.mark.parametrize(("height", "width"), [(32, 32), (38, 64), (80, 48), (70, 100), (16, 120)])
@pytest.mark.parametrize("overlap", [0.25, 0.5, 0.0])
def test_autoencoder_kl_tiles(height: int, width: int, overlap: float) -> None:
    options = stages((4, 8, 8), sample_size=32, latent_channels=2, mid_block_add_attention=False)
    model, reference = pair(AutoencoderKL, diffusers.AutoencoderKL, options)
    for vae in (model, reference):
        vae.enable_tiling()
        vae.enable_slicing()
        vae.tile_overlap_factor = overlap
    x, z = noise(2, 3, height, width), noise(2, 2, -(-height // 4), -(-width // 4))
    ours, theirs = model.encode(x, return_dict=False)[0], reference.encode(x, return_dict=False)[0]
    assert error(ours.parameters, theirs.parameters) <= TOLERANCE
    assert error(model.decode(z, return_dict=False)[0], reference.decode(z, return_dict=False)[0]) <= TOLERANCE


@pytest.mark.parametrize(("sample", "latent"), [(48, 6), (24, 3), (40, 5), (32, 4)])
def test_autoencoder_kl_tile_sizes_of_the_user(sample: int, latent: int) -> None:
    model, reference = pair(
        AutoencoderKL, diffusers.AutoencoderKL, stages((4, 8, 8, 8), mid_block_add_attention=False, latent_channels=2)
    )
    for vae in (model, reference):
        vae.enable_tiling()
        vae.tile_sample_min_size, vae.tile_latent_min_size = sample, latent
    x, z = noise(1, 3, 72, 88), noise(1, 2, 9, 11)
    assert error(model.encode(x).latent_dist.mean, reference.encode(x).latent_dist.mean) <= TOLERANCE
    assert error(model.decode(z).sample, reference.decode(z).sample) <= TOLERANCE


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_autoencoder_kl_in_another_precision(dtype: torch.dtype) -> None:
    model, reference = pair(AutoencoderKL, diffusers.AutoencoderKL, stages((8, 16), sample_size=16))
    model, reference = model.to(dtype), reference.to(dtype)
    x = noise(1, 3, 24, 24).to(dtype)
    tolerance = 1e-12 if dtype == torch.float64 else 0.02

    def sampled(autoencoder: nn.Module, x: Tensor) -> Tensor:
        return autoencoder(x, True, generator=torch.Generator().manual_seed(3)).sample

    for tiling in (False, True):
        model.use_tiling = reference.use_tiling = tiling
        # Where the processor has no bfloat16, the model computes in float32: that is another rounding.
        with without(Win.WIDER):
            assert error(sampled(model, x), sampled(reference, x)) <= tolerance


def test_autoencoder_kl_in_bfloat16_is_as_near_to_the_exact_one_as_the_reference() -> None:
    model, reference = pair(AutoencoderKL, diffusers.AutoencoderKL, stages((8, 16), sample_size=16))
    model, reference, x = model.bfloat16(), reference.bfloat16(), noise(4, 3, 48, 48).bfloat16()
    pixels = [autoencoder(x).sample.double() for autoencoder in (model, reference)]
    truth = reference.double()(x.double()).sample
    ours, theirs = ((those - truth).norm() / truth.norm() for those in pixels)
    assert ours <= 1.1 * theirs


@pytest.mark.parametrize("options", KL[1:3])
def test_autoencoder_kl_folders_go_both_ways(options: dict[str, Any], tmp_path: Path) -> None:
    model, reference = pair(AutoencoderKL, diffusers.AutoencoderKL, options)
    reference.save_pretrained(tmp_path / "theirs")
    model.save_pretrained(tmp_path / "ours")
    z = noise(1, options.get("latent_channels", 4), 4, 4)
    expected = reference.decode(z).sample
    assert error(AutoencoderKL.from_pretrained(tmp_path / "theirs").decode(z).sample, expected) <= TOLERANCE
    assert error(diffusers.AutoencoderKL.from_pretrained(tmp_path / "ours").decode(z).sample, expected) <= TOLERANCE


def test_autoencoder_kl_with_early_attention_names(tmp_path: Path) -> None:
    model, reference = pair(AutoencoderKL, diffusers.AutoencoderKL, stages((8, 16)))
    reference.save_pretrained(tmp_path)
    weights = tmp_path / "diffusion_pytorch_model.safetensors"
    names = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    early = {}
    for key, tensor in load_file(weights).items():
        for new, old in names.items():
            key = key.replace(new, old)  # noqa: PLW2901
        early[key] = tensor
    assert sum(".query." in key for key in early) == 4
    save_file(early, weights)
    x = noise(1, 3, 16, 16)
    assert error(AutoencoderKL.from_pretrained(tmp_path)(x).sample, reference(x).sample) <= TOLERANCE


@pytest.mark.parametrize("options", VQ)
@pytest.mark.parametrize(("batch", "height", "width"), [(1, 32, 32), (3, 37, 50)])
def test_vq_model(options: dict[str, Any], batch: int, height: int, width: int) -> None:
    model, reference = pair(VQModel, diffusers.VQModel, options)
    x = noise(batch, options.get("in_channels", 3), height, width)
    ours, theirs = model.encode(x).latents, reference.encode(x).latents
    assert error(ours, theirs) <= TOLERANCE
    decoded, expected = model.decode(theirs), reference.decode(theirs)
    assert error(decoded.sample, expected.sample) <= TOLERANCE
    assert error(decoded.commit_loss, expected.commit_loss) <= TOLERANCE
    plain, loss = model.decode(theirs, force_not_quantize=True, return_dict=False)
    assert error(plain, reference.decode(theirs, force_not_quantize=True).sample) <= TOLERANCE
    assert loss.tolist() == [0.0] * batch
    # The nearest vector of the codebook may change with the last bit of a latent: the picture must not.
    assert error(model(x).sample, reference(x).sample) <= TOLERANCE


def test_vq_model_from_indices() -> None:
    options = stages((8, 16), lookup_from_codebook=True, num_vq_embeddings=9)
    model, reference = pair(VQModel, diffusers.VQModel, options)
    indices = torch.randint(0, 9, (2 * 4 * 5,), generator=torch.Generator().manual_seed(0))
    outputs = [m.decode(indices, force_not_quantize=True, shape=(2, 4, 5, 3)).sample for m in (model, reference)]
    assert error(*outputs) <= TOLERANCE
    ours, theirs = model.quantize(noise(2, 3, 4, 5)), reference.quantize(noise(2, 3, 4, 5))
    assert torch.equal(ours[2], theirs[2][2])


@pytest.mark.parametrize("options", [{}, *VQ])
def test_vq_model_configuration(options: dict[str, Any]) -> None:
    model, reference = VQModel(**options), diffusers.VQModel(**options)
    assert {key: value for key, value in reference.config.items() if not key.startswith("_")} == model.config


@pytest.mark.parametrize("options", TINY)
@pytest.mark.parametrize(("batch", "height", "width"), [(1, 32, 32), (3, 37, 50)])
def test_autoencoder_tiny(options: dict[str, Any], batch: int, height: int, width: int) -> None:
    model, reference = pair(AutoencoderTiny, diffusers.AutoencoderTiny, options)
    x = noise(batch, options.get("in_channels", 3), height, width)
    assert error(model.encode(x).latents, reference.encode(x).latents) <= TOLERANCE
    z = noise(batch, options.get("latent_channels", 4), 5, 7)
    assert error(model.decode(z).sample, reference.decode(z).sample) <= TOLERANCE
    assert error(model(x).sample, reference(x).sample) <= TOLERANCE
    assert error(model.scale_latents(z), reference.scale_latents(z)) <= TOLERANCE
    assert error(model.unscale_latents(z), reference.unscale_latents(z)) <= TOLERANCE


@pytest.mark.parametrize(("height", "width"), [(128, 128), (120, 344), (304, 136), (96, 96)])
@pytest.mark.parametrize(("tile", "overlap"), [(128, 0.125), (96, 0.25), (96, 0.125)])
def test_autoencoder_tiny_tiles(height: int, width: int, tile: int, overlap: float) -> None:
    narrow = {"encoder_block_out_channels": (4,) * 4, "decoder_block_out_channels": (4,) * 4}
    model, reference = pair(AutoencoderTiny, diffusers.AutoencoderTiny, narrow)
    assert model.tile_sample_min_size == reference.tile_sample_min_size
    assert model.tile_latent_min_size == reference.tile_latent_min_size
    assert model.tile_overlap_factor == reference.tile_overlap_factor
    for vae in (model, reference):
        vae.enable_tiling()
        vae.enable_slicing()
        vae.tile_sample_min_size, vae.tile_latent_min_size, vae.tile_overlap_factor = tile, tile // 8, overlap
    x, z = noise(2, 3, height, width), noise(2, 4, height // 8, width // 8)
    assert error(model.encode(x).latents, reference.encode(x).latents) <= TOLERANCE
    # Two rows of latents are the reference's least overlap that it can divide by.
    assert error(model.decode(z).sample, reference.decode(z).sample) <= TOLERANCE


@pytest.mark.parametrize("options", TINY)
def test_autoencoder_tiny_configuration_and_folders(options: dict[str, Any], tmp_path: Path) -> None:
    model, reference = pair(AutoencoderTiny, diffusers.AutoencoderTiny, options)
    assert {key: value for key, value in reference.config.items() if not key.startswith("_")} == model.config
    reference.save_pretrained(tmp_path / "theirs")
    model.save_pretrained(tmp_path / "ours")
    x = noise(1, options.get("in_channels", 3), 16, 16)
    expected = reference(x).sample
    assert error(AutoencoderTiny.from_pretrained(tmp_path / "theirs")(x).sample, expected) <= TOLERANCE
    assert error(diffusers.AutoencoderTiny.from_pretrained(tmp_path / "ours")(x).sample, expected) <= TOLERANCE


@pytest.mark.parametrize("deterministic", [False, True])
def test_diagonal_gaussian(deterministic: bool) -> None:
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution as Reference

    parameters, others, sample = 20 * noise(3, 8, 4, 5), noise(3, 8, 4, 5, seed=2), noise(3, 4, 4, 5, seed=3)
    ours = DiagonalGaussianDistribution(parameters, deterministic)
    theirs = Reference(parameters, deterministic)
    for name in ("mean", "logvar", "std", "var", "deterministic"):
        assert torch.equal(torch.as_tensor(getattr(ours, name)), torch.as_tensor(getattr(theirs, name)))
    drawn = [d.sample(torch.Generator().manual_seed(5)) for d in (ours, theirs)]
    assert torch.equal(*drawn)
    assert torch.equal(ours.mode(), theirs.mode())
    for mine, reference in (
        (ours.kl(), theirs.kl()),
        (ours.kl(DiagonalGaussianDistribution(others)), theirs.kl(Reference(others))),
        (ours.nll(sample), theirs.nll(sample)),
        (ours.nll(sample, dims=[1]), theirs.nll(sample, dims=[1])),
    ):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    "options",
    [
        {"temb_channels": 12},
        {"temb_channels": 12, "resnet_time_scale_shift": "scale_shift", "num_layers": 2, "attention_head_dim": 4},
        {"temb_channels": None, "add_attention": False, "output_scale_factor": 2.0},
        {"temb_channels": 12, "attn_groups": 2, "output_scale_factor": 1.4, "attention_head_dim": 8, "dropout": 0.1},
        {
            "temb_channels": 12,
            "attention_head_dim": 16,
            "resnet_groups": None,
            "resnet_eps": 1e-5,
            "resnet_act_fn": "gelu",
        },
    ],
)
def test_mid_block(options: dict[str, Any]) -> None:
    from diffusers.models.unets.unet_2d_blocks import UNetMidBlock2D as Reference

    model, reference = pair(UNetMidBlock2D, Reference, {"in_channels": 16, "resnet_groups": 4} | options)
    x = noise(2, 16, 5, 6)
    temb = None if options["temb_channels"] is None else noise(2, 12, seed=2)
    assert error(model(x, temb), reference(x, temb)) <= TOLERANCE

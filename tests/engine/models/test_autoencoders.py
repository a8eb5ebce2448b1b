"""Autoencoders on their own: what they refuse, what slices and tiles keep, what can be trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from engine.errors import ConfigError, InvalidValue
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.autoencoder_tiny import AutoencoderTiny
from engine.models.tiling import fade, ramp_blended, seam_blended
from engine.models.vq_model import VQModel

SMALL: dict[str, Any] = {
    "block_out_channels": (8, 8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "norm_num_groups": 4,
    "mid_block_add_attention": False,
}
TINY: dict[str, Any] = {"encoder_block_out_channels": (4,) * 4, "decoder_block_out_channels": (4,) * 4}


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def halve(x: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(x, 2, ceil_mode=True)


@pytest.mark.parametrize("model", [AutoencoderKL, VQModel])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"block_out_channels": (8, 8)}, "down_block_types has 3 entries and block_out_channels has 2"),
        ({"up_block_types": ("UpDecoderBlock2D",)}, "up_block_types has 1 entries"),
        ({"block_out_channels": (), "down_block_types": (), "up_block_types": ()}, "has 0"),
        ({"block_out_channels": (8, 10, 8)}, "10, which norm_num_groups=4 does not divide"),
        ({"norm_num_groups": 0}, "norm_num_groups cannot be 0"),
        ({"down_block_types": ("DownBlock2D",) * 3}, "down_block_types cannot be"),
        ({"act_fn": "tanh"}, "act_fn cannot be 'tanh'"),
        ({"latent_channels": "4"}, "latent_channels cannot be '4'"),
    ],
)
def test_wrong_configurations(model: Any, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        model(**(SMALL | change))


def test_wrong_configurations_of_single_models() -> None:
    with pytest.raises(ConfigError, match="norm_type cannot be 'local'"):
        VQModel(**SMALL, norm_type="local")
    with pytest.raises(ConfigError, match="norm_type 'spatial' has 32 groups, which do not divide"):
        VQModel(**SMALL, norm_type="spatial")
    with pytest.raises(ConfigError, match="encoder_block_out_channels has 3 entries and num_encoder_blocks has 4"):
        AutoencoderTiny(encoder_block_out_channels=(4, 4, 4))
    with pytest.raises(ConfigError, match=r"decoder_block_out_channels cannot be \[4, 8\]"):
        AutoencoderTiny(decoder_block_out_channels=(4, 8), num_decoder_blocks=(1, 1))
    with pytest.raises(ConfigError, match="upsample_fn"):
        AutoencoderTiny(upsample_fn="cubic")


def test_sample_size_may_be_a_pair() -> None:
    vae = AutoencoderKL(**SMALL, sample_size=[64, 32])
    assert (vae.tile_sample_min_size, vae.tile_latent_min_size) == (64, 16)


def test_switches() -> None:
    vae = AutoencoderKL(**SMALL)
    assert not vae.use_slicing
    assert not vae.use_tiling
    vae.enable_slicing()
    vae.enable_tiling()
    assert vae.use_slicing
    assert vae.use_tiling
    vae.disable_slicing()
    vae.disable_tiling()
    assert not vae.use_slicing
    assert not vae.use_tiling
    assert not AutoencoderKL(**SMALL).use_tiling


@torch.no_grad()
def test_slicing_changes_nothing_but_calls_the_network_for_each_image() -> None:
    for vae in (AutoencoderKL(**SMALL), AutoencoderTiny(**TINY)):
        x, batches = noise(3, 3, 16, 24), []
        whole = vae(x).sample
        vae.encoder.register_forward_hook(lambda _module, inputs, _output, seen=batches: seen.append(len(inputs[0])))
        vae.enable_slicing()
        torch.testing.assert_close(vae(x).sample, whole, rtol=1e-5, atol=1e-5)
        assert batches == [1, 1, 1]


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(33, 65), (65, 31), (50, 97), (32, 32), (20, 129)])
def test_tiles_have_the_shape_of_the_whole(height: int, width: int) -> None:
    """Odd sizes too, for which the reference fails when the last tile is a sliver."""
    kl, tiny = AutoencoderKL(**SMALL), AutoencoderTiny(**TINY)
    tiny.tile_sample_min_size, tiny.tile_latent_min_size = 32, 4
    x = noise(1, 3, height, width)
    moments, latents = kl.encode(x).latent_dist.parameters, tiny.encode(x).latents
    image, picture = kl.decode(moments[:, :4]).sample, tiny.decode(latents).sample
    kl.enable_tiling()
    tiny.enable_tiling()
    assert kl.encode(x).latent_dist.parameters.shape == moments.shape
    assert kl.decode(moments[:, :4]).sample.shape == image.shape
    assert tiny.encode(x).latents.shape == latents.shape
    assert tiny.decode(latents).sample.shape == picture.shape


@torch.no_grad()
def test_tiles_bound_what_the_network_sees() -> None:
    vae, sizes = AutoencoderKL(**SMALL), []
    vae.decoder.register_forward_hook(lambda _module, inputs, _output: sizes.append(tuple(inputs[0].shape[-2:])))
    vae.enable_tiling()
    vae.decode(noise(1, 4, 20, 8))
    assert sizes == [(8, 8), (8, 2), (8, 8), (8, 2), (8, 8), (8, 2), (2, 8), (2, 2)]


@pytest.mark.parametrize("size", [(48, 48), (40, 72), (16, 90)])
def test_a_network_without_context_is_the_same_in_tiles(size: tuple[int, int]) -> None:
    x = noise(2, 3, *size)
    seams = seam_blended(halve, x, tile=16, stride=12, blend=2, keep=6, least=2)
    torch.testing.assert_close(seams, halve(x))
    ramps = ramp_blended(halve, x, tile=16, overlap=4, scale=0.5)
    torch.testing.assert_close(ramps, halve(x))


def test_fade_mixes_linearly() -> None:
    before, after = torch.zeros(1, 1, 4, 1), torch.ones(1, 1, 6, 1)
    assert fade(before, after, 4, dim=-2).flatten().tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert fade(before, after[:, :, :2], 4, dim=-2).flatten().tolist() == [0.0, 0.5]
    assert fade(before, after, 0, dim=-2) is after


def test_tiles_too_small_are_refused() -> None:
    vae = AutoencoderKL(**SMALL)
    vae.enable_tiling()
    vae.tile_latent_min_size = 0
    with pytest.raises(InvalidValue, match="too small"):
        vae.decode(noise(1, 4, 8, 8))
    tiny = AutoencoderTiny(**TINY)
    tiny.enable_tiling()
    tiny.tile_overlap_factor = 1.0
    with pytest.raises(InvalidValue, match="cannot advance"):
        tiny.encode(noise(1, 3, 64, 64))


def test_codebook_lookup_needs_a_shape() -> None:
    vae = VQModel(**SMALL, lookup_from_codebook=True)
    with pytest.raises(InvalidValue, match="shape"):
        vae.decode(torch.zeros(16, dtype=torch.long), force_not_quantize=True)


@pytest.mark.parametrize("tiling", [False, True])
def test_every_parameter_can_be_trained(tiling: bool) -> None:
    for vae in (AutoencoderKL(**SMALL), VQModel(**SMALL), AutoencoderTiny(**TINY)):
        if isinstance(vae, AutoencoderKL):
            vae.use_tiling = tiling
        x = noise(1, 3, 48, 48)
        if isinstance(vae, AutoencoderTiny):
            loss = vae.decode(vae.encode(x).latents).sample.square().mean()
        else:
            output = vae(x, sample_posterior=True) if isinstance(vae, AutoencoderKL) else vae(x)
            loss = output.sample.square().mean() + (0 if output.commit_loss is None else output.commit_loss)
        loss.backward()
        silent = [name for name, parameter in vae.named_parameters() if parameter.grad is None]
        assert silent == []


@pytest.mark.parametrize(("kind", "options"), [(AutoencoderKL, SMALL), (VQModel, SMALL), (AutoencoderTiny, TINY)])
def test_gradient_checkpointing_changes_no_gradient(kind: Any, options: dict[str, Any]) -> None:
    plain, frugal = kind(**options), kind(**options)
    frugal.load_state_dict(plain.state_dict())
    frugal.enable_gradient_checkpointing()
    assert (plain.is_gradient_checkpointing, frugal.is_gradient_checkpointing) == (False, True)
    computed: dict[Any, int] = {plain: 0, frugal: 0}
    for model in computed:

        def count(*_: Any, model: Any = model) -> None:
            computed[model] += 1

        convolutions = [part for part in model.encoder.modules() if isinstance(part, torch.nn.Conv2d)]
        convolutions[1].register_forward_hook(count)
        latents = model.encode(noise(1, 3, 32, 32))[0]
        decoded = model.decode(latents.mean if kind is AutoencoderKL else latents)[0]
        decoded.square().mean().backward()
    assert list(computed.values()) == [1, 2], "computed a second time for the gradients"
    for (key, expected), given in zip(plain.named_parameters(), frugal.parameters(), strict=True):
        if expected.grad is not None:
            torch.testing.assert_close(given.grad, expected.grad, msg=key)
    frugal.disable_gradient_checkpointing()
    assert not frugal.is_gradient_checkpointing


def test_tuples_and_outputs() -> None:
    vae = VQModel(**SMALL)
    x = noise(1, 3, 16, 16)
    output = vae(x)
    assert list(output) == ["sample", "commit_loss"]
    sample, loss = vae(x, return_dict=False)
    assert torch.equal(sample, output["sample"])
    assert torch.equal(loss, output.commit_loss)
    assert isinstance(vae.encode(x, return_dict=False), tuple)
    tiny = AutoencoderTiny(**TINY)
    assert isinstance(tiny(x, return_dict=False), tuple)
    assert isinstance(tiny.decode(tiny.encode(x, return_dict=False)[0], return_dict=False), tuple)
    kl = AutoencoderKL(**SMALL)
    assert isinstance(kl(x, return_dict=False), tuple)
    assert list(kl(x)) == ["sample"]

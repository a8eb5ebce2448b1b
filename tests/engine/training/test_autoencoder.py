"""Training of the autoencoder: it learns, resumes exactly, and its latents are fit for diffusion."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import ConfigError
from engine.models.autoencoder_kl import AutoencoderKL
from engine.training.autoencoder import (
    AutoencoderSettings,
    fold_scale,
    kl_divergence,
    psnr,
    reconstruction_loss,
    split,
    train_autoencoder,
)
from engine.training.checkpoint import load_checkpoint
from engine.training.dataset import load_images, to_tensor_range
from engine.training.events import Done, ImageSaved, Measured, Progress

TINY_VAE: dict[str, Any] = {
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
    "block_out_channels": [8, 16],
    "latent_channels": 4,
    "norm_num_groups": 4,
    "sample_size": 16,
    "mid_block_add_attention": False,
}
Make = Callable[..., AutoencoderSettings]


@pytest.fixture
def make(icons: Path, tmp_path: Path) -> Make:
    def settings(**changes: Any) -> AutoencoderSettings:
        base: dict[str, Any] = {
            "images": str(icons),
            "out": str(tmp_path / "run"),
            "resolution": 16,
            "crop": 8,
            "model": TINY_VAE,
            "steps": 4,
            "batch_size": 4,
            "warmup_steps": 2,
            "precision": "no",
            "device": "cpu",
            "log_steps": 2,
        }
        return AutoencoderSettings.from_dict(base | changes)

    return settings


def test_a_run_learns_measures_and_saves(make: Make, tmp_path: Path) -> None:
    events = list(train_autoencoder(make(steps=60, learning_rate=3e-3, log_steps=20, ema_decay=0.9)))
    losses = [event.loss for event in events if isinstance(event, Progress)]
    assert losses[-1] < 0.7 * losses[0]
    measured = [event.figures["psnr"] for event in events if isinstance(event, Measured)]
    done = events[-1]
    assert isinstance(done, Done)
    untrained = list(train_autoencoder(make(steps=1, out=str(tmp_path / "untrained"))))[-1]
    assert isinstance(untrained, Done)
    assert done.figures["psnr"] == measured[-1] > untrained.figures["psnr"] + 1
    assert any(isinstance(event, ImageSaved) and event.kind == "reconstructions" for event in events)
    assert isinstance(AutoencoderKL.from_pretrained(done.folder), AutoencoderKL)


def test_latents_of_the_result_have_mean_0_and_deviation_1(make: Make, icons: Path) -> None:
    done = list(train_autoencoder(make(steps=20)))[-1]
    assert isinstance(done, Done)
    vae = AutoencoderKL.from_pretrained(done.folder)
    assert vae.config.scaling_factor == 1.0
    train, _ = split(12, 0)
    with torch.no_grad():
        latents = vae.encode(to_tensor_range(load_images(icons, 16).pixels[train])).latent_dist.mean
    assert latents.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert torch.allclose(latents.std(dim=(0, 2, 3), correction=0), torch.ones(4), atol=1e-3)


def test_a_resumed_run_is_bit_for_bit_the_run_that_was_not_stopped(make: Make, tmp_path: Path) -> None:
    whole = make(steps=6, full_share=0.4, out=str(tmp_path / "whole"), precision="bf16")
    list(train_autoencoder(whole))
    parts = make(steps=6, full_share=0.4, out=str(tmp_path / "parts"), precision="bf16")
    stop = threading.Event()
    for event in train_autoencoder(parts, stop):
        if isinstance(event, Progress):
            stop.set()
    assert not (tmp_path / "parts" / "vae").exists()
    list(train_autoencoder(parts))
    first, second = (load_checkpoint(tmp_path / name / "autoencoder.checkpoint.pt") for name in ("whole", "parts"))
    assert first["step"] == second["step"] == 6
    assert torch.equal(first["losses"], second["losses"])
    for part in ("network", "ema"):
        assert all(torch.equal(first[part][key], second[part][key]) for key in first[part])


def test_folding_scales_keeps_reconstructions_and_variances() -> None:
    torch.manual_seed(0)
    vae = AutoencoderKL.from_config(TINY_VAE).eval()
    shift, scale = torch.tensor([1.0, -2.0, 0.5, 3.0]), torch.tensor([2.0, 0.5, 4.0, 1.0])
    folded = fold_scale(vae, shift, scale)
    image = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        before, after = vae.encode(image).latent_dist, folded.encode(image).latent_dist
        per_channel = (-1, 1, 1)
        assert torch.allclose(after.mean, (before.mean - shift.view(per_channel)) / scale.view(per_channel), atol=1e-5)
        assert torch.allclose(after.std, before.std / scale.view(per_channel), atol=1e-5)
        assert torch.allclose(folded.decode(after.mean).sample, vae.decode(before.mean).sample, atol=1e-4)


def test_losses_are_those_of_their_formulas() -> None:
    target = torch.zeros(1, 1, 4, 4)
    assert float(reconstruction_loss(target + 0.5, target, scales=3, edge_weight=1.0)) == pytest.approx(0.5)
    step = target.clone()
    step[..., 2:] = 1.0
    across = 4 / 12  # one of three differences in each of four rows
    assert float(reconstruction_loss(step, target, 1, 2.0)) == pytest.approx(0.5 + 2 * across)
    mean, logvar = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0])
    assert float(kl_divergence(mean, logvar)) == pytest.approx(0.25)
    standard = torch.distributions.Normal(0.0, 1.0)
    other = torch.distributions.Normal(torch.tensor(0.3), torch.tensor(0.7))
    expected = torch.distributions.kl_divergence(other, standard)
    assert float(kl_divergence(other.mean, 2 * other.stddev.log())) == pytest.approx(float(expected), rel=1e-5)


def test_psnr_in_decibel() -> None:
    image = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    assert psnr(image + np.uint8(255), image) == pytest.approx(0.0)
    assert psnr(image + np.uint8(1), image) == pytest.approx(48.13, abs=0.01)


def test_held_out_images_are_never_trained_on() -> None:
    for count in (1, 12, 640, 5000):
        train, held_out = split(count, 3)
        assert sorted([*train, *held_out]) == list(range(count))
        assert len(held_out) == min(64, count // 10)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"crop": 7}, "crop cannot be 7; it must be a multiple of 2"),
        ({"crop": 32}, "crop cannot be 32; it must be at most the resolution, 16"),
        ({"scales": 9}, "scales cannot be 9; it must be between 1 and 4"),
        ({"kl_weight": -1.0}, "kl_weight cannot be -1.0"),
        ({"full_share": 1.5}, "full_share cannot be 1.5"),
        ({"model": {**TINY_VAE, "norm_num_groups": 5}}, "norm_num_groups"),
    ],
)
def test_wrong_settings_leave_one_sentence_and_no_file(
    make: Make, tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        list(train_autoencoder(make(**changes)))
    assert text in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_model_without_the_convolutions_that_scale_is_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match="use_quant_conv and use_post_quant_conv must be true"):
        list(train_autoencoder(make(model={**TINY_VAE, "use_quant_conv": False})))


def test_the_decoder_alone_learns_on_while_the_latents_stay(make: Make, tmp_path: Path) -> None:
    list(train_autoencoder(make()))
    trained = tmp_path / "run" / "vae"
    list(train_autoencoder(make(out=str(tmp_path / "second"), decoder_of=str(trained))))
    before, after = AutoencoderKL.from_pretrained(trained), AutoencoderKL.from_pretrained(tmp_path / "second" / "vae")
    for key, weight in before.state_dict().items():
        stays = key.startswith(("encoder.", "quant_conv."))
        assert torch.equal(weight, after.state_dict()[key]) == stays, key

"""Previews: the fit, the picture's layout, the file beside the autoencoder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.errors import BadFile, InvalidValue, KnownError
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.autoencoder_tiny import AutoencoderTiny, AutoencoderTinyOutput
from engine.preview import (
    FILE_NAME,
    LinearPreview,
    fit_linear_preview,
    fit_preview,
    known_preview,
    read_preview,
    save_preview,
    smooth_images,
)
from engine.resources_path import resource


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def small_vae(stages: int = 3, channels: int = 4, **options: object) -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(8,) * stages,
        down_block_types=("DownEncoderBlock2D",) * stages,
        up_block_types=("UpDecoderBlock2D",) * stages,
        norm_num_groups=4,
        latent_channels=channels,
        mid_block_add_attention=False,
        **options,
    ).eval()


class PatchMean:
    """An autoencoder whose latents are the mean colours of 4 x 4 patches, mixed: a preview can be exact."""

    config = {"scaling_factor": 0.5, "shift_factor": 0.25, "latent_channels": 3}
    dtype = torch.float32
    device = torch.device("cpu")
    mix = torch.tensor([[1.0, 0.5, 0.0], [0.0, -2.0, 1.0], [0.5, 0.0, 3.0]])

    def encode(self, x: Tensor) -> AutoencoderTinyOutput:
        means = torch.nn.functional.avg_pool2d(x, 4)
        return AutoencoderTinyOutput(latents=torch.einsum("oc,bchw->bohw", self.mix, means))


def test_fit_recovers_a_linear_autoencoder() -> None:
    vae, images = PatchMean(), smooth_images(16, 32, seed=3)
    preview = LinearPreview(*fit_linear_preview(vae, images))
    fresh = smooth_images(1, 32, seed=4)
    latents = (vae.encode(fresh).latents - 0.25) * 0.5
    expected = (torch.nn.functional.avg_pool2d(fresh, 4)[0].permute(1, 2, 0) + 1) * 127.5
    assert (preview.rgb(latents).float() - expected).abs().max() < 3


def test_patches_are_laid_out_as_pixels() -> None:
    """One channel lights up the blue of the upper right pixel of its 2 x 2 patch."""
    weight, bias = torch.zeros(12, 2, 3, 3), torch.full((12,), -1.0)
    weight[2 * 4 + 1, 1, 1, 1] = 2.0
    latents = torch.zeros(1, 2, 2, 3)
    latents[0, 1, 1, 2] = 1.0
    pixels = LinearPreview(weight, bias).rgb(latents)
    assert pixels.shape == (4, 6, 3)
    assert pixels.dtype == torch.uint8
    assert pixels.nonzero().tolist() == [[2, 5, 2]]
    assert pixels[2, 5, 2] == 255


def test_bitmap_holds_the_same_pixels() -> None:
    preview = LinearPreview(noise(3, 4, 3, 3), noise(3))
    latents = noise(4, 5, 7)
    bitmap = preview(latents)
    assert (bitmap.width, bitmap.height) == (7, 5)
    assert bitmap.pixels == bytes(preview.rgb(latents).flatten().tolist())


def test_rgb_takes_the_first_of_a_batch_and_survives_bad_numbers() -> None:
    preview = LinearPreview(noise(3, 4, 3, 3), noise(3))
    batch = noise(2, 4, 3, 3)
    assert torch.equal(preview.rgb(batch), preview.rgb(batch[0]))
    assert torch.equal(preview.rgb(batch.double()), preview.rgb(batch))
    batch[:, :, 0, 0], batch[:, :, 1, 1] = float("nan"), float("inf")
    assert preview.rgb(batch).shape == (3, 3, 3)


def test_rgb_runs_on_inference_tensors() -> None:
    with torch.inference_mode():
        latents = noise(1, 4, 2, 2)
    assert LinearPreview(noise(3, 4, 3, 3), noise(3)).rgb(latents).shape == (2, 2, 3)


@pytest.mark.parametrize(("stages", "side"), [(1, 1), (3, 1), (4, 2), (5, 4)])
def test_side_grows_with_the_factor(stages: int, side: int) -> None:
    weight, bias = fit_linear_preview(small_vae(stages), smooth_images(2, 32))
    assert weight.shape == (3 * side * side, 4, 3, 3)
    assert LinearPreview(weight, bias).side == side


def test_fit_follows_scale_and_shift() -> None:
    """The same autoencoder under another scale of latents gives the same picture."""
    vae, images = small_vae(), smooth_images(6, 32)
    scaled = small_vae(scaling_factor=2.0, shift_factor=0.3)
    moments = small_vae(scaling_factor=2.0, latents_mean=[0.1, 0.2, 0.3, 0.4], latents_std=[1.0, 2.0, 3.0, 4.0])
    with torch.no_grad():
        raw = vae.encode(images).latent_dist.mode()
    latents = [
        raw * 0.18215,
        (raw - 0.3) * 2.0,
        (raw - torch.tensor([0.1, 0.2, 0.3, 0.4]).view(1, 4, 1, 1)) * 2 / torch.arange(1, 5).view(1, 4, 1, 1),
    ]
    pictures = [
        LinearPreview(*fit_linear_preview(model, images)).rgb(z).float()
        for model, z in zip((vae, scaled, moments), latents, strict=True)
    ]
    # The ridge penalises differently scaled latents a little differently.
    assert (pictures[1] - pictures[2]).abs().mean() < 10
    assert (pictures[0] - pictures[1]).abs().mean() < 10


def test_load_reads_the_file(tmp_path: Path) -> None:
    preview = LinearPreview(noise(12, 4, 3, 3), noise(12))
    save_preview(tmp_path / FILE_NAME, preview)
    latents = noise(4, 3, 3)
    read = torch.frombuffer(bytearray(read_preview(tmp_path / FILE_NAME, 4)(latents).pixels), dtype=torch.uint8)
    # The file holds five decimals.
    assert (read.int() - preview.rgb(latents).flatten().int()).abs().max() <= 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_the_fit_of_an_unknown_autoencoder_is_always_the_same() -> None:
    vae, latents = small_vae(), noise(4, 3, 3)
    expected = LinearPreview(*fit_linear_preview(vae, smooth_images(4, 32)))
    assert fit_preview(vae)(latents) == expected(latents)


def test_fit_with_the_tiny_autoencoder() -> None:
    torch.manual_seed(0)
    vae = AutoencoderTiny(encoder_block_out_channels=(4,) * 4, decoder_block_out_channels=(4,) * 4)
    assert fit_preview(vae)(noise(4, 3, 3)).width == 6


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"weight": [[[[1.0]]] * 4] * 3}),
        json.dumps({"weight": [[[[1.0]]] * 4] * 3, "bias": [0.0] * 4}),
        json.dumps({"weight": [[1.0] * 4] * 3, "bias": [0.0] * 3}),
        json.dumps({"weight": [[[[1.0] * 2] * 2] * 4] * 3, "bias": [0.0] * 3}),
        json.dumps({"weight": [[[[1.0] * 3]] * 4] * 3, "bias": [0.0] * 3}),
        json.dumps({"weight": [[[[1.0]]] * 4] * 5, "bias": [0.0] * 5}),
        json.dumps({"weight": [], "bias": []}),
        json.dumps({"weight": [[1.0], [1.0, 2.0]], "bias": [0.0] * 2}),
        json.dumps({"weight": [["a"] * 4] * 3, "bias": [0.0] * 3}),
        json.dumps({"weight": [[[[1.0]]] * 5] * 3, "bias": [0.0] * 3}),
    ],
)
def test_load_refuses_a_damaged_file(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(BadFile, match=FILE_NAME):
        read_preview(tmp_path / FILE_NAME, 4)


def test_wrong_latents_are_refused() -> None:
    with pytest.raises(InvalidValue, match="4 channels"):
        LinearPreview(noise(3, 4, 3, 3), noise(3)).rgb(noise(1, 5, 3, 3))
    with pytest.raises(KnownError, match="3 \\* n \\* n"):
        LinearPreview(noise(6, 4, 1, 1), noise(6))


# The configurations that the models of these families publish for their autoencoders.
PUBLISHED: dict[str, dict[str, object]] = {
    "stable-diffusion": {"scaling_factor": 0.18215, "latent_channels": 4},
    "stable-diffusion-xl": {"scaling_factor": 0.13025, "latent_channels": 4},
    "stable-diffusion-3": {"scaling_factor": 1.5305, "shift_factor": 0.0609, "latent_channels": 16},
    "flux": {"scaling_factor": 0.3611, "shift_factor": 0.1159, "latent_channels": 16},
}


def published(family: str, **changes: object) -> dict[str, object]:
    """The whole configuration of a published autoencoder, with `changes`."""
    values = {"block_out_channels": (128, 256, 512, 512), **PUBLISHED[family], **changes}
    with torch.device("meta"):
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, **values
        )
    return dict(vae.config)


@pytest.mark.parametrize("family", PUBLISHED)
def test_a_constant_latent_has_the_constant_colour_of_the_shipped_factors(family: str) -> None:
    config = published(family)
    preview = known_preview(family, config)
    assert preview is not None and preview.side == 1
    content = json.loads(resource("previews", f"{family}.json").read_text())
    channels = PUBLISHED[family]["latent_channels"]
    assert isinstance(channels, int)
    for channel in range(channels):
        latents = torch.zeros(1, channels, 5, 7)
        latents[:, channel] = 0.9
        pixels = preview.rgb(latents)
        # A colour runs from -1 to 1, and its kernel sees the same latent everywhere.
        kernels = [content["weight"][colour][channel] for colour in range(3)]
        colours = [content["bias"][i] + 0.9 * sum(map(sum, kernels[i])) for i in range(3)]
        expected = torch.tensor([round(min(max((colour + 1) * 127.5, 0), 255)) for colour in colours])
        assert pixels.shape == (5, 7, 3)
        assert (pixels - expected).abs().max() <= 1


def test_the_shipped_map_of_stable_diffusion_shows_what_its_latents_mean() -> None:
    """Its first channel is known as the brightness, its fourth takes blue away; a picture keeps its upper left."""
    preview = known_preview("stable-diffusion", published("stable-diffusion"))
    assert preview is not None
    latents = torch.zeros(1, 4, 4, 6)
    latents[0, 0, 0, 0], latents[0, 3, 3, 5] = 2.0, 1.0
    pixels = preview.rgb(latents).int()
    assert (pixels[0, 0] > 128).all()
    assert pixels[3, 5, 2] < 64 < pixels[3, 5, 0]
    rest = torch.ones(4, 6, dtype=torch.bool)
    rest[0, 0] = rest[3, 5] = False
    assert (pixels[rest] - 128).abs().max() <= 1


@pytest.mark.parametrize(
    ("family", "of", "changes"),
    [
        ("stable-diffusion-xl", "stable-diffusion", {}),
        ("stable-diffusion", "stable-diffusion-xl", {}),
        ("flux", "stable-diffusion-3", {}),
        ("stable-diffusion-x4-upscaler", "stable-diffusion", {}),
        ("stable-diffusion", "stable-diffusion", {"scaling_factor": 1.0}),
        ("stable-diffusion", "stable-diffusion", {"shift_factor": 0.1}),
        ("stable-diffusion", "stable-diffusion", {"latent_channels": 16}),
        ("stable-diffusion", "stable-diffusion", {"block_out_channels": (64, 128, 256, 256)}),
        ("stable-diffusion-xl", "stable-diffusion-xl", {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}),
    ],
)
def test_another_autoencoder_never_gets_a_shipped_map(family: str, of: str, changes: dict[str, object]) -> None:
    assert known_preview(of, published(of)) is not None
    assert known_preview(family, published(of, **changes)) is None


def test_a_tiny_autoencoder_has_no_shipped_map() -> None:
    assert known_preview("stable-diffusion", AutoencoderTiny().config) is None

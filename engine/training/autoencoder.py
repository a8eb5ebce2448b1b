"""Trains an `AutoencoderKL`: L1 at several scales, edges, and a small KL penalty.

Source of the model: Rombach et al. 2022, arXiv 2112.10752, section 3.1; their perceptual and adversarial losses need
further networks and are left out, the edge term keeps outlines sharp instead.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import ConfigError
from engine.models.autoencoder_kl import AutoencoderKL
from engine.plots import image_grid, save_image
from engine.training.config import StageSettings
from engine.training.dataset import Order, load_images, to_tensor_range
from engine.training.events import Done, Event, ImageSaved, Measured, Prepared
from engine.training.session import Session

HELD_OUT = 64  # images kept from training, to measure on
SHOWN = 8


def default_autoencoder() -> dict[str, Any]:
    """Return the configuration of a small autoencoder: 16 times smaller, 16 channels."""
    channels = (24, 48, 96, 128, 160)
    return {
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
        "block_out_channels": list(channels),
        "layers_per_block": 1,
        "latent_channels": 16,
        "norm_num_groups": 8,
        "sample_size": 128,
        "mid_block_add_attention": False,
        "force_upcast": False,
    }


@dataclass(frozen=True, kw_only=True)
class AutoencoderSettings(StageSettings):
    """Settings of the autoencoder's training.

    Attributes:
        images: folder or list of images (`engine.training.dataset.load_images`).
        resolution: side of the images in pixels.
        crop: side of random crops; the last `full_share` of the run, and all of it with null, sees whole images.
        model: configuration of the `AutoencoderKL`.
        decoder_of: folder of a trained autoencoder, in place of `model`: only its decoder is trained further. The
            latents stay as they are, and so does every denoiser that was made for them.
        scales: the L1 loss is the mean over the image and its halvings, this many in all.
        edge_weight, kl_weight: weights of the edge loss and of the KL divergence (both means, not sums).
    """

    images: str
    resolution: int = 128
    crop: int | None = 64
    full_share: float = 0.2
    model: Mapping[str, Any] = field(default_factory=default_autoencoder)
    decoder_of: str | None = None
    scales: int = 4
    edge_weight: float = 0.5
    kl_weight: float = 1e-5
    steps: int = 20_000
    batch_size: int = 32
    ema_decay: float = 0.999

    @property
    def architecture(self) -> Mapping[str, Any]:
        """The configuration of the autoencoder that is trained."""
        return self.model if self.decoder_of is None else AutoencoderKL.load_config(self.decoder_of)

    def check(self) -> None:
        super().check()
        self.require("full_share", 0 <= self.full_share <= 1, "between 0 and 1")
        for key in ("edge_weight", "kl_weight"):
            self.require(key, getattr(self, key) >= 0, "0 or more")
        factor = 2 ** (len(self.architecture.get("block_out_channels", (64,))) - 1)
        for key in ("resolution", "crop"):
            side = getattr(self, key)
            self.require(key, side is None or (side >= factor and side % factor == 0), f"a multiple of {factor}")
        fits = self.crop is None or self.crop <= self.resolution
        self.require("crop", fits, f"at most the resolution, {self.resolution}")
        most = 1 + int(math.log2(self.crop or self.resolution))
        self.require("scales", 1 <= self.scales <= most, f"between 1 and {most}, which is where one pixel is left")


class Reconstruction(nn.Module):
    """An autoencoder whose `forward` gives all that the loss needs."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, pixels: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (reconstruction, mean, log variance) for pixels in [-1, 1] and noise in the shape of the latents."""
        posterior = self.vae.encode(pixels).latent_dist
        latents = posterior.mean + (0.5 * posterior.logvar).exp() * noise.to(posterior.mean.dtype)
        return self.vae.decode(latents, return_dict=False)[0], posterior.mean, posterior.logvar


def reconstruction_loss(output: Tensor, target: Tensor, scales: int, edge_weight: float) -> Tensor:
    """Return the mean over `scales` of L1 between images and their halvings, plus `edge_weight` times L1 of edges."""
    loss = _edge_loss(output, target) * edge_weight
    for scale in range(scales):
        if scale:
            output, target = functional.avg_pool2d(output, 2), functional.avg_pool2d(target, 2)
        loss = loss + (output - target).abs().mean() / scales
    return loss


def _edge_loss(output: Tensor, target: Tensor) -> Tensor:
    difference = output - target
    across = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
    return across + (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()


def kl_divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """Return the mean over latents of KL(N(mean, exp(logvar)) || N(0, 1)) (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()


def train_autoencoder(settings: AutoencoderSettings, stop: threading.Event | None = None) -> Generator[Event]:
    """Train, and write the averaged model to `out`/vae; a checkpoint in `out` is resumed.

    `stop`, once set, ends the run after the present step with a checkpoint; so does closing the generator.
    Raises a `KnownError` for settings, images or checkpoints that cannot be used.
    """
    pixels = load_images(settings.images, settings.resolution).pixels
    train, held_out = split(len(pixels), settings.seed)
    yield Prepared(
        "autoencoder", 0, f"{len(train)} images to train, {len(held_out)} to measure", len(pixels), len(pixels)
    )
    session = Session("autoencoder", settings, Reconstruction(_make(settings)), stop)
    yield session.started()
    order = Order(np.ones(len(train)), settings.seed)
    try:
        while session.running():
            _step(session, settings, pixels, train, order)
            yield from session.reports()
            if session.samples_due():
                yield from measure(session, pixels[held_out])
    except GeneratorExit:
        list(session.save())
        raise
    yield from session.close()
    yield from _finish(session, settings, pixels, train, held_out)


def split(count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of (training, held-out) images: up to 64, but at most a tenth, are held out."""
    shuffled = np.random.default_rng((seed, count)).permutation(count)
    held_out = min(HELD_OUT, count // 10)
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])


def _make(settings: AutoencoderSettings) -> AutoencoderKL:
    torch.manual_seed(settings.seed)
    if settings.decoder_of is None:
        return AutoencoderKL.from_config(dict(settings.model))
    vae = AutoencoderKL.from_pretrained(settings.decoder_of)
    vae.encoder.requires_grad_(False)
    if vae.quant_conv is not None:
        vae.quant_conv.requires_grad_(False)
    return vae


def _step(
    session: Session[Reconstruction],
    settings: AutoencoderSettings,
    pixels: NDArray[np.uint8],
    train: NDArray[np.int64],
    order: Order,
) -> None:
    world, rank, count = session.accelerator.num_processes, session.accelerator.process_index, settings.batch_size
    chosen = train[order.take((session.step * world + rank) * count, count)]
    generator = session.generator()
    whole = settings.crop is None or session.fraction >= 1 - settings.full_share
    side = settings.resolution if whole or settings.crop is None else settings.crop
    batch = to_tensor_range(_crops(pixels, chosen, side, generator)).to(session.device)
    factor = 2 ** (len(session.network.vae.config.block_out_channels) - 1)
    shape = (count, session.network.vae.config.latent_channels, side // factor, side // factor)
    noise = torch.randn(shape, generator=generator).to(session.device)
    output, mean, logvar = session.compute(batch, noise)
    loss = reconstruction_loss(output.float(), batch, settings.scales, settings.edge_weight)
    session.backward(loss + settings.kl_weight * kl_divergence(mean.float(), logvar.float()))
    session.update()


def _crops(
    pixels: NDArray[np.uint8], chosen: NDArray[np.int64], side: int, generator: torch.Generator
) -> NDArray[np.uint8]:
    room = pixels.shape[1] - side
    if not room:
        return pixels[chosen]
    corners = torch.randint(0, room + 1, (len(chosen), 2), generator=generator).tolist()
    return np.stack([pixels[i, y : y + side, x : x + side] for i, (y, x) in zip(chosen, corners, strict=True)])


@torch.no_grad()
def reconstruct(session: Session[Reconstruction], pixels: NDArray[np.uint8], batch: int = 16) -> NDArray[np.uint8]:
    """Return what the averaged model makes of `pixels`, through the posterior's mean, in the same form."""
    outputs: list[NDArray[np.uint8]] = []
    for start in range(0, len(pixels), batch):
        images = to_tensor_range(pixels[start : start + batch]).to(session.device)
        with session.accelerator.autocast():
            latents = session.ema.model.vae.encode(images).latent_dist.mean
            decoded = session.ema.model.vae.decode(latents, return_dict=False)[0]
        levels = ((decoded.float().clamp(-1, 1) + 1) * 127.5).round()
        outputs.append(levels.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy())
    return np.concatenate(outputs)


def psnr(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio in dB, over all pixels together."""
    error = float(np.mean((image.astype(np.float64) - reference) ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-10))


def measure(session: Session[Reconstruction], held_out: NDArray[np.uint8]) -> Iterator[Event]:
    """Yield PSNR on held-out images (none when there are none), and a grid of them above their reconstructions."""
    if not len(held_out):
        return
    outputs = reconstruct(session, held_out)
    yield Measured("autoencoder", session.step, {"psnr": psnr(outputs, held_out)})
    path = session.folder / "samples" / f"autoencoder-{session.step:07d}.png"
    shown = [Image.fromarray(image) for image in (*held_out[:SHOWN], *outputs[:SHOWN])]
    save_image(image_grid(shown, columns=min(SHOWN, len(held_out))), path)
    yield ImageSaved("autoencoder", session.step, "reconstructions", path)


def _finish(
    session: Session[Reconstruction],
    settings: AutoencoderSettings,
    pixels: NDArray[np.uint8],
    train: NDArray[np.int64],
    held_out: NDArray[np.int64],
) -> Iterator[Event]:
    figures: dict[str, float] = {}
    folder = session.folder / "vae"
    reason = session.clock.reason or "interrupted"
    if reason != "interrupted" and session.accelerator.is_main_process:
        for event in measure(session, pixels[held_out]):
            figures |= event.figures if isinstance(event, Measured) else {}
            yield event
        vae = session.ema.model.vae
        if settings.decoder_of is None:
            vae = standardised(vae, session, pixels[train])
        vae.save_pretrained(folder)
    session.accelerator.wait_for_everyone()  # the next stage reads it in every process
    yield Done("autoencoder", session.step, folder, reason, session.clock.seconds, figures)


@torch.no_grad()
def standardised(
    vae: AutoencoderKL, session: Session[Reconstruction], pixels: NDArray[np.uint8], batch: int = 32
) -> AutoencoderKL:
    """Return the same autoencoder with latents of mean 0 and standard deviation 1 in every channel over `pixels`.

    Diffusion assumes such latents. Mean and scale of a channel go into the 1x1 convolutions that end the encoder and
    begin the decoder, so reconstructions stay the same and `scaling_factor` is 1. Raises `ConfigError` for a model
    without these convolutions.
    """
    channels = vae.config.latent_channels
    total, squares, count = torch.zeros(channels, dtype=torch.float64), torch.zeros(channels, dtype=torch.float64), 0
    for start in range(0, len(pixels), batch):
        with session.accelerator.autocast():
            mean = vae.encode(to_tensor_range(pixels[start : start + batch]).to(session.device)).latent_dist.mean
        values = mean.to("cpu", torch.float64)
        total += values.sum(dim=(0, 2, 3))
        squares += values.square().sum(dim=(0, 2, 3))
        count += values[:, 0].numel()
    shift = total / count
    scale = (squares / count - shift.square()).clamp(min=1e-12).sqrt()
    # A channel that carries nothing must not be blown up into noise.
    return fold_scale(vae, shift, scale.clamp(min=float(scale.mean()) / 10))


@torch.no_grad()
def fold_scale(vae: AutoencoderKL, shift: Tensor, scale: Tensor) -> AutoencoderKL:
    """Return a copy of `vae` whose latents are (latents - shift) / scale, with the same reconstructions."""
    copy = AutoencoderKL.from_config({**vae.config, "scaling_factor": 1.0})
    copy.load_state_dict(vae.state_dict())
    before, after = copy.quant_conv, copy.post_quant_conv
    if before is None or before.bias is None or after is None or after.bias is None:
        raise ConfigError("model: use_quant_conv and use_post_quant_conv must be true, to standardise the latents.")
    shift, scale = shift.float(), scale.float()
    channels = len(shift)
    before.weight[:channels] /= scale.view(-1, 1, 1, 1)
    before.bias[:channels] = (before.bias[:channels] - shift) / scale
    before.bias[channels:] -= 2 * scale.log()  # the second half are log variances
    after.bias += after.weight[:, :, 0, 0] @ shift
    after.weight *= scale.view(1, -1, 1, 1)
    return copy.eval()

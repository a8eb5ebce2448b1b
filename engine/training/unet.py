"""Trains a `UNet2DConditionModel` to denoise latents, given text embeddings.

Sources: Ho et al. 2020, arXiv 2006.11239 (noise schedule, epsilon); Salimans & Ho 2022, arXiv 2202.00512 (v); Ho &
Salimans 2022, arXiv 2207.12598 (dropped conditions); Hang et al. 2023, arXiv 2303.09556 (min-SNR weights); Lin et al.
2023, arXiv 2305.08891 (zero terminal SNR).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from engine.errors import ConfigError
from engine.files import read_json, write_json
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.clip_text import CLIPTextModel
from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.preview import FILE_NAME, LinearPreview, fit_linear_preview, save_preview
from engine.prompts.tokenizer import CLIPTokenizer
from engine.schedulers.ddim import DDIMScheduler
from engine.schedulers.ddpm import DDPMScheduler
from engine.training.block_attention import Examples, attend_to_blocks
from engine.training.cache import Encoded, Encoders, encode_all
from engine.training.config import StageSettings
from engine.training.dataset import CaptionedImages, Order, load_images, to_tensor_range
from engine.training.events import Done, Event, ImageSaved, Measured
from engine.training.samples import make_pipeline, save_samples
from engine.training.session import Session

PredictionType = Literal["epsilon", "v_prediction"]
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
SHOWN = 16
FITTED = 256  # images that cross-attentions are fitted to
PREVIEWED = 256  # images that the map from latents to preview pixels is fitted to


def default_unet() -> dict[str, Any]:
    """Return the configuration of a small denoiser for 8x8 latents, about 11 million weights."""
    return {
        "block_out_channels": [128, 192],
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        "layers_per_block": 1,
        "attention_head_dim": 4,
        # With 16 channels or more to a group a step on a CPU takes about 11 % less time than with the usual 32 groups.
        "norm_num_groups": 8,
    }


@dataclass(frozen=True, kw_only=True)
class UNetSettings(StageSettings):
    """Settings of the denoiser's training.

    Attributes:
        images: folder or list of captioned images (`engine.training.dataset.load_images`).
        vae, text_encoder, tokenizer: folders of the parts that are trained already.
        resolution: side of the images in pixels.
        model: configuration of the `UNet2DConditionModel`; channels, context width and size are filled in.
        begin_with: folder of a trained denoiser, in place of `model`: a new run begins with its weights.
        blocks: that of the alignment of the text encoder (`engine.training.text_alignment`): a new run begins with
            cross-attentions that look at the states which foretell blocks (`engine.training.block_attention`), where
            their layers' size can be cut so. Null: they are left to be found.
        style_weights: how often images of a style are shown, relative to 1.
        caption_dropout: share of samples that get the empty caption, for classifier-free guidance.
        prediction_type, beta_schedule, beta_start, beta_end, rescale_betas_zero_snr: the noise schedule.
        min_snr_gamma: bound of the min-SNR loss weights; null weights all noise levels of the target alike.
        accumulate: parts of a step whose gradients are added up; a step sees processes * accumulate * batch_size.
        sample_prompts: prompts of the sample grids, by default some first captions; image i has the seed i.
        dtype: of the weights in the result.
    """

    images: str
    vae: str
    text_encoder: str
    tokenizer: str
    resolution: int = 128
    model: Mapping[str, Any] = field(default_factory=default_unet)
    begin_with: str | None = None
    blocks: int | None = None
    style_weights: Mapping[str, float] = field(default_factory=dict[str, float])
    caption_dropout: float = 0.1
    prediction_type: PredictionType = "v_prediction"
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "scaled_linear"
    beta_start: float = 0.00085
    beta_end: float = 0.012
    rescale_betas_zero_snr: bool = True
    min_snr_gamma: float | None = None
    accumulate: int = 1
    sample_prompts: tuple[str, ...] = ()
    sample_steps: int = 20
    sample_guidance: float = 4.0
    dtype: Literal["float32", "float16", "bfloat16"] = "float16"
    steps: int = 100_000
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup_steps: int = 500

    def check(self) -> None:
        super().check()
        self.require("caption_dropout", 0 <= self.caption_dropout < 1, "at least 0 and less than 1")
        self.require("blocks", self.blocks is None or self.blocks >= 1, "1 or more, or null")
        for key in ("accumulate", "sample_steps", "resolution"):
            self.require(key, getattr(self, key) >= 1, "1 or more")
        self.require("min_snr_gamma", self.min_snr_gamma is None or self.min_snr_gamma > 0, "more than 0, or null")
        # Where no signal is left the noise is the input itself, so predicting it teaches nothing.
        blind = self.prediction_type == "epsilon" and self.rescale_betas_zero_snr
        self.require("prediction_type", not blind, "v_prediction, or else rescale_betas_zero_snr false")


def train_unet(settings: UNetSettings, stop: threading.Event | None = None) -> Generator[Event]:
    """Train, and write the whole pipeline to `out`/pipeline with the averaged denoiser.

    A checkpoint in `out` is resumed; `stop`, once set, ends the run after the present step with a checkpoint, and so
    does closing the generator. Raises a `KnownError` for settings, images, parts or checkpoints that cannot be used.
    """
    data = load_images(settings.images, settings.resolution)
    weights = data.weights(settings.style_weights)
    encoders = load_encoders(settings)
    session = Session("unet", settings, make_unet(settings, encoders), stop)
    encoders.vae.to(session.device)
    encoders.text_encoder.to(session.device)
    with session.accelerator.main_process_first():  # the others find what it has written
        encoded = yield from encode_all(session.folder / "cache", data, encoders)
    yield session.started()
    trainer = Trainer(session, settings, data, encoders, encoded, Order(weights, settings.seed))
    if settings.blocks is not None and not session.resumed:
        yield trainer.find_blocks(settings.blocks)
    yield from trainer.run()


def load_encoders(settings: UNetSettings) -> Encoders:
    """Load the parts that stay as they are."""
    return Encoders(
        AutoencoderKL.from_pretrained(settings.vae).requires_grad_(False),
        CLIPTextModel.from_pretrained(settings.text_encoder).requires_grad_(False),
        CLIPTokenizer.from_pretrained(settings.tokenizer),
    )


def make_unet(settings: UNetSettings, encoders: Encoders) -> UNet2DConditionModel:
    """Return the denoiser that a new run begins with: fresh, or trained before."""
    torch.manual_seed(settings.seed)
    if settings.begin_with is None:
        return UNet2DConditionModel.from_config(complete_config(settings.model, settings, encoders))
    unet = UNet2DConditionModel.from_pretrained(settings.begin_with)
    complete_config(unet.config, settings, encoders)
    return unet


def complete_config(model: Mapping[str, Any], settings: UNetSettings, encoders: Encoders) -> dict[str, Any]:
    """Return the configuration `model` with what the other parts decide; `ConfigError` where it says otherwise."""
    vae = encoders.vae.config
    decided = {
        "in_channels": vae.latent_channels,
        "out_channels": vae.latent_channels,
        "cross_attention_dim": encoders.text_encoder.config.hidden_size,
        "sample_size": settings.resolution // 2 ** (len(vae.block_out_channels) - 1),
    }
    for key, value in decided.items():
        if model.get(key, value) != value:
            raise ConfigError(f"model: {key} cannot be {model[key]!r}; the other parts need {value}: leave it out.")
    return dict(model) | decided


def noise_schedule(settings: UNetSettings) -> dict[str, Any]:
    """Return what every scheduler of this model must know."""
    keys = ("beta_schedule", "beta_start", "beta_end", "prediction_type", "rescale_betas_zero_snr")
    # Trailing spacing takes no offset, but Diffusers warns of Stable Diffusion folders that have none.
    sampling = {"clip_sample": False, "timestep_spacing": "trailing", "steps_offset": 1}
    return {key: getattr(settings, key) for key in keys} | sampling


def loss_weights(alphas_cumprod: Tensor, prediction_type: PredictionType, gamma: float | None) -> Tensor:
    """Return the loss weight of every timestep, (timesteps,), for a mean squared error of the prediction.

    Without `gamma` all are 1; else the min-SNR weights min(SNR, gamma) / SNR for epsilon and min(SNR, gamma) /
    (SNR + 1) for v (arXiv 2303.09556, section 3.4).
    """
    if gamma is None:
        return torch.ones_like(alphas_cumprod)
    snr = alphas_cumprod / (1 - alphas_cumprod)
    return snr.clamp(max=gamma) / (snr if prediction_type == "epsilon" else snr + 1)


def draw_timesteps(count: int, total: int, generator: torch.Generator) -> Tensor:
    """Return a uniform timestep for each of `count` samples, one from each of as many equal spans.

    The loss is less noisy than with independent draws.
    """
    places = torch.arange(count) + torch.rand(count, generator=generator)
    return (places * (total / count)).long().clamp(max=total - 1)


class Trainer:
    """The denoiser's training loop and what it shows."""

    def __init__(
        self,
        session: Session[UNet2DConditionModel],
        settings: UNetSettings,
        data: CaptionedImages,
        encoders: Encoders,
        encoded: Encoded,
        order: Order,
    ) -> None:
        self.session = session
        self.settings = settings
        self.pixels = data.pixels
        self.encoders = encoders
        self.encoded = encoded
        self.order = order
        self.schedule = DDPMScheduler.from_config(noise_schedule(settings))
        self.weights = loss_weights(self.schedule.alphas_cumprod, settings.prediction_type, settings.min_snr_gamma)
        spread = range(0, len(data.items), max(1, len(data.items) // SHOWN))
        self.prompts = list(settings.sample_prompts) or [data.items[i].captions[0] for i in spread][:SHOWN]
        self.folder = session.folder / "pipeline"

    def run(self) -> Iterator[Event]:
        """Train to the end and write the result."""
        session = self.session
        try:
            while session.running():
                self.step()
                yield from session.reports()
                if session.samples_due():
                    yield self.samples()
        except GeneratorExit:
            list(session.save())
            raise
        yield from session.close()
        reason = session.clock.reason or "interrupted"
        if reason != "interrupted" and session.accelerator.is_main_process:
            yield self.samples()
            self.export()
        yield Done("unet", session.step, self.folder, reason, session.clock.seconds)

    @torch.no_grad()
    def find_blocks(self, side: int) -> Measured:
        """Point the cross-attentions at the states that foretell blocks; how much attention then goes there."""
        session = self.session
        generator = torch.Generator().manual_seed(self.settings.seed)
        latents, texts = self.encoded.batch(self.order.take(0, FITTED), 0.0, generator)
        timesteps = draw_timesteps(FITTED, len(self.weights), generator)
        noisy = self.schedule.add_noise(latents, torch.randn(latents.shape, generator=generator), timesteps)
        # A copy on the CPU: least squares take float64, and every process comes to the same.
        unet = copy.deepcopy(session.network).cpu().eval()
        examples = Examples(latents, texts, lambda rows: unet(noisy[rows], timesteps[rows], texts[rows]), side)
        shares = attend_to_blocks(unet, examples, generator)
        for model in (session.network, session.ema.model):
            model.load_state_dict(unet.state_dict())
        return Measured("unet", 0, {f"attention to blocks {i}": share for i, share in enumerate(shares, start=1)})

    def step(self) -> None:
        """Make one optimiser step."""
        session, parts = self.session, self.settings.accumulate
        generator = session.generator()
        for part in range(parts):
            with session.part(last=part == parts - 1):
                session.backward(self.loss(part, generator) / parts)
        session.update()

    def loss(self, part: int, generator: torch.Generator) -> Tensor:
        """Return the weighted squared error of the prediction on part `part` of this step."""
        session, settings = self.session, self.settings
        world, rank, count = session.accelerator.num_processes, session.accelerator.process_index, settings.batch_size
        place = (session.step * settings.accumulate + part) * world + rank
        latents, texts = self.encoded.batch(self.order.take(place * count, count), settings.caption_dropout, generator)
        noise = torch.randn(latents.shape, generator=generator).contiguous(memory_format=torch.channels_last)
        timesteps = draw_timesteps(count, len(self.weights), generator)
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        velocity = settings.prediction_type == "v_prediction"
        target = self.schedule.get_velocity(latents, noise, timesteps) if velocity else noise
        inputs = (tensor.to(session.device) for tensor in (noisy, timesteps, texts))
        prediction = session.compute(*inputs, return_dict=False)[0]
        error = (prediction.float() - target.to(session.device)).square().mean(dim=(1, 2, 3))
        return (error * self.weights[timesteps].to(session.device)).mean()

    def samples(self) -> ImageSaved:
        """Draw the fixed prompts with the averaged denoiser and save them as a grid."""
        path = self.session.folder / "samples" / f"unet-{self.session.step:07d}.png"
        pipeline = make_pipeline(self.encoders, self.session.ema.model, self.sampler())
        save_samples(pipeline, self.prompts, path, self.settings.sample_steps, self.settings.sample_guidance)
        return ImageSaved("unet", self.session.step, "samples", path)

    def sampler(self) -> DDIMScheduler:
        """Return the scheduler that the result is saved with."""
        return DDIMScheduler.from_config(noise_schedule(self.settings))

    def export(self) -> None:
        """Write the pipeline."""
        dtype = DTYPES[self.settings.dtype]
        unet = UNet2DConditionModel.from_config(dict(self.session.ema.model.config))
        unet.load_state_dict(self.session.ema.model.state_dict())
        # Saved parts are copies: training may go on after an export in float16.
        encoders = load_encoders(self.settings)
        make_pipeline(encoders, unet, self.sampler()).to(dtype).save_pretrained(str(self.folder))
        # transformers loads a text encoder in the dtype its configuration names, and Diffusers all else in float32.
        config = self.folder / "text_encoder" / "config.json"
        write_json(config, read_json(config) | {"torch_dtype": "float32"})
        chosen = np.linspace(0, len(self.pixels) - 1, min(PREVIEWED, len(self.pixels))).astype(int)
        with torch.no_grad():
            preview = LinearPreview(*fit_linear_preview(self.encoders.vae, to_tensor_range(self.pixels[chosen])))
        save_preview(self.folder / "vae" / FILE_NAME, preview)

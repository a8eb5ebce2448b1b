"""Four times larger: the UNet sees the small picture, slightly noisy, beside the latents of the large one.

https://arxiv.org/abs/2112.10752, section 4.4, with the noise of https://arxiv.org/abs/2106.15282.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.pipelines.base import Callback, OlderCallback
from engine.pipelines.call import drained
from engine.pipelines.conditions import copies
from engine.pipelines.image_input import image_tensor
from engine.pipelines.latent import Settings
from engine.pipelines.latents import decode_latents, for_each_image, for_rows, noise_or_given
from engine.pipelines.schedule import Scheduler, prepare_schedule, remaining, step_options
from engine.pipelines.stable_diffusion.family import StableDiffusionFamily, StableDiffusionPipelineOutput
from engine.pipelines.step import Step
from engine.rng import Generators, randn_tensor

if TYPE_CHECKING:
    from engine.models.autoencoder_kl import AutoencoderKL
    from engine.models.clip_text import CLIPTextModel
    from engine.models.unet_2d_condition import UNet2DConditionModel
    from engine.prompts.tokenizer import CLIPTokenizer

logger = logging.getLogger(__name__)

SCALING_FACTOR = 0.08333


@dataclass(frozen=True, eq=False, kw_only=True)
class Upscale(Settings):
    """Everything that makes the pictures of one call."""

    image: Any
    noise_level: int
    latents: Tensor | None


class StableDiffusionUpscalePipeline(StableDiffusionFamily[Upscale]):
    """Makes pictures four times larger, as prompts say (7 channels)."""

    optional_parts = frozenset({"text_encoder", "tokenizer"})
    only_if_asked = frozenset({"safety_checker", "feature_extractor", "watermarker"})
    _settings_type = Upscale
    low_res_scheduler: Scheduler
    _max_noise_level: int

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel | None,
        tokenizer: CLIPTokenizer | None,
        unet: UNet2DConditionModel,
        low_res_scheduler: Scheduler,
        scheduler: Scheduler,
        safety_checker: Any = None,
        feature_extractor: Any = None,
        watermarker: Any = None,
        max_noise_level: int = 350,
    ) -> None:
        # No `set_for_latents`: the reference does not do it here either.
        self.register_modules(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            low_res_scheduler=low_res_scheduler,
            scheduler=scheduler,
            safety_checker=safety_checker,
            feature_extractor=feature_extractor,
            watermarker=watermarker,
        )
        self.register_values(max_noise_level=max_noise_level)
        self._max_noise_level = max_noise_level
        given: AutoencoderKL | None = self.components["vae"]
        if given is not None and given.config.get("scaling_factor") != SCALING_FACTOR:
            # The first published configuration lacks the factor that the model was trained with.
            logger.warning("the upscaler needs scaling_factor %s, which is set now", SCALING_FACTOR)
            given.change_config(scaling_factor=SCALING_FACTOR)

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        num_inference_steps: int = 75,
        guidance_scale: float = 9.0,
        noise_level: int = 20,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback: OlderCallback | None = None,
        callback_steps: int = 1,
        cross_attention_kwargs: dict[str, Any] | None = None,
        clip_skip: int | None = None,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Make `image` four times larger, as `prompt` says.

        Args:
            image: a PIL image, an array, a tensor in [0, 1], or a list.
            noise_level: how much noise the small picture gets, 0 to the `max_noise_level` of the model.
            prompt, num_inference_steps, guidance_scale, negative_prompt, num_images_per_prompt, eta, generator,
                latents, prompt_embeds, negative_prompt_embeds, output_type, return_dict, callback, callback_steps,
                cross_attention_kwargs, clip_skip, callback_on_step_end, callback_on_step_end_tensor_inputs: as for
                `StableDiffusionPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: Upscale) -> None:
        super()._check(settings)
        self._require("low_res_scheduler")
        if settings.image is None:
            raise InvalidValue("upscaling needs an image; give one.")
        if not 0 <= settings.noise_level <= self._max_noise_level:
            raise InvalidValue(
                f"noise_level cannot be {settings.noise_level}; it goes from 0 to {self._max_noise_level}."
            )
        if self.unet.config.in_channels != self.latent_channels + 3:
            raise InvalidValue(
                f"this UNet has {self.unet.config.in_channels} input channels; upscaling takes "
                f"{self.latent_channels + 3}."
            )

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the UNet runs on the negative prompt too."""
        return self._guidance_scale > 1

    @torch.no_grad()
    def _denoise(self, settings: Upscale) -> Generator[Step, None, StableDiffusionPipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        conditions = self._conditions(settings)
        timesteps = prepare_schedule(scheduler, settings.num_inference_steps, self.device, resume=resume)
        self._num_timesteps = total = len(timesteps)
        small = None if resume is None else resume.carried.get("small")
        small = self._small(settings) if small is None else small.to(self.device)
        level = torch.full((images,), settings.noise_level, dtype=torch.long, device=self.device)
        if resume is None:
            shape = (images, self.latent_channels, *small.shape[2:])
            noise = noise_or_given(shape, settings.latents, settings.generator, self.device, self.unet.dtype)
            latents = noise * scheduler.init_noise_sigma
        else:
            latents = resume.latents.to(self.device)
        options = step_options(scheduler, eta=settings.eta, generator=settings.generator)
        for index, timestep in remaining(timesteps, resume):
            if self._interrupt:
                break
            guided = conditions.guided(index, total, self.do_classifier_free_guidance)
            given = conditions.at(index, total, guided)
            parts = conditions.parts(guided)
            noisy = scheduler.scale_model_input(copies(latents, parts), timestep)
            prediction = self.unet(
                torch.cat([noisy, copies(small, parts)], dim=1),
                timestep,
                encoder_hidden_states=given["prompt_embeds"],
                **conditions.kept(timesteps, index),
                class_labels=conditions.copied(level, parts),
                cross_attention_kwargs=settings.cross_attention_kwargs,
                return_dict=False,
            )[0]
            prediction = conditions.mix(prediction, guided, self._guidance_scale)
            less_noisy = scheduler.step(prediction, timestep, latents, **options)
            carried = {"small": small}
            clean = less_noisy.pred_original_sample
            step = Step(index, total, timestep, less_noisy.prev_sample, clean, given, carried)
            yield step
            latents = step.latents
        return self._output(latents, settings.output_type)

    def _small(self, settings: Upscale) -> Tensor:
        """Return the small picture with its noise, for each image."""
        pixels = image_tensor(settings.image, self.vae_scale_factor, resample="bicubic")
        pixels = pixels.to(self.device, self.unet.dtype)
        generator = for_rows(settings.generator, len(pixels))
        noise = randn_tensor(pixels.shape, generator, self.device, pixels.dtype)
        level = torch.tensor([settings.noise_level], dtype=torch.long, device=self.device)
        return for_each_image("image", self.low_res_scheduler.add_noise(pixels, noise, level), settings.images)

    def _decoded(self, latents: Tensor) -> Tensor:
        return decode_latents(self.vae, latents, upcast=True)

"""Image to image: noise is added to a picture and taken away again towards a prompt.

Meng et al., "SDEdit", https://arxiv.org/abs/2108.01073.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.pipelines.base import Callback, OlderCallback
from engine.pipelines.call import drained
from engine.pipelines.conditions import copies
from engine.pipelines.image_input import image_tensor
from engine.pipelines.latent import Settings
from engine.pipelines.latents import image_latents
from engine.pipelines.schedule import (
    check_strength,
    prepare_schedule,
    remaining,
    step_options,
    timesteps_for_strength,
)
from engine.pipelines.stable_diffusion.family import StableDiffusionFamily, StableDiffusionPipelineOutput
from engine.pipelines.step import Step
from engine.rng import Generators, randn_tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageToImage(Settings):
    """Everything that makes the pictures of one call."""

    image: Any
    strength: float


class StableDiffusionImg2ImgPipeline(StableDiffusionFamily[ImageToImage]):
    """Changes pictures as prompts say with Stable Diffusion 1 or 2."""

    _settings_type = ImageToImage

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        strength: float = 0.8,
        num_inference_steps: int = 50,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        guidance_scale: float = 7.5,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int = 1,
        eta: float = 0.0,
        generator: Generators = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        cross_attention_kwargs: dict[str, Any] | None = None,
        clip_skip: int | None = None,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        callback: OlderCallback | None = None,
        callback_steps: int = 1,
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Change `image` as `prompt` says.

        Args:
            image: a PIL image, an array, a tensor in [0, 1] or latents, or a list; one for all prompts, or one each.
                Its sides are rounded down to multiples of `vae_scale_factor`.
            strength: 0 to 1: the share of the steps that are done, and so of the picture that is lost.
            prompt, num_inference_steps, timesteps, sigmas, guidance_scale, negative_prompt, num_images_per_prompt, eta,
                generator, prompt_embeds, negative_prompt_embeds, output_type, return_dict, cross_attention_kwargs,
                clip_skip, callback_on_step_end, callback_on_step_end_tensor_inputs, callback, callback_steps: as for
                `StableDiffusionPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: ImageToImage) -> None:
        super()._check(settings)
        check_strength(settings.strength)
        if settings.image is None and settings.resume is None:
            raise InvalidValue("image to image needs an image; give one.")
        self._require("vae")

    @torch.no_grad()
    def _denoise(self, settings: ImageToImage) -> Generator[Step, None, StableDiffusionPipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        conditions = self._conditions(settings)
        schedule = prepare_schedule(
            scheduler, settings.num_inference_steps, self.device, settings.timesteps, settings.sigmas, resume
        )
        count = settings.num_inference_steps if settings.timesteps is settings.sigmas is None else len(schedule)
        timesteps = timesteps_for_strength(scheduler, schedule, count, settings.strength, resume)
        self._num_timesteps = total = len(timesteps)
        latents = self._first_latents(settings, timesteps) if resume is None else resume.latents.to(self.device)
        distilled = self._guidance_embedding(images)
        options = step_options(scheduler, eta=settings.eta, generator=settings.generator)
        for index, timestep in remaining(timesteps, resume):
            if self._interrupt:
                break
            guided = conditions.guided(index, total, self.do_classifier_free_guidance)
            given = conditions.at(index, total, guided)
            parts = conditions.parts(guided)
            prediction = self.unet(
                scheduler.scale_model_input(copies(latents, parts), timestep),
                timestep,
                encoder_hidden_states=given["prompt_embeds"],
                **conditions.kept(timesteps, index),
                timestep_cond=None if distilled is None else conditions.copied(distilled, parts),
                cross_attention_kwargs=settings.cross_attention_kwargs,
                return_dict=False,
            )[0]
            prediction = conditions.mix(prediction, guided, self._guidance_scale)
            less_noisy = scheduler.step(prediction, timestep, latents, **options)
            step = Step(index, total, timestep, less_noisy.prev_sample, less_noisy.pred_original_sample, given)
            yield step
            latents = step.latents
        return self._output(latents, settings.output_type)

    def _first_latents(self, settings: ImageToImage, timesteps: Tensor) -> Tensor:
        """Return the latents of the image with the noise of the first of `timesteps`."""
        images, dtype, channels = settings.images, self.unet.dtype, self.latent_channels
        pixels = image_tensor(settings.image, self.vae_scale_factor, latent_channels=channels)
        clean = image_latents(self.vae, pixels.to(self.device), images, settings.generator, channels)
        clean = clean.to(self.device, dtype)
        noise = randn_tensor(clean.shape, settings.generator, self.device, dtype)
        return self.scheduler.add_noise(clean, noise, timesteps[:1].repeat(images))

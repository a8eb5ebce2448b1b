"""Image to image with Stable Diffusion XL, base and refiner: arXiv:2307.01952, section 2.5."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.pipelines.base import Callback, OlderCallback
from engine.pipelines.call import drained
from engine.pipelines.conditions import copies
from engine.pipelines.image_input import image_tensor
from engine.pipelines.latents import image_latents
from engine.pipelines.schedule import (
    check_strength,
    prepare_schedule,
    remaining,
    step_options,
    timesteps_for_strength,
    timesteps_from,
    timesteps_until,
)
from engine.pipelines.stable_diffusion_xl.family import (
    RefinerFamily,
    RefinerSettings,
    Size,
    StableDiffusionXLPipelineOutput,
    check_share,
    check_told,
    pooled_channels,
)
from engine.pipelines.step import Step
from engine.rng import Generators, randn_tensor


class StableDiffusionXLImg2ImgPipeline(RefinerFamily[RefinerSettings]):
    """Changes pictures as prompts say with Stable Diffusion XL, or finishes them with its refiner."""

    _settings_type = RefinerSettings

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        prompt_2: str | Sequence[str] | None = None,
        image: Any = None,
        strength: float = 0.3,
        num_inference_steps: int = 50,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        denoising_start: float | None = None,
        denoising_end: float | None = None,
        guidance_scale: float = 5.0,
        negative_prompt: str | Sequence[str] | None = None,
        negative_prompt_2: str | Sequence[str] | None = None,
        num_images_per_prompt: int = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        pooled_prompt_embeds: Tensor | None = None,
        negative_pooled_prompt_embeds: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        cross_attention_kwargs: dict[str, Any] | None = None,
        guidance_rescale: float = 0.0,
        original_size: Size | None = None,
        crops_coords_top_left: Size = (0, 0),
        target_size: Size | None = None,
        negative_original_size: Size | None = None,
        negative_crops_coords_top_left: Size = (0, 0),
        negative_target_size: Size | None = None,
        aesthetic_score: float = 6.0,
        negative_aesthetic_score: float = 2.5,
        clip_skip: int | None = None,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        callback: OlderCallback | None = None,
        callback_steps: int = 1,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Change `image` as `prompt` says.

        Args:
            image: a PIL image, an array, a tensor in [0, 1] or latents, or a list; one for all prompts, or one each.
            strength: 0 to 1: the share of the steps that are done, and so of the picture that is lost.
            latents: what to start from instead of the noisy picture.
            denoising_start: take over at this share of the way, from latents of another model as `image`: no noise is
                added and `strength` has no part in it.
            aesthetic_score: what the refiner is told of the picture's beauty, with the prompt.
            negative_aesthetic_score: likewise, with the negative prompt.
            negative_original_size, negative_target_size: each by default what is told with the prompt.
            all others: as for `StableDiffusionXLPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: RefinerSettings) -> None:
        super()._check(settings)
        check_strength(settings.strength)
        start, end = settings.denoising_start, settings.denoising_end
        check_share("denoising_start", start)
        if end != 1:
            check_share("denoising_end", end)
        if start is not None and end is not None and start >= end:
            raise InvalidValue(f"denoising_start {start} must be less than denoising_end {end}.")
        if settings.image is None:
            raise InvalidValue("image to image needs an image; give one.")
        self._require("vae")

    @torch.no_grad()
    def _denoise(self, settings: RefinerSettings) -> Generator[Step, None, StableDiffusionXLPipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        plan = self._plan(settings)
        schedule = prepare_schedule(
            scheduler, settings.num_inference_steps, self.device, settings.timesteps, settings.sigmas, resume
        )
        if settings.denoising_start is None:
            count = settings.num_inference_steps if settings.timesteps is settings.sigmas is None else len(schedule)
            timesteps = timesteps_for_strength(scheduler, schedule, count, settings.strength, resume)
        else:
            timesteps = timesteps_from(scheduler, schedule, settings.denoising_start, resume)
        first = timesteps[:1]
        if settings.denoising_end is not None and settings.denoising_end < 1:
            timesteps = timesteps_until(scheduler, timesteps, settings.denoising_end)
        self._num_timesteps = total = len(timesteps)
        if resume is not None:
            latents = resume.latents.to(self.device)
        elif settings.latents is not None:
            latents = settings.latents.to(self.device)
        else:
            latents = self._first_latents(settings, first)
        negative_told, told = self._told_sizes(settings, (latents.shape[2], latents.shape[3]))
        check_told(self.unet, pooled_channels(plan, total), len(told))
        conditions = self._conditions(settings, plan, negative_told, told)
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
                added_cond_kwargs={"text_embeds": given["add_text_embeds"], "time_ids": given["add_time_ids"]},
                return_dict=False,
            )[0]
            prediction = conditions.mix(prediction, guided, self._guidance_scale, settings.guidance_rescale)
            less_noisy = scheduler.step(prediction, timestep, latents, **options)
            step = Step(index, total, timestep, less_noisy.prev_sample, less_noisy.pred_original_sample, given)
            yield step
            latents = step.latents
        return self._output(latents, settings.output_type)

    def _first_latents(self, settings: RefinerSettings, first: Tensor) -> Tensor:
        """Return the latents of the image, with the noise of the timestep `first` unless another model goes before."""
        images, dtype, channels = settings.images, self.unet.dtype, self.latent_channels
        pixels = image_tensor(settings.image, self.vae_scale_factor, latent_channels=channels).to(self.device)
        clean = image_latents(self.vae, pixels, images, settings.generator, channels, upcast=True)
        clean = clean.to(self.device, dtype)
        if settings.denoising_start is not None:
            return clean
        noise = randn_tensor(clean.shape, settings.generator, self.device, dtype)
        return self.scheduler.add_noise(clean, noise, first.repeat(images))

"""Text to image: "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis", arXiv:2307.01952."""

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
from engine.pipelines.latents import noise_or_given
from engine.pipelines.schedule import begun, prepare_schedule, remaining, step_options, timesteps_until
from engine.pipelines.stable_diffusion_xl.family import (
    SettingsXL,
    Size,
    StableDiffusionXLFamily,
    StableDiffusionXLPipelineOutput,
    check_share,
    check_told,
    pooled_channels,
)
from engine.pipelines.step import Step
from engine.rng import Generators


@dataclass(frozen=True, eq=False, kw_only=True)
class TextToImageXL(SettingsXL):
    """Everything that makes the pictures of one call."""

    height: int | None
    width: int | None
    denoising_end: float | None
    negative_original_size: Size | None
    negative_crops_coords_top_left: Size
    negative_target_size: Size | None


class StableDiffusionXLPipeline(StableDiffusionXLFamily[TextToImageXL]):
    """Makes pictures of prompts with Stable Diffusion XL."""

    _settings_type = TextToImageXL

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        prompt_2: str | Sequence[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 50,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
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
        clip_skip: int | None = None,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        callback: OlderCallback | None = None,
        callback_steps: int = 1,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Make pictures of `prompt`.

        Args:
            prompt: what to show; a list makes a batch.
            prompt_2: what the second text encoder is given; `prompt` if not given.
            height: in pixels, a multiple of `vae_scale_factor`; by default what the UNet was trained on.
            width: likewise.
            num_inference_steps: steps of the schedule; ignored where `timesteps` or `sigmas` give one.
            timesteps: a descending schedule of one's own, for schedulers that take it.
            sigmas: likewise, as noise levels.
            denoising_end: leave the rest of the way, from this share of it on, to another model (0 to 1).
            guidance_scale: how far to go from the negative prompt to the prompt; 1 and less is no guidance.
            negative_prompt: what not to show: one text, or one for each prompt.
            negative_prompt_2: the same for the second text encoder.
            num_images_per_prompt: images of each prompt.
            eta: noise of DDIM, 0 to 1; other schedulers do not use it.
            generator: source of all noise; a list has one for each image.
            latents: noise to start from, (images, channels, height, width) in latent pixels, of standard deviation 1.
            prompt_embeds: (prompts, tokens, channels), in place of `prompt`; with `pooled_prompt_embeds`.
            negative_prompt_embeds: in place of `negative_prompt`; with `negative_pooled_prompt_embeds`.
            pooled_prompt_embeds: (prompts, channels).
            negative_pooled_prompt_embeds: likewise.
            output_type: "pil", "np", "pt" or "latent".
            return_dict: False for a tuple (images,).
            cross_attention_kwargs: passed to the UNet.
            guidance_rescale: share of https://arxiv.org/abs/2305.08891, section 3.4, against overexposure.
            original_size: (height, width) that the model is told the picture had; by default that of the picture.
            crops_coords_top_left: (top, left) that it is told the picture was cut at.
            target_size: (height, width) that it is told the picture has; by default that of the picture.
            negative_original_size: with `negative_target_size`: what it is told with the negative prompt.
            negative_crops_coords_top_left: likewise.
            negative_target_size: likewise.
            clip_skip: layers of the text encoders to leave out before the last, which always is.
            callback_on_step_end: called with (pipeline, index, timestep, tensors); returns those to replace.
            callback_on_step_end_tensor_inputs: names of the tensors that it gets.
            callback: called with (index, timestep, latents), as guides from before `callback_on_step_end` have it.
            callback_steps: call it at every so many steps.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: TextToImageXL) -> None:
        super()._check(settings)
        if settings.denoising_end != 1:
            check_share("denoising_end", settings.denoising_end)
        self._shape(settings)

    def _shape(self, settings: TextToImageXL) -> tuple[int, int, int, int]:
        size = self._latent_size(settings.height, settings.width, settings.latents)
        shape = (settings.images, self.unet.config.in_channels, *size)
        if settings.latents is not None and settings.latents.shape != shape:
            raise InvalidValue(
                f"latents {list(settings.latents.shape)} do not fit this call, which needs {list(shape)}."
            )
        return shape

    @torch.no_grad()
    def _denoise(self, settings: TextToImageXL) -> Generator[Step, None, StableDiffusionXLPipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        shape, plan = self._shape(settings), self._plan(settings)
        negative_told, told = self._told_sizes(settings, shape)
        schedule = prepare_schedule(
            scheduler, settings.num_inference_steps, self.device, settings.timesteps, settings.sigmas, resume
        )
        timesteps = begun(scheduler, schedule, 0, resume)
        if settings.denoising_end is not None and settings.denoising_end < 1:
            timesteps = timesteps_until(scheduler, timesteps, settings.denoising_end)
        self._num_timesteps = total = len(timesteps)
        check_told(self.unet, pooled_channels(plan, total), len(told))
        conditions = self._conditions(settings, plan, negative_told, told)
        if resume is None:
            noise = noise_or_given(shape, settings.latents, settings.generator, self.device, self.unet.dtype)
            latents = noise * scheduler.init_noise_sigma
        else:
            latents = resume.latents.to(self.device)
        distilled = self._guidance_embedding(images)
        options = step_options(scheduler, eta=settings.eta, generator=settings.generator)
        for index, timestep in remaining(timesteps, resume):
            if self._interrupt:
                break
            # Asked for again at each step, because a callback may switch guidance off.
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

    def _told_sizes(
        self, settings: TextToImageXL, shape: tuple[int, int, int, int]
    ) -> tuple[Sequence[float], Sequence[float]]:
        """Return the sizes that the UNet is told, of the negative and of the positive prompts."""
        size = shape[2] * self.vae_scale_factor, shape[3] * self.vae_scale_factor
        original, target = settings.original_size or size, settings.target_size or size
        told = [*original, *settings.crops_coords_top_left, *target]
        negative_original, negative_target = settings.negative_original_size, settings.negative_target_size
        if negative_original is None or negative_target is None:
            return told, told
        return [*negative_original, *settings.negative_crops_coords_top_left, *negative_target], told

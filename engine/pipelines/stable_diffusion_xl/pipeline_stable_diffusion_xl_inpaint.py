"""Inpainting with Stable Diffusion XL: a part of a picture is painted anew, the rest kept."""

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
from engine.pipelines.inpainting import (
    InpaintingLatents,
    blended,
    check_channels,
    check_inpainting,
    inpainting_latents,
    pasted,
    read_inpainting,
)
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
from engine.rng import Generators


@dataclass(frozen=True, eq=False, kw_only=True)
class InpaintXL(RefinerSettings):
    """Everything that makes the pictures of one call."""

    mask_image: Any
    masked_image_latents: Tensor | None
    height: int | None
    width: int | None
    padding_mask_crop: int | None


class StableDiffusionXLInpaintPipeline(RefinerFamily[InpaintXL]):
    """Paints parts of pictures anew with Stable Diffusion XL, trained for it (9 channels) or not (4)."""

    _settings_type = InpaintXL
    _callback_tensor_inputs = (
        "latents",
        "prompt_embeds",
        "negative_prompt_embeds",
        "add_text_embeds",
        "add_time_ids",
        "mask",
        "masked_image_latents",
    )

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        prompt_2: str | Sequence[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        masked_image_latents: Tensor | None = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = 0.9999,
        num_inference_steps: int = 50,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        denoising_start: float | None = None,
        denoising_end: float | None = None,
        guidance_scale: float = 7.5,
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
        """Paint `image` anew, as `prompt` says, where `mask_image` is white.

        Args:
            image: a PIL image, an array, a tensor in [0, 1] or latents, or a list; scaled to `width` x `height`.
            mask_image: likewise, of one channel; 0.5 and more is painted.
            masked_image_latents: what a UNet of 9 channels is shown, instead of the image without the mask's part.
            padding_mask_crop: work on the part around the mask only, with so many pixels around it (PIL images only).
            strength: 0 to 1: the share of the steps that are done; 1 starts from pure noise.
            denoising_start: take over at this share of the way, from latents of another model as `image`: no noise is
                added and `strength` has no part in it.
            aesthetic_score: what the refiner is told of the picture's beauty, with the prompt.
            negative_aesthetic_score: likewise, with the negative prompt.
            negative_original_size, negative_target_size: each by default what is told with the prompt.
            all others: as for `StableDiffusionXLPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: InpaintXL) -> None:
        super()._check(settings)
        check_strength(settings.strength)
        start, end = settings.denoising_start, settings.denoising_end
        check_share("denoising_start", start)
        if end != 1:
            check_share("denoising_end", end)
        if start is not None and end is not None and start >= end:
            raise InvalidValue(f"denoising_start {start} must be less than denoising_end {end}.")
        self._require("vae")
        self._latent_size(settings.height, settings.width)
        check_inpainting(settings.image, settings.mask_image, settings.padding_mask_crop, settings.output_type)

    @torch.no_grad()
    def _denoise(self, settings: InpaintXL) -> Generator[Step, None, StableDiffusionXLPipelineOutput]:
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
        start, box = self._start_latents(settings, first)
        shown = check_channels(self.unet.config.in_channels, self.latent_channels, start.masked)
        latents, carried = start.first if resume is None else resume.latents.to(self.device), start.carried()
        negative_told, told = self._told_sizes(settings, (latents.shape[2], latents.shape[3]))
        check_told(self.unet, pooled_channels(plan, total), len(told))
        conditions = self._conditions(settings, plan, negative_told, told)
        conditions.tensors.update(mask=start.mask, masked_image_latents=start.masked)
        distilled = self._guidance_embedding(images)
        options = step_options(scheduler, eta=settings.eta, generator=settings.generator)
        for index, timestep in remaining(timesteps, resume):
            if self._interrupt:
                break
            guided = conditions.guided(index, total, self.do_classifier_free_guidance)
            given = conditions.at(index, total, guided)
            parts = conditions.parts(guided)
            seen = scheduler.scale_model_input(copies(latents, parts), timestep)
            mask, masked = given["mask"], given["masked_image_latents"]
            if shown:
                seen = torch.cat([seen, copies(mask, parts), copies(masked, parts)], dim=1)
            prediction = self.unet(
                seen,
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
            latents = less_noisy.prev_sample
            if not shown and start.original is not None:
                kept = start.original
                if index < total - 1:
                    kept = scheduler.add_noise(kept, start.noise, timesteps[index + 1 : index + 2])
                latents = blended(latents, kept, mask)
            step = Step(index, total, timestep, latents, less_noisy.pred_original_sample, given, carried)
            yield step
            latents = step.latents
        output = self._output(latents, settings.output_type)
        output.images = pasted(output.images, settings.image, settings.mask_image, box)
        return output

    def _start_latents(self, settings: InpaintXL, first: Tensor) -> tuple[InpaintingLatents, Any]:
        """Return what the run starts from at the timestep `first`, and what was cut out of the picture."""
        rows, columns = self._latent_size(settings.height, settings.width)
        scale, channels, images = self.vae_scale_factor, self.latent_channels, settings.images
        size, crop = (rows * scale, columns * scale), settings.padding_mask_crop
        pixels = read_inpainting(settings.image, settings.mask_image, size, scale, channels, crop)
        if settings.resume is not None:
            resumed = InpaintingLatents.resumed(settings.resume.latents, settings.resume.carried)
            if resumed is not None:
                return resumed, pixels.box
        timestep = first.repeat(images)
        start = inpainting_latents(
            self.vae,
            pixels,
            (images, channels, rows, columns),
            generator=settings.generator,
            device=self.device,
            dtype=self.unet.dtype,
            given=settings.latents,
            masked_given=settings.masked_image_latents,
            keep_original=self.unet.config.in_channels == channels,
            add_noise=None
            if settings.strength == 1.0
            else lambda clean, noise: self.scheduler.add_noise(clean, noise, timestep),
            noise_scale=float(self.scheduler.init_noise_sigma),
            noisy=settings.denoising_start is None,
            upcast=True,
        )
        return start, pixels.box

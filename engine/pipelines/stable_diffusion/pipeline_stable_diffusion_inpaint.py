"""Inpainting: a part of a picture is painted anew, the rest kept.

UNets of 9 channels, trained for it, are shown mask and masked image (https://arxiv.org/abs/2112.10752, section 4.5);
for all others the kept part is put back after each step (Lugmayr et al., https://arxiv.org/abs/2201.09865).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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
from engine.pipelines.latent import Settings
from engine.pipelines.schedule import (
    check_strength,
    prepare_schedule,
    remaining,
    step_options,
    timesteps_for_strength,
)
from engine.pipelines.stable_diffusion.family import StableDiffusionFamily, StableDiffusionPipelineOutput
from engine.pipelines.step import Step
from engine.rng import Generators


@dataclass(frozen=True, eq=False, kw_only=True)
class Inpaint(Settings):
    """Everything that makes the pictures of one call."""

    image: Any
    mask_image: Any
    masked_image_latents: Tensor | None
    height: int | None
    width: int | None
    padding_mask_crop: int | None
    strength: float
    latents: Tensor | None


class StableDiffusionInpaintPipeline(StableDiffusionFamily[Inpaint]):
    """Paints parts of pictures anew with Stable Diffusion 1 or 2, trained for it (9 channels) or not (4)."""

    _settings_type = Inpaint
    _callback_tensor_inputs = (
        "latents",
        "prompt_embeds",
        "negative_prompt_embeds",
        "mask",
        "masked_image_latents",
    )

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        masked_image_latents: Tensor | None = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = 1.0,
        num_inference_steps: int = 50,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        guidance_scale: float = 7.5,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
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
        """Paint `image` anew, as `prompt` says, where `mask_image` is white.

        Args:
            image: a PIL image, an array, a tensor in [0, 1] or latents, or a list; scaled to `width` x `height`.
            mask_image: likewise, of one channel; 0.5 and more is painted.
            masked_image_latents: what a UNet of 9 channels is shown, instead of the image without the mask's part.
            height: in pixels, a multiple of `vae_scale_factor`; by default what the UNet was trained on.
            width: likewise.
            padding_mask_crop: work on the part around the mask only, with so many pixels around it (PIL images only).
            strength: 0 to 1: the share of the steps that are done; 1 starts from pure noise.
            latents: noise to start from, (images, channels, height, width) in latent pixels.
            prompt, num_inference_steps, timesteps, sigmas, guidance_scale, negative_prompt, num_images_per_prompt, eta,
                generator, prompt_embeds, negative_prompt_embeds, output_type, return_dict, cross_attention_kwargs,
                clip_skip, callback_on_step_end, callback_on_step_end_tensor_inputs, callback, callback_steps: as for
                `StableDiffusionPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: Inpaint) -> None:
        super()._check(settings)
        self._require("vae")
        check_strength(settings.strength)
        self._latent_size(settings.height, settings.width)
        check_inpainting(settings.image, settings.mask_image, settings.padding_mask_crop, settings.output_type)

    @torch.no_grad()
    def _denoise(self, settings: Inpaint) -> Generator[Step, None, StableDiffusionPipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        conditions = self._conditions(settings)
        schedule = prepare_schedule(
            scheduler, settings.num_inference_steps, self.device, settings.timesteps, settings.sigmas, resume
        )
        count = settings.num_inference_steps if settings.timesteps is settings.sigmas is None else len(schedule)
        timesteps = timesteps_for_strength(scheduler, schedule, count, settings.strength, resume)
        self._num_timesteps = total = len(timesteps)
        start, box = self._start_latents(settings, timesteps)
        shown = check_channels(self.unet.config.in_channels, self.latent_channels, start.masked)
        latents, carried = start.first if resume is None else resume.latents.to(self.device), start.carried()
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
                return_dict=False,
            )[0]
            prediction = conditions.mix(prediction, guided, self._guidance_scale)
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

    def _start_latents(self, settings: Inpaint, timesteps: Tensor) -> tuple[InpaintingLatents, Any]:
        """Return what the run starts from, and what was cut out of the picture."""
        rows, columns = self._latent_size(settings.height, settings.width)
        scale, channels, images = self.vae_scale_factor, self.latent_channels, settings.images
        pixels = read_inpainting(
            settings.image,
            settings.mask_image,
            (rows * scale, columns * scale),
            scale,
            channels,
            settings.padding_mask_crop,
        )
        if settings.resume is not None:
            resumed = InpaintingLatents.resumed(settings.resume.latents, settings.resume.carried)
            if resumed is not None:
                return resumed, pixels.box
        first = timesteps[:1].repeat(images)
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
            else lambda clean, noise: self.scheduler.add_noise(clean, noise, first),
            noise_scale=float(self.scheduler.init_noise_sigma),
        )
        return start, pixels.box

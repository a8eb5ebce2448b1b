"""Text to image in a few steps: "Latent Consistency Models", https://arxiv.org/abs/2310.04378, algorithm 3."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.pipelines.base import Callback, OlderCallback
from engine.pipelines.call import drained
from engine.pipelines.latent_consistency_models.family import ConsistencySettings, LatentConsistencyFamily
from engine.pipelines.latents import noise_or_given
from engine.pipelines.schedule import prepare_schedule, remaining, step_options
from engine.pipelines.stable_diffusion.family import StableDiffusionPipelineOutput
from engine.pipelines.step import Step
from engine.rng import Generators


@dataclass(frozen=True, eq=False, kw_only=True)
class ConsistentTextToImage(ConsistencySettings):
    """Everything that makes the pictures of one call."""

    height: int | None
    width: int | None
    latents: Tensor | None


class LatentConsistencyModelPipeline(LatentConsistencyFamily[ConsistentTextToImage]):
    """Makes pictures of prompts in about four steps with a model that was distilled for it."""

    _settings_type = ConsistentTextToImage

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 4,
        original_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        guidance_scale: float = 8.5,
        num_images_per_prompt: int = 1,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        cross_attention_kwargs: dict[str, Any] | None = None,
        clip_skip: int | None = None,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        callback: OlderCallback | None = None,
        callback_steps: int = 1,
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Make pictures of `prompt`.

        Args:
            original_inference_steps: in how many steps the distillation divided the trained ones, if not as configured.
            guidance_scale: what the model is told; there is no negative prompt.
            prompt, height, width, num_inference_steps, timesteps, num_images_per_prompt, generator, latents,
                prompt_embeds, output_type, return_dict, cross_attention_kwargs, clip_skip, callback_on_step_end,
                callback_on_step_end_tensor_inputs, callback, callback_steps: as for `StableDiffusionPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: ConsistentTextToImage) -> None:
        super()._check(settings)
        self._latent_size(settings.height, settings.width, settings.latents)

    @torch.no_grad()
    def _denoise(self, settings: ConsistentTextToImage) -> Generator[Step, None, StableDiffusionPipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        conditions = self._conditions(settings)
        timesteps = prepare_schedule(
            scheduler,
            settings.num_inference_steps,
            self.device,
            settings.timesteps,
            resume=resume,
            original_inference_steps=settings.original_inference_steps,
        )
        self._num_timesteps = total = len(timesteps)
        if resume is None:
            size = self._latent_size(settings.height, settings.width, settings.latents)
            shape = (images, self.unet.config.in_channels, *size)
            noise = noise_or_given(shape, settings.latents, settings.generator, self.device, self.unet.dtype)
            latents = noise * scheduler.init_noise_sigma
        else:
            latents = resume.latents.to(self.device)
        denoised = latents
        conditions.tensors["w_embedding"] = self._guidance_embedding(images)
        options = step_options(scheduler, generator=settings.generator)
        for index, timestep in remaining(timesteps, resume):
            if self._interrupt:
                break
            given = conditions.at(index, total, guided=False)
            prediction = self._predict(settings, conditions, given, latents, timesteps, index)
            less_noisy = scheduler.step(prediction, timestep, latents, **options)
            given["denoised"] = less_noisy.denoised
            step = Step(index, total, timestep, less_noisy.prev_sample, less_noisy.denoised, given)
            yield step
            latents, denoised = step.latents, given["denoised"]
        return self._output(denoised, settings.output_type)

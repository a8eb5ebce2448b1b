"""Image to image in a few steps: "Latent Consistency Models", https://arxiv.org/abs/2310.04378, algorithm 3."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.pipelines.base import Callback, OlderCallback
from engine.pipelines.call import drained
from engine.pipelines.image_input import image_tensor
from engine.pipelines.latent_consistency_models.family import ConsistencySettings, LatentConsistencyFamily
from engine.pipelines.latents import image_latents
from engine.pipelines.schedule import check_strength, prepare_schedule, remaining, step_options
from engine.pipelines.stable_diffusion.family import StableDiffusionPipelineOutput
from engine.pipelines.step import Step
from engine.rng import Generators, randn_tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class ConsistentImageToImage(ConsistencySettings):
    """Everything that makes the pictures of one call."""

    image: Any
    strength: float
    latents: Tensor | None


class LatentConsistencyModelImg2ImgPipeline(LatentConsistencyFamily[ConsistentImageToImage]):
    """Changes pictures as prompts say in about four steps with a model that was distilled for it."""

    _settings_type = ConsistentImageToImage

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        num_inference_steps: int = 4,
        strength: float = 0.8,
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
        """Change `image` as `prompt` says.

        Args:
            image: a PIL image, an array, a tensor in [0, 1] or latents, or a list.
            strength: 0 to 1: the share of the steps that are done, and so of the picture that is lost.
            latents: what to start from instead of the noisy picture.
            original_inference_steps: in how many steps the distillation divided the trained ones, if not as configured.
            guidance_scale: what the model is told; there is no negative prompt.
            prompt, num_inference_steps, timesteps, num_images_per_prompt, generator, prompt_embeds,
                output_type, return_dict, cross_attention_kwargs, clip_skip, callback_on_step_end,
                callback_on_step_end_tensor_inputs, callback, callback_steps: as for `StableDiffusionPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: ConsistentImageToImage) -> None:
        super()._check(settings)
        check_strength(settings.strength)
        if settings.image is None:
            raise InvalidValue("image to image needs an image; give one.")

    @torch.no_grad()
    def _denoise(self, settings: ConsistentImageToImage) -> Generator[Step, None, StableDiffusionPipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        conditions = self._conditions(settings)
        # The scheduler lays the whole schedule out in the part that the strength leaves: nothing is cut off after.
        timesteps = prepare_schedule(
            scheduler,
            settings.num_inference_steps,
            self.device,
            settings.timesteps,
            resume=resume,
            original_inference_steps=settings.original_inference_steps,
            strength=settings.strength,
        )
        self._num_timesteps = total = len(timesteps)
        if resume is not None:
            latents = resume.latents.to(self.device)
        elif settings.latents is not None:
            latents = settings.latents.to(self.device)
        else:
            latents = self._first_latents(settings, timesteps)
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

    def _first_latents(self, settings: ConsistentImageToImage, timesteps: Tensor) -> Tensor:
        """Return the latents of the image with the noise of the first of `timesteps`."""
        images, dtype, channels = settings.images, self.unet.dtype, self.latent_channels
        pixels = image_tensor(settings.image, self.vae_scale_factor, latent_channels=channels).to(self.device)
        clean = image_latents(self.vae, pixels, images, settings.generator, channels).to(self.device, dtype)
        noise = randn_tensor(clean.shape, settings.generator, self.device, dtype)
        return self.scheduler.add_noise(clean, noise, timesteps[:1].repeat(images))

"""Text to image: "High-Resolution Image Synthesis with Latent Diffusion Models", https://arxiv.org/abs/2112.10752."""

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
from engine.pipelines.latent import Settings
from engine.pipelines.latents import noise_or_given
from engine.pipelines.schedule import prepare_schedule, remaining, step_options
from engine.pipelines.stable_diffusion.family import StableDiffusionFamily, StableDiffusionPipelineOutput
from engine.pipelines.step import Step
from engine.rng import Generators


@dataclass(frozen=True, eq=False, kw_only=True)
class TextToImage(Settings):
    """Everything that makes the pictures of one call."""

    height: int | None
    width: int | None
    latents: Tensor | None
    guidance_rescale: float


class StableDiffusionPipeline(StableDiffusionFamily[TextToImage]):
    """Makes pictures of prompts with Stable Diffusion 1 or 2, or any latent diffusion model of their kind."""

    _settings_type = TextToImage

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        height: int | None = None,
        width: int | None = None,
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
        guidance_rescale: float = 0.0,
        clip_skip: int | None = None,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        callback: OlderCallback | None = None,
        callback_steps: int = 1,
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Make pictures of `prompt`.

        Args:
            prompt: what to show; a list makes a batch.
            height: in pixels, a multiple of `vae_scale_factor`; by default what the UNet was trained on.
            width: likewise.
            num_inference_steps: steps of the schedule; ignored where `timesteps` or `sigmas` give one.
            timesteps: a descending schedule of one's own, for schedulers that take it.
            sigmas: likewise, as noise levels.
            guidance_scale: how far to go from the negative prompt to the prompt; 1 and less is no guidance.
            negative_prompt: what not to show: one text, or one for each prompt.
            num_images_per_prompt: images of each prompt.
            eta: noise of DDIM, 0 to 1; other schedulers do not use it.
            generator: source of all noise; a list has one for each image.
            latents: noise to start from, (images, channels, height, width) in latent pixels, of standard deviation 1.
            prompt_embeds: (prompts, tokens, channels), in place of `prompt`.
            negative_prompt_embeds: in place of `negative_prompt`.
            output_type: "pil", "np", "pt" or "latent".
            return_dict: False for a tuple (images, nsfw_content_detected).
            cross_attention_kwargs: passed to the UNet.
            guidance_rescale: share of https://arxiv.org/abs/2305.08891, section 3.4, against overexposure.
            clip_skip: layers of the text encoder to leave out at its end.
            callback_on_step_end: called with (pipeline, index, timestep, tensors); returns those to replace.
            callback_on_step_end_tensor_inputs: names of the tensors that it gets.
            callback: called with (index, timestep, latents), as guides from before `callback_on_step_end` have it.
            callback_steps: call it at every so many steps.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: TextToImage) -> None:
        super()._check(settings)
        self._latent_shape(settings)

    def _latent_shape(self, settings: TextToImage) -> tuple[int, int, int, int]:
        """Return the shape of the latents: what height and width say, else what is given, else the UNet's own."""
        size = self._latent_size(settings.height, settings.width, settings.latents)
        shape = (settings.images, self.unet.config.in_channels, *size)
        if settings.latents is not None and settings.latents.shape != shape:
            raise InvalidValue(
                f"latents {list(settings.latents.shape)} do not fit this call, which needs {list(shape)}."
            )
        return shape

    @torch.no_grad()
    def _denoise(self, settings: TextToImage) -> Generator[Step, None, StableDiffusionPipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        conditions = self._conditions(settings)
        timesteps = prepare_schedule(
            scheduler, settings.num_inference_steps, self.device, settings.timesteps, settings.sigmas, resume
        )
        self._num_timesteps = total = len(timesteps)
        latents = self._first_latents(settings) if resume is None else resume.latents.to(self.device)
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
                return_dict=False,
            )[0]
            prediction = conditions.mix(prediction, guided, self._guidance_scale, settings.guidance_rescale)
            less_noisy = scheduler.step(prediction, timestep, latents, **options)
            step = Step(index, total, timestep, less_noisy.prev_sample, less_noisy.pred_original_sample, given)
            yield step
            latents = step.latents
        return self._output(latents, settings.output_type)

    def _first_latents(self, settings: TextToImage) -> Tensor:
        shape = self._latent_shape(settings)
        noise = noise_or_given(shape, settings.latents, settings.generator, self.device, self.unet.dtype)
        return noise * self.scheduler.init_noise_sigma

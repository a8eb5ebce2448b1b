"""Editing by instruction: "InstructPix2Pix: Learning to Follow Image Editing Instructions", arXiv:2211.09800."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.guidance import combine
from engine.pipelines.base import Callback, OlderCallback
from engine.pipelines.call import drained
from engine.pipelines.conditions import copies
from engine.pipelines.image_input import image_tensor
from engine.pipelines.latent import Settings
from engine.pipelines.latents import encode_images_to_mode, for_each_image, noise_or_given
from engine.pipelines.schedule import prepare_schedule, remaining, step_options
from engine.pipelines.stable_diffusion.family import StableDiffusionFamily, StableDiffusionPipelineOutput
from engine.pipelines.step import Step
from engine.rng import Generators


@dataclass(frozen=True, eq=False, kw_only=True)
class Edit(Settings):
    """Everything that makes the pictures of one call."""

    image: Any
    image_guidance_scale: float
    latents: Tensor | None


class StableDiffusionInstructPix2PixPipeline(StableDiffusionFamily[Edit]):
    """Edits pictures as an instruction says; the UNet sees the picture's latents beside the noise (8 channels)."""

    _settings_type = Edit
    _callback_tensor_inputs = ("latents", "prompt_embeds", "negative_prompt_embeds", "image_latents")
    _image_guidance_scale: float = 1.5

    @property
    def image_guidance_scale(self) -> float:
        """How closely this run keeps to the picture."""
        return self._image_guidance_scale

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the UNet also runs without the instruction and without the picture."""
        return self._guidance_scale > 1.0 and self._image_guidance_scale >= 1.0

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        num_inference_steps: int = 100,
        guidance_scale: float = 7.5,
        image_guidance_scale: float = 1.5,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        cross_attention_kwargs: dict[str, Any] | None = None,
        callback: OlderCallback | None = None,
        callback_steps: int = 1,
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Edit `image` as the instruction `prompt` says.

        Args:
            image: a PIL image, an array, a tensor in [0, 1], or latents that are not scaled, or a list.
            image_guidance_scale: how closely to keep to the picture; below 1 there is no guidance at all.
            prompt, num_inference_steps, guidance_scale, negative_prompt, num_images_per_prompt, eta, generator,
                latents, prompt_embeds, negative_prompt_embeds, output_type, return_dict, callback_on_step_end,
                callback_on_step_end_tensor_inputs, cross_attention_kwargs, callback, callback_steps: as for
                `StableDiffusionPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: Edit) -> None:
        super()._check(settings)
        self._require("vae")
        self._check_guided_throughout(settings)
        if settings.image is None:
            raise InvalidValue("editing needs an image; give one.")
        if self.unet.config.in_channels != 2 * self.latent_channels:
            raise InvalidValue(
                f"this UNet has {self.unet.config.in_channels} input channels; editing by instruction takes "
                f"{2 * self.latent_channels}."
            )

    @torch.no_grad()
    def _denoise(self, settings: Edit) -> Generator[Step, None, StableDiffusionPipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        self._image_guidance_scale = settings.image_guidance_scale
        conditions = self._conditions(settings)
        conditions.image_guided = True
        timesteps = prepare_schedule(scheduler, settings.num_inference_steps, self.device, resume=resume)
        self._num_timesteps = total = len(timesteps)
        seen = self._seen_latents(settings)
        if resume is None:
            shape = (images, self.latent_channels, *seen.shape[2:])
            noise = noise_or_given(shape, settings.latents, settings.generator, self.device, self.unet.dtype)
            latents = noise * scheduler.init_noise_sigma
        else:
            latents = resume.latents.to(self.device)
        guided = self.do_classifier_free_guidance
        options = step_options(scheduler, eta=settings.eta, generator=settings.generator)
        for index, timestep in remaining(timesteps, resume):
            if self._interrupt:
                break
            given = conditions.at(index, total, guided)
            if "image_latents" not in given:
                # With the instruction, without it, and without the picture too.
                shown = [copies(seen, len(conditions.weights)), *([seen, torch.zeros_like(seen)] if guided else [])]
                given["image_latents"] = torch.cat(shown)
            noisy = scheduler.scale_model_input(copies(latents, conditions.parts(guided)), timestep)
            prediction = self.unet(
                torch.cat([noisy, given["image_latents"]], dim=1),
                timestep,
                encoder_hidden_states=given["prompt_embeds"],
                **conditions.kept(timesteps, index),
                cross_attention_kwargs=settings.cross_attention_kwargs,
                return_dict=False,
            )[0]
            if guided:
                *of_text, of_image, of_nothing = prediction.chunk(conditions.parts(guided))
                with_text = combine(of_image, of_text, conditions.weights)
                # Equation 3: towards the instruction, and towards the picture.
                towards_text = self._guidance_scale * (with_text - of_image)
                towards_image = self._image_guidance_scale * (of_image - of_nothing)
                prediction = of_nothing + towards_text + towards_image
            less_noisy = scheduler.step(prediction, timestep, latents, **options)
            step = Step(index, total, timestep, less_noisy.prev_sample, less_noisy.pred_original_sample, given)
            yield step
            latents = step.latents
        return self._output(latents, settings.output_type)

    def _seen_latents(self, settings: Edit) -> Tensor:
        """Return the latents of the picture, not scaled, for each image."""
        channels = self.latent_channels
        pixels = image_tensor(settings.image, self.vae_scale_factor, latent_channels=channels).to(self.device)
        latents = pixels if pixels.shape[1] == channels else encode_images_to_mode(self.vae, pixels)
        return for_each_image("image", latents, settings.images).to(self.device, self.unet.dtype)

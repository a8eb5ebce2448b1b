"""Editing by instruction with Stable Diffusion XL: "InstructPix2Pix", https://arxiv.org/abs/2211.09800."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.guidance import combine, rescale_noise_cfg
from engine.pipelines.base import Callback, OlderCallback
from engine.pipelines.call import drained
from engine.pipelines.conditions import copies
from engine.pipelines.image_input import image_tensor
from engine.pipelines.latents import encode_images_to_mode, for_each_image, noise_or_given
from engine.pipelines.schedule import Scheduler, prepare_schedule, remaining, step_options, timesteps_until
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

if TYPE_CHECKING:
    from engine.models.autoencoder_kl import AutoencoderKL
    from engine.models.clip_text import CLIPTextModel, CLIPTextModelWithProjection
    from engine.models.unet_2d_condition import UNet2DConditionModel
    from engine.prompts.tokenizer import CLIPTokenizer


@dataclass(frozen=True, eq=False, kw_only=True)
class EditXL(SettingsXL):
    """Everything that makes the pictures of one call."""

    image: Any
    height: int | None
    width: int | None
    denoising_end: float | None
    image_guidance_scale: float


class StableDiffusionXLInstructPix2PixPipeline(StableDiffusionXLFamily[EditXL]):
    """Edits pictures as an instruction says; the UNet sees the picture's latents beside the noise (8 channels).

    `is_cosxl_edit`: the latents are scaled, as CosXL was trained.
    """

    _settings_type = EditXL
    _callback_tensor_inputs = (*StableDiffusionXLFamily._callback_tensor_inputs, "image_latents")
    _image_guidance_scale: float = 1.5

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel | None,
        text_encoder_2: CLIPTextModelWithProjection | None,
        tokenizer: CLIPTokenizer | None,
        tokenizer_2: CLIPTokenizer | None,
        unet: UNet2DConditionModel,
        scheduler: Scheduler,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
        is_cosxl_edit: bool = False,
    ) -> None:
        super().__init__(
            vae,
            text_encoder,
            text_encoder_2,
            tokenizer,
            tokenizer_2,
            unet,
            scheduler,
            force_zeros_for_empty_prompt=force_zeros_for_empty_prompt,
            add_watermarker=add_watermarker,
        )
        # Parts that this class does not have, so that its folders name none.
        self._part_names = tuple(name for name in self._part_names if name in self._arguments())
        self.is_cosxl_edit = is_cosxl_edit

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the UNet also runs without the instruction and without the picture."""
        return self._guidance_scale > 1.0 and self._image_guidance_scale >= 1.0

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        prompt_2: str | Sequence[str] | None = None,
        image: Any = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 100,
        denoising_end: float | None = None,
        guidance_scale: float = 5.0,
        image_guidance_scale: float = 1.5,
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
        callback: OlderCallback | None = None,
        callback_steps: int = 1,
        cross_attention_kwargs: dict[str, Any] | None = None,
        guidance_rescale: float = 0.0,
        original_size: Size | None = None,
        crops_coords_top_left: Size = (0, 0),
        target_size: Size | None = None,
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Edit `image` as the instruction `prompt` says.

        Args:
            image: a PIL image, an array, a tensor in [0, 1], or latents, or a list; scaled to `width` x `height`.
            image_guidance_scale: how closely to keep to the picture; below 1 there is no guidance at all.
            all others: as for `StableDiffusionXLPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _check(self, settings: EditXL) -> None:
        super()._check(settings)
        self._require("vae")
        self._check_guided_throughout(settings)
        if settings.denoising_end != 1:
            check_share("denoising_end", settings.denoising_end)
        self._latent_size(settings.height, settings.width)
        if settings.image is None:
            raise InvalidValue("editing needs an image; give one.")
        if self.unet.config.in_channels != 2 * self.latent_channels:
            raise InvalidValue(
                f"this UNet has {self.unet.config.in_channels} input channels; editing by instruction takes "
                f"{2 * self.latent_channels}."
            )

    @torch.no_grad()
    def _denoise(self, settings: EditXL) -> Generator[Step, None, StableDiffusionXLPipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        self._image_guidance_scale = settings.image_guidance_scale
        plan = self._plan(settings)
        timesteps = prepare_schedule(scheduler, settings.num_inference_steps, self.device, resume=resume)
        if settings.denoising_end is not None and settings.denoising_end < 1:
            timesteps = timesteps_until(scheduler, timesteps, settings.denoising_end)
        self._num_timesteps = total = len(timesteps)
        rows, columns = self._latent_size(settings.height, settings.width)
        size = rows * self.vae_scale_factor, columns * self.vae_scale_factor
        told = [*(settings.original_size or size), *settings.crops_coords_top_left, *(settings.target_size or size)]
        check_told(self.unet, pooled_channels(plan, total), len(told))
        conditions = self._conditions(settings, plan, told, told)
        conditions.image_guided = True
        seen = self._seen_latents(settings, size)
        if resume is None:
            shape = (images, self.latent_channels, rows, columns)
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
                added_cond_kwargs={"text_embeds": given["add_text_embeds"], "time_ids": given["add_time_ids"]},
                return_dict=False,
            )[0]
            if guided:
                *of_text, of_image, of_nothing = prediction.chunk(conditions.parts(guided))
                with_text = combine(of_image, of_text, conditions.weights)
                # Equation 3: towards the instruction, and towards the picture.
                towards_text = self._guidance_scale * (with_text - of_image)
                prediction = of_nothing + towards_text + self._image_guidance_scale * (of_image - of_nothing)
                if settings.guidance_rescale > 0:
                    prediction = rescale_noise_cfg(prediction, with_text, settings.guidance_rescale)
            less_noisy = scheduler.step(prediction, timestep, latents, **options)
            step = Step(index, total, timestep, less_noisy.prev_sample, less_noisy.pred_original_sample, given)
            yield step
            latents = step.latents
        return self._output(latents, settings.output_type)

    def _seen_latents(self, settings: EditXL, size: Size) -> Tensor:
        """Return the latents of the picture for each image."""
        channels, scale = self.latent_channels, self.vae_scale_factor
        pixels = image_tensor(settings.image, scale, height=size[0], width=size[1], latent_channels=channels)
        pixels = pixels.to(self.device)
        if pixels.shape[1] != channels:
            pixels = encode_images_to_mode(self.vae, pixels, upcast=True)
        latents = for_each_image("image", pixels, settings.images).to(self.device, self.unet.dtype)
        return latents * self.vae.config.scaling_factor if self.is_cosxl_edit else latents

"""Image to image that keeps the depth: the UNet of Stable Diffusion 2 depth sees a depth map beside the noise."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.errors import InvalidValue
from engine.pipelines.base import Callback, ImagePipelineOutput, OlderCallback
from engine.pipelines.call import drained
from engine.pipelines.conditions import copies
from engine.pipelines.image_input import image_tensor
from engine.pipelines.latent import Settings
from engine.pipelines.latents import for_each_image, image_latents
from engine.pipelines.schedule import (
    Scheduler,
    check_strength,
    prepare_schedule,
    remaining,
    step_options,
    timesteps_for_strength,
)
from engine.pipelines.stable_diffusion.family import StableDiffusionFamily
from engine.pipelines.step import Step
from engine.rng import Generators, randn_tensor

if TYPE_CHECKING:
    from engine.models.autoencoder_kl import AutoencoderKL
    from engine.models.clip_text import CLIPTextModel
    from engine.models.unet_2d_condition import UNet2DConditionModel
    from engine.prompts.tokenizer import CLIPTokenizer


@dataclass(frozen=True, eq=False, kw_only=True)
class DepthToImage(Settings):
    """Everything that makes the pictures of one call."""

    image: Any
    depth_map: Tensor | None
    strength: float


class StableDiffusionDepth2ImgPipeline(StableDiffusionFamily[DepthToImage]):
    """Changes pictures and keeps what is near and far (5 channels).

    The depth estimator is one of transformers; without one, calls need a `depth_map`.
    """

    optional_parts = frozenset({"text_encoder", "tokenizer", "depth_estimator", "feature_extractor"})
    only_if_asked = frozenset[str]()
    _settings_type = DepthToImage
    _callback_tensor_inputs = ("latents", "prompt_embeds", "negative_prompt_embeds", "depth_mask")
    depth_estimator: Any

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel | None,
        tokenizer: CLIPTokenizer | None,
        unet: UNet2DConditionModel,
        scheduler: Scheduler,
        depth_estimator: Any = None,
        feature_extractor: Any = None,
    ) -> None:
        self._register_parts(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=scheduler,
            depth_estimator=depth_estimator,
            feature_extractor=feature_extractor,
        )

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        depth_map: Tensor | None = None,
        strength: float = 0.8,
        num_inference_steps: int = 50,
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
    ) -> ImagePipelineOutput | tuple[Any]:
        """Change `image` as `prompt` says and keep its depth.

        Args:
            image: a PIL image, an array, a tensor in [0, 1], or a list; latents only with a `depth_map`.
            depth_map: (images, height, width), larger is nearer; estimated from the image if it is not given.
            strength: 0 to 1: the share of the steps that are done, and so of the picture that is lost.
            prompt, num_inference_steps, guidance_scale, negative_prompt, num_images_per_prompt, eta, generator,
                prompt_embeds, negative_prompt_embeds, output_type, return_dict, cross_attention_kwargs, clip_skip,
                callback_on_step_end, callback_on_step_end_tensor_inputs, callback, callback_steps: as for
                `StableDiffusionPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _as_tuple(self, output: Any) -> tuple[Any, ...]:
        return (output.images,)

    def _check(self, settings: DepthToImage) -> None:
        super()._check(settings)
        self._require("vae")
        check_strength(settings.strength)
        if settings.image is None:
            raise InvalidValue("depth to image needs an image; give one.")
        if settings.depth_map is None:
            self._require("depth_estimator", "feature_extractor")
        elif settings.depth_map.ndim != 3:
            raise InvalidValue(
                f"depth_map has the shape {list(settings.depth_map.shape)}; give (images, height, width)."
            )
        if self.unet.config.in_channels != self.latent_channels + 1:
            raise InvalidValue(
                f"this UNet has {self.unet.config.in_channels} input channels; depth takes {self.latent_channels + 1}."
            )

    @torch.no_grad()
    def _denoise(self, settings: DepthToImage) -> Generator[Step, None, ImagePipelineOutput]:
        scheduler, resume, images = self.scheduler, settings.resume, settings.images
        self._begin(settings.guidance_scale)
        conditions = self._conditions(settings)
        channels, count = self.latent_channels, settings.num_inference_steps
        pixels = image_tensor(settings.image, self.vae_scale_factor, latent_channels=channels).to(self.device)
        conditions.tensors["depth_mask"] = self._depth(settings, pixels)
        schedule = prepare_schedule(scheduler, count, self.device, resume=resume)
        timesteps = timesteps_for_strength(scheduler, schedule, count, settings.strength, resume)
        self._num_timesteps = total = len(timesteps)
        if resume is None:
            clean = image_latents(self.vae, pixels, images, settings.generator, channels).to(self.unet.dtype)
            noise = randn_tensor(clean.shape, settings.generator, self.device, clean.dtype)
            latents = scheduler.add_noise(clean, noise, timesteps[:1].repeat(images))
        else:
            latents = resume.latents.to(self.device)
        options = step_options(scheduler, eta=settings.eta, generator=settings.generator)
        for index, timestep in remaining(timesteps, resume):
            if self._interrupt:
                break
            guided = conditions.guided(index, total, self.do_classifier_free_guidance)
            given = conditions.at(index, total, guided)
            parts = conditions.parts(guided)
            noisy = scheduler.scale_model_input(copies(latents, parts), timestep)
            prediction = self.unet(
                torch.cat([noisy, copies(given["depth_mask"], parts)], dim=1),
                timestep,
                encoder_hidden_states=given["prompt_embeds"],
                **conditions.kept(timesteps, index),
                cross_attention_kwargs=settings.cross_attention_kwargs,
                return_dict=False,
            )[0]
            prediction = conditions.mix(prediction, guided, self._guidance_scale)
            less_noisy = scheduler.step(prediction, timestep, latents, **options)
            step = Step(index, total, timestep, less_noisy.prev_sample, less_noisy.pred_original_sample, given)
            yield step
            latents = step.latents
        return ImagePipelineOutput(self._output(latents, settings.output_type).images)

    def _depth(self, settings: DepthToImage, pixels: Tensor) -> Tensor:
        """Return the depth map in [-1, 1] at the size of the latents, (images, 1, rows, columns)."""
        depth = settings.depth_map
        if depth is None:
            image = settings.image if isinstance(settings.image, list) else [settings.image]
            seen = self.feature_extractor(images=image, return_tensors="pt").pixel_values
            depth = self.depth_estimator(seen.to(self.device, self.depth_estimator.dtype)).predicted_depth
        scale = 1 if pixels.shape[1] == self.latent_channels else self.vae_scale_factor
        size = pixels.shape[2] // scale, pixels.shape[3] // scale
        depth = depth.to(self.device, torch.float32).unsqueeze(1)
        depth = interpolate(depth, size=size, mode="bicubic", align_corners=False)
        low, high = depth.amin(dim=(1, 2, 3), keepdim=True), depth.amax(dim=(1, 2, 3), keepdim=True)
        # A wall seen straight on is as near everywhere: nothing to tell apart.
        spread = torch.where(high > low, high - low, 1.0)
        return for_each_image("depth_map", 2.0 * (depth - low) / spread - 1.0, settings.images).to(self.unet.dtype)

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the UNet runs on the negative prompt too."""
        return self._guidance_scale > 1

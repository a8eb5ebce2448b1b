"""Twice larger: a denoiser of noise levels (https://arxiv.org/abs/2206.00364) sees the small picture's latents."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.errors import InvalidValue
from engine.guidance import Conditions
from engine.pipelines.base import Callback, ImagePipelineOutput, OlderCallback
from engine.pipelines.call import drained
from engine.pipelines.conditions import ConditionPlan, always, copies
from engine.pipelines.image_input import image_tensor
from engine.pipelines.latent import Settings
from engine.pipelines.latents import encode_images, for_each_image, for_rows, noise_or_given
from engine.pipelines.schedule import Scheduler, prepare_schedule, remaining
from engine.pipelines.stable_diffusion.family import StableDiffusionFamily, prompts_of
from engine.pipelines.step import Step
from engine.rng import Generators

if TYPE_CHECKING:
    from engine.models.autoencoder_kl import AutoencoderKL
    from engine.models.clip_text import CLIPTextModel
    from engine.models.unet_2d_condition import UNet2DConditionModel
    from engine.prompts.tokenizer import CLIPTokenizer

# The noise of the small picture is told as 64 cosines and 64 sines of level 0.
NOISE_FEATURES = 64


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentUpscale(Settings):
    """Everything that makes the pictures of one call."""

    image: Any
    latents: Tensor | None
    pooled_prompt_embeds: Tensor | None
    negative_pooled_prompt_embeds: Tensor | None


class StableDiffusionLatentUpscalePipeline(StableDiffusionFamily[LatentUpscale]):
    """Makes pictures twice larger by their latents, as prompts say (8 channels); needs a scheduler with `sigmas`."""

    only_if_asked = frozenset[str]()
    _settings_type = LatentUpscale

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel | None,
        tokenizer: CLIPTokenizer | None,
        unet: UNet2DConditionModel,
        scheduler: Scheduler,
    ) -> None:
        self.register_modules(vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler)

    @drained
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: Any = None,
        num_inference_steps: int = 75,
        guidance_scale: float = 9.0,
        negative_prompt: str | Sequence[str] | None = None,
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
        callback_on_step_end: Callback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> ImagePipelineOutput | tuple[Any]:
        """Make `image` twice larger, as `prompt` says.

        Args:
            image: latents of Stable Diffusion, or a PIL image, an array, a tensor in [0, 1], or a list.
            guidance_scale: 1 and less is no guidance; 0 leaves the prompt out too.
            pooled_prompt_embeds: (prompts, channels), with `prompt_embeds`.
            negative_pooled_prompt_embeds: likewise.
            prompt, num_inference_steps, negative_prompt, generator, latents, prompt_embeds, negative_prompt_embeds,
                output_type, return_dict, callback, callback_steps, callback_on_step_end,
                callback_on_step_end_tensor_inputs: as for `StableDiffusionPipeline`.

        Raises `InvalidValue` for arguments that do not fit.
        """
        ...

    def _as_tuple(self, output: Any) -> tuple[Any, ...]:
        return (output.images,)

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the UNet runs on the negative prompt too."""
        return self._guidance_scale > 1

    def _check(self, settings: LatentUpscale) -> None:
        super()._check(settings)
        if settings.image is None:
            raise InvalidValue("upscaling needs an image; give one.")
        if not hasattr(self.scheduler, "sigmas"):
            raise InvalidValue(f"{type(self.scheduler).__name__} has no sigmas, which this upscaler needs; use Euler.")
        if self.unet.config.in_channels != 2 * self.latent_channels:
            raise InvalidValue(
                f"this UNet has {self.unet.config.in_channels} input channels; upscaling takes "
                f"{2 * self.latent_channels}."
            )
        if (settings.prompt_embeds is None) != (settings.pooled_prompt_embeds is None):
            raise InvalidValue("prompt_embeds and pooled_prompt_embeds belong together; give both or neither.")

    @torch.no_grad()
    def _denoise(self, settings: LatentUpscale) -> Generator[Step, None, ImagePipelineOutput]:
        resume, images = settings.resume, settings.images
        scheduler: Any = self.scheduler
        self._begin(settings.guidance_scale)
        conditions = self._conditions(settings)
        small = None if resume is None else resume.carried.get("small")
        small = self._small(settings) if small is None else small.to(self.device)
        timesteps = prepare_schedule(scheduler, settings.num_inference_steps, self.device, resume=resume)
        self._num_timesteps = total = len(timesteps)
        if resume is None:
            shape = (images, self.latent_channels, *small.shape[2:])
            noise = noise_or_given(shape, settings.latents, settings.generator, self.device, self.unet.dtype)
            latents = noise * scheduler.init_noise_sigma
        else:
            latents = resume.latents.to(self.device)
        # Before the steps, which would wait for a copy; one by one, since a table's logarithms may round otherwise.
        times = torch.stack([torch.log(sigma) * 0.25 for sigma in scheduler.sigmas[:total]]).to(self.device)
        for index, timestep in remaining(timesteps, resume):
            if self._interrupt:
                break
            guided = conditions.guided(index, total, self.do_classifier_free_guidance)
            given = conditions.at(index, total, guided)
            parts, sigma = conditions.parts(guided), scheduler.sigmas[index]
            noisy = copies(latents, parts)
            prediction = self.unet(
                torch.cat([scheduler.scale_model_input(noisy, timestep), copies(small, parts)], dim=1),
                times[index],
                encoder_hidden_states=given["prompt_embeds"],
                **conditions.kept(times, index),
                timestep_cond=conditions.once("level", given["add_text_embeds"], _with_level),
            ).sample
            # The last channel is the model's own guess of its error; the others predict as Karras et al., equation 7.
            skip = noisy / (sigma**2 + 1)
            prediction = skip + scheduler.scale_model_input(sigma, timestep) * prediction[:, :-1]
            prediction = conditions.mix(prediction, guided, self._guidance_scale)
            less_noisy = scheduler.step(prediction, timestep, latents)
            clean, carried = less_noisy.pred_original_sample, {"small": small}
            step = Step(index, total, timestep, less_noisy.prev_sample, clean, given, carried)
            yield step
            latents = step.latents
        return ImagePipelineOutput(self._output(latents, settings.output_type).images)

    def _plan_of_prompts(self, settings: Settings) -> ConditionPlan:
        prompts = prompts_of(settings)
        assert isinstance(settings, LatentUpscale)  # noqa: S101 - the type of this class
        positive, pooled = settings.prompt_embeds, settings.pooled_prompt_embeds
        if positive is None or pooled is None:
            texts = [""] * len(prompts) if settings.guidance_scale == 0 else prompts.texts()
            positive, pooled = self._states(texts)
        negative, negative_pooled = settings.negative_prompt_embeds, settings.negative_pooled_prompt_embeds
        if self.do_classifier_free_guidance and (negative is None or negative_pooled is None):
            negative, negative_pooled = self._states(prompts.negative_texts())
        return always(Conditions(((positive, 1.0),), negative, (pooled,), negative_pooled))

    def _states(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Return the last states of the text encoder, before its norm, and the pooled ones."""
        if self.tokenizer is None or self.text_encoder is None:
            raise InvalidValue("this pipeline has no text encoder or no tokenizer; give prompt_embeds instead.")
        length = self.tokenizer.model_max_length
        tokens = self.tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        output: Any = self.text_encoder(tokens.input_ids.to(self.device), output_hidden_states=True)
        return output.hidden_states[-1], output.pooler_output

    def _small(self, settings: LatentUpscale) -> Tensor:
        """Return the small picture's latents, at the size of the large one's."""
        channels = self.latent_channels
        pixels = image_tensor(settings.image, self.vae_scale_factor, latent_channels=channels, resample="bicubic").to(
            self.device, self.unet.dtype
        )
        if pixels.shape[1] != channels:
            self._require("vae")
            pixels = encode_images(self.vae, pixels, for_rows(settings.generator, len(pixels)))
        latents = for_each_image("image", pixels, settings.images).to(self.device, self.unet.dtype)
        return interpolate(latents, scale_factor=2, mode="nearest")


def _with_level(pooled: Tensor) -> Tensor:
    """Return the noise level's features, of no noise, and `pooled` (batch, channels) after them."""
    level = pooled.new_ones(len(pooled), 2 * NOISE_FEATURES)
    level[:, NOISE_FEATURES:] = 0
    return torch.cat([level, pooled], dim=1)

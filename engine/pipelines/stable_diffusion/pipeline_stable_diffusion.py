"""Text to image: "High-Resolution Image Synthesis with Latent Diffusion Models", https://arxiv.org/abs/2112.10752."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.guidance import guidance_scale_embedding, guide, rescale_noise_cfg
from engine.images import OUTPUT_TYPES, as_output, check_output_type, denormalize, postprocess
from engine.output import Output
from engine.pipelines.base import (
    Callback,
    DiffusionPipeline,
    OlderCallback,
    Scheduler,
    from_older,
    prepare_schedule,
    step_options,
)
from engine.pipelines.stable_diffusion.encode_prompt import Prompts, encode_prompts
from engine.pipelines.step import Step
from engine.rng import Generators, randn_tensor

if TYPE_CHECKING:
    from engine.models.autoencoder_kl import AutoencoderKL
    from engine.models.clip_text import CLIPTextModel
    from engine.models.unet_2d_condition import UNet2DConditionModel
    from engine.prompts.tokenizer import CLIPTokenizer

logger = logging.getLogger(__name__)


@dataclass
class StableDiffusionPipelineOutput(Output):
    """What the pipeline returns.

    Attributes:
        images: PIL images (a list), an array NHWC or a tensor NCHW in [0, 1], or latents.
        nsfw_content_detected: what a safety checker said of each image; None without one.
    """

    images: Any
    nsfw_content_detected: list[bool] | None = None


@dataclass(frozen=True, eq=False)
class TextToImage:
    """Everything that makes the pictures of one call; see `StableDiffusionPipeline.__call__`."""

    prompt: str | Sequence[str] | None = None
    height: int | None = None
    width: int | None = None
    num_inference_steps: int = 50
    timesteps: Sequence[int] | None = None
    sigmas: Sequence[float] | None = None
    guidance_scale: float = 7.5
    negative_prompt: str | Sequence[str] | None = None
    num_images_per_prompt: int = 1
    eta: float = 0.0
    generator: Generators = None
    latents: Tensor | None = None
    prompt_embeds: Tensor | None = None
    negative_prompt_embeds: Tensor | None = None
    output_type: str = "pil"
    cross_attention_kwargs: dict[str, Any] | None = None
    guidance_rescale: float = 0.0
    clip_skip: int | None = None

    @property
    def prompts(self) -> Prompts:
        """The part that says what to show."""
        return Prompts(self.prompt, self.negative_prompt, self.prompt_embeds, self.negative_prompt_embeds)

    @property
    def batch_size(self) -> int:
        """The number of images."""
        return len(self.prompts) * self.num_images_per_prompt


class StableDiffusionPipeline(DiffusionPipeline):
    """Makes pictures of prompts with Stable Diffusion 1 or 2, or any latent diffusion model of their kind.

    A `safety_checker` in a folder is not loaded unless `from_pretrained` is told `requires_safety_checker=True`. A
    scheduler with the settings of models in pixel space gets those of latent diffusion (`set_for_latents`).
    """

    optional_parts = frozenset({"text_encoder", "tokenizer"})
    only_if_asked = frozenset({"safety_checker", "feature_extractor"})
    _callback_tensor_inputs = ("latents", "prompt_embeds", "negative_prompt_embeds")

    vae: AutoencoderKL
    text_encoder: CLIPTextModel | None
    tokenizer: CLIPTokenizer | None
    unet: UNet2DConditionModel
    scheduler: Scheduler
    safety_checker: Any
    feature_extractor: Any
    image_encoder: Any
    _guidance_scale: float = 7.5
    _num_timesteps: int = 0

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel | None,
        tokenizer: CLIPTokenizer | None,
        unet: UNet2DConditionModel,
        scheduler: Scheduler,
        safety_checker: Any = None,
        feature_extractor: Any = None,
        image_encoder: Any = None,
        requires_safety_checker: bool = False,
    ) -> None:
        self.register_modules(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=scheduler,
            safety_checker=safety_checker,
            feature_extractor=feature_extractor,
            image_encoder=image_encoder,
        )
        self.register_values(requires_safety_checker=requires_safety_checker)
        if self.components["scheduler"] is not None:
            set_for_latents(scheduler)

    @property
    def vae_scale_factor(self) -> int:
        """Pixels of the picture along one latent pixel."""
        vae: AutoencoderKL | None = self.components["vae"]
        return 8 if vae is None else 2 ** (len(vae.config.block_out_channels) - 1)

    @property
    def guidance_scale(self) -> float:
        """The guidance scale of this run; a callback may change it by assigning `_guidance_scale`."""
        return self._guidance_scale

    @property
    def num_timesteps(self) -> int:
        """The number of steps of this run, for callbacks."""
        return self._num_timesteps

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether the UNet runs on the negative prompt too: not for models that are told the scale instead."""
        return self._guidance_scale > 1 and self.unet.config.time_cond_proj_dim is None

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
        self._check_callback(callback_on_step_end_tensor_inputs)
        if callback is not None:
            callback_on_step_end = from_older(callback, callback_steps, callback_on_step_end)
        settings = TextToImage(
            prompt=prompt,
            height=height,
            width=width,
            num_inference_steps=num_inference_steps,
            timesteps=timesteps,
            sigmas=sigmas,
            guidance_scale=guidance_scale,
            negative_prompt=negative_prompt,
            num_images_per_prompt=num_images_per_prompt,
            eta=eta,
            generator=generator,
            latents=latents,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            output_type=output_type,
            cross_attention_kwargs=cross_attention_kwargs,
            guidance_rescale=guidance_rescale,
            clip_skip=clip_skip,
        )
        output = self._drain(self._start(settings), callback_on_step_end, callback_on_step_end_tensor_inputs)
        return output if return_dict else (output.images, output.nsfw_content_detected)

    def steps(
        self, prompt: str | Sequence[str] | None = None, **settings: Any
    ) -> Generator[Step, None, StableDiffusionPipelineOutput]:
        """Yield each denoising step; the generator's return value is the output. Takes the arguments of `__call__`.

        Nothing is decoded when the generator is closed early.
        """
        known = [field.name for field in fields(TextToImage)]
        for name in settings:
            if name not in known:
                raise InvalidValue(f"steps takes no {name!r}; it takes {', '.join(known)}.")
        return self._start(TextToImage(prompt=prompt, **settings))

    def _start(self, settings: TextToImage) -> Generator[Step, None, StableDiffusionPipelineOutput]:
        self._require("unet", "scheduler", *(() if settings.output_type == "latent" else ("vae",)))
        check_output_type(settings.output_type, (*OUTPUT_TYPES, "latent"))
        settings.prompts.check()
        if settings.num_images_per_prompt < 1:
            raise InvalidValue(f"num_images_per_prompt cannot be {settings.num_images_per_prompt}; take at least 1.")
        return self._denoise(settings, self._latent_shape(settings))

    def _latent_shape(self, settings: TextToImage) -> tuple[int, int, int, int]:
        """Return the shape of the latents: what height and width say, else what is given, else the UNet's own."""
        given, default = settings.latents, self.unet.config.sample_size
        if isinstance(default, int):
            default = (default, default)
        if given is not None and given.ndim == 4:
            default = given.shape[2:]
        height = self._latent_side("height", settings.height, None if default is None else default[0])
        width = self._latent_side("width", settings.width, None if default is None else default[1])
        shape = (settings.batch_size, self.unet.config.in_channels, height, width)
        if given is not None and given.shape != shape:
            raise InvalidValue(f"latents {list(given.shape)} do not fit this call, which needs {list(shape)}.")
        return shape

    def _latent_side(self, name: str, pixels: int | None, default: int | None) -> int:
        scale = self.vae_scale_factor
        if pixels is not None:
            if pixels < scale or pixels % scale:
                raise InvalidValue(f"{name} cannot be {pixels}; it must be a positive multiple of {scale}.")
            return pixels // scale
        if default is None:
            raise InvalidValue(f"the UNet's configuration has no sample_size; give the {name}.")
        return default

    @torch.no_grad()
    def _denoise(
        self, settings: TextToImage, shape: tuple[int, int, int, int]
    ) -> Generator[Step, None, StableDiffusionPipelineOutput]:
        device, scheduler = self.device, self.scheduler
        self._guidance_scale = settings.guidance_scale
        self._interrupt = False
        conditioning = self._conditioning(settings, device)
        schedule = (settings.num_inference_steps, device, settings.timesteps, settings.sigmas)
        timesteps = prepare_schedule(scheduler, *schedule)
        self._num_timesteps = len(timesteps)
        latents = self._first_latents(settings, shape, device, conditioning["prompt_embeds"])
        distilled_guidance = self._guidance_embedding(shape[0], latents)
        options = step_options(scheduler, eta=settings.eta, generator=settings.generator)
        for index, timestep in enumerate(timesteps):
            if self._interrupt:
                break
            # Asked for again at each step, because a callback may switch guidance off.
            guided = self.do_classifier_free_guidance
            model_input = torch.cat([latents, latents]) if guided else latents
            prediction = self.unet(
                scheduler.scale_model_input(model_input, timestep),
                timestep,
                encoder_hidden_states=conditioning["prompt_embeds"],
                timestep_cond=distilled_guidance,
                cross_attention_kwargs=settings.cross_attention_kwargs,
                return_dict=False,
            )[0]
            if guided:
                prediction = self._guide(prediction, settings.guidance_rescale)
            less_noisy = scheduler.step(prediction, timestep, latents, **options)
            clean = less_noisy.pred_original_sample
            step = Step(index, len(timesteps), timestep, less_noisy.prev_sample, clean, conditioning)
            yield step
            latents = step.latents
        return self._output(latents, settings.output_type)

    def _conditioning(self, settings: TextToImage, device: torch.device) -> dict[str, Any]:
        """Return the embeddings; "prompt_embeds" has the negative half in front where guidance is on."""
        guided, images = self.do_classifier_free_guidance, settings.num_images_per_prompt
        positive, negative = self._encode(settings.prompts, device, images, guided, settings.clip_skip)
        both = positive if negative is None else torch.cat([negative, positive])
        return {"prompt_embeds": both, "negative_prompt_embeds": negative}

    def _encode(
        self, prompts: Prompts, device: torch.device, images: int, guided: bool, clip_skip: int | None
    ) -> tuple[Tensor, Tensor | None]:
        return encode_prompts(self.tokenizer, self.text_encoder, prompts, device, images, guided, clip_skip)

    @torch.no_grad()
    def encode_prompt(
        self,
        prompt: str | Sequence[str] | None,
        device: torch.device | str | None = None,
        num_images_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True,
        negative_prompt: str | Sequence[str] | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        clip_skip: int | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return embeddings (images, tokens, channels) of the prompts and, with guidance, of the negative ones."""
        prompts = Prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds)
        prompts.check()
        target = torch.device(device) if device else self.device
        return self._encode(prompts, target, num_images_per_prompt, do_classifier_free_guidance, clip_skip)

    def _first_latents(
        self, settings: TextToImage, shape: tuple[int, ...], device: torch.device, embeds: Tensor
    ) -> Tensor:
        if settings.latents is None:
            noise = randn_tensor(shape, settings.generator, device, embeds.dtype)
        else:
            noise = settings.latents.to(device)
        return noise * self.scheduler.init_noise_sigma

    def _guidance_embedding(self, images: int, latents: Tensor) -> Tensor | None:
        size = self.unet.config.time_cond_proj_dim
        if size is None:
            return None
        return guidance_scale_embedding(torch.full((images,), self._guidance_scale - 1), size).to(latents)

    def _guide(self, prediction: Tensor, guidance_rescale: float) -> Tensor:
        unconditional, conditional = prediction.chunk(2)
        guided = guide(unconditional, conditional, self._guidance_scale)
        return rescale_noise_cfg(guided, conditional, guidance_rescale) if guidance_rescale > 0 else guided

    def _output(self, latents: Tensor, output_type: str) -> StableDiffusionPipelineOutput:
        if output_type == "latent":
            return StableDiffusionPipelineOutput(latents)
        decoded = self.vae.decode(latents / self.vae.config.scaling_factor, return_dict=False)[0]
        if self.safety_checker is None:
            return StableDiffusionPipelineOutput(postprocess(decoded, output_type))
        return self._checked(decoded, output_type)

    def _checked(self, decoded: Tensor, output_type: str) -> StableDiffusionPipelineOutput:
        """Show the pictures to the safety checker, which blackens those that it finds unsafe."""
        self._require("feature_extractor")
        images = denormalize(decoded)
        features = self.feature_extractor(as_output(images, "pil"), return_tensors="pt").pixel_values.to(decoded)
        images, unsafe = self.safety_checker(images=images, clip_input=features)
        return StableDiffusionPipelineOutput(as_output(images, output_type), unsafe)


def set_for_latents(scheduler: Scheduler) -> None:
    """Give `scheduler` the settings of latent diffusion: last timestep 1, not 0, and clean samples unclipped.

    The configurations of early models lack both keys, so that defaults for pixels would apply. The reference sets them
    too, and pictures depend on it.
    """
    wanted = {"steps_offset": 1, "clip_sample": False}
    changes = {key: value for key, value in wanted.items() if scheduler.config.get(key, value) != value}
    if changes:
        logger.warning("%s: latent diffusion needs %s, which is set now", type(scheduler).__name__, changes)
        scheduler.change_config(**changes)

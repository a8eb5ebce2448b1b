"""What the pipelines of Stable Diffusion 1 and 2 share: their parts, prompts, noise schedules and pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.guidance import Conditions
from engine.images import as_output, denormalize, postprocess
from engine.output import Output
from engine.pipelines.conditions import ConditionPlan, StepConditions, always
from engine.pipelines.latent import LatentPipeline, Settings, SettingsT
from engine.pipelines.latents import decode_latents
from engine.pipelines.schedule import Scheduler
from engine.pipelines.stable_diffusion.encode_prompt import Prompts, encode_prompts

if TYPE_CHECKING:
    from engine.models.autoencoder_kl import AutoencoderKL
    from engine.models.clip_text import CLIPTextModel
    from engine.models.unet_2d_condition import UNet2DConditionModel
    from engine.prompts.tokenizer import CLIPTokenizer

logger = logging.getLogger(__name__)


@dataclass
class StableDiffusionPipelineOutput(Output):
    """What the pipelines return.

    Attributes:
        images: PIL images (a list), an array NHWC or a tensor NCHW in [0, 1], or latents.
        nsfw_content_detected: what a safety checker said of each image; None without one.
    """

    images: Any
    nsfw_content_detected: list[bool] | None = None


class StableDiffusionFamily(LatentPipeline[SettingsT]):
    """Parts and prompts of Stable Diffusion 1 and 2.

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
    safety_checker: Any
    feature_extractor: Any
    image_encoder: Any

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
        self._register_parts(
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

    def _register_parts(self, **parts: Any) -> None:
        self.register_modules(**parts)
        if parts.get("scheduler") is not None:
            set_for_latents(parts["scheduler"])

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

    def _encode(
        self, prompts: Prompts, device: torch.device, images: int, guided: bool, clip_skip: int | None
    ) -> tuple[Tensor, Tensor | None]:
        return encode_prompts(self.tokenizer, self.text_encoder, prompts, device, images, guided, clip_skip)

    def _check(self, settings: SettingsT) -> None:
        super()._check(settings)
        if settings.conditioning is None:
            prompts_of(settings).check()

    def _conditions(self, settings: Settings) -> StepConditions:
        """Return the conditions of the steps: those of the plan given, or of the prompts at every step."""
        plan = settings.conditioning or self._plan_of_prompts(settings)
        return StepConditions(
            plan,
            settings.images,
            self.device,
            self.unet.dtype,
            switches=settings.switches,
            deep_cache=settings.deep_cache,
        )

    def _plan_of_prompts(self, settings: Settings) -> ConditionPlan:
        guided = self.do_classifier_free_guidance
        positive, negative = self._encode(prompts_of(settings), self.device, 1, guided, settings.clip_skip)
        return always(Conditions(((positive, 1.0),), negative))

    # ------------------------------------------------------------------------------------------------ results

    def _as_tuple(self, output: Any) -> tuple[Any, ...]:
        return output.images, output.nsfw_content_detected

    def _output(self, latents: Tensor, output_type: str) -> StableDiffusionPipelineOutput:
        if output_type == "latent":
            return StableDiffusionPipelineOutput(latents)
        decoded = self._decoded(latents)
        if self.components.get("safety_checker") is None:
            return StableDiffusionPipelineOutput(postprocess(decoded, output_type))
        return self._checked(decoded, output_type)

    def _decoded(self, latents: Tensor) -> Tensor:
        return decode_latents(self.vae, latents)

    def _checked(self, decoded: Tensor, output_type: str) -> StableDiffusionPipelineOutput:
        """Show the pictures to the safety checker, which blackens those that it finds unsafe."""
        self._require("feature_extractor")
        images = denormalize(decoded)
        features = self.feature_extractor(as_output(images, "pil"), return_tensors="pt").pixel_values.to(decoded)
        images, unsafe = self.safety_checker(images=images, clip_input=features)
        return StableDiffusionPipelineOutput(as_output(images, output_type), unsafe)


def prompts_of(settings: Settings) -> Prompts:
    """Return the part of `settings` that says what to show."""
    return Prompts(settings.prompt, settings.negative_prompt, settings.prompt_embeds, settings.negative_prompt_embeds)


def set_for_latents(scheduler: Scheduler) -> None:
    """Give `scheduler` the settings of latent diffusion: last timestep 1, not 0, and clean samples unclipped.

    The configurations of early models lack both keys, so that defaults for pixels would apply. The reference sets them
    too, and pictures depend on it.
    """
    wanted: Mapping[str, Any] = {"steps_offset": 1, "clip_sample": False}
    changes = {key: value for key, value in wanted.items() if scheduler.config.get(key, value) != value}
    if changes:
        logger.warning("%s: latent diffusion needs %s, which is set now", type(scheduler).__name__, changes)
        scheduler.change_config(**changes)

"""What the pipelines of Stable Diffusion XL share: their parts, prompts, told sizes and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.guidance import Conditions
from engine.images import postprocess
from engine.output import Output
from engine.pipelines.conditions import ConditionPlan, StepConditions, always
from engine.pipelines.latent import LatentPipeline, Settings
from engine.pipelines.latents import decode_latents
from engine.pipelines.schedule import Scheduler
from engine.pipelines.stable_diffusion_xl.encode_prompt import Encoders, PromptsXL, encode_prompts

if TYPE_CHECKING:
    from engine.models.autoencoder_kl import AutoencoderKL
    from engine.models.clip_text import CLIPTextModel, CLIPTextModelWithProjection
    from engine.models.unet_2d_condition import UNet2DConditionModel
    from engine.prompts.tokenizer import CLIPTokenizer

Size = tuple[int, int]


@dataclass
class StableDiffusionXLPipelineOutput(Output):
    """What the pipelines return.

    Attributes:
        images: PIL images (a list), an array NHWC or a tensor NCHW in [0, 1], or latents.
    """

    images: Any


@dataclass(frozen=True, eq=False, kw_only=True)
class SettingsXL(Settings):
    """What every run of Stable Diffusion XL has."""

    prompt_2: str | Sequence[str] | None
    negative_prompt_2: str | Sequence[str] | None
    pooled_prompt_embeds: Tensor | None
    negative_pooled_prompt_embeds: Tensor | None
    guidance_rescale: float
    original_size: Size | None
    crops_coords_top_left: Size
    target_size: Size | None
    latents: Tensor | None

    @property
    def prompts(self) -> PromptsXL:
        """The part that says what to show."""
        return PromptsXL(
            self.prompt,
            self.prompt_2,
            self.negative_prompt,
            self.negative_prompt_2,
            self.prompt_embeds,
            self.negative_prompt_embeds,
            self.pooled_prompt_embeds,
            self.negative_pooled_prompt_embeds,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class RefinerSettings(SettingsXL):
    """What runs have that may also be the refiner's."""

    image: Any
    strength: float
    denoising_start: float | None
    denoising_end: float | None
    negative_original_size: Size | None
    negative_crops_coords_top_left: Size
    negative_target_size: Size | None
    aesthetic_score: float
    negative_aesthetic_score: float


SettingsXLT = TypeVar("SettingsXLT", bound=SettingsXL)


class StableDiffusionXLFamily(LatentPipeline[SettingsXLT]):
    """Parts and prompts of Stable Diffusion XL.

    `force_zeros_for_empty_prompt`: without a negative prompt its embeddings are zero. There is no invisible watermark
    here, so that `add_watermarker` cannot be true.
    """

    optional_parts = frozenset({"text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"})
    _callback_tensor_inputs = ("latents", "prompt_embeds", "negative_prompt_embeds", "add_text_embeds", "add_time_ids")

    vae: AutoencoderKL
    text_encoder: CLIPTextModel | None
    text_encoder_2: CLIPTextModelWithProjection | None
    tokenizer: CLIPTokenizer | None
    tokenizer_2: CLIPTokenizer | None
    unet: UNet2DConditionModel
    image_encoder: Any
    feature_extractor: Any
    force_zeros_for_empty_prompt: bool

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel | None,
        text_encoder_2: CLIPTextModelWithProjection | None,
        tokenizer: CLIPTokenizer | None,
        tokenizer_2: CLIPTokenizer | None,
        unet: UNet2DConditionModel,
        scheduler: Scheduler,
        image_encoder: Any = None,
        feature_extractor: Any = None,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
    ) -> None:
        if add_watermarker:
            raise InvalidValue("add_watermarker cannot be true: there is no invisible watermark here; leave it out.")
        self.register_modules(
            vae=vae,
            text_encoder=text_encoder,
            text_encoder_2=text_encoder_2,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer_2,
            unet=unet,
            scheduler=scheduler,
            image_encoder=image_encoder,
            feature_extractor=feature_extractor,
        )
        self.register_values(force_zeros_for_empty_prompt=force_zeros_for_empty_prompt)
        self.force_zeros_for_empty_prompt = force_zeros_for_empty_prompt

    # ------------------------------------------------------------------------------------------------ prompts

    @property
    def _encoders(self) -> Encoders:
        return Encoders(self.tokenizer, self.text_encoder, self.tokenizer_2, self.text_encoder_2)

    @torch.no_grad()
    def encode_prompt(
        self,
        prompt: str | Sequence[str] | None = None,
        prompt_2: str | Sequence[str] | None = None,
        device: torch.device | str | None = None,
        num_images_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True,
        negative_prompt: str | Sequence[str] | None = None,
        negative_prompt_2: str | Sequence[str] | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        pooled_prompt_embeds: Tensor | None = None,
        negative_pooled_prompt_embeds: Tensor | None = None,
        clip_skip: int | None = None,
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """Return embeddings (images, tokens, channels), the negative ones, and the pooled ones (images, channels)."""
        prompts = PromptsXL(
            prompt,
            prompt_2,
            negative_prompt,
            negative_prompt_2,
            prompt_embeds,
            negative_prompt_embeds,
            pooled_prompt_embeds,
            negative_pooled_prompt_embeds,
        )
        prompts.check()
        target = torch.device(device) if device else self.device
        zeros = self.force_zeros_for_empty_prompt
        encoded = encode_prompts(self._encoders, prompts, target, do_classifier_free_guidance, clip_skip, zeros)

        def for_each_image(embeds: Tensor) -> Tensor:
            return embeds.to(target).repeat_interleave(num_images_per_prompt, dim=0)

        negative, negative_pooled = encoded.negative, encoded.negative_pooled
        return (
            for_each_image(encoded.positive),
            None if negative is None else for_each_image(negative),
            for_each_image(encoded.pooled),
            None if negative_pooled is None else for_each_image(negative_pooled),
        )

    def _check(self, settings: SettingsXLT) -> None:
        super()._check(settings)
        if settings.conditioning is None:
            settings.prompts.check()

    def _plan(self, settings: SettingsXLT) -> ConditionPlan:
        """Return the conditions given, or those of the prompts at every step."""
        if settings.conditioning is not None:
            return settings.conditioning
        encoded = encode_prompts(
            self._encoders,
            settings.prompts,
            self.device,
            self.do_classifier_free_guidance,
            settings.clip_skip,
            self.force_zeros_for_empty_prompt,
        )
        return always(
            Conditions(((encoded.positive, 1.0),), encoded.negative, (encoded.pooled,), encoded.negative_pooled)
        )

    def _conditions(
        self, settings: SettingsXLT, plan: ConditionPlan, negative_ids: Sequence[float], ids: Sequence[float]
    ) -> StepConditions:
        """Return the conditions of the steps with the sizes that the UNet is told."""
        dtype, images = self.unet.dtype, settings.images
        told = (
            torch.tensor([list(negative_ids)], dtype=dtype, device=self.device).repeat(images, 1),
            torch.tensor([list(ids)], dtype=dtype, device=self.device).repeat(images, 1),
        )
        return StepConditions(
            plan, images, self.device, dtype, told, switches=settings.switches, deep_cache=settings.deep_cache
        )

    # ------------------------------------------------------------------------------------------------ results

    def _output(self, latents: Tensor, output_type: str) -> StableDiffusionXLPipelineOutput:
        if output_type == "latent":
            return StableDiffusionXLPipelineOutput(latents)
        return StableDiffusionXLPipelineOutput(postprocess(decode_latents(self.vae, latents, upcast=True), output_type))


class RefinerFamily(StableDiffusionXLFamily[SettingsXLT]):
    """Pipelines that start from a picture, for the base model and for the refiner.

    The refiner has the second text encoder only and is told an aesthetic score in place of the target size
    (`requires_aesthetics_score`).
    """

    requires_aesthetics_score: bool

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel | None,
        text_encoder_2: CLIPTextModelWithProjection | None,
        tokenizer: CLIPTokenizer | None,
        tokenizer_2: CLIPTokenizer | None,
        unet: UNet2DConditionModel,
        scheduler: Scheduler,
        image_encoder: Any = None,
        feature_extractor: Any = None,
        requires_aesthetics_score: bool = False,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
    ) -> None:
        super().__init__(
            vae,
            text_encoder,
            text_encoder_2,
            tokenizer,
            tokenizer_2,
            unet,
            scheduler,
            image_encoder,
            feature_extractor,
            force_zeros_for_empty_prompt,
            add_watermarker,
        )
        self.register_values(requires_aesthetics_score=requires_aesthetics_score)
        self.requires_aesthetics_score = requires_aesthetics_score

    def _told_sizes(self, settings: RefinerSettings, latents_size: Size) -> tuple[list[float], list[float]]:
        """Return the numbers that the UNet is told, of the negative and of the positive prompts."""
        size = latents_size[0] * self.vae_scale_factor, latents_size[1] * self.vae_scale_factor
        original, target = settings.original_size or size, settings.target_size or size
        negative_original = settings.negative_original_size or original
        negative_target = settings.negative_target_size or target
        crops = settings.crops_coords_top_left
        if self.requires_aesthetics_score:
            negative_crops = settings.negative_crops_coords_top_left
            negative = [*negative_original, *negative_crops, settings.negative_aesthetic_score]
            return negative, [*original, *crops, settings.aesthetic_score]
        # As in the reference, the corner is the positive prompt's for both.
        return [*negative_original, *crops, *negative_target], [*original, *crops, *target]


def check_told(unet: UNet2DConditionModel, pooled: int, numbers: int) -> None:
    """Raise `InvalidValue` unless a UNet takes `pooled` channels of the prompt and so many told `numbers`."""
    config = unet.config
    wanted, step = config.projection_class_embeddings_input_dim, config.addition_time_embed_dim
    if wanted is None or step is None:
        raise InvalidValue("this UNet is not told any sizes, so that it is not one of Stable Diffusion XL.")
    given = pooled + step * numbers
    if wanted - given == step:
        raise InvalidValue("this UNet is told one number more: it needs requires_aesthetics_score=False.")
    if given - wanted == step:
        raise InvalidValue("this UNet is told one number less: it is a refiner, with requires_aesthetics_score=True.")
    if given != wanted:
        raise InvalidValue(f"the pooled prompt has {pooled} channels; this UNet takes {wanted - step * numbers}.")


def check_share(name: str, share: float | None) -> None:
    """Raise `InvalidValue` unless `share` is None or lies between 0 and 1."""
    if share is not None and not 0 < share < 1:
        raise InvalidValue(f"{name} cannot be {share}; it lies between 0 and 1, both excluded.")


def pooled_channels(plan: ConditionPlan, total: int) -> int:
    """Return the number of channels of the pooled embeddings."""
    pooled = plan(0, total).pooled
    if not pooled:
        raise InvalidValue("the conditions of a step hold no pooled embeddings, which Stable Diffusion XL needs.")
    return pooled[0].shape[-1]

"""What the two pipelines of latent consistency models share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from engine.errors import InvalidValue
from engine.pipelines.conditions import StepConditions, copies
from engine.pipelines.latent import Settings
from engine.pipelines.stable_diffusion.family import StableDiffusionFamily


@dataclass(frozen=True, eq=False, kw_only=True)
class ConsistencySettings(Settings):
    """What every run of such a model has."""

    original_inference_steps: int | None


ConsistencyT = TypeVar("ConsistencyT", bound=ConsistencySettings)


class LatentConsistencyFamily(StableDiffusionFamily[ConsistencyT]):
    """Base of the pipelines whose UNet is told the guidance scale and predicts the end of the whole way."""

    _callback_tensor_inputs = ("latents", "denoised", "prompt_embeds", "w_embedding")

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Never: the model is told the scale."""
        return False

    def _check(self, settings: ConsistencyT) -> None:
        super()._check(settings)
        if self.unet.config.time_cond_proj_dim is None:
            raise InvalidValue(
                "this UNet is not told a guidance scale (time_cond_proj_dim is null); use StableDiffusionPipeline."
            )

    def _predict(
        self,
        settings: Settings,
        conditions: StepConditions,
        given: dict[str, Any],
        latents: Tensor,
        timesteps: Tensor,
        index: int,
    ) -> Tensor:
        """Return what the UNet predicts of `latents` at step `index`."""
        parts = conditions.parts(guided=False)
        prediction = self.unet(
            copies(latents, parts),
            timesteps[index],
            encoder_hidden_states=given["prompt_embeds"],
            **conditions.kept(timesteps, index),
            timestep_cond=conditions.copied(given["w_embedding"], parts),
            cross_attention_kwargs=settings.cross_attention_kwargs,
            return_dict=False,
        )[0]
        return conditions.mix(prediction, guided=False, guidance_scale=1.0)

"""What each step of a run is conditioned on, as one batch for the UNet, and how its predictions are mixed again.

The batch is made of parts of one size: the negative prompts in front if there is guidance, then each positive one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.guidance import Conditions, combine, guide, rescale_noise_cfg
from engine.models.deep_cache import DeepCache
from engine.models.prompt_keys import PromptKeys
from engine.models.time_embeddings import TimeEmbeddings
from engine.models.unchanged import Seen
from engine.switches import OFF, Switches

ConditionPlan = Callable[[int, int], Conditions]


@dataclass(eq=False)
class StepConditions:
    """The conditions of the steps of one run of `images` images.

    Attributes:
        plan: gives the conditions of a step from its number and the number of steps.
        time_ids: sizes for models that are told them, (images, numbers), of the negative and of the positive prompts.
        tensors: what the UNet is given, by the names that callbacks know; they may replace them.
        weights: the weight of each positive part.
        image_guided: whether the negative prompts come last, and twice, as models take them that edit an image.
        switches: which of the steps are guided.
        prompt_keys: what the UNet's cross-attention makes of `tensors`, kept from step to step.
        deep_cache: what its deep layers made, kept for some steps; None where it always works whole.
    """

    plan: ConditionPlan
    images: int
    device: torch.device
    dtype: torch.dtype
    time_ids: tuple[Tensor, Tensor] | None = None
    tensors: dict[str, Any] = field(default_factory=dict[str, Any])
    weights: tuple[float, ...] = (1.0,)
    image_guided: bool = False
    switches: Switches = OFF
    prompt_keys: PromptKeys = field(default_factory=PromptKeys)
    deep_cache: DeepCache | None = None
    _stacked: Conditions | None = None
    _times: TimeEmbeddings | None = None
    _made: dict[str, tuple[Seen, Tensor]] = field(default_factory=dict[str, "tuple[Seen, Tensor]"])
    _in_interval: bool = True

    def guided(self, index: int, total: int, wanted: bool) -> bool:
        """Return whether step `index` of `total` has guidance, where the run has it: only in the switches' interval.

        Outside, the prediction is that of the prompt alone. Kynkäänniemi et al., arXiv:2404.07724, section 3.
        """
        inside = self.switches.guidance_from * total <= index < self.switches.guidance_until * total
        if inside != self._in_interval:
            self._in_interval, self._stacked = inside, None  # another batch: with or without the negative prompts
        return wanted and inside

    def at(self, index: int, total: int, guided: bool) -> dict[str, Any]:
        """Return the tensors of step `index` of `total`: those of the step before, unless the plan has others."""
        conditions = self.plan(index, total)
        if conditions is not self._stacked:
            self._stack(conditions, guided)
            self._stacked = conditions
        return self.tensors

    def parts(self, guided: bool) -> int:
        """Return how many parts the batch has."""
        return len(self.weights) + guided * (2 if self.image_guided else 1)

    def kept(self, times: Tensor, index: int) -> dict[str, Any]:
        """Return what the UNet keeps from step to step, for step `index` of a run through `times` (steps,)."""
        if self._times is None or self._times.timesteps is not times:
            self._times = TimeEmbeddings(times)
        return {"prompt_keys": self.prompt_keys, "deep_cache": self.deep_cache, "step_time": self._times.at(index)}

    def copied(self, tensor: Tensor, parts: int) -> Tensor:
        """Return `copies(tensor, parts)`, one and the same for as long as `tensor` is."""
        return self.once(f"copies for {parts}", tensor, lambda tensor: copies(tensor, parts))

    def once(self, name: str, tensor: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
        """Return `make(tensor)`, one and the same for as long as `tensor` is; `name` tells it from others.

        The UNet looks up what it made of it by the tensor (`engine.models.time_embeddings`).
        """
        kept = self._made.get(name)
        if kept is None or not kept[0].are_still((tensor,)):
            kept = self._made[name] = Seen((tensor,)), make(tensor)
        return kept[1]

    def mix(self, prediction: Tensor, guided: bool, guidance_scale: float, guidance_rescale: float = 0.0) -> Tensor:
        """Return one prediction of those of the parts, stacked as `tensors` are."""
        parts = prediction.chunk(self.parts(guided))
        if not guided:
            return combine(None, parts, self.weights)
        conditional = combine(parts[0], parts[1:], self.weights)
        mixed = guide(parts[0], conditional, guidance_scale)
        return rescale_noise_cfg(mixed, conditional, guidance_rescale) if guidance_rescale > 0 else mixed

    def _stack(self, conditions: Conditions, guided: bool) -> None:
        positive = [self._for_each_image(embeds) for embeds, _ in conditions.positive]
        self.weights = tuple(weight for _, weight in conditions.positive)
        if not positive:
            raise InvalidValue("the conditions of a step hold no embeddings; give at least one.")
        negative = conditions.negative
        if guided and negative is None:
            raise InvalidValue("the conditions of a step hold no negative embeddings, which guidance needs; give some.")
        negatives = [self._for_each_image(negative)] if guided and negative is not None else []
        self.tensors["prompt_embeds"] = torch.cat(same_length(self._order(positive, negatives)))
        self.tensors["negative_prompt_embeds"] = negatives[0] if negatives else None
        if conditions.pooled is not None:
            self._stack_pooled(conditions.pooled, conditions.negative_pooled if guided else None)

    def _stack_pooled(self, pooled: Sequence[Tensor], negative: Tensor | None) -> None:
        if len(pooled) != len(self.weights):
            raise InvalidValue(
                f"the conditions of a step hold {len(pooled)} pooled embeddings for {len(self.weights)} prompts; give "
                "one for each."
            )
        negatives = [] if negative is None else [negative]
        self.tensors["add_text_embeds"] = torch.cat(
            [self._for_each_image(part) for part in self._order(pooled, negatives)]
        )
        if self.time_ids is not None:
            of_negative, of_positive = self.time_ids
            positive_ids = [of_positive] * len(pooled)
            self.tensors["add_time_ids"] = torch.cat(
                self._order(positive_ids, [] if negative is None else [of_negative])
            )

    def _order(self, positive: Sequence[Tensor], negative: Sequence[Tensor]) -> list[Tensor]:
        """Return the parts of the batch in their order; `negative` is one, or none without guidance."""
        return [*positive, *negative, *negative] if self.image_guided else [*negative, *positive]

    def _for_each_image(self, embeds: Tensor) -> Tensor:
        times, rest = divmod(self.images, len(embeds))
        if rest or not times:
            raise InvalidValue(
                f"the conditions are for {len(embeds)} images, but {self.images} are made; give as many."
            )
        return embeds.to(self.device, self.dtype).repeat_interleave(times, dim=0)


def always(conditions: Conditions) -> ConditionPlan:
    """Return the plan that has `conditions` at every step."""
    return lambda _index, _total: conditions


def same_length(embeds: Sequence[Tensor]) -> list[Tensor]:
    """Return `embeds`, each (batch, tokens, channels), with one number of tokens: each repeated as often as it takes.

    To attention, k copies of every token are the same as one, so that this changes nothing else.
    """
    length = functools.reduce(math.lcm, (each.shape[1] for each in embeds))
    return [each if each.shape[1] == length else each.repeat(1, length // each.shape[1], 1) for each in embeds]


def images_of(plan: ConditionPlan, steps: int) -> int:
    """Return how many images the conditions of a run's first step are for."""
    positive = plan(0, steps).positive
    return len(positive[0][0]) if positive else 1


def copies(tensor: Tensor, times: int) -> Tensor:
    """Return `tensor` (batch, ...) once for each part of the batch."""
    return torch.cat([tensor] * times) if times > 1 else tensor


def not_none(tensors: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    """Return `tensors` without those that are None."""
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}

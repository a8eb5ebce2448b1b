"""From prompts to what the UNet of Stable Diffusion XL is given: states of both text encoders, and pooled ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.pipelines.stable_diffusion.encode_prompt import Prompts, warn_of_lost_words


@dataclass(frozen=True)
class PromptsXL:
    """What the pictures shall and shall not show; `prompt_2` is for the second text encoder, `prompt` if not given."""

    prompt: str | Sequence[str] | None = None
    prompt_2: str | Sequence[str] | None = None
    negative_prompt: str | Sequence[str] | None = None
    negative_prompt_2: str | Sequence[str] | None = None
    prompt_embeds: Tensor | None = None
    negative_prompt_embeds: Tensor | None = None
    pooled_prompt_embeds: Tensor | None = None
    negative_pooled_prompt_embeds: Tensor | None = None

    @property
    def first(self) -> Prompts:
        """What the first text encoder is given."""
        return Prompts(self.prompt, self.negative_prompt, self.prompt_embeds, self.negative_prompt_embeds)

    @property
    def second(self) -> Prompts:
        """What the second text encoder is given."""
        return Prompts(
            self.prompt_2 or self.prompt,
            self.negative_prompt_2 or self.negative_prompt,
            self.prompt_embeds,
            self.negative_prompt_embeds,
        )

    def check(self) -> None:
        """Raise `InvalidValue` unless there is one thing to encode for each prompt and encoder, in one shape."""
        self.first.check()
        for name, text, embeds, pooled in (
            ("prompt", self.prompt_2, self.prompt_embeds, self.pooled_prompt_embeds),
            (
                "negative_prompt",
                self.negative_prompt_2,
                self.negative_prompt_embeds,
                self.negative_pooled_prompt_embeds,
            ),
        ):
            if text is not None and embeds is not None:
                raise InvalidValue(f"{name}_2 and {name}_embeds cannot both be given; choose one.")
            if embeds is not None and pooled is None:
                raise InvalidValue(f"{name}_embeds are given without pooled ones; give the pooled ones too.")
        self.second.check()
        if self.prompt_2 is not None and not isinstance(self.prompt_2, str) and len(self.second) != len(self.first):
            raise InvalidValue(f"there are {len(self.second)} of prompt_2 and {len(self.first)} prompts; give as many.")


@dataclass(frozen=True)
class EncodedXL:
    """Embeddings of the prompts and, with guidance, of the negative ones; one row for each prompt."""

    positive: Tensor
    pooled: Tensor
    negative: Tensor | None = None
    negative_pooled: Tensor | None = None


@dataclass(frozen=True)
class Encoders:
    """The text encoders with their tokenizers; the first pair may be missing, as in the refiner."""

    tokenizer: Any
    text_encoder: Any
    tokenizer_2: Any
    text_encoder_2: Any

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return (tokenizer, text encoder) of those that are there."""
        first = [] if self.tokenizer is None or self.text_encoder is None else [(self.tokenizer, self.text_encoder)]
        if self.tokenizer_2 is None or self.text_encoder_2 is None:
            raise InvalidValue(
                "this pipeline has no second text encoder or tokenizer; give prompt_embeds and pooled_prompt_embeds."
            )
        return [*first, (self.tokenizer_2, self.text_encoder_2)]


def encode_prompts(
    encoders: Encoders,
    prompts: PromptsXL,
    device: torch.device,
    guided: bool,
    clip_skip: int | None,
    zero_negative: bool,
) -> EncodedXL:
    """Return embeddings of the prompts and, if `guided`, of the negative ones.

    `zero_negative`: without a negative prompt all is zero, as the base model was trained.
    """
    positive, pooled = prompts.prompt_embeds, prompts.pooled_prompt_embeds
    if positive is None or pooled is None:
        texts = [prompts.first.texts(), prompts.second.texts()]
        positive, pooled = _encode(encoders, _for_all(texts, len(prompts.first)), device, clip_skip, None)
    negative, negative_pooled = prompts.negative_prompt_embeds, prompts.negative_pooled_prompt_embeds
    if not guided:
        return EncodedXL(positive, pooled)
    if negative is None or negative_pooled is None:
        if prompts.negative_prompt is None and zero_negative:
            negative, negative_pooled = torch.zeros_like(positive), torch.zeros_like(pooled)
        else:
            texts = [prompts.first.negative_texts(), prompts.second.negative_texts()]
            # The reference skips layers for the prompt only, and pictures made with it depend on that.
            negative, negative_pooled = _encode(encoders, texts, device, None, positive.shape[1])
    return EncodedXL(positive, pooled, negative, negative_pooled)


def _for_all(texts: list[list[str]], count: int) -> list[list[str]]:
    return [one * count if len(one) == 1 else one for one in texts]


def _encode(
    encoders: Encoders, texts: list[list[str]], device: torch.device, clip_skip: int | None, length: int | None
) -> tuple[Tensor, Tensor]:
    states: list[Tensor] = []
    pooled: Tensor | None = None
    for (tokenizer, text_encoder), own in zip(encoders.pairs(), texts, strict=False):
        limit = length or tokenizer.model_max_length
        tokens = tokenizer(own, padding="max_length", max_length=limit, truncation=True, return_tensors="pt")
        if length is None:
            warn_of_lost_words(tokenizer, own, limit)
        output = text_encoder(tokens.input_ids.to(device), output_hidden_states=True)
        hidden, skipped = output.hidden_states, clip_skip or 0
        if not 0 <= skipped <= len(hidden) - 2:
            layers = len(hidden) - 2
            raise InvalidValue(f"clip_skip cannot be {clip_skip}; this text encoder has {layers} layers to skip.")
        # The last layer is left out always: XL was trained on the one before.
        states.append(hidden[-2 - skipped])
        pooled = output[0]
    if pooled is None or pooled.ndim != 2:
        raise InvalidValue("the second text encoder has no projection; load a CLIPTextModelWithProjection.")
    return torch.cat(states, dim=-1), pooled

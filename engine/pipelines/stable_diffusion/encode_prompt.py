"""From prompts to what the UNet attends to: tokens, CLIP, one row for each image, and the same for the negatives."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.errors import InvalidValue

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prompts:
    """What the pictures shall and shall not show: texts, or embeddings (prompts, tokens, channels) in their place."""

    prompt: str | Sequence[str] | None = None
    negative_prompt: str | Sequence[str] | None = None
    prompt_embeds: Tensor | None = None
    negative_prompt_embeds: Tensor | None = None

    def __len__(self) -> int:
        if isinstance(self.prompt, str):
            return 1
        return len(self.prompt) if self.prompt is not None else len(self._embeddings())

    def _embeddings(self) -> Tensor:
        if self.prompt_embeds is None:
            raise InvalidValue("give a prompt, or prompt_embeds.")
        return self.prompt_embeds

    def check(self) -> None:
        """Raise `InvalidValue` unless there is one thing to encode for each prompt, in one shape."""
        for name, text, embeds in (
            ("prompt", self.prompt, self.prompt_embeds),
            ("negative_prompt", self.negative_prompt, self.negative_prompt_embeds),
        ):
            if text is not None and embeds is not None:
                raise InvalidValue(f"{name} and {name}_embeds cannot both be given; choose one.")
            if text is not None and not _is_text(text):
                raise InvalidValue(f"{name} must be a text or a list of texts, not {text!r}.")
            if embeds is not None and embeds.ndim != 3:
                raise InvalidValue(
                    f"{name}_embeds has the shape {list(embeds.shape)}; give (prompts, tokens, channels)."
                )
        if not len(self):
            raise InvalidValue("the list of prompts is empty; give at least one.")
        negative = self.negative_prompt
        if negative is not None and not isinstance(negative, str) and len(negative) != len(self):
            raise InvalidValue(
                f"there are {len(negative)} negative prompts and {len(self)} prompts; give one, or one each."
            )
        if self.prompt_embeds is None or self.negative_prompt_embeds is None:
            return
        shapes = list(self.prompt_embeds.shape), list(self.negative_prompt_embeds.shape)
        if shapes[0] != shapes[1]:
            raise InvalidValue(f"prompt_embeds {shapes[0]} and negative_prompt_embeds {shapes[1]} must have one shape.")

    def texts(self) -> list[str]:
        """Return the prompts as a list."""
        return [self.prompt] if isinstance(self.prompt, str) else list(self.prompt or ())

    def negative_texts(self) -> list[str]:
        """Return a negative prompt for each prompt: the empty text where none is given."""
        negative = self.negative_prompt or ""
        return [negative] * len(self) if isinstance(negative, str) else list(negative)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value))


def encode_prompts(
    tokenizer: Any,
    text_encoder: Any,
    prompts: Prompts,
    device: torch.device,
    num_images_per_prompt: int,
    guided: bool,
    clip_skip: int | None,
) -> tuple[Tensor, Tensor | None]:
    """Return embeddings (images, tokens, channels) of the prompts and, if `guided`, of the negative ones."""
    positive, negative = prompts.prompt_embeds, prompts.negative_prompt_embeds
    if positive is None:
        positive = encode_texts(tokenizer, text_encoder, prompts.texts(), device, clip_skip=clip_skip)
    if guided and negative is None:
        # The reference skips layers for the prompt only, and pictures made with it depend on that.
        negative = encode_texts(
            tokenizer, text_encoder, prompts.negative_texts(), device, max_length=positive.shape[1], warn=False
        )
    dtype = positive.dtype if text_encoder is None else text_encoder.dtype

    def for_each_image(embeds: Tensor) -> Tensor:
        return embeds.to(device=device, dtype=dtype).repeat_interleave(num_images_per_prompt, dim=0)

    return for_each_image(positive), for_each_image(negative) if guided and negative is not None else None


def encode_texts(
    tokenizer: Any,
    text_encoder: Any,
    texts: list[str],
    device: torch.device,
    *,
    clip_skip: int | None = None,
    max_length: int | None = None,
    warn: bool = True,
) -> Tensor:
    """Return the text encoder's states (texts, tokens, channels); `clip_skip` layers before the last, then normed."""
    if tokenizer is None or text_encoder is None:
        raise InvalidValue("this pipeline was made without a text encoder or tokenizer; give prompt_embeds instead.")
    length = max_length or tokenizer.model_max_length
    tokens = tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    if warn:
        warn_of_lost_words(tokenizer, texts, length)
    # Only encoders of other families ask for the mask; CLIP was trained to see its padding.
    masked = getattr(text_encoder.config, "use_attention_mask", False)
    mask = tokens.attention_mask.to(device) if masked else None
    if clip_skip is None:
        return text_encoder(tokens.input_ids.to(device), attention_mask=mask)[0]
    states = text_encoder(tokens.input_ids.to(device), attention_mask=mask, output_hidden_states=True).hidden_states
    if not 0 <= clip_skip < len(states):
        raise InvalidValue(f"clip_skip cannot be {clip_skip}; this text encoder has {len(states) - 1} layers to skip.")
    # In transformers 5 the norm has moved from text_model to the encoder itself.
    return getattr(text_encoder, "text_model", text_encoder).final_layer_norm(states[-1 - clip_skip])


def warn_of_lost_words(tokenizer: Any, texts: list[str], length: int) -> None:
    """Log the ends of `texts` that do not fit into `length` tokens."""
    for ids in tokenizer(texts).input_ids:
        if len(ids) > length:
            lost = tokenizer.decode(ids[length - 1 : -1])
            logger.warning("the prompt is longer than %d tokens; the end is not seen by the model: %s", length, lost)

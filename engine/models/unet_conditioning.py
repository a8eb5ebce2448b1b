"""What conditions a U-Net beside the prompt: time, class, guidance, picture size; and the masks of attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from engine.config import Config
from engine.errors import ConfigError, InvalidValue
from engine.models.embeddings import GaussianFourierProjection, TimestepEmbedding, Timesteps
from engine.models.linear import Linear

ClassEmbedType = Literal["timestep", "identity", "projection", "simple_projection"]


def time_projection(config: Config) -> tuple[nn.Module, int, int]:
    """Return the module that turns timesteps into features, how many features, and the time embedding's width."""
    width = config.block_out_channels[0]
    if config.time_embedding_type == "positional":
        time_dim = config.time_embedding_dim or 4 * width
        return Timesteps(width, config.flip_sin_to_cos, config.freq_shift), width, time_dim
    time_dim = config.time_embedding_dim or 2 * width
    if time_dim % 2:
        raise ConfigError(f"time_embedding_dim is {time_dim}; time_embedding_type 'fourier' needs an even number.")
    projection = GaussianFourierProjection(time_dim // 2, log=False, flip_sin_to_cos=config.flip_sin_to_cos)
    return projection, time_dim, time_dim


def class_embedding(config: Config, projected_dim: int, time_dim: int, act_fn: str) -> nn.Module | None:
    """Return the module that turns `class_labels` into (batch, time_dim), or None for a model without classes."""
    kind, input_dim = config.class_embed_type, config.get("projection_class_embeddings_input_dim")
    if kind is None:
        return None if config.num_class_embeds is None else nn.Embedding(config.num_class_embeds, time_dim)
    if kind == "timestep":
        return TimestepEmbedding(projected_dim, time_dim, act_fn=act_fn)
    if kind == "identity":
        return nn.Identity()
    if input_dim is None:
        raise ConfigError(f"class_embed_type {kind!r} needs projection_class_embeddings_input_dim, which is null.")
    return Linear(input_dim, time_dim) if kind == "simple_projection" else TimestepEmbedding(input_dim, time_dim)


def embed_class(
    embedding: nn.Module | None, time_proj: nn.Module, kind: str | None, labels: Tensor | None, sample: Tensor
) -> Tensor | None:
    """Return the class embedding (batch, time_dim), or None for a model without classes; checks the labels.

    `labels` are class numbers (batch,), noise levels (batch,) for `timestep`, else vectors (batch, channels).
    """
    if embedding is None:
        if labels is not None:
            raise InvalidValue("This model has no class embedding; leave class_labels out.")
        return None
    if labels is None:
        raise InvalidValue("This model is conditioned on a class; pass class_labels.")
    if labels.shape[:1] != sample.shape[:1]:
        raise InvalidValue(
            f"class_labels has the shape {tuple(labels.shape)}; give one for each of the {len(sample)} samples."
        )
    if kind == "timestep":
        labels = time_proj(labels).to(sample.dtype)
    elif isinstance(embedding, nn.Embedding):
        check_numbers("class_labels", labels, embedding)
    return embedding(labels).to(sample.dtype)


def check_numbers(name: str, numbers: Tensor, embedding: nn.Embedding) -> None:
    """Raise `InvalidValue` unless all `numbers` are whole and have an entry in `embedding`.

    Entries are looked for on the CPU only: another device would have to be waited for.
    """
    count = embedding.num_embeddings
    is_known = not numbers.is_floating_point()
    if is_known and numbers.device.type == "cpu":
        is_known = bool(((numbers >= 0) & (numbers < count)).all())
    if not is_known:
        raise InvalidValue(f"{name} is {numbers.tolist()}; this model knows the whole numbers from 0 to {count - 1}.")


def added_embedding(config: Config, time_dim: int) -> tuple[Timesteps | None, TimestepEmbedding | None]:
    """Return the two modules behind `text_time`: numbers to features, and these with the pooled prompt to time_dim."""
    if config.addition_embed_type is None:
        return None, None
    number_dim, input_dim = config.addition_time_embed_dim, config.projection_class_embeddings_input_dim
    if number_dim is None or input_dim is None:
        raise ConfigError(
            "addition_embed_type 'text_time' needs addition_time_embed_dim and projection_class_embeddings_input_dim; "
            f"they are {number_dim} and {input_dim}."
        )
    return Timesteps(number_dim, config.flip_sin_to_cos, config.freq_shift), TimestepEmbedding(input_dim, time_dim)


def embed_text_time(
    numbers: Timesteps, embedding: TimestepEmbedding, added: Mapping[str, Tensor] | None, dtype: torch.dtype
) -> Tensor:
    """Return the embedding (batch, time_dim) of the pooled prompt and the picture's sizes.

    Podell et al., SDXL, arXiv:2307.01952, section 2.2. `added` holds `text_embeds` (batch, channels) and `time_ids`
    (batch, numbers).
    """
    missing = [key for key in ("text_embeds", "time_ids") if added is None or added.get(key) is None]
    if added is None or missing:
        raise InvalidValue(f"added_cond_kwargs has no {' and no '.join(missing)}; this model (text_time) needs both.")
    text, time_ids = added["text_embeds"], added["time_ids"]
    expected, given = embedding.linear_1.in_features, text.shape[-1] + time_ids.shape[-1] * numbers.num_channels
    if text.ndim != 2 or len(text) != len(time_ids) or given != expected:
        raise InvalidValue(
            f"text_embeds {tuple(text.shape)} and time_ids {tuple(time_ids.shape)} make {given} features per picture; "
            f"this model takes {expected}, from the same number of pictures in both."
        )
    sizes = numbers(time_ids.flatten()).reshape(text.shape[0], -1)  # `len` would be fixed in an exported graph
    return embedding(torch.cat([text, sizes], dim=-1).to(dtype))


def mask_bias(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Turn a mask (batch, tokens), 1 = keep, into what is added to attention scores: (batch, 1, tokens)."""
    if mask is None:
        return None
    if mask.ndim != 2:
        raise InvalidValue(f"An attention mask has the shape {tuple(mask.shape)}; give (batch, tokens).")
    return ((1 - mask.to(dtype)) * -10000.0)[:, None]

"""From a plan to embeddings: CLIP's text encoders on chunks of a prompt, with weights and words of one's own.

Stable Diffusion 1 and 2 have one text encoder, of which the last state is used; XL has two, whose states before the
last layer stand beside each other, and the second gives the whole prompt's embedding as well. The refiner has only the
second. Chunks are encoded one by one and put behind each other.

Weights "scale" as in A1111's web interface: each token's state is multiplied by its weight, and the chunk then gets
its mean back. Weights "lerp" as in compel: states move away from those of the empty prompt; and for words below 1 the
result is mixed with one that does not attend to them, tan((1 - w) pi / 2) to 1.
"""

from __future__ import annotations

import hashlib
import math
import weakref
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from engine.errors import InvalidValue
from engine.guidance import Conditions
from engine.prompts.cache import Encoded, PromptCache
from engine.prompts.chunks import Chunk, Embedding, chunk_segments, padded
from engine.prompts.planning import PromptPlan
from engine.prompts.segments import Clause, Encodable, Segment

# Name of a word -> name of the text encoder -> its vectors (vectors, channels).
Words = Mapping[str, Mapping[str, Tensor]]
MEAN_LIMIT = 1e-5
EMPTY = Encodable((Clause((Segment(""),)),))


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder of a pipeline, with its tokenizer, and the words that it is to know besides.

    Attributes:
        name: "text_encoder" or "text_encoder_2".
        skip: layers to leave out at the end, None for none.
        is_xl: whether it is used as in SDXL: the state before the last layer, without the final norm.
        words: of each word its vectors.
    """

    name: str
    model: Any
    tokenizer: Any
    skip: int | None
    is_xl: bool
    words: Mapping[str, Tensor]

    @property
    def device(self) -> torch.device:
        """The device of its weights."""
        return next(self.model.parameters()).device

    def key(self) -> Hashable:
        """Everything about it that its states depend on, without keeping it alive."""
        adapters = getattr(self.model, "adapter_key", ())
        words = tuple((name, _digest(vectors)) for name, vectors in sorted(self.words.items()))
        return (weakref.ref(self.model), str(self.device), self.model.dtype, self.skip, adapters, words)

    def spellings(self) -> dict[int, list[Embedding]]:
        """Return the words by the first token of their spelling, the longest spelling first."""
        found: dict[int, list[Embedding]] = {}
        for name, vectors in self.words.items():
            ids = tuple(self.tokenizer(name, add_special_tokens=False).input_ids)
            longest = self.tokenizer.model_max_length - 2
            if not ids or len(vectors) > longest:
                raise InvalidValue(
                    f"The embedding {name!r} has {len(vectors)} vectors; it needs a name, and at most {longest}."
                )
            found.setdefault(ids[0], []).append(Embedding(name, ids, len(vectors)))
        return {first: sorted(entries, key=lambda one: -len(one.spelling)) for first, entries in found.items()}

    def chunks(self, segments: Sequence[Segment], reach: int) -> list[Chunk]:
        """Cut `segments` into chunks; a comma at most `reach` tokens before the end of a chunk ends it."""
        return chunk_segments(self.tokenizer, segments, reach=reach, embeddings=self.spellings())

    def states(self, tokens: list[int], chunk: Chunk, mask: list[int] | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the states (1, tokens, channels) of a padded chunk, and the embedding (1, channels) of the whole."""
        ids = torch.tensor([tokens], device=self.device)
        attention = None if mask is None else torch.tensor([mask], device=self.device)
        with self._inserting(chunk):
            output = self.model(ids, attention_mask=attention, output_hidden_states=True)
        return self._chosen(output), getattr(output, "text_embeds", None)

    def _chosen(self, output: Any) -> Tensor:
        states: tuple[Tensor, ...] = output.hidden_states
        skip = (self.skip or 0) + (1 if self.is_xl else 0)
        if not 0 <= skip < len(states):
            raise InvalidValue(
                f"clip_skip cannot be {self.skip}; this text encoder has {len(states) - 1} layers to skip."
            )
        if self.is_xl:
            return states[-1 - skip]
        if self.skip is None:
            return output.last_hidden_state
        return self.model.text_model.final_layer_norm(states[-1 - skip])

    @contextmanager
    def _inserting(self, chunk: Chunk) -> Generator[None]:
        """Put the vectors of the chunk's own words where its tokens are looked up."""
        if not chunk.inserted:
            yield
            return

        def insert(_module: Any, _arguments: Any, table: Tensor) -> Tensor:
            table = table.clone()
            for position, name in chunk.inserted:
                vectors = self.words[name].to(table)
                table[:, 1 + position : 1 + position + len(vectors)] = vectors
            return table

        handle = self.model.text_model.embeddings.token_embedding.register_forward_hook(insert)
        try:
            yield
        finally:
            handle.remove()


def _digest(vectors: Tensor) -> bytes:
    return hashlib.sha256(vectors.detach().to("cpu", torch.float32).numpy().tobytes()).digest()


def text_encoders(pipeline: Any, clip_skip: int | None = None, words: Words | None = None) -> list[TextEncoder]:
    """Return the text encoders of `pipeline` in their order; `words` are those of one's own.

    Raises:
        InvalidValue: there are none, or not of the kind that this module knows; or a word has vectors for none.
    """
    pairs = (("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2"))
    present = [
        (name, model, tokenizer)
        for name, tokenizer_name in pairs
        if (model := getattr(pipeline, name, None)) is not None
        and (tokenizer := getattr(pipeline, tokenizer_name, None)) is not None
    ]
    if not present or not all(hasattr(model, "text_model") for _, model, _ in present):
        raise InvalidValue(
            f"{type(pipeline).__name__} has no CLIP text encoder, which prompt syntax needs; choose the plain syntax."
        )
    is_xl = present[-1][0] == "text_encoder_2"
    given = words or {}
    return [
        TextEncoder(name, model, tokenizer, clip_skip, is_xl, _words_of(given, name, model))
        for name, model, tokenizer in present
    ]


def _words_of(words: Words, name: str, model: Any) -> dict[str, Tensor]:
    own = {word: vectors[name] for word, vectors in words.items() if name in vectors}
    width = model.config.hidden_size
    for word, vectors in own.items():
        if vectors.ndim != 2 or vectors.shape[1] != width:
            raise InvalidValue(
                f"The embedding {word!r} has vectors of the shape {list(vectors.shape)}, but this model's are {width} "
                "wide; it was made for another kind of model."
            )
    return own


# ---------------------------------------------------------------------------------------------------- one text


@torch.no_grad()
def encode_one(encoders: Sequence[TextEncoder], encodable: Encodable) -> Encoded:
    """Encode one text: the encoders' states beside each other, and the last encoder's embedding of the whole."""
    encoded = [_clauses(encoder, encodable) for encoder in encoders]
    longest = max(embeds.shape[1] for embeds, _ in encoded)
    rows = [
        _filled_up(embeds, longest, lambda encoder=encoder: _empty(encoder))
        for encoder, (embeds, _) in zip(encoders, encoded, strict=True)
    ]
    pooled = encoded[-1][1] if encoders[-1].is_xl else None
    return Encoded(torch.cat(rows, dim=-1), pooled)


def _empty(encoder: TextEncoder) -> Tensor:
    return _segments(encoder, EMPTY.clauses[0], "scale")[0]


def _clauses(encoder: TextEncoder, encodable: Encodable) -> tuple[Tensor, Tensor | None]:
    parts = [_segments(encoder, clause, encodable.emphasis) for clause in encodable.clauses]
    if len(parts) == 1 and encodable.join == "concat" and encodable.clauses[0].weight == 1.0:
        return parts[0]
    empty = _empty(encoder)
    weights = [clause.weight for clause in encodable.clauses]
    if encodable.join == "concat":
        # As in compel, a part's weight moves it away from the empty prompt.
        moved = [_away_from(empty, embeds, weight) for (embeds, _), weight in zip(parts, weights, strict=True)]
        return torch.cat(moved, dim=1), parts[0][1]
    total = sum(weights) if encodable.normalise else 1.0
    longest = max(embeds.shape[1] for embeds, _ in parts)
    blended = [
        _filled_up(embeds, longest, lambda: empty) * (weight / total)
        for (embeds, _), weight in zip(parts, weights, strict=True)
    ]
    wholes = [
        pooled * (weight / total) for (_, pooled), weight in zip(parts, weights, strict=True) if pooled is not None
    ]
    return torch.stack(blended).sum(dim=0), torch.stack(wholes).sum(dim=0) if wholes else None


def _away_from(empty: Tensor, embeds: Tensor, weight: float) -> Tensor:
    start = empty.repeat(1, embeds.shape[1] // empty.shape[1], 1)
    return start + (embeds - start) * weight


def _filled_up(embeds: Tensor, length: int, empty: Callable[[], Tensor]) -> Tensor:
    """Lengthen `embeds` (1, tokens, channels) to `length` tokens by chunks of the empty prompt."""
    while embeds.shape[1] < length:
        embeds = torch.cat([embeds, empty()], dim=1)
    return embeds


def _segments(encoder: TextEncoder, clause: Clause, emphasis: str) -> tuple[Tensor, Tensor | None]:
    """Encode the segments of one clause, chunk by chunk."""
    # compel cuts a prompt wherever a chunk is full.
    chunks = encoder.chunks(clause.segments, 20 if emphasis == "scale" else 0)
    encode_chunk = _scaled if emphasis == "scale" else _lerped
    encoded = [encode_chunk(encoder, chunk) for chunk in chunks]
    return torch.cat([embeds for embeds, _ in encoded], dim=1), encoded[0][1]


def _scaled(encoder: TextEncoder, chunk: Chunk) -> tuple[Tensor, Tensor | None]:
    tokens, weights = padded(encoder.tokenizer, chunk)
    states, pooled = encoder.states(tokens, chunk)
    if all(weight == 1.0 for weight in weights):
        return states, pooled
    scaled = states * _factors(weights, states)
    before, after = states.float().mean(), scaled.float().mean()
    # An untrained encoder's states have the mean 0, which nothing brings back: the quotient would be noise.
    if after.abs() < MEAN_LIMIT * scaled.float().abs().mean():
        return scaled, pooled
    return scaled * (before / after).to(scaled.dtype), pooled


def _lerped(encoder: TextEncoder, chunk: Chunk) -> tuple[Tensor, Tensor | None]:
    tokens, weights = padded(encoder.tokenizer, chunk)
    states, pooled = encoder.states(tokens, chunk)
    if all(weight == 1.0 for weight in weights):
        return states, pooled
    empty, _ = encoder.states(padded(encoder.tokenizer, Chunk())[0], Chunk())
    factors = _factors(weights, states)
    mixed, total = empty + (states - empty) * factors, 1.0
    for start, end, weight in _runs_below_one(weights):
        mask = [0 if start <= position < end else 1 for position in range(len(tokens))]
        without, _ = encoder.states(tokens, chunk, mask)
        share = math.tan((1.0 - max(weight, 1e-5)) * math.pi / 2)
        mixed = mixed + share * (empty + (without - empty) * factors)
        total += share
    return mixed / total, pooled


def _factors(weights: Sequence[float], states: Tensor) -> Tensor:
    """Return the weights of a chunk's tokens to multiply their `states`; nested brackets may multiply beyond all."""
    factors = torch.tensor(weights, device=states.device, dtype=states.dtype)[None, :, None]
    if not factors.isfinite().all():
        largest = max(weights, key=abs)
        raise InvalidValue(f"The weight {largest:.3g} in the prompt is too large; write one like 1.2.")
    return factors


def _runs_below_one(weights: Sequence[float]) -> list[tuple[int, int, float]]:
    """Return start, end and weight of the runs of one weight below 1."""
    runs: list[tuple[int, int, float]] = []
    for position, weight in enumerate(weights):
        if weight < 1 and runs and runs[-1][1] == position and runs[-1][2] == weight:
            runs[-1] = (runs[-1][0], position + 1, weight)
        elif weight < 1:
            runs.append((position, position + 1, weight))
    return runs


# ---------------------------------------------------------------------------------------------------- a whole plan


class PlannedConditions:
    """The conditions of each step of a plan; called with (index, total) like a pipeline does.

    Attributes:
        plan: the plan.
    """

    def __init__(
        self, pipeline: Any, plan: PromptPlan, clip_skip: int | None, cache: PromptCache | None, words: Words
    ) -> None:
        self.plan = plan
        self._cache = PromptCache() if cache is None else cache
        # What this plan needs stays at hand, however small the cache is.
        self._made: dict[Hashable, Conditions] = {}
        self._encoders = text_encoders(pipeline, clip_skip, words)
        # Diffusers, whose prompts the plain syntax reproduces, skips no layers for the negative prompt.
        own = clip_skip is not None and plan.syntax == "plain"
        self._negative_encoders = [replace(one, skip=None) for one in self._encoders] if own else self._encoders
        self._zero_negative = bool(getattr(pipeline, "config", {}).get("force_zeros_for_empty_prompt", False))

    def __call__(self, index: int, total: int) -> Conditions:
        """Return the conditions of step `index` (from 0) of `total`: the same object for as long as they are the same.

        Embeddings may differ in their number of tokens; pipelines repeat the shorter ones.
        """
        planned = self.plan.for_steps(total).at(index)
        if planned not in self._made:
            parts, against = planned
            encoded = [self._encoded(self._encoders, encodable) for encodable, _ in parts]
            negative = self._negative(against)
            positive = tuple((one.embeds, weight) for one, (_, weight) in zip(encoded, parts, strict=True))
            pooled = tuple(one.pooled for one in encoded if one.pooled is not None)
            self._made[planned] = Conditions(positive, negative.embeds, pooled or None, negative.pooled)
        return self._made[planned]

    def prepare(self) -> None:
        """Encode every text of the plan now, so that the text encoders may leave the memory."""
        for index in range(self.plan.steps):
            self(index, self.plan.steps)

    def _encoded(self, encoders: list[TextEncoder], encodable: Encodable) -> Encoded:
        key = (encodable, tuple(encoder.key() for encoder in encoders))
        return self._cache.get(key, lambda: encode_one(encoders, encodable))

    def _negative(self, encodable: Encodable) -> Encoded:
        encoded = self._encoded(self._negative_encoders, encodable)
        if not (self._zero_negative and encodable.is_empty):
            return encoded
        pooled = None if encoded.pooled is None else torch.zeros_like(encoded.pooled)
        return Encoded(torch.zeros_like(encoded.embeds), pooled)


def encode(
    pipeline: Any,
    plan: PromptPlan,
    clip_skip: int | None = None,
    cache: PromptCache | None = None,
    words: Words | None = None,
) -> PlannedConditions:
    """Encode `plan` with the text encoders of `pipeline`, and return a function (index, total) -> `Conditions`.

    `clip_skip` counts layers left out at the end, as in Diffusers: 1 is "Clip skip 2" of A1111. Layers are skipped for
    both prompts, in the plain syntax for the positive one only. `words` are textual inversions
    (`engine.loading.textual_inversion`): name -> text encoder -> vectors. Each distinct text is encoded once, and
    taken from `cache` if the same encoders, with the same adapters, have encoded it before.

    Raises:
        InvalidValue: the pipeline has no CLIP text encoder, more layers are skipped than it has, or a word's vectors
            are of another width.
    """
    conditions = PlannedConditions(pipeline, plan, clip_skip, cache, {} if words is None else words)
    conditions.prepare()
    return conditions

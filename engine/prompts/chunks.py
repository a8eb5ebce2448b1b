"""Long prompts in chunks that the text encoder takes, cut at commas as A1111's web interface cuts them.

No torch is imported here, so that the window can count tokens while somebody types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.prompts.segments import Segment

CHUNK_LENGTH = 75
COMMA = ",</w>"
# A comma at most this far before the end of a chunk takes what follows it into the next chunk (A1111's default).
COMMA_REACH = 20


class SupportsTokens(Protocol):
    """What is needed of a tokenizer."""

    model_max_length: int
    backend: Any

    @property
    def bos_token_id(self) -> int: ...
    @property
    def eos_token_id(self) -> int: ...
    @property
    def pad_token_id(self) -> int: ...
    def __call__(self, text: Any, *, add_special_tokens: bool = True) -> Any: ...


@dataclass
class Chunk:
    """Tokens of one call of the text encoder, without the two end tokens, and the weight of each.

    `inserted` are vectors of one's own in place of tokens: position and name; their tokens are 0.
    """

    tokens: list[int] = field(default_factory=list[int])
    weights: list[float] = field(default_factory=list[float])
    inserted: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


@dataclass(frozen=True)
class Embedding:
    """A word of one's own: the tokens that spell its name, and how many vectors stand for it."""

    name: str
    spelling: tuple[int, ...]
    vectors: int


@dataclass(frozen=True)
class Chunker:
    """Cuts token ids into chunks.

    Attributes:
        length: tokens of a chunk, without the end tokens.
        comma: the id of a comma that ends a word, None if the vocabulary has none.
        reach: how far back from the end of a chunk a comma counts; 0 cuts anywhere.
        embeddings: words of one's own, by the first token of their spelling, the longest spelling first.
    """

    length: int = CHUNK_LENGTH
    comma: int | None = None
    reach: int = COMMA_REACH
    embeddings: Mapping[int, Sequence[Embedding]] = field(default_factory=dict[int, Sequence[Embedding]])

    def cut(self, tokenized: Sequence[tuple[Segment, Sequence[int]]]) -> list[Chunk]:
        """Return the chunks of segments and their token ids: at least one, which may be empty."""
        cut = _Cut(self)
        for segment, tokens in tokenized:
            if segment.is_break:
                cut.next_chunk()
            else:
                cut.take(tokens, segment.weight)
        if cut.chunk.tokens or not cut.chunks:
            cut.next_chunk()
        return cut.chunks

    def embedding_at(self, tokens: Sequence[int], position: int) -> Embedding | None:
        """Return the word of one's own that begins at `position`."""
        for embedding in self.embeddings.get(tokens[position], ()):
            end = position + len(embedding.spelling)
            if tuple(tokens[position:end]) == embedding.spelling:
                return embedding
        return None


class _Cut:
    """The state of cutting one prompt."""

    def __init__(self, chunker: Chunker) -> None:
        self.chunker = chunker
        self.chunks: list[Chunk] = []
        self.chunk = Chunk()
        self._last_comma = -1

    def next_chunk(self) -> None:
        self.chunks.append(self.chunk)
        self.chunk = Chunk()
        self._last_comma = -1

    def take(self, tokens: Sequence[int], weight: float) -> None:
        position, length = 0, self.chunker.length
        while position < len(tokens):
            token = tokens[position]
            if token == self.chunker.comma:
                self._last_comma = len(self.chunk.tokens)
            elif self._comma_is_near():
                self._break_behind_comma()
            if len(self.chunk.tokens) == length:
                self.next_chunk()
            embedding = self.chunker.embedding_at(tokens, position)
            if embedding is None:
                self.chunk.tokens.append(token)
                self.chunk.weights.append(weight)
                position += 1
                continue
            if len(self.chunk.tokens) + embedding.vectors > length:
                self.next_chunk()
            self.chunk.inserted.append((len(self.chunk.tokens), embedding.name))
            self.chunk.tokens += [0] * embedding.vectors
            self.chunk.weights += [weight] * embedding.vectors
            position += len(embedding.spelling)

    def _comma_is_near(self) -> bool:
        filled = len(self.chunk.tokens)
        return (
            self.chunker.reach != 0
            and filled == self.chunker.length
            and self._last_comma != -1
            and filled - self._last_comma <= self.chunker.reach
        )

    def _break_behind_comma(self) -> None:
        cut = self._last_comma + 1
        moved = Chunk(
            self.chunk.tokens[cut:],
            self.chunk.weights[cut:],
            [(at - cut, name) for at, name in self.chunk.inserted if at >= cut],
        )
        self.chunk.inserted = [entry for entry in self.chunk.inserted if entry[0] < cut]
        del self.chunk.tokens[cut:], self.chunk.weights[cut:]
        self.next_chunk()
        self.chunk = moved


def chunk_segments(
    tokenizer: SupportsTokens,
    segments: Sequence[Segment],
    *,
    reach: int = COMMA_REACH,
    embeddings: Mapping[int, Sequence[Embedding]] | None = None,
) -> list[Chunk]:
    """Tokenize `segments`, each on its own, and cut the tokens into chunks for the text encoder of `tokenizer`."""
    chunker = Chunker(tokenizer.model_max_length - 2, tokenizer.backend.token_to_id(COMMA), reach, embeddings or {})
    rows = tokenizer([segment.text for segment in segments], add_special_tokens=False).input_ids
    return chunker.cut(list(zip(segments, rows, strict=True)))


def padded(tokenizer: SupportsTokens, chunk: Chunk) -> tuple[list[int], list[float]]:
    """Return the ids and weights of `chunk` with end tokens and padding, as the text encoder takes them."""
    missing = tokenizer.model_max_length - 2 - len(chunk.tokens)
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    tokens = [start, *chunk.tokens, end, *[tokenizer.pad_token_id] * missing]
    return tokens, [1.0, *chunk.weights, 1.0, *[1.0] * missing]


def chunk_ends(tokens: Sequence[str], length: int = CHUNK_LENGTH, reach: int = COMMA_REACH) -> list[int]:
    """Return after how many of `tokens` (texts, as a tokenizer's `tokenize` gives them) each chunk ends."""
    ids = [1 if token == COMMA else 0 for token in tokens]
    ends: list[int] = []
    for chunk in Chunker(length, comma=1, reach=reach).cut([(Segment(""), ids)]):
        ends.append((ends[-1] if ends else 0) + len(chunk.tokens))
    return ends


def token_count(tokenizer: SupportsTokens, segments: Sequence[Segment]) -> tuple[int, int]:
    """Return how many tokens the segments have, and how many fit into the chunks that they need.

    What a cut leaves empty at the end of a chunk counts as used, as A1111 counts.
    """
    chunks = chunk_segments(tokenizer, segments)
    length = tokenizer.model_max_length - 2
    return (len(chunks) - 1) * length + len(chunks[-1].tokens), len(chunks) * length

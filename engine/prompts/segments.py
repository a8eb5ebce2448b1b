"""What a prompt is made of once its syntax is read: texts with weights, and how they are put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

BREAK_WORD, BREAK_WEIGHT = "BREAK", -1.0


class Segment(NamedTuple):
    """A piece of plain text, every token of which has the weight `weight`."""

    text: str
    weight: float = 1.0

    @property
    def is_break(self) -> bool:
        """Whether this is no text but the mark at which a new chunk begins."""
        return self.text == BREAK_WORD and self.weight == BREAK_WEIGHT


BREAK = Segment(BREAK_WORD, BREAK_WEIGHT)


@dataclass(frozen=True)
class Clause:
    """Segments that are encoded together; `weight` is their share in a blend or a conjunction."""

    segments: tuple[Segment, ...]
    weight: float = 1.0

    @property
    def text(self) -> str:
        """The text without its weights."""
        return " ".join(segment.text for segment in self.segments if not segment.is_break).strip()


@dataclass(frozen=True)
class Encodable:
    """What becomes one embedding.

    Attributes:
        clauses: one, or several that `join` puts together.
        join: "concat" puts the embeddings behind each other, "blend" adds them by their weights.
        normalise: whether the weights of a blend are divided by their sum.
        emphasis: how weights act: "scale" multiplies the embeddings and restores their mean (A1111), "lerp" moves
            them away from the empty prompt, and below 1 towards the prompt without the words (compel).
    """

    clauses: tuple[Clause, ...]
    join: Literal["concat", "blend"] = "concat"
    normalise: bool = True
    emphasis: Literal["scale", "lerp"] = "scale"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to encode but the empty text."""
        return all(not segment.text.strip() for clause in self.clauses for segment in clause.segments)

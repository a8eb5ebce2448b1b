"""From the texts of a request to what is encoded at each step. No torch is imported here."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from engine.errors import InvalidValue
from engine.prompts.attention import parse_attention
from engine.prompts.compel import parse_compel
from engine.prompts.schedules import schedule
from engine.prompts.segments import Clause, Encodable, Segment
from engine.prompts.tags import TAG, AdapterTag, split_at_and, take_tags

SYNTAXES = ("a1111", "compel", "plain")
Schedule = tuple[tuple[int, Encodable], ...]


@dataclass(frozen=True)
class Part:
    """One of the prompts that AND joins: its weight, and what it is up to which step (from 1)."""

    weight: float
    schedule: Schedule

    def at(self, index: int) -> Encodable:
        """Return what is encoded for the step `index` (from 0)."""
        return _at(self.schedule, index)


@dataclass(frozen=True)
class PromptPlan:
    """What a prompt and a negative prompt mean for a picture of `steps` steps.

    Attributes:
        prompt, negative, syntax, steps, first_steps: as `plan` was given them.
        parts: what the picture shall show; several are joined by AND.
        negative_schedule: what it shall not show.
        adapters: files that the prompt asks for.
        notes: what is in the texts but has no effect, a sentence each.
    """

    prompt: str
    negative: str
    syntax: str
    steps: int
    first_steps: int
    parts: tuple[Part, ...]
    negative_schedule: Schedule
    adapters: tuple[AdapterTag, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_constant(self) -> bool:
        """Whether every step is conditioned on the same."""
        return len(self.negative_schedule) == 1 and all(len(part.schedule) == 1 for part in self.parts)

    def at(self, index: int) -> tuple[tuple[tuple[Encodable, float], ...], Encodable]:
        """Return the weighted prompts and the negative one of the step `index` (from 0)."""
        return tuple((part.at(index), part.weight) for part in self.parts), _at(self.negative_schedule, index)

    def for_steps(self, steps: int) -> PromptPlan:
        """Return the plan of the same texts for a picture that takes `steps` steps in fact."""
        return self if steps == self.steps else plan(self.prompt, self.negative, self.syntax, steps, self.first_steps)


def _at(entries: Schedule, index: int) -> Encodable:
    return next((encodable for end, encodable in entries if index + 1 <= end), entries[-1][1])


@functools.lru_cache(maxsize=64)
def plan(prompt: str, negative: str = "", syntax: str = "a1111", steps: int = 20, first_steps: int = 0) -> PromptPlan:
    """Read `prompt` and `negative` in `syntax`: "a1111", "compel", or "plain" (no syntax at all).

    `steps` are those of this picture; `first_steps` those of a first pass, where this is the second one of a picture.
    Templates must have been expanded before (`engine.prompts.expand`).

    Raises:
        InvalidValue: the syntax is unknown, or something in the texts cannot be meant; the message says what.
    """
    if steps < 1:
        raise InvalidValue(f"A prompt cannot be planned for {steps} steps; take at least 1.")
    if syntax == "a1111":
        return _a1111(prompt, negative, steps, first_steps)
    if syntax == "compel":
        read, against = parse_compel(prompt), parse_compel(negative)
        parts = (Part(1.0, ((steps, read.encodable),)),)
        end = ((steps, against.encodable),)
        return PromptPlan(prompt, negative, syntax, steps, first_steps, parts, end, read.adapters + against.adapters)
    if syntax == "plain":
        parts = (Part(1.0, ((steps, _plain(prompt)),)),)
        return PromptPlan(prompt, negative, syntax, steps, first_steps, parts, ((steps, _plain(negative)),))
    raise InvalidValue(f"The prompt syntax {syntax!r} is unknown; choose one of {', '.join(SYNTAXES)}.")


def _plain(text: str) -> Encodable:
    return Encodable((Clause((Segment(text),)),))


def _a1111(prompt: str, negative: str, steps: int, first_steps: int) -> PromptPlan:
    text, adapters, others = take_tags(prompt)
    notes = [f"{tag} in the prompt is of a kind that is not known here, and was left out." for tag in others]
    notes += [
        f"{match.group()} in the negative prompt counts as text; put it into the prompt."
        for match in TAG.finditer(negative)
    ]
    parts = tuple(Part(weight, _schedule(part, steps, first_steps)) for part, weight in split_at_and(text))
    against = _schedule(negative, steps, first_steps)
    return PromptPlan(prompt, negative, "a1111", steps, first_steps, parts, against, adapters, tuple(notes))


def _schedule(text: str, steps: int, first_steps: int) -> Schedule:
    entries = schedule(text, steps, first_steps)
    # Texts that take turns come up again and again.
    read = {part: Encodable((Clause(parse_attention(part)),)) for part in dict.fromkeys(part for _, part in entries)}
    return tuple((end, read[part]) for end, part in entries)

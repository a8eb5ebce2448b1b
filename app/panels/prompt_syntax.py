"""What stands where in a prompt, for colours, and how Ctrl+Up and Ctrl+Down weigh a part of it. No Qt.

Only shapes are looked at, so that half-typed text keeps its colours; what a prompt means is the engine's to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["weight", "wildcard", "lora", "keyword"]

_SHAPES = re.compile(
    r"""(?P<escaped>\\.)
    |(?P<lora><(?:lora|lyco|hypernet|embedding):[^<>\n]*>?)
    |(?P<wildcard>__[^\s_][^\n]*?__|\{[^{}\n]*\|[^{}\n]*\}|\$\{[^{}\n]*\})
    |(?P<keyword>\b(?:BREAK|AND)\b)
    |(?P<weight>:\s*[-+]?\d*\.?\d+(?=\s*[)\]])|[()\[\]])""",
    re.VERBOSE,
)
_WEIGHTED = re.compile(r"\((?P<text>(?:[^()\\]|\\.)*?):\s*(?P<weight>[-+]?\d*\.?\d+)\s*\)")
_WORD = re.compile(r"[^\s,()\[\]{}<>|:]+")
_KINDS: dict[str, Kind] = {"weight": "weight", "wildcard": "wildcard", "lora": "lora", "keyword": "keyword"}
STEP = 0.1
LOWEST, HIGHEST = 0.1, 3.0


@dataclass(frozen=True, slots=True)
class Span:
    """`length` characters from `start` are of this kind."""

    start: int
    length: int
    kind: Kind


def spans(text: str) -> list[Span]:
    """The parts of one line of a prompt that have a colour."""
    found: list[Span] = []
    for match in _SHAPES.finditer(text):
        kind = _KINDS.get(match.lastgroup or "")
        if kind is not None:
            found.append(Span(match.start(), match.end() - match.start(), kind))
    return found


@dataclass(frozen=True, slots=True)
class Change:
    """Replace the characters from `start` to `end` by `text`, and select `select` of the result."""

    start: int
    end: int
    text: str
    select: tuple[int, int]


def reweigh(text: str, start: int, end: int, up: bool) -> Change | None:
    """Weigh what is selected from `start` to `end`, or the word at `start`, up or down by 0.1; None at no word.

    `(word:1.1)` becomes `(word:1.2)`; at 1 the brackets go. A LoRA's multiplier moves alike.
    """
    tag = _around(re.compile(r"<lora:[^<>:\n]+:(?P<weight>[-+]?\d*\.?\d+)"), text, start, end)
    if tag is not None:
        value = _format(_moved(float(tag["weight"]), up, -2.0))
        place = tag.start("weight")
        return Change(place, tag.end("weight"), value, (start, start))
    known = _around(_WEIGHTED, text, start, end)
    if known is not None:
        return _with_weight(known.start(), known.end(), known["text"], _moved(float(known["weight"]), up))
    if start == end:
        word = next((m for m in _WORD.finditer(text) if m.start() <= start <= m.end()), None)
        if word is None:
            return None
        start, end = word.span()
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return None if start == end else _with_weight(start, end, text[start:end], _moved(1.0, up))


def _around(pattern: re.Pattern[str], text: str, start: int, end: int) -> re.Match[str] | None:
    return next((m for m in pattern.finditer(text) if m.start() <= start and end <= m.end()), None)


def _moved(weight: float, up: bool, lowest: float = LOWEST) -> float:
    return min(max(round(weight + (STEP if up else -STEP), 2), lowest), HIGHEST)


def _with_weight(start: int, end: int, text: str, weight: float) -> Change:
    if weight == 1:
        return Change(start, end, text, (start, start + len(text)))
    return Change(start, end, f"({text}:{_format(weight)})", (start + 1, start + 1 + len(text)))


def _format(weight: float) -> str:
    return f"{weight:.2f}".rstrip("0").rstrip(".") if weight != round(weight, 1) else f"{weight:.1f}"

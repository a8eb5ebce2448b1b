"""What every character of a prompt is, for colouring it while somebody types. Never fails, imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from engine.prompts import attention, schedules
from engine.prompts.tags import AND, TAG

# Everything of a template; what is in braces is coloured as text again, but the braces and bars are not.
_COMMENT = re.compile(r"^#.*$", re.MULTILINE)
_WILDCARD = re.compile(r"__(?=[^\s_])(?:(?!__)[^\n,<>\[\]{}])+__")
_CHOICE = re.compile(r"\\.|[\[\](){}|]|\$\$")
_COMPEL = re.compile(
    r"""(?P<operator>\.(?:blend|and|add|swap|attend)\b)|(?P<bracket>\\?[()])
      |(?P<weight>(?<=[)\w"])(?:\++|-+)(?![\w])|(?<=\))\d*\.?\d+)|(?P<quote>\\?")""",
    re.VERBOSE,
)
# Stands for a character that is no text for the brackets around it; requests cannot hold it.
_BLANK = "\0"


class Span(NamedTuple):
    """The characters from `start` to `end` (exclusive).

    `kind` is "text", "escape", "bracket", "weight", "break", "and", "adapter", "schedule", "alternate", "wildcard",
    "choice", "comment", "operator" or "quote"; `weight` is that of a text or escape, else 1.
    """

    start: int
    end: int
    kind: str
    weight: float = 1.0


def spans(prompt: str, syntax: str = "a1111") -> list[Span]:
    """Return what `prompt` is made of: spans in order, side by side, that cover all of it."""
    special = _special(prompt, syntax)
    text = list(prompt)
    for span in special:
        text[span.start : span.end] = _BLANK * (span.end - span.start)
    rest = _weighted("".join(text)) if syntax == "a1111" else _plain("".join(text))
    return sorted(span for span in (*special, *rest) if span.start < span.end)


def _special(prompt: str, syntax: str) -> list[Span]:
    """Return the spans that are no weighted text; none overlaps another."""
    found: list[Span] = []
    taken = [False] * len(prompt)

    def take(start: int, end: int, kind: str) -> None:
        if start < end and not any(taken[start:end]):
            found.append(Span(start, end, kind))
            taken[start:end] = [True] * (end - start)

    for pattern, kind in ((_COMMENT, "comment"), (_WILDCARD, "wildcard")):
        for match in pattern.finditer(prompt):
            take(*match.span(), kind)
    for start, end in _choices(prompt):
        take(start, end, "choice")
    if syntax == "a1111":
        for pattern, kind in ((TAG, "adapter"), (AND, "and")):
            for match in pattern.finditer(prompt):
                take(*match.span(), kind)
        masked = "".join(_BLANK if gone else letter for letter, gone in zip(prompt, taken, strict=True))
        parsed = schedules.parse(masked)
        for mark in parsed.marks if parsed else ():
            take(mark.start, mark.end, mark.kind)
    elif syntax == "compel":
        for match in _COMPEL.finditer(prompt):
            take(*match.span(), str(match.lastgroup))
    return found


def _choices(prompt: str) -> Iterator[tuple[int, int]]:
    """Yield where braces stand, and the bars and other syntax directly inside of them."""
    opened: list[str] = []
    for match in _CHOICE.finditer(prompt):
        token = match.group()
        if token in "[({":
            opened.append(token)
        elif token in "])}" and opened and opened[-1] == {"]": "[", ")": "(", "}": "{"}[token]:
            opened.pop()
        if token in "{}" or (token in ("|", "$$") and opened and opened[-1] == "{"):
            yield match.span()


def _weighted(text: str) -> list[Span]:
    """Return the spans of emphasis; blanks are left out, but brackets around them close as usual."""
    found: list[Span] = []
    for piece in attention.scan(text, strict=False):
        if piece.kind in ("text", "escape"):
            found += _without_blanks(text, piece.start, piece.end, piece.kind, piece.weight)
        else:
            kind = piece.kind if piece.kind != "break" or piece.weight == -1 else "text"
            found += _without_blanks(text, piece.start, piece.end, kind, 1.0)
    return found


def _plain(text: str) -> list[Span]:
    return _without_blanks(text, 0, len(text), "text", 1.0)


def _without_blanks(text: str, start: int, end: int, kind: str, weight: float) -> list[Span]:
    found: list[Span] = []
    for match in re.finditer(f"[^{_BLANK}]+", text[start:end]):
        found.append(Span(start + match.start(), start + match.end(), kind, weight))
    return found

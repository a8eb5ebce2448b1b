"""Emphasis as in A1111's web interface: `(x)` times 1.1, `[x]` divided by 1.1, `(x:1.3)` times 1.3, `BREAK`.

A backslash makes the next bracket (or backslash) plain text. Brackets nest, and their factors multiply. An opening
bracket that is never closed reaches to the end; a closing bracket without an opening one is plain text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from engine.errors import InvalidValue
from engine.prompts.segments import BREAK, Segment

ROUND_FACTOR, SQUARE_FACTOR = 1.1, 1 / 1.1
_TOKEN = re.compile(r"(?P<escape>\\[()\[\]\\]|\\)|[(\[]|:\s*(?P<weight>[+-]?[.\d]+)\s*\)|[)\]]|[^\\()\[\]:]+|:")
_BREAK = re.compile(r"\bBREAK\b")

Kind = Literal["text", "escape", "bracket", "weight", "break"]


@dataclass
class Piece:
    """A stretch of the prompt: the characters from `start` to `end`, and the text that they mean."""

    start: int
    end: int
    kind: Kind
    text: str
    weight: float = 1.0


def parse_attention(text: str) -> tuple[Segment, ...]:
    """Return the segments of `text`; neighbours of one weight are one segment, an empty text is one empty segment.

    Raises:
        InvalidValue: a weight is no number (`(x:1.2.3)`).
    """
    merged: list[Segment] = []
    for piece in scan(text):
        if piece.kind not in ("text", "escape", "break"):
            continue
        segment = Segment(piece.text, piece.weight)
        if merged and merged[-1].weight == segment.weight:
            merged[-1] = Segment(merged[-1].text + segment.text, segment.weight)
        else:
            merged.append(segment)
    return tuple(merged) or (Segment(""),)


def scan(text: str, *, strict: bool = True) -> list[Piece]:
    """Return every stretch of `text` with its weight; unless `strict`, a weight that is no number counts as text."""
    pieces: list[Piece] = []
    texts: list[Piece] = []
    # Where in `texts` the brackets that are still open stand.
    opened: dict[str, list[int]] = {"(": [], "[": []}
    for match in _TOKEN.finditer(text):
        token, (start, end) = match.group(), match.span()
        found = [Piece(start, end, "bracket", token)]
        if match["escape"] is not None:
            found = [Piece(start, end, "escape", token[1:])]
        elif token in opened:
            opened[token].append(len(texts))
        elif match["weight"] is not None and opened["("]:
            factor = _number(match["weight"], text, strict)
            _multiply(texts, opened["("].pop(), factor)
            found = [Piece(start, end, "weight", token, factor)]
        elif token == ")" and opened["("]:
            _multiply(texts, opened["("].pop(), ROUND_FACTOR)
        elif token == "]" and opened["["]:
            _multiply(texts, opened["["].pop(), SQUARE_FACTOR)
        else:
            found = _split_at_breaks(token, start)
        pieces += found
        texts += [piece for piece in found if piece.kind not in ("bracket", "weight")]
    _multiply_to_the_end(texts, opened["("], ROUND_FACTOR)
    _multiply_to_the_end(texts, opened["["], SQUARE_FACTOR)
    return pieces


def _multiply(texts: list[Piece], first: int, factor: float) -> None:
    for piece in texts[first:]:
        piece.weight *= factor


def _multiply_to_the_end(texts: list[Piece], opened: list[int], factor: float) -> None:
    """Multiply what follows each of the places `opened`, which ascend, as often as there are places before it.

    Products are the same as one by one, to the last digit, and are made once for each weight there is.
    """
    products: dict[float, list[float]] = {}
    count = 0
    for index, piece in enumerate(texts):
        while count < len(opened) and opened[count] <= index:
            count += 1
        known = products.setdefault(piece.weight, [piece.weight])
        while len(known) <= count:
            known.append(known[-1] * factor)
        piece.weight = known[count]


def _number(text: str, prompt: str, strict: bool) -> float:
    try:
        return float(text)
    except ValueError:
        if strict:
            raise InvalidValue(
                f"The weight {text!r} in the prompt {prompt[:60]!r} is no number; write it like 1.2."
            ) from None
        return 1.0


def _split_at_breaks(text: str, offset: int) -> list[Piece]:
    """Return `text` as pieces, each `BREAK` one of its own.

    A BREAK has the weight -1, which brackets around it multiply like any other, and then it is an ordinary word: this
    is what A1111 does, and pictures made there depend on it.
    """
    pieces: list[Piece] = []
    position = 0
    for match in _BREAK.finditer(text):
        before = text[position : match.start()].rstrip()
        end = len(text) - len(text[match.end() :].lstrip())
        pieces.append(Piece(offset + position, offset + position + len(before), "text", before))
        pieces.append(Piece(offset + position + len(before), offset + end, "break", BREAK.text, BREAK.weight))
        position = end
    pieces.append(Piece(offset + position, offset + len(text), "text", text[position:]))
    return pieces

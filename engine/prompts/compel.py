"""The prompt syntax of the compel library, read afresh: `word++`, `(phrase)1.3`, `("a", "b").blend(1, 0.8)`, `.and()`.

A plus multiplies by 1.1, a minus by 0.9, and brackets nest. Unweighted brackets and quotes only group. Where brackets
do not match, words stay as they are written. `.swap()` steers the attention itself and is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import InvalidValue
from engine.prompts.segments import Clause, Encodable, Segment
from engine.prompts.tags import AdapterTag

PLUS, MINUS = 1.1, 0.9
DEPTH_LIMIT = 50
_SYNTAX = r'()",.+\-='
# A word without syntax: escaped syntax, a sign inside of a word, whole numbers, or any other character.
_WORD = re.compile(rf"(?:\\[{_SYNTAX}]|[-+](?![\s{_SYNTAX}]|$)|-?\d+|[^\s{_SYNTAX}])+")
_FREE_WORD = re.compile(r"\S+")
_NUMBER = r"[+-]?(?:\d+\.\d*|\.\d+)|-?\d+"
_AMOUNT = re.compile(rf"\++|-+|{_NUMBER}")
_SIGNS = re.compile(r"\++|-+")
_ATTEND = re.compile(rf"\s*\.attend\s*\(\s*(\++|-+|{_NUMBER})\s*\)")
_SWAP = re.compile(r"\s*\.swap\s*\(")
_QUOTED = re.compile(r'"((?:\\"|[^"])*)"')
_ADAPTER = re.compile(r"(?:useLora|withLora)\(\s*([\w-]+)\s*(?:,\s*([^)\s]+)\s*)?\)")
_OPERATOR = re.compile(r"\s*\)\s*\.(blend|and|add)\s*\(([^()]*)\)")
_ESCAPED = re.compile(rf"\\([{_SYNTAX}])")
_SPACE = re.compile(r"\s*")


@dataclass
class Reading:
    """What was read: what to encode, and the adapters that the prompt asks for."""

    encodable: Encodable
    adapters: tuple[AdapterTag, ...]


def parse_compel(prompt: str) -> Reading:
    """Return what `prompt` means in compel's syntax.

    Raises:
        InvalidValue: it uses `.swap()`, or the weights of a blend or conjunction do not fit its parts.
    """
    reader = _Reader(prompt)
    encodable = _combination(reader)
    if encodable is None:
        reader.adapters.clear()
        segments, _ = reader.prompt(0)
        encodable = Encodable((Clause(_fused(segments)),), emphasis="lerp")
    return Reading(encodable, tuple(reader.adapters))


def _combination(reader: _Reader) -> Encodable | None:
    """Read `(part, part).blend(weights)` or `.and(weights)`; None if the prompt is neither."""
    text = reader.text
    start = _space(text, 0)
    if not text.startswith("(", start):
        return None
    parts: list[tuple[Segment, ...]] = []
    position = start + 1
    while True:
        part = reader.part(_space(text, position))
        if part is None:
            return None
        segments, position = part
        parts.append(_fused(segments))
        position = _space(text, position)
        if not text.startswith(",", position):
            break
        position += 1
    match = _OPERATOR.match(text, position)
    # compel itself takes what follows a conjunction for nothing; words that vanish would surprise here.
    if match is None or text[match.end() :].strip():
        return None
    return _combined(parts, match[1], [option.strip() for option in match[2].split(",") if option.strip()], text)


def _combined(parts: list[tuple[Segment, ...]], operator: str, options: list[str], prompt: str) -> Encodable:
    normalise = True
    if operator == "blend" and options and options[-1] == "no_normalize":
        normalise, options = False, options[:-1]
    try:
        weights = [float(option) for option in options] or [1.0] * len(parts)
    except ValueError:
        raise InvalidValue(
            f"The weights of .{operator}() in the prompt {prompt[:60]!r} are {options}; write numbers, like (1, 0.8)."
        ) from None
    if len(weights) != len(parts):
        raise InvalidValue(
            f"The prompt {prompt[:60]!r} has {len(parts)} parts but .{operator}() has {len(weights)} weights; "
            "give each part one, or none at all."
        )
    if operator == "blend" and normalise and abs(sum(weights)) < 1e-9:
        raise InvalidValue(
            f"The weights of .blend() in the prompt {prompt[:60]!r} add up to 0, so they cannot be normalised; "
            "change one, or add no_normalize."
        )
    join = "blend" if operator == "blend" else "concat"
    clauses = tuple(Clause(segments, weight) for segments, weight in zip(parts, weights, strict=True))
    return Encodable(clauses, join, normalise, "lerp")


def _space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _fused(segments: list[Segment]) -> tuple[Segment, ...]:
    """Join neighbours of one weight by a space."""
    fused: list[Segment] = []
    for segment in segments:
        if fused and fused[-1].weight == segment.weight:
            fused[-1] = Segment(f"{fused[-1].text} {segment.text}", segment.weight)
        else:
            fused.append(segment)
    return tuple(fused) or (Segment(""),)


_Result = tuple[list[Segment], int]


class _Reader:
    """Recursive descent over one prompt; each method takes a position and returns what it read and where it ended."""

    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self.depth = depth
        self.adapters: list[AdapterTag] = []

    def prompt(self, position: int) -> _Result:
        """Read everything up to the end; a word that no rule fits is text."""
        segments: list[Segment] = []
        while (position := _space(self.text, position)) < len(self.text):
            found = self._adapter(position) or self._weighted(position) or self._group(position)
            if found is None:
                word = _FREE_WORD.match(self.text, position)
                found = [_plain(word.group())] if word else [], word.end() if word else position + 1
            segments += found[0]
            position = found[1]
        return segments, position

    def part(self, position: int) -> _Result | None:
        """Read one part of a blend or a conjunction: quoted, in brackets, or one word."""
        found = self._group(position) or self._word(position)
        if found is not None:
            return found
        match = _QUOTED.match(self.text, position)
        if match is None:
            return None
        inner = self._inner(match[1])
        return inner.prompt(0)[0], match.end()

    def _inner(self, quoted: str) -> _Reader:
        inner = _Reader(quoted.replace('\\"', '"'), self.depth + 1)
        inner.adapters = self.adapters
        return inner

    def _items(self, position: int) -> _Result:
        """Read what may stand inside of brackets and quotes."""
        segments: list[Segment] = []
        while True:
            position = _space(self.text, position)
            found = self._adapter(position) or self._weighted(position) or self._group(position) or self._word(position)
            if found is None and self.text[position : position + 1] in (",", "."):
                found = [Segment(self.text[position])], position + 1
            if found is None:
                return segments, position
            segments += found[0]
            position = found[1]

    def _group(self, position: int) -> _Result | None:
        """Read a quoted text or brackets."""
        if self.depth >= DEPTH_LIMIT:
            raise InvalidValue(f"The brackets of the prompt {self.text[:60]!r} nest too deep; {DEPTH_LIMIT} is enough.")
        self.depth += 1
        try:
            if self.text.startswith("(", position):
                segments, end = self._items(position + 1)
                end = _space(self.text, end)
                return (segments, end + 1) if self.text.startswith(")", end) else None
            match = _QUOTED.match(self.text, position)
            if match is None:
                return None
            if not match[1].strip():
                return [Segment("")], match.end()
            inner = self._inner(match[1])
            segments, end = inner._items(0)
            return (segments, match.end()) if _space(inner.text, end) == len(inner.text) else None
        finally:
            self.depth -= 1

    def _word(self, position: int) -> _Result | None:
        match = _WORD.match(self.text, position)
        return ([_plain(match.group())], match.end()) if match else None

    def _weighted(self, position: int) -> _Result | None:
        """Read a word, quoted text or brackets with an operator behind it."""
        group = self._group(position)
        target = group or self._word(position)
        if target is None:
            return None
        segments, end = target
        if _SWAP.match(self.text, end):
            raise InvalidValue(
                f"The prompt {self.text[:60]!r} uses .swap(), which is not known here; use [from:to:0.5] of A1111."
            )
        attend = _ATTEND.match(self.text, end)
        amount = attend or (_AMOUNT if group else _SIGNS).match(self.text, end)
        if amount is None:
            return None
        factor = _factor(attend[1] if attend else amount.group())
        return [Segment(segment.text, segment.weight * factor) for segment in segments], amount.end()

    def _adapter(self, position: int) -> _Result | None:
        match = _ADAPTER.match(self.text, position)
        if match is None:
            return None
        try:
            strength = float(match[2]) if match[2] else 1.0
        except ValueError:
            raise InvalidValue(
                f"{match.group()} in the prompt has the strength {match[2]!r}; write a number."
            ) from None
        self.adapters.append(AdapterTag(match[1], strength, strength))
        return [], match.end()


def _plain(text: str) -> Segment:
    return Segment(_ESCAPED.sub(r"\1", text))


def _factor(amount: str) -> float:
    if amount.strip("+") == "":
        return PLUS ** len(amount)
    return MINUS ** len(amount) if amount.strip("-") == "" else float(amount)

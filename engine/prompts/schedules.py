"""Prompts that change while the picture is made, as in A1111's web interface.

`[from:to:when]` is `from` up to the step `when` and `to` after it, `[to:when]` and `[from::when]` add and remove;
`[a|b|c]` takes turns at every step. `when` is a step, or with a decimal point a share of all steps. Steps count from 1.
Brackets that are none of these stay as they are (emphasis reads them later). Where a bar or a lone backslash stands
outside such brackets, A1111 takes the whole prompt as it is; so do we.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)\s*")
_TOKEN = re.compile(r"(?:[^\\\[\]():|]|\\.)+|[\[\]():|]|\\")


@dataclass(frozen=True)
class Switch:
    """`before` up to the step that `when` says, `after` from then on."""

    before: tuple[Node, ...]
    after: tuple[Node, ...]
    when: str


@dataclass(frozen=True)
class Turns:
    """One of `options` at each step, in turn."""

    options: tuple[tuple[Node, ...], ...]


Node = str | Switch | Turns


@dataclass(frozen=True)
class Mark:
    """Characters that belong to a schedule's syntax: `kind` is "schedule" or "alternate"."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Run:
    """How many steps there are: `steps` in this pass, after `before` steps of a first pass (0 if this is the first).

    In a second pass steps count on from the first, and shares from 1.0 to 2.0 are those of the second.
    """

    steps: int
    before: int = 0

    def last_step(self, when: str) -> int:
        """Return the last step at which the first text of a schedule holds."""
        if "." in when:
            share = float(when) - (1.0 if self.before else 0.0)
            step = share * self.steps
        else:
            step = float(when) - self.before
        return int(max(min(step, self.steps), -1))


@dataclass
class _Open:
    """A bracket that is still open: its fields, and the separators between them."""

    bracket: str
    start: int
    fields: list[list[Node]] = field(default_factory=lambda: [[]])
    separators: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])


def schedule(prompt: str, steps: int, before: int = 0) -> list[tuple[int, str]]:
    """Return the texts that `prompt` means, each with the last step (from 1) at which it holds.

    `before` is the number of steps of a first pass, where this is the second.
    """
    run = Run(steps, before)
    parser = parse(prompt)
    if parser is None:
        return [(steps, prompt)]
    ends = {steps, *(step for step in map(run.last_step, parser.whens) if step >= 1)}
    if parser.takes_turns:
        ends.update(range(1, steps + 1))
    return [(end, _text_at(parser.nodes, end, run)) for end in sorted(ends)]


def parse(prompt: str) -> Parser | None:
    """Return what `prompt` is made of, or None where A1111 takes the whole prompt as it is."""
    parser = Parser()
    for match in _TOKEN.finditer(prompt):
        if not parser.take(match.group(), match.start()):
            return None
    return parser if parser.give_up() else None


class Parser:
    """Reads a prompt token by token.

    Attributes:
        nodes: what was read.
        whens: the moments of all switches, as they are written.
        takes_turns: whether something changes at every step.
        marks: where the syntax of schedules stands.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.whens: list[str] = []
        self.takes_turns = False
        self.marks: list[Mark] = []
        self._open: list[_Open] = []

    def take(self, token: str, start: int) -> bool:
        """Read the next token; False if a schedule cannot be read from this prompt at all."""
        if token == "\\":
            return False
        if token in ("(", "["):
            self._open.append(_Open(token, start))
        elif token in (")", "]"):
            return self._close(token, start)
        elif token in (":", "|") and self._open:
            self._open[-1].separators.append((token, start))
            self._open[-1].fields.append([])
        elif token == "|":
            return False
        else:
            self._add(token)
        return True

    def _add(self, *nodes: Node) -> None:
        (self._open[-1].fields[-1] if self._open else self.nodes).extend(nodes)

    def _close(self, token: str, start: int) -> bool:
        if self._open and self._open[-1].bracket == {")": "(", "]": "["}[token]:
            group = self._open.pop()
            nodes = self._group(group, token, start)
            if nodes is not None:
                self._add(*nodes)
                return True
            self._open.append(group)
        if not self.give_up():
            return False
        self._add(token)
        return True

    def give_up(self) -> bool:
        """Take all open brackets as plain text; False if they hold a bar, which plain text cannot."""
        for group in self._open:
            self.nodes.append(group.bracket)
            self.nodes.extend(group.fields[0])
            for (separator, _), nodes in zip(group.separators, group.fields[1:], strict=True):
                if separator == "|":
                    return False
                self.nodes.extend([separator, *nodes])
        self._open.clear()
        return True

    def _group(self, group: _Open, token: str, end: int) -> list[Node] | None:
        """Return what the closed `group` means, None if it is no group."""
        kinds = [separator for separator, _ in group.separators]
        first, last = group.fields[0], group.fields[-1]
        if not kinds:
            return [group.bracket, *first, token]
        if group.bracket == "(":
            return ["(", *first, ":", *last, ")"] if kinds == [":"] else None
        if set(kinds) == {"|"}:
            self._mark(group, end, "alternate")
            self.takes_turns = True
            return [Turns(tuple(map(tuple, group.fields)))]
        number = _NUMBER.fullmatch("".join(node if isinstance(node, str) else "?" for node in last))
        if "|" in kinds or len(kinds) > 2 or number is None:
            return None
        self._mark(group, end, "schedule")
        self.whens.append(number[1])
        before = first if len(kinds) == 2 else []
        return [Switch(tuple(before), tuple(group.fields[-2]), number[1])]

    def _mark(self, group: _Open, end: int, kind: str) -> None:
        positions = [group.start, *(position for _, position in group.separators)]
        last = positions.pop() if kind == "schedule" else end
        self.marks.extend(Mark(position, position + 1, kind) for position in positions)
        self.marks.append(Mark(last, end + 1, kind))


def _text_at(nodes: list[Node], step: int, run: Run) -> str:
    """Return the text of `step`; without recursion, because prompts may nest as deep as they are long."""
    text: list[str] = []
    waiting = [iter(nodes)]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
        elif isinstance(node, str):
            text.append(node)
        elif isinstance(node, Switch):
            waiting.append(iter(node.before if step <= run.last_step(node.when) else node.after))
        else:
            waiting.append(iter(node.options[(step - 1) % len(node.options)]))
    return "".join(text)

"""A campaign's figures as one table in Markdown, and its place in the README."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from engine.errors import BadFile
from engine.files import write_atomic
from tests.benchmarks.results import Figure, Found

BEGIN, END = "<!-- benchmarks: made by `python -m tests.benchmarks --report` -->", "<!-- end of benchmarks -->"


def table(found: Sequence[Found]) -> str:
    """All of `found` in Markdown; machines are named below it."""
    machines = list(dict.fromkeys(str(one.place) for one in found))
    lines = [
        "| figure | median (least to largest) | to be below | of | machine | date | command |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        figure, letter = one.figure, _letter(machines.index(str(one.place)))
        bar = "" if figure.bar is None else f"{figure.bar:g}{_verdict(figure)}"
        cells = (figure.name, str(figure), bar, _count(figure), letter, one.place.date)
        lines.append(f"| {' | '.join(cells)} | `{one.command}` |")
    named = [f"{_letter(index)}: {machine}." for index, machine in enumerate(machines)]
    return "\n".join([*lines, "", *named])


def _count(figure: Figure) -> str:
    count = len(figure.values)
    return f"{count} {figure.counted.removesuffix('s') if count == 1 else figure.counted}"


def _verdict(figure: Figure) -> str:
    return "" if figure.bar is None or figure.median <= figure.bar else " (not met)"


def _letter(index: int) -> str:
    return chr(ord("A") + index)


def put_into(readme: Path, content: str, begin: str = BEGIN, end: str = END) -> None:
    """Put `content` between the marks `begin` and `end` of the file `readme`, in place of what was there.

    Raises:
        BadFile: it lacks the marks.
    """
    text = readme.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise BadFile(f"{readme} has no line {begin!r} with {end!r} after it; add both where the table shall be.")
    put = f"{begin}\n\n{content}\n\n{end}"
    write_atomic(readme, pattern.sub(lambda _: put, text, count=1).encode())

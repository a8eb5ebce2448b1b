"""What benchmarks found, kept as JSON: a file for each run, written anew after each round, so that nothing is lost.

A campaign is a folder of such files. Rounds of runs with the same command on the same machine count together, so that
it may be measured in pieces, and pieces that were stopped count as far as they came.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from engine.errors import BadFile
from engine.files import read_json, write_json
from tests.benchmarks.timing import Ratio, Times, processor

RATIO = "ratio"


@dataclass(frozen=True)
class Figure:
    """One number of every round.

    Attributes:
        name: what was measured, and beside what.
        values: one a round; in the order of the rounds.
        bar: what the median has to be below; None where nothing is asked of it.
        unit: "ratio", or what the values are in.
        counted: what the values are one each of.
    """

    name: str
    values: tuple[float, ...]
    bar: float | None = None
    unit: str = RATIO
    counted: str = "rounds"

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)

    @property
    def is_ratio(self) -> bool:
        """Whether it is a ratio, below 1 where ours is better."""
        return self.unit == RATIO

    def __str__(self) -> str:
        return str(Ratio(self.values)) + ("" if self.is_ratio else f" {self.unit}")


@dataclass(frozen=True)
class Place:
    """Where and when something was measured; only the date may differ within one figure."""

    machine: str
    threads: int
    torch: str
    date: str

    def __str__(self) -> str:
        return f"{self.machine}, {self.threads} threads, torch {self.torch}"


@dataclass(frozen=True)
class Found:
    """A figure with the command that measures it."""

    figure: Figure
    command: str
    place: Place


@dataclass
class Keeper:
    """Keeps the figures of this run in `folder`; without one it keeps nothing.

    `text` is what the benchmark printed beside its figures.
    """

    folder: Path | None
    device: str = "cpu"
    _path: Path | None = field(default=None, init=False)

    def keep(self, figures: Iterable[Figure], text: str = "") -> None:
        """Write them, in place of what this run kept before."""
        if self.folder is None:
            return
        now = datetime.now(UTC)
        if self._path is None:
            name = f"{_module()}-{now:%Y%m%d-%H%M%S}-{os.getpid()}.json"
            self._path = self.folder / name
        content: dict[str, Any] = {
            "command": command(sys.argv[1:]),
            "machine": processor(self.device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "date": f"{now:%Y-%m-%d}",
            "figures": [asdict(figure) for figure in figures if figure.values],
            "text": text,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._path, content)


def add_results_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the folder of the campaign."""
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep the figures there as JSON, round by round")


def command(arguments: Sequence[str]) -> str:
    """The command of this benchmark without what does not change its figures: the folder, the number of rounds."""
    kept: list[str] = []
    left_out = iter(arguments)
    for argument in left_out:
        name, _, value = argument.partition("=")
        if name in ("--results", "--rounds", "--folder"):
            if not value:
                next(left_out, None)
        else:
            kept.append(argument)
    return shlex.join(["python", "-m", f"tests.benchmarks.{_module()}", *kept])


def _module() -> str:
    return Path(sys.argv[0]).stem


def ratio(name: str, times: Times, subject: str, peer: str, bar: float | None = None) -> Figure:
    """The figure `name`: the seconds of `subject` to those of `peer`, round by round."""
    return Figure(name, times.ratio(subject, peer).values, bar)


def read_campaign(folder: Path) -> tuple[list[Found], Mapping[str, str]]:
    """All figures of the campaign in `folder`, rounds put together; and the texts, by command, the latest of each.

    Raises:
        BadFile: one of its files is not such a file.
    """
    found: dict[tuple[object, ...], Found] = {}
    texts: dict[str, str] = {}
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
        content = read_json(path)
        try:
            place = Place(*(content[key] for key in ("machine", "threads", "torch", "date")))
            figures = [Figure(**entry | {"values": tuple(entry["values"])}) for entry in content["figures"]]
            called, text = str(content["command"]), str(content["text"])
        except (KeyError, TypeError) as error:
            raise BadFile(f"{path} does not hold the results of a benchmark; move it out of the folder.") from error
        if text:
            texts[called] = text
        for figure in figures:
            key = (figure.name, figure.unit, called, str(place))
            before = found.get(key)
            values = figure.values if before is None else before.figure.values + figure.values
            found[key] = Found(replace(figure, values=values), called, place)
    return list(found.values()), texts

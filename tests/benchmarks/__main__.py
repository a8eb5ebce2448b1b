"""Run the benchmarks, each in a process of its own, keep what they find as JSON, and make table and chart of it.

    python -m tests.benchmarks [PART ...] [--results FOLDER] [--rounds 7] [--size 512] [--dtype float32] [--device cpu]
    python -m tests.benchmarks --report --results FOLDER      table and chart of all that is in the folder
    python -m tests.benchmarks --list

Figures are kept after every round, and rounds of one command on one machine count together: a long campaign may be
measured in pieces, by further calls with the same folder. Options are handed to the parts that take them; each has
defaults of its own. Parts that need a window or much time, or that compare with nothing, run only when they are named.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from engine.plots import save_image
from tests.benchmarks.chart import chart
from tests.benchmarks.report import put_into, table
from tests.benchmarks.results import read_campaign
from tests.benchmarks.subjects import is_of_a_switch
from tests.benchmarks.switch_figures import report_switches

ROOT = Path(__file__).resolve().parents[2]
README, CHART = ROOT / "README.md", ROOT / "packaging" / "screens" / "benchmarks.png"
SWITCHES = ROOT / "resources" / "switches.json"


@dataclass(frozen=True)
class Command:
    """One command: `python -m tests.benchmarks.<module> <arguments>`.

    Attributes:
        takes: those of the campaign's options that it is given.
    """

    module: str
    arguments: Sequence[str] = ()
    takes: frozenset[str] = frozenset()

    def line(self, given: Mapping[str, object]) -> list[str]:
        """The command with those of the options `given` that it takes and that do not stand in its own arguments."""
        command = [sys.executable, "-m", f"tests.benchmarks.{self.module}", *self.arguments]
        for name, value in given.items():
            if value is not None and name in self.takes and f"--{name}" not in self.arguments:
                command += [f"--{name}", str(value)]
        return command


@dataclass(frozen=True)
class Part:
    """Commands under one name; `asked_only` ones run only when they are named."""

    commands: Sequence[Command]
    asked_only: bool = False


_ROUNDS = frozenset({"rounds", "results"})
_SIZED = _ROUNDS | {"size", "dtype"}
_NETWORK = _SIZED | {"device"}

_PEER_ALONE = ("--only", "no switch", "--peer", "--no-difference")

PARTS = {
    "step": Part([Command("denoising_step", takes=_NETWORK)]),
    "xl": Part([Command("denoising_step", ("--model", "xl"), _NETWORK)]),
    "batch": Part([Command("denoising_step", ("--batch", count), _NETWORK) for count in ("2", "4")]),
    "asking": Part([Command("host_time", ("--model", model), _ROUNDS) for model in ("sd15", "xl")]),
    "decode": Part([Command("decode", takes=_NETWORK)]),
    "large-decode": Part([Command("large_decode", takes=frozenset({"results"}))], asked_only=True),
    "backends": Part([Command("backends", ("--onnx",), _SIZED)]),
    "picture": Part(
        [
            Command("whole_picture", ("--only", "DeepCache 3", "--peer", "--no-difference"), _NETWORK),
            # A step of it takes a minute on two cores, and is measured alone, too: four and the decoding show the rest.
            Command("whole_picture", ("--model", "xl", "--steps", "4", *_PEER_ALONE), _NETWORK - {"size"}),
        ]
    ),
    "switches": Part([Command("whole_picture", takes=_NETWORK)], asked_only=True),
    "cold": Part([Command("cold_start", takes=_ROUNDS)]),
    "loading": Part([Command("loading", takes=_ROUNDS)]),
    "memory": Part([Command("peak_memory", takes=_ROUNDS | {"size"})]),
    "preview": Part([Command("preview", takes=_NETWORK)]),
    "overhead": Part([Command("scheduler_overhead", takes=_ROUNDS)]),
    "wins": Part(
        [Command("denoising_step", ("--wins",), _NETWORK), Command("decode", ("--wins",), _NETWORK)], asked_only=True
    ),
    "cancel": Part([Command("cancel")], asked_only=True),
    "convergence": Part([Command("scheduler_convergence")], asked_only=True),
    "gallery": Part([Command("gallery")], asked_only=True),
    "library": Part([Command("library")], asked_only=True),
    "soak": Part([Command("memory_soak"), Command("window", ("--soak",))], asked_only=True),
    "window": Part([Command("window")], asked_only=True),
    "icon-quality": Part([Command("icon_quality")], asked_only=True),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep the figures there, as JSON")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--size", type=int, help="pixels of a picture's side")
    parser.add_argument("--dtype")
    parser.add_argument("--device")
    parser.add_argument("--report", action="store_true", help="write table and chart of what is in the folder")
    parser.add_argument("--readme", type=Path, default=README, help="the file whose table is made anew")
    parser.add_argument("--chart", type=Path, default=CHART, help="where the chart is written")
    parser.add_argument("--switches", type=Path, default=SWITCHES, help="where the settings find theirs")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; choose of {', '.join(PARTS)}")
    if options.report and options.results is None:
        parser.error("--report needs the folder of the campaign: --results FOLDER")
    if options.list:
        print("\n".join(f"{name}{' (only when named)' * part.asked_only}" for name, part in PARTS.items()))
        return 0
    names = options.parts or [name for name, part in PARTS.items() if not part.asked_only and not options.report]
    if options.results is not None:
        options.results = options.results.resolve()
    failed = [command for name in names for command in PARTS[name].commands if not _succeeds(name, command, options)]
    if options.report and options.results is not None:
        report(options.results, options.readme, options.chart, options.switches)
    return int(bool(failed))


def _succeeds(name: str, command: Command, options: argparse.Namespace) -> bool:
    """Run it; what it says goes to the terminal as it comes."""
    line = command.line({key: getattr(options, key) for key in ("rounds", "size", "dtype", "device", "results")})
    print(f"\n{name}: {' '.join(line[1:])}", flush=True)
    began = perf_counter()
    code = subprocess.run(line, cwd=ROOT, check=False).returncode
    print(f"{name}: {'failed with exit code ' + str(code) + ' after ' if code else ''}{perf_counter() - began:.0f} s")
    return code == 0


def report(folder: Path, readme: Path, picture: Path, switches: Path = SWITCHES) -> None:
    """Write chart and table of the campaign in `folder`, the table between its marks in `readme`.

    What switches gain and lose goes into a table of its own there, and into the file `switches`.
    """
    found, _texts = read_campaign(folder)
    if not found:
        raise SystemExit(f"{folder} holds no results; run the benchmarks with --results {folder} first.")
    report_switches(found, readme, switches)
    found = [one for one in found if not is_of_a_switch(one.figure.name) or one.figure.bar is not None]
    found.sort(key=lambda one: (_place(one.command), one.figure.name))
    save_image(chart([one.figure for one in found]), picture)
    shown = Path(os.path.relpath(picture, readme.parent)).as_posix()
    put_into(readme, f"![Ratios of every figure to its peer]({shown})\n\n{table(found)}")


def _place(command: str) -> int:
    """The place of a command among the parts."""
    modules = [one.module for part in PARTS.values() for one in part.commands]
    module = command.rsplit("tests.benchmarks.", maxsplit=1)[-1].split(maxsplit=1)[0]
    return modules.index(module) if module in modules else len(modules)


if __name__ == "__main__":
    raise SystemExit(main())

"""What each switch gains and loses, out of a campaign: for the README, and for the settings, which show it.

The window has no benchmarks beside it, so that what it shows lies in `resources/switches.json`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.files import read_json, write_json
from engine.switches import Switches
from tests.benchmarks.report import put_into
from tests.benchmarks.results import Figure, Found
from tests.benchmarks.subjects import DIFFERENCE, DRAWN, QUALITY, SUBJECTS, TIME, TIMED

BEGIN, END = "<!-- switches: made by `python -m tests.benchmarks --report` -->", "<!-- end of switches -->"
# Steps of the pictures whose difference is shown.
STEPS = 20
# What the README calls each, and how it is switched on.
WORDS: Mapping[str, tuple[str, str]] = {
    "DeepCache 2": ("DeepCache, whole at every 2 steps", "--deep-cache 2"),
    "DeepCache 3": ("at every 3 steps", "--deep-cache 3"),
    "DeepCache 5": ("at every 5 steps", "--deep-cache 5"),
    "guidance 0.2 to 0.8": (
        "guidance in the middle of the steps only",
        "--guidance-from 0.2 --guidance-until 0.8",
    ),
    "token merging 0.25": ("token merging, a quarter of the tokens", "--token-merging 0.25"),
    "token merging 0.5": ("half of the tokens", "--token-merging 0.5"),
    "UNet in bfloat16": ("UNet in bfloat16: half its memory", "--unet-precision bfloat16"),
    "UNet in float8": ("UNet in float8: a quarter of it", "--unet-precision float8"),
    "UNet in int8": (
        "UNet in int8, by torchao: 0.37 of it for the embedded model",
        "--unet-precision int8",
    ),
    "tiny autoencoder": ("tiny autoencoder for the finished picture", "--final-autoencoder FOLDER"),
    "compiled": ("compiled blocks", "--compile"),
}


def report_switches(found: Sequence[Found], readme: Path, data: Path) -> None:
    """Put what `found` has on switches into the file `data`, beside what is there, and all of it into `readme`."""
    entries: dict[Switches, dict[str, Any]] = {}
    for entry in read_json(data)["switches"] if data.exists() else ():
        entries[_key(entry["switch"])] = entry
    # Of several measurements the newest counts, and of one day's the one of most rounds.
    on_processor = [one for one in found if "--device" not in one.command or "--device cpu" in one.command]
    on_processor.sort(key=lambda one: (one.place.date, len(one.figure.values)))
    for name in WORDS:
        values: dict[str, Any] = {}
        for one in on_processor:
            if one.figure.name == f"{TIMED}: {TIME.format(name)}":
                values["time"] = [*_spread(one.figure), len(one.figure.values)]
                values["machine"], values["date"] = str(one.place), one.place.date
            elif one.figure.name == f"{DRAWN.format(STEPS)}: {DIFFERENCE.format(name)}":
                values["difference"] = [statistics.mean(one.figure.values), max(one.figure.values)]
            elif one.figure.name == f"{DRAWN.format(STEPS)}: {QUALITY.format(name)}":
                values["quality"] = statistics.mean(one.figure.values)
        if values:
            key = _key(_switch(name))
            entries[key] = entries.get(key, {"switch": _switch(name)}) | values
    if not entries:
        return
    write_json(data, {"switches": list(entries.values())})
    put_into(readme, _table(entries), BEGIN, END)


def _switch(name: str) -> dict[str, Any]:
    return SUBJECTS[name].to_json()


def _key(switch: Mapping[str, Any]) -> Switches:
    return Switches.from_json(switch)


def _spread(figure: Figure) -> tuple[float, float, float]:
    return figure.median, min(figure.values), max(figure.values)


def _table(entries: Mapping[Switches, Mapping[str, Any]]) -> str:
    lines = [
        "| switch | option | time of a picture | rounds | difference (0 to 255) | PSNR |",
        "|---|---|---|---|---|---|",
    ]
    for name, (words, option) in WORDS.items():
        entry = entries.get(SUBJECTS[name], {})
        cells = (words, f"`{option}`", _time(entry), _rounds(entry), _difference(entry), _quality(entry))
        lines.append(f"| {' | '.join(cells)} |")
    places = sorted({f"{entry['machine']} ({entry['date']})" for entry in entries.values() if "machine" in entry})
    return "\n".join([*lines, "", f"Times: {'; '.join(places)}."])


def _rounds(entry: Mapping[str, Any]) -> str:
    return str(entry["time"][3]) if "time" in entry else ""


def _time(entry: Mapping[str, Any]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*entry["time"][:3]) if "time" in entry else ""


def _difference(entry: Mapping[str, Any]) -> str:
    return "{:.1f} (worst {:.1f})".format(*entry["difference"]) if "difference" in entry else ""


def _quality(entry: Mapping[str, Any]) -> str:
    return f"{entry['quality']:.0f} dB" if "quality" in entry else ""

"""What each switch gained and lost when it was measured, as the settings show it: from `resources/switches.json`.

The file is made by the benchmarks (`python -m tests.benchmarks --report`), as is the table in the README.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.files import read_json
from engine.resources_path import resource


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one switch.

    Attributes:
        time: of a picture, to that of one without the switch; None where it was not measured.
        quality: how near its pictures are to those without, in dB; None likewise.
    """

    time: float | None = None
    quality: float | None = None


class SwitchFigures:
    """All figures that there are. Raises `KnownError` where the file is missing or damaged."""

    def __init__(self) -> None:
        self._entries: list[Mapping[str, Any]] = read_json(resource("switches.json"))["switches"]

    def of(self, **switch: Any) -> Measured:
        """Those of the switch with these values, by their names in `engine.switches`."""
        for entry in self._entries:
            if entry["switch"] == switch:
                return Measured(entry.get("time", [None])[0], entry.get("quality"))
        return Measured()

"""What the user decided, as one JSON file; no Qt.

A value that the file has and that cannot be is replaced by its default and named in `problems`; keys of a newer
version are kept. A damaged file is moved aside, never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.services.newest import Newest
from engine.errors import InvalidValue, KnownError
from engine.switches import Switches

LANGUAGES = ("system", "en", "ar", "x-pseudo")
THEME_NAMES = ("system", "light", "dark", "contrast")
PRECISIONS = ("auto", "float32", "float16", "bfloat16")
MEMORY_MODES = ("auto", "fast", "balanced", "low")
PREVIEWS = ("fast", "fine", "off")


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing to decide: its default, and which values it can have."""

    default: Any
    fits: Callable[[Any], bool]
    rule: str


def _choice(default: str, *values: str) -> Setting:
    return Setting(default, lambda value: value in values, f"one of {', '.join(values)}")


def _switch(default: bool) -> Setting:
    return Setting(default, lambda value: isinstance(value, bool), "true or false")


def _text(default: str = "") -> Setting:
    return Setting(default, lambda value: isinstance(value, str) and "\0" not in value, "text")


def _number(default: int, lowest: int, highest: int) -> Setting:
    def fits(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest

    return Setting(default, fits, f"a whole number from {lowest} to {highest}")


def _mapping() -> Setting:
    return Setting({}, lambda value: isinstance(value, dict), "a JSON object")


def _list() -> Setting:
    return Setting([], lambda value: isinstance(value, list), "a JSON list")


def _switches() -> Setting:
    def fits(value: Any) -> bool:
        try:
            Switches.from_json(value)
        except (InvalidValue, TypeError):
            return False
        return True

    return Setting({}, fits, "a JSON object of switches that there are")


SETTINGS: Mapping[str, Setting] = {
    "language": _choice("system", *LANGUAGES),
    "theme": _choice("system", *THEME_NAMES),
    "pictures_folder": _text(),
    "model_folders": _list(),
    "name_pattern": _text("{date}-{time}-{seed}"),
    "device": _text("auto"),
    "precision": _choice("auto", *PRECISIONS),
    "memory_mode": _choice("auto", *MEMORY_MODES),
    "switches": _switches(),
    "previews": _choice("fast", *PREVIEWS),
    "idle_release_minutes": _number(15, 0, 24 * 60),
    "records_megabytes": _number(2048, 0, 1_000_000),
    "keep_records": _switch(True),
    "offline": _switch(False),
    "shortcuts": _mapping(),
    "welcome_seen": _switch(False),
    "window": _mapping(),
    "generation": _mapping(),
}


class Settings:
    """Values by name, kept in the file at `path`.

    Attributes:
        problems: one sentence for each thing that was wrong with the file.
    """

    def __init__(self, path: Path) -> None:
        """Read `path`; defaults hold where it says nothing. Never raises: the window must open."""
        self.path = path
        self.problems: list[str] = []
        self._values: dict[str, Any] = {}
        self._file = Newest(self._write)
        self._read()

    def __getitem__(self, name: str) -> Any:
        return self._values.get(name, SETTINGS[name].default)

    def set(self, name: str, value: Any) -> bool:
        """Give `name` another value, for `save` to write; whether it was another one.

        Raises:
            InvalidValue: it cannot have this value.
        """
        setting = SETTINGS[name]
        if not setting.fits(value):
            raise InvalidValue(f"The setting {name} cannot be {value!r}; choose {setting.rule}.")
        if self[name] == value:
            return False
        self._values[name] = value
        self._file.put(dict(self._values))
        return True

    def save(self) -> None:
        """Write what no call before has written, from any thread.

        Raises:
            KnownError: the file cannot be written; the values hold for this run all the same.
        """
        self._file.flush()

    def _write(self, values: dict[str, Any]) -> None:
        from engine.files import write_json

        try:
            write_json(self.path, values)
        except OSError as error:
            raise KnownError(
                f"The settings cannot be saved to {self.path} ({error.strerror}); check the folder and the disk."
            ) from error

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except OSError as error:
            self.problems.append(f"The settings in {self.path} cannot be read ({error.strerror}); defaults hold now.")
            return
        except ValueError:
            self._move_aside()
            return
        if not isinstance(content, dict):
            self._move_aside()
            return
        for name, value in content.items():
            setting = SETTINGS.get(name)
            if setting is not None and not setting.fits(value):
                self.problems.append(
                    f"The setting {name} cannot be {value!r} as {self.path} says; its default holds until you choose "
                    f"{setting.rule}."
                )
                continue
            self._values[name] = value

    def _move_aside(self) -> None:
        aside = self.path.with_suffix(f".damaged-{datetime.now().astimezone():%Y%m%d-%H%M%S}.json")
        try:
            self.path.replace(aside)
        except OSError as error:
            self.problems.append(f"The settings in {self.path} are damaged ({error.strerror}); defaults hold now.")
            return
        self.problems.append(
            f"The settings were damaged and are now kept as {aside}; defaults hold until you change them."
        )

"""The settings, for widgets: one signal for each change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.services.paths import Paths
from app.services.settings import SETTINGS, Settings


class SettingsState(QObject):
    """The settings of the running program.

    Signals:
        changed(str): the setting of this name has another value.
    """

    changed = Signal(str)

    def __init__(self, settings: Settings, paths: Paths, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self.paths = paths

    def __getitem__(self, name: str) -> Any:
        return self._settings[name]

    def set(self, name: str, value: Any) -> None:
        """Decide `name` anew; `InvalidValue` where it cannot have this value."""
        if self._settings.set(name, value):
            self.changed.emit(name)

    def reset(self, name: str) -> None:
        """Give `name` its default."""
        self.set(name, SETTINGS[name].default)

    @property
    def problems(self) -> list[str]:
        """What was wrong with the file."""
        return self._settings.problems

    @property
    def pictures_folder(self) -> Path:
        """Where finished pictures go."""
        chosen = self["pictures_folder"]
        return Path(chosen).expanduser() if chosen else self.paths.pictures

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Where models are looked for: the program's own folder, then the user's."""
        return (self.paths.models, *(Path(folder).expanduser() for folder in self["model_folders"]))

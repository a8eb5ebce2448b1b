"""The settings, for widgets: one signal for each change; the file is written beside the window."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.services.paths import Paths
from app.services.settings import SETTINGS, Settings
from engine.errors import KnownError
from engine.messages import EngineSettings

log = logging.getLogger(__name__)

Run = Callable[..., Any]


class SettingsState(QObject):
    """The settings of the running program.

    Signals:
        changed(str): the setting of this name has another value.
        problem(str): why the file could not be written; said once until it can be.
    """

    changed = Signal(str)
    problem = Signal(str)

    def __init__(self, settings: Settings, paths: Paths, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self.paths = paths
        self._run: Run | None = None
        self._told = ""

    def __getitem__(self, name: str) -> Any:
        return self._settings[name]

    def set(self, name: str, value: Any) -> None:
        """Decide `name` anew; `InvalidValue` where it cannot have this value."""
        if self._settings.set(name, value):
            self.changed.emit(name)
            self._save()

    def write_with(self, run: Run) -> None:
        """Write the file with `run`, which is `Background.run`, from now on."""
        self._run = run

    def flush(self) -> None:
        """Write now what the pool has not written yet; for the end of the program."""
        try:
            self._settings.save()
        except KnownError as error:
            log.warning("%s", error)

    def _save(self) -> None:
        if self._run is None:
            self.flush()
        else:
            self._run("settings", self._settings.save, self._saved, self._failed)

    def _saved(self, _none: None) -> None:
        self._told = ""

    def _failed(self, error: Exception) -> None:
        log.warning("the settings were not saved: %s", error, exc_info=not isinstance(error, KnownError))
        if str(error) != self._told:
            self._told = str(error)
            self.problem.emit(self._told)

    def of_engine(self) -> EngineSettings:
        """What the engine is told of them once, and not with every job."""
        folders = tuple(str(folder) for folder in self.model_folders)
        return EngineSettings(
            records=str(self.paths.records) if self["keep_records"] else None,
            records_bytes=self["records_megabytes"] * 2**20,
            wildcards=str(self.paths.wildcards),
            adapters=folders,
            embeddings=folders,
            idle_seconds=self["idle_release_minutes"] * 60.0,
            memory_mode=self["memory_mode"],
            fine_previews=self["previews"] == "fine",
            autoencoders=folders,
        )

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

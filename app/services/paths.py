"""Where the program keeps its files: one place that knows, no Qt."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NAME = "Sfumato"
FolderState = Literal["good", "missing", "file", "read-only"]


def folder_state(folder: Path) -> FolderState:
    """Whether files can be put into `folder`."""
    if not folder.is_dir():
        return "file" if folder.exists() else "missing"
    return "good" if os.access(folder, os.W_OK | os.X_OK) else "read-only"


@dataclass(frozen=True, slots=True)
class Paths:
    """Folders and files of one user, or of one test; nothing is made before it is needed.

    `data` holds databases and settings, `cache` what can be made again, `pictures` and `models` are the defaults that
    the settings may replace.
    """

    data: Path
    cache: Path
    pictures: Path
    models: Path

    @classmethod
    def of(cls, data_folder: Path | None = None) -> Paths:
        """The user's own folders, or everything below `data_folder`."""
        if data_folder is not None:
            folder = data_folder.expanduser().absolute()
            return cls(folder, folder / "cache", folder / "pictures", folder / "models")
        import platformdirs

        return cls(
            data=Path(platformdirs.user_data_dir(NAME, appauthor=False)),
            cache=Path(platformdirs.user_cache_dir(NAME, appauthor=False)),
            pictures=Path(platformdirs.user_pictures_dir()) / NAME,
            models=Path(platformdirs.user_data_dir(NAME, appauthor=False)) / "models",
        )

    @property
    def settings(self) -> Path:
        """The file of the settings."""
        return self.data / "settings.json"

    @property
    def log(self) -> Path:
        """The log file of this and earlier runs."""
        return self.data / "logs" / "sfumato.log"

    @property
    def queue(self) -> Path:
        """The database of the queue."""
        return self.data / "queue.sqlite3"

    @property
    def gallery(self) -> Path:
        """The database of the gallery."""
        return self.data / "gallery.sqlite3"

    @property
    def library(self) -> Path:
        """The database of the model library."""
        return self.data / "library.sqlite3"

    @property
    def records(self) -> Path:
        """Stored states of steps, from which a picture can branch."""
        return self.data / "records"

    @property
    def thumbnails(self) -> Path:
        """Small pictures of the gallery."""
        return self.cache / "thumbnails"

    @property
    def wildcards(self) -> Path:
        """Text files of words that `__name__` in a prompt draws from."""
        return self.data / "wildcards"

    @property
    def styles(self) -> Path:
        """The user's named pairs of prompt fragments."""
        return self.data / "styles.json"

    @property
    def history(self) -> Path:
        """Prompts used before."""
        return self.data / "prompts.json"

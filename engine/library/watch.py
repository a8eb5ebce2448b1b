"""Notice when model files come, go or change, so that the index can follow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

log = logging.getLogger(__name__)

# Reading a file is an event too; only these change what the index holds.
_CHANGES: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]


class Watcher(FileSystemEventHandler):
    """Calls `changed`, in a thread of its own, when nothing more has happened below `folders` for `quiet_seconds`.

    A copy of several gigabytes is a stream of changes; `changed` is called once it is over. A folder that cannot be
    watched (it is not there, or the system watches no more) is left out, said in the log and in `unwatched`.
    """

    def __init__(self, folders: Sequence[Path], changed: Callable[[], None], quiet_seconds: float = 1.0) -> None:
        self.unwatched: list[Path] = []
        self._changed = changed
        self._quiet_seconds = quiet_seconds
        self._something = threading.Event()
        self._closed = threading.Event()
        self._observer = Observer()
        self._observer.start()
        for folder in folders:
            try:
                if not folder.is_dir():
                    self.unwatched.append(folder)
                    continue
                self._observer.schedule(self, str(folder), recursive=True, event_filter=_CHANGES)
            except OSError as error:
                log.warning("%s is not watched: %s", folder, error)
                self.unwatched.append(folder)
        self._thread = threading.Thread(target=self._wait, name="library-watcher", daemon=True)
        self._thread.start()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by the observer's thread."""
        self._something.set()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        self._something.set()
        self._observer.stop()
        self._observer.join()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self) -> None:
        while not self._closed.is_set():
            self._something.wait()
            self._something.clear()
            while not self._closed.is_set() and self._something.wait(self._quiet_seconds):
                self._something.clear()
            if not self._closed.is_set():
                self._changed()

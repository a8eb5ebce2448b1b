"""The library for a window: opened on first use, watched, with downloads in threads of their own. No Qt here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.errors import KnownError
from engine.library import curated
from engine.library.credentials import check_token, store_token
from engine.library.download import Downloads
from engine.library.download_source import endpoint
from engine.library.library import Library
from engine.library.watch import Watcher
from engine.library_messages import (
    Card,
    DownloadEvent,
    DownloadItem,
    DownloadPlan,
    LibraryEvent,
    ModelEntry,
    ModelMarks,
    ScanDone,
)

log = logging.getLogger(__name__)

AT_ONCE = 3
CLOSING_SECONDS = 1.0


class LibraryService:
    """What the window asks of library and downloads; every method may take a while and runs in the window's pool.

    `tell` is given the events of scans and downloads, and `changed` is called when files change, both in other threads.
    `network_off` says whether the user allows no network.
    """

    def __init__(
        self,
        database: Path,
        models: Path,
        *,
        tell: Callable[[LibraryEvent], None],
        changed: Callable[[], None],
        network_off: Callable[[], bool] = lambda: False,
    ) -> None:
        self.notices: list[str] = []
        self._places = (database, models)
        self._tell = tell
        self._changed = changed
        self._network_off = network_off
        self._lock = threading.Lock()
        self._scanning = threading.Lock()
        self._library: Library | None = None
        self._watcher: Watcher | None = None
        self._watched: list[Path] = []
        self._asked: set[Path] = set()
        self._running: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._free = threading.Semaphore(AT_ONCE)
        self._closing = threading.Event()

    # ---------------------------------------------------------------------------------------------- library

    @property
    def library(self) -> Library:
        """The library, opened by whoever needs it first."""
        with self._lock:
            if self._library is None:
                self._library = Library(*self._places, notice=self.notices.append)
            return self._library

    @property
    def downloads(self) -> Downloads:
        """The downloads into it."""
        return Downloads(self.library, network_off=self._network_off)

    def refresh(self, folders: Sequence[Path]) -> ScanDone:
        """Index the program's own folder and these, and watch them from now on."""
        library = self.library
        wanted = [self._places[1].absolute(), *(folder.absolute() for folder in folders)]
        # Only what was asked for before and is no longer goes; the command line may have added folders of its own.
        for root in set(library.roots()) & self._asked - set(wanted):
            library.remove_root(root)
        self._asked = set(wanted[1:])
        for folder in wanted[1:]:
            if folder.is_dir():
                library.add_root(folder)
        with self._scanning:
            last: LibraryEvent | None = None
            for last in library.scan(self._closing):
                self._tell(last)
        self._watch([root for root in library.roots() if root.is_dir()])
        if not isinstance(last, ScanDone):
            raise KnownError("The model folders could not be looked at; try again.")
        return last

    def entries(self, text: str = "", family: str = "", kind: str = "", order: str = "name") -> list[ModelEntry]:
        """See `Library.entries`."""
        return self.library.entries(text, family, kind, order)

    def details(self, id: int) -> ModelEntry:
        """See `Library.entry`."""
        return self.library.entry(id)

    def marks(self, id: int) -> ModelMarks:
        """See `Library.marks`."""
        return self.library.marks(self.library.entry(id))

    def hash(self, id: int) -> ModelEntry:
        """Compute the hashes of a model that has none yet."""
        for event in self.library.hash_models([id], self._closing):
            self._tell(event)
        return self.library.entry(id)

    def duplicates(self) -> list[list[ModelEntry]]:
        """See `Library.duplicates`."""
        return self.library.duplicates()

    def rename(self, id: int, name: str) -> ModelEntry:
        """See `Library.rename`."""
        return self.library.rename(id, name)

    def trash(self, id: int) -> list[Path]:
        """See `Library.trash`."""
        return self.library.trash(id)

    def set_notes(self, id: int, notes: str) -> None:
        """See `Library.set_notes`."""
        self.library.set_notes(id, notes)

    def set_type(self, id: int, **words: str | None) -> None:
        """See `Library.set_type`."""
        self.library.set_type(id, **words)

    def convert(self, id: int, target: Path, precision: str) -> Path:
        """Write a model as a single file or as a folder, in another precision."""
        from engine.loading import convert_model

        return convert_model(Path(self.library.entry(id).path), target, precision)

    def cards(self) -> tuple[Card, ...]:
        """The curated list."""
        return curated.curated()

    # ---------------------------------------------------------------------------------------------- downloads

    def store_token(self, token: str) -> str:
        """Keep the access token of the hub in the system's keyring, "" forgets it; the host it is for."""
        host = urlsplit(endpoint()).hostname or ""
        store_token(host, check_token(token))
        return host

    def plan(self, text: str, variant: str = "") -> DownloadPlan:
        """See `Downloads.plan`."""
        return self.downloads.plan(text, variant)

    def items(self) -> list[DownloadItem]:
        """See `Downloads.items`."""
        return self.downloads.items()

    def fetch(self, plan: DownloadPlan) -> str:
        """Put a download in the list and begin it."""
        id = self.downloads.add(plan)
        self.resume(id)
        return id

    def resume(self, id: str) -> None:
        """Go on with a download; a few run at once, the others wait for their turn."""
        with self._lock:
            if id in self._running or self._closing.is_set():
                return
            self._running[id] = cancel = threading.Event()
            thread = threading.Thread(target=self._run, args=(id, cancel), name=f"download-{id}", daemon=True)
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def pause(self, id: str) -> None:
        """Leave a download; what is there stays."""
        with self._lock:
            cancel = self._running.get(id)
        if cancel is not None:
            cancel.set()

    def forget(self, id: str) -> None:
        """Take a download from the list, with the bytes it has."""
        self.pause(id)
        with self._lock:
            threads = [thread for thread in self._threads if thread.name == f"download-{id}"]
        for thread in threads:
            thread.join()
        self.downloads.remove(id)

    def close(self) -> None:
        """Pause what runs and stop watching; a download that waits for its server is left to the next start."""
        with self._lock:
            self._closing.set()
            running, threads, watcher = list(self._running.values()), list(self._threads), self._watcher
            self._watcher = None
        for cancel in running:
            cancel.set()
        if watcher is not None:
            watcher.close()
        for thread in threads:
            thread.join(CLOSING_SECONDS)

    def _run(self, id: str, cancel: threading.Event) -> None:
        last: DownloadEvent | None = None
        try:
            with self._free:
                for last in self.downloads.run(id, cancel):
                    with self._lock:
                        # Before the last event is told: who hears it may resume the download at once.
                        if _is_last(last):
                            self._running.pop(id, None)
                    self._tell(last)
        except KnownError as error:
            log.warning("download %s: %s", id, error)
        except Exception:  # the border of the thread: a bug ends one download, not the program
            log.exception("download %s failed", id)
        finally:
            with self._lock:
                if self._running.get(id) is cancel:
                    del self._running[id]

    def _watch(self, folders: list[Path]) -> None:
        with self._lock:
            if folders == self._watched or self._closing.is_set():
                return
            before, self._watched = self._watcher, folders
            self._watcher = Watcher(folders, self._changed)
        if before is not None:
            before.close()


def _is_last(event: Any) -> bool:
    return type(event).__name__ in {"DownloadDone", "DownloadPaused", "DownloadFailed"}

"""The thread that owns the queue's file: what was asked for first is written first."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from app.services.queue_store import SCHEMA, QueueStore
from engine.database import known_errors
from engine.errors import KnownError

log = logging.getLogger(__name__)

T = TypeVar("T")
Task = tuple[Callable[[QueueStore], None], Callable[[str], None]]


class QueueWriter:
    """Runs work on the `QueueStore` at `path` in a thread of its own; the file is opened there, not by the caller.

    `done` and `failed` are called in that thread. Where the file cannot be used each piece of work fails with one
    sentence, and the caller goes on without it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inbox: SimpleQueue[Task | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="queue-writer", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[QueueStore], T], done: Callable[[T], None], failed: Callable[[str], None]) -> None:
        """Do `work` after all that was asked before, then call `done` with its result or `failed` with a sentence."""

        def task(store: QueueStore) -> None:
            done(work(store))

        self._inbox.put((task, failed))

    def close(self, seconds: float = 10.0) -> None:
        """Finish what was asked for and end the thread; waits `seconds` at most."""
        self._inbox.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        store: QueueStore | None = None
        while (item := self._inbox.get()) is not None:
            task, failed = item
            try:
                with known_errors(self._path, SCHEMA.name):
                    # Tried again each time: a disk may have been freed, a folder made again.
                    store = store or QueueStore(self._path)
                    task(store)
            except KnownError as error:
                log.warning("the queue was not saved: %s", error)
                failed(str(error))
            except Exception:  # the border of the thread: an error of ours must not end it
                log.exception("the queue was not saved")
                failed(f"The queue cannot be saved in {self._path}; its jobs stay until you quit. The log says more.")
        if store is not None:
            store.close()

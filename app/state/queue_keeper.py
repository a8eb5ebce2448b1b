"""The jobs of the queue on the disk: what was asked for first is written first, and what failed is written later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from app.services.queue_store import Job, QueueStore, SavedQueue
from app.services.queue_writer import QueueWriter

RETRY_MS = 5000


class QueueKeeper(QObject):
    """Writes jobs in a thread of its own, and answers in this object's.

    Without a file everything counts as kept at once.

    Signals:
        stored(str): the job with this id is on the disk and survives a crash.
        problem(str): why it could not be written; said once, not at every write until it is mended.
    """

    stored = Signal(str)
    problem = Signal(str)
    # Without arguments: Python objects that travel in a signal from another thread have crashed PySide 6.11.
    _answered = Signal()

    def __init__(self, file: Path | None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._closed = False
        self._unsaved: set[str] = set()
        self._queue: Mapping[str, Job] = {}
        self._told = ""
        # A disk may have room again without anything new to write.
        self._retry = QTimer(self, singleShot=True, interval=RETRY_MS)
        self._retry.timeout.connect(lambda: self.put((), self._queue))
        self._answers: deque[Callable[[], None]] = deque()
        self._answered.connect(self._take, Qt.ConnectionType.QueuedConnection)
        self._writer = None if file is None else QueueWriter(file)

    def load(self, done: Callable[[SavedQueue], None], failed: Callable[[], None]) -> None:
        """Give `done` the queue of the last time; `failed` follows a problem. Neither comes where there is no file."""

        def refused(message: str) -> None:
            self._tell(message)
            failed()

        if self._writer is not None:
            self._store(QueueStore.load, done, refused)

    def put(self, jobs: Sequence[Job], queue: Mapping[str, Job], *, order: bool = False) -> None:
        """Write `jobs` of `queue`, and those that could not be written before; with `order` also their places."""
        self._queue = queue
        late = [queue[id] for id in self._unsaved if id in queue]
        # By id, so that the newest values win.
        everything = {job.id: job for job in (*late, *jobs)}
        places = tuple(queue) if order or late else None
        if not everything and places is None:
            return
        self._unsaved.clear()

        def stored(_result: None) -> None:
            self._told = ""
            for id in everything:
                self.stored.emit(id)

        def failed(message: str) -> None:
            self._unsaved.update(everything)
            self._retry.start()
            self._tell(message)

        self._store(lambda store: store.put(everything.values(), places), stored, failed)

    def forget(self, ids: Sequence[str]) -> None:
        """Take jobs off the disk."""
        self._unsaved.difference_update(ids)
        self._store(lambda store: store.remove(ids), lambda _result: None, self._tell)

    def set_paused(self, paused: bool) -> None:
        """Keep whether the queue is paused."""
        self._store(lambda store: store.set_paused(paused), lambda _result: None, self._tell)

    def close(self) -> None:
        """Write what is still to be written and let go of the file."""
        self._closed = True
        self._retry.stop()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _store(
        self, work: Callable[[QueueStore], Any], done: Callable[[Any], None], failed: Callable[[str], None]
    ) -> None:
        if self._writer is None:
            if not self._closed:
                done(None)
            return

        def answer(call: Callable[[], None]) -> None:
            self._answers.append(call)
            self._answered.emit()

        self._writer.do(
            work, lambda result: answer(lambda: done(result)), lambda message: answer(lambda: failed(message))
        )

    @Slot()
    def _take(self) -> None:
        self._answers.popleft()()

    def _tell(self, message: str) -> None:
        if message != self._told:
            self._told = message
            self.problem.emit(message)

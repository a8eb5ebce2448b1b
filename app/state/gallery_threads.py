"""The threads beside the window in which the gallery does its work, and the way of their answers back into it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from app.services.gallery_store import GalleryStore
from app.services.gallery_worker import Worker, explained
from app.services.thumbnails import Thumbnails

T = TypeVar("T")


class GalleryThreads(QObject):
    """One thread each to write the database, to read it, for small pictures and for files.

    What is done in them is answered in the thread of this object, and no more once it was closed.
    """

    _answered = Signal()

    def __init__(self, file: Path, thumbnails: Path, tell: Callable[[str], None], parent: QObject) -> None:
        """The database is in `file`, small pictures are kept in `thumbnails`; `tell` hears why something failed."""
        super().__init__(parent)
        self._file = file
        self._tell = tell
        self._closed = False
        self._opened = threading.Event()
        # Called in the workers' threads, handled in this object's: the signal only says that there is something, since
        # Python objects that travel in a signal between threads have crashed PySide 6.11.
        self._answers: deque[Callable[[], None]] = deque()
        self._answered.connect(self._take_answer, Qt.ConnectionType.QueuedConnection)
        self.writer = Worker("gallery-writer", self._open_first, self._answer)
        self.reader = Worker("gallery-reader", self._open_second, self._answer)
        self.small = Worker("gallery-thumbnails", lambda: Thumbnails(thumbnails), self._answer)
        self.files = Worker("gallery-files", lambda: None, self._answer)

    def run(self, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[str], None]) -> None:
        """Do `work` on files."""
        self.files.do(lambda _none: work(), done, failed)

    def read(
        self, work: Callable[[GalleryStore], T], done: Callable[[T], None], *, kind: str = "", first: bool = False
    ) -> None:
        """Do `work` that only reads the database; of a `kind` the newest replaces what has not begun."""
        self.reader.do(explained(self._file, work), done, self._tell, kind=kind, newest=bool(kind), first=first)

    def write(
        self,
        work: Callable[[GalleryStore], T],
        done: Callable[[T], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Do `work` that may change the database, in the order in which it was asked for."""
        self.writer.do(explained(self._file, work), done, failed or self._tell)

    def close(self) -> None:
        """Finish what was asked for; nothing is answered any more."""
        self._closed = True
        for worker in (self.reader, self.small, self.files, self.writer):
            worker.close()

    def _answer(self, call: Callable[[], None]) -> None:
        self._answers.append(call)
        self._answered.emit()

    def _take_answer(self) -> None:
        call = self._answers.popleft()
        if not self._closed:
            call()

    def _open_first(self) -> GalleryStore:
        try:
            return GalleryStore(self._file, notice=lambda text: self._answer(lambda: self._tell(text)))
        finally:
            self._opened.set()

    def _open_second(self) -> GalleryStore:
        # After the writer has looked for damage and brought the file to this version.
        self._opened.wait()
        return GalleryStore(self._file, check=False)

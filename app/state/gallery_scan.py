"""Looking for pictures that came into the folder, moved, or went: at the start, and whenever the folder changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.services.gallery_scan import ScanResult, folder_stamp, scan_steps

LOOK_MILLISECONDS = 2000
RESCAN_MILLISECONDS, QUIET_MILLISECONDS = 800, 20_000
OWN_SECONDS, SHOWN_SECONDS = 3.0, 1.5


class GalleryScanner(QObject):
    """Compares files and rows in short steps, so that nothing waits for the whole of it; again when the folder changes.

    The folder's time is asked for beside the window. A `QFileSystemWatcher` holds Python's interpreter while it begins
    to watch, in whatever thread: a network folder that has gone would stop the window for seconds. And it says nothing
    of what others put into a network folder.

    Signals:
        found(): pictures were found; more may follow.
        ended(ScanResult): the comparison is over.
        failed(str): why it could not be made.
    """

    found = Signal()
    ended = Signal(object)
    failed = Signal(str)

    def __init__(
        self,
        folder: Path,
        write: Callable[..., None],
        leaving: Callable[[], frozenset[int]],
        ask: Callable[..., None],
        parent: QObject,
        *,
        watch: bool = True,
    ) -> None:
        """Scans `folder` by `write`, the gallery's; pictures that are `leaving` are passed over.

        `ask` does work in another thread, where the answer may be long in coming.
        """
        super().__init__(parent)
        self.folder = folder
        self._write = write
        self._leaving = leaving
        self._ask = ask
        self._watching = watch
        self._scanning = self._again = False
        self._shown_at = self._own_at = 0.0
        self._stamp: object = None
        self._asked = False
        self._look = QTimer(self, singleShot=True, interval=LOOK_MILLISECONDS)
        self._look.timeout.connect(self._ask_folder)
        self._later = QTimer(self, singleShot=True)
        self._later.timeout.connect(self.scan)

    def scan(self) -> None:
        """Look now, or once more after the look that is under way."""
        if self._scanning:
            self._again = True
            return
        self._scanning, self._shown_at = True, monotonic()
        folder, leaving = self.folder, self._leaving()
        if self._watching:
            # Before the look itself, so that what comes in meanwhile is a change.
            self._write(lambda _store: folder_stamp(folder), lambda stamp: self._watch(folder, stamp), self._give_up)
        self._write(lambda store: scan_steps(store, folder, leaving), self._go_on, self._give_up)

    def _watch(self, folder: Path, stamp: object) -> None:
        if folder == self.folder:
            self._stamp = stamp
            self._look_later()

    def _look_later(self) -> None:
        # Never a second question before the answer to the first.
        if not self._asked and not self._look.isActive():
            self._look.start()

    def _ask_folder(self) -> None:
        folder, self._asked = self.folder, True
        self._ask(lambda: folder_stamp(folder), lambda stamp: self._looked(folder, stamp), self._give_up)

    def _looked(self, folder: Path, stamp: object) -> None:
        self._asked = False
        self._look_later()
        if folder == self.folder and stamp != self._stamp:
            self._stamp = stamp
            self._folder_changed()

    def set_folder(self, folder: Path) -> None:
        """Look in another folder from now on."""
        if folder != self.folder:
            self.folder = folder
            self.scan()

    def note_own(self) -> None:
        """A picture of our own was put into the folder just now; its row is there already."""
        self._own_at = monotonic()

    def _folder_changed(self) -> None:
        """Look again soon; after a picture of our own only when it has become quiet."""
        own = monotonic() - self._own_at < OWN_SECONDS
        self._later.start(QUIET_MILLISECONDS if own else RESCAN_MILLISECONDS)

    def _go_on(self, steps: Iterator[ScanResult], last: ScanResult | None = None) -> None:
        def done(result: ScanResult | None) -> None:
            if result is None:
                self._end(last or ScanResult())
                return
            if result.changed and monotonic() - self._shown_at > SHOWN_SECONDS:
                self._shown_at = monotonic()
                self.found.emit()
            self._go_on(steps, result)

        self._write(_next(steps), done, self._give_up)

    def _end(self, result: ScanResult) -> None:
        self._scanning = False
        self.ended.emit(result)
        if self._again:
            self._again = False
            self.scan()

    def _give_up(self, message: str) -> None:
        self._scanning = self._again = False
        self.failed.emit(message)


def _next(steps: Iterator[ScanResult]) -> Callable[[Any], ScanResult | None]:
    return lambda _store: next(steps, None)

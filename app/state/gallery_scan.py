"""Looking for pictures that came into the folder, moved, or went: at the start, and whenever the folder changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from app.services.gallery_scan import ScanResult, scan_steps

RESCAN_MILLISECONDS, QUIET_MILLISECONDS = 800, 20_000
OWN_SECONDS, SHOWN_SECONDS = 3.0, 1.5


class GalleryScanner(QObject):
    """Compares files and rows in short steps, so that nothing waits for the whole of it.

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
        parent: QObject,
        *,
        watch: bool = True,
    ) -> None:
        """Scans `folder` by `write`, the gallery's; pictures that are `leaving` are passed over."""
        super().__init__(parent)
        self.folder = folder
        self._write = write
        self._leaving = leaving
        self._watching = watch
        self._scanning = self._again = False
        self._shown_at = self._own_at = 0.0
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(self._folder_changed)
        self._later = QTimer(self, singleShot=True)
        self._later.timeout.connect(self.scan)

    def scan(self) -> None:
        """Look now, or once more after the look that is under way."""
        if self._scanning:
            self._again = True
            return
        self._scanning, self._shown_at = True, monotonic()
        folder, leaving = self.folder, self._leaving()
        if self._watching and str(folder) not in self._watcher.directories():
            # Asked in the other thread: a network folder that is gone answers after seconds.
            self._write(lambda _store: folder.is_dir(), lambda there: self._watch(folder, there), self._give_up)
        self._write(lambda store: scan_steps(store, folder, leaving), self._go_on, self._give_up)

    def _watch(self, folder: Path, there: bool) -> None:
        if there and folder == self.folder and str(folder) not in self._watcher.directories():
            self._watcher.addPath(str(folder))

    def set_folder(self, folder: Path) -> None:
        """Look in another folder from now on."""
        if folder != self.folder:
            if self._watcher.directories():
                self._watcher.removePaths(self._watcher.directories())
            self.folder = folder
            self.scan()

    def note_own(self) -> None:
        """A picture of our own was put into the folder just now; its row is there already."""
        self._own_at = monotonic()

    def _folder_changed(self, _path: str) -> None:
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

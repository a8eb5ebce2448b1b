"""What was done to pictures of the gallery and can be taken back."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from app.services.gallery_bulk import Deleted, bring_back, deleted_before, to_trash_now
from app.services.gallery_store import KEPT
from app.state.gallery_threads import GalleryThreads

# Where the trash cannot give files back, they go there only after so long, or when the program is left.
UNDO_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Rated:
    """Stars and board of pictures before they were changed, by id."""

    before: dict[int, tuple[int, int]]


class GalleryUndo(QObject):
    """Deletions, ratings and moves, the newest last.

    Signals:
        changed(bool): whether something can be taken back.
        rated(list): stars and boards of the pictures with these ids are what they were.
        returned(int, list): so many deleted pictures are there again; sentences about those that are not.
    """

    changed = Signal(bool)
    rated = Signal(list)
    returned = Signal(int, list)

    def __init__(self, threads: GalleryThreads, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._threads = threads
        self._past: list[Deleted | Rated] = []
        self.leaving: frozenset[int] = frozenset()
        threads.write(deleted_before, self._remember)

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would take something back."""
        return bool(self._past)

    def note(self, done: Deleted | Rated) -> None:
        """Remember what was done; files that wait for the trash (`leaving`) go there after `UNDO_SECONDS`."""
        if isinstance(done, Deleted) and done.waiting:
            self.leaving |= {id for id, _ in done.waiting}
            QTimer.singleShot(UNDO_SECONDS * 1000, self, lambda: self._finish(done))
        self._past.append(done)
        for old in [old for old in self._past[:-KEPT] if not (isinstance(old, Deleted) and old.waiting)]:
            self._past.remove(old)
        self.changed.emit(True)

    def _remember(self, before: list[Deleted]) -> None:
        """Deletions of earlier starts can be taken back, after all that was done since."""
        self._past[:0] = before
        if before:
            self.changed.emit(True)

    def undo(self) -> None:
        """Take back what was done last."""
        if not self._past:
            return
        last = self._past.pop()
        self.changed.emit(self.can_undo)
        if isinstance(last, Rated):
            self._threads.write(
                lambda store: store.restore_ratings(last.before), lambda _none: self.rated.emit(list(last.before))
            )
            return
        self.leaving -= {id for id, _ in last.waiting}
        self._threads.write(lambda store: bring_back(store, last), lambda answer: self.returned.emit(*answer))

    def close(self) -> None:
        """Pictures on their way to the trash go there now."""
        for entry in list(self._past):
            if isinstance(entry, Deleted) and entry.waiting:
                self._finish(entry)

    def _finish(self, gone: Deleted) -> None:
        """Move the files to a trash that gives nothing back, unless that was undone."""
        if gone not in self._past:
            return
        self._past.remove(gone)
        self.leaving -= {id for id, _ in gone.waiting}
        self.changed.emit(self.can_undo)
        self._threads.write(lambda _store: to_trash_now(gone), lambda _none: None)

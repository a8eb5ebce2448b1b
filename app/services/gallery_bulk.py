"""Deleting pictures and bringing them back: files, trash and rows together. No Qt here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.services.gallery_records import Picture
from app.services.gallery_store import MISSING, THERE, TRASHED, GalleryStore
from app.services.gallery_trash import Trashed, can_restore, restore, to_trash
from engine.errors import KnownError


@dataclass(frozen=True, slots=True)
class Deleted:
    """Pictures that were deleted.

    Those in the trash, those on their way there, sentences for those that stayed, and those that were gone already.
    """

    trashed: tuple[tuple[int, Trashed], ...]
    waiting: tuple[tuple[int, str], ...] = ()
    failed: tuple[str, ...] = ()
    missing: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many are gone from the gallery."""
        return len(self.trashed) + len(self.waiting)

    @property
    def ids(self) -> list[int]:
        """All that are no longer to be shown."""
        return [*(id for id, _ in (*self.trashed, *self.waiting)), *self.missing]


def delete(store: GalleryStore, ids: Sequence[int]) -> Deleted:
    """Move pictures to the trash; where it gives nothing back only mark them, for `to_trash_now` later."""
    pictures = store.pictures(ids)
    if can_restore():
        return _delete_now(store, pictures)
    store.set_state(ids, TRASHED)
    return Deleted((), tuple((picture.id, picture.path) for picture in pictures))


def _delete_now(store: GalleryStore, pictures: Sequence[Picture]) -> Deleted:
    trashed: list[tuple[int, Trashed]] = []
    failed: list[str] = []
    missing: list[int] = []
    for picture in pictures:
        try:
            trashed.append((picture.id, to_trash(Path(picture.path))))
        except FileNotFoundError:
            missing.append(picture.id)
        except KnownError as error:
            failed.append(str(error))
    store.set_state([id for id, _ in trashed], TRASHED)
    store.note_deletion({id: entry.kept for id, entry in trashed if entry.kept})
    store.set_state(missing, MISSING)
    return Deleted(tuple(trashed), (), tuple(failed), tuple(missing))


def deleted_before(store: GalleryStore) -> list[Deleted]:
    """Deletions of earlier starts of the program that can be taken back, the oldest first."""
    found: list[Deleted] = []
    for together in store.deletions():
        there = [(id, Trashed(path, kept)) for id, path, kept in together if Path(kept).exists()]
        if there:
            found.append(Deleted(tuple(there)))
    return found


def to_trash_now(gone: Deleted) -> None:
    """Move the files that were only marked."""
    for _, path in gone.waiting:
        if Path(path).exists():
            to_trash(Path(path))


def bring_back(store: GalleryStore, gone: Deleted) -> tuple[int, list[str]]:
    """Take a deletion back; how many pictures came back, and a sentence for each that did not."""
    failed: list[str] = []
    back = [id for id, _ in gone.waiting]
    for id, trashed in gone.trashed:
        try:
            path = restore(trashed)
        except KnownError as error:
            failed.append(str(error))
            continue
        back.append(id)
        if str(path) != trashed.path:
            store.move(id, str(path), path.stat().st_mtime_ns)
    store.set_state(back, THERE)
    store.forget_deletion([id for id, _ in gone.trashed])
    return len(back), failed

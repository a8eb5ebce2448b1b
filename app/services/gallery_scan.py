"""What is on the disk compared with what the gallery knows: new files, moved ones, files that are gone or came back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.services.gallery_records import PICTURE_ENDINGS, NewPicture
from app.services.gallery_store import MISSING, THERE, GalleryStore
from engine.errors import KnownError, MissingFile
from engine.messages import Recipe
from engine.metadata import PictureFacts, read_facts

_WHOLE_BYTES = 8 * 2**20
_PROBES, _PROBE_BYTES = 64, 16384
_PORTION = 32


@dataclass(slots=True)
class ScanResult:
    """What a scan found: ids of pictures taken in or read again, and how many were moved, missing or back."""

    added: list[int] = field(default_factory=list[int])
    moved: int = 0
    missing: int = 0
    back: int = 0

    @property
    def changed(self) -> bool:
        """Whether the gallery shows other pictures than before."""
        return bool(self.added or self.moved or self.missing or self.back)


def fingerprint(path: Path) -> str:
    """Sixteen bytes in hex that tell a file again at another place; of a large one size and evenly spaced blocks."""
    digest = hashlib.blake2b(digest_size=16)
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE_BYTES:
            digest.update(file.read())
        else:
            digest.update(str(size).encode())
            for probe in range(_PROBES):
                file.seek((size - _PROBE_BYTES) * probe // (_PROBES - 1))
                digest.update(file.read(_PROBE_BYTES))
    return digest.hexdigest()


def read_picture(path: Path, recipe: Recipe | None = None) -> NewPicture:
    """Read what the gallery keeps of the picture at `path`; its recipe from the file unless it is given.

    A file that is no readable picture is taken in without size and recipe, so that it is seen. `MissingFile`
    where there is none.
    """
    try:
        status = path.stat()
        print_ = fingerprint(path)
    except OSError as error:
        raise MissingFile(f"The picture {path} cannot be read ({error.strerror}); check the path.") from error
    try:
        facts = read_facts(path)
    except MissingFile:
        raise
    except KnownError:
        facts = PictureFacts(0, 0, None)
    return NewPicture(
        path=str(path),
        made=status.st_mtime_ns // 1000,
        bytes=status.st_size,
        modified=status.st_mtime_ns,
        fingerprint=print_,
        width=facts.width,
        height=facts.height,
        recipe=recipe or facts.recipe,
    )


def folder_stamp(folder: Path) -> int | None:
    """When something was last put into `folder` or taken out, in nanoseconds; None where it is not there."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


def scan(store: GalleryStore, folder: Path, leaving: frozenset[int] = frozenset()) -> ScanResult:
    """Bring the gallery up to date with the pictures in `folder` and below; see `scan_steps`."""
    *_, result = scan_steps(store, folder, leaving)
    return result


def scan_steps(store: GalleryStore, folder: Path, leaving: frozenset[int] = frozenset()) -> Iterator[ScanResult]:
    """Bring the gallery up to date in short steps, so that other work gets its turn; yields what was found so far.

    Pictures of the ids `leaving` are on their way to the trash and stay as they are. A folder that is gone (a drive
    that is not there) leaves everything as it is.

    Raises:
        MissingFile: the folder does not exist; the text says what to do.
        KnownError: it cannot be read.
    """
    if not folder.is_dir():
        if not store.known_files(limit=1):
            yield ScanResult()  # before the first picture there is no folder yet, and nothing is missed
            return
        raise MissingFile(
            f"The pictures folder {folder} is not there; connect its drive, or choose another one in Settings."
        )
    try:
        on_disk = dict(_files(folder))
    except PermissionError as error:
        raise KnownError(f"The pictures folder {folder} cannot be read; allow it, or choose another folder.") from error
    result, after = ScanResult(), ""
    yield result
    while known := store.known_files(after):
        after = known[-1][0]
        for path, id, *_ in known:
            if id in leaving:
                on_disk.pop(path, None)
        _compare(store, [row for row in known if row[1] not in leaving], on_disk, folder, result)
        yield result
    unknown = sorted(on_disk, key=lambda path: on_disk[path][1], reverse=True)
    for start in range(0, len(unknown), _PORTION):
        _take_in(store, unknown[start : start + _PORTION], result)
        yield result


def _files(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """(path, (size, time of change)) of each picture in `folder` and its folders, hidden ones left out."""
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif Path(entry.name).suffix.lower() in PICTURE_ENDINGS and entry.is_file():
                    status = entry.stat()
                    yield entry.path, (status.st_size, status.st_mtime_ns)


def _compare(
    store: GalleryStore,
    known: list[tuple[str, int, int, int, int]],
    on_disk: dict[str, tuple[int, int]],
    folder: Path,
    result: ScanResult,
) -> None:
    """Compare rows with files; a file that is as its row says is taken out of `on_disk`."""
    gone, back = list[int](), list[int]()
    for path, id, state, size, modified in known:
        found = on_disk.get(path) or _elsewhere(path, folder)
        if found is None:
            if state == THERE:
                gone.append(id)
        elif found == (size, modified):
            on_disk.pop(path, None)
            if state != THERE:
                back.append(id)
    store.set_state(gone, MISSING)
    store.set_state(back, THERE)
    result.missing += len(gone)
    result.back += len(back)


def _elsewhere(path: str, folder: Path) -> tuple[int, int] | None:
    """Size and time of a picture outside the folder that was scanned, if it is there."""
    if Path(path).is_relative_to(folder):
        return None
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _take_in(store: GalleryStore, paths: list[str], result: ScanResult) -> None:
    pictures: list[NewPicture] = []
    for path in paths:
        try:
            picture = read_picture(Path(path))
        except MissingFile:
            continue  # deleted since the folder was read
        old = next(
            (row for row in store.lost(picture.fingerprint) if row[1] != path and not Path(row[1]).exists()), None
        )
        if old is not None and not store.ids_of([path]):
            store.move(old[0], path, picture.modified)
            result.moved += 1
        else:
            pictures.append(picture)
    result.added += store.add(pictures)

"""Pictures to the system's trash and back."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from engine.errors import KnownError, MissingFile


@dataclass(frozen=True, slots=True)
class Trashed:
    """A file that was at `path` and is in the trash as `kept`; None where the system does not say where."""

    path: str
    kept: str | None


def can_restore() -> bool:
    """Whether the trash of this system gives files back: that of freedesktop.org does, the others do not tell where."""
    return sys.platform not in {"win32", "darwin"}


def to_trash(path: Path) -> Trashed:
    """Move the file at `path` to the system's trash.

    Raises:
        MissingFile: it is not there.
        KnownError: the system refuses.
    """
    from send2trash import send2trash

    if not path.exists():
        raise MissingFile(f"The picture {path} is not there any more; nothing was deleted.")
    if can_restore() and not os.access(path.parent, os.W_OK | os.X_OK):
        # Said before the trash notes a file that then cannot leave its folder.
        raise KnownError(f"The picture {path} cannot be deleted: its folder cannot be written to; allow that first.")
    try:
        send2trash(str(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise KnownError(
            f"The picture {path} cannot go to the trash ({reason}); delete it in a file manager."
        ) from error
    return Trashed(str(path), _kept(path) if can_restore() else None)


def trashed(path: Path) -> Trashed:
    """The file that was at `path` and went to the trash by another way than `to_trash`."""
    return Trashed(str(path), _kept(path) if can_restore() else None)


def restore(trashed: Trashed) -> Path:
    """Bring a file back from the trash to where it was, under a free name if its own is taken; returns its path.

    Raises:
        MissingFile: the trash was emptied, or its folder is gone for good.
    """
    kept = Path(trashed.kept) if trashed.kept else None
    if kept is None or not kept.exists():
        raise MissingFile(f"The picture {trashed.path} is no longer in the trash; it cannot be brought back.")
    target = _free(Path(trashed.path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        kept.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise KnownError(
            f"The picture {target} cannot be brought back ({reason}); it is still in the trash."
        ) from error
    (kept.parent.parent / "info" / f"{kept.name}.trashinfo").unlink(missing_ok=True)
    return target


def _free(path: Path) -> Path:
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return candidate


def _kept(path: Path) -> str | None:
    """Where the trash keeps the file that was at `path`: its note there, the newest if there are several, says so."""
    found: list[tuple[int, str]] = []
    for trash, top in _trashes(path):
        for info in _notes(trash, path.stem):
            try:
                lines = info.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            except OSError:
                continue
            noted = next((unquote(line[5:]) for line in lines if line.startswith("Path=")), "")
            kept = trash / "files" / info.name.removesuffix(".trashinfo")
            if noted and (top / noted).absolute() == path.absolute() and kept.exists():
                found.append((info.stat().st_mtime_ns, str(kept)))
    return max(found)[1] if found else None


def _notes(trash: Path, stem: str) -> list[Path]:
    # The trash numbers files of one name, so the names begin alike.
    folder = trash / "info"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    beginnings = (stem, quote(stem))
    return [folder / name for name in names if name.startswith(beginnings) and name.endswith(".trashinfo")]


def _trashes(path: Path) -> list[tuple[Path, Path]]:
    """(trash folder, folder that relative paths in it begin at) of the home folder and of the file's own disk."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    places = [(data / "Trash", data)]
    import send2trash.plat_other as own  # what it noted at its import counts, should the variable have changed since

    home = Path(str(own.HOMETRASH))
    places.append((home, home.parent))
    top = path.absolute().parent
    while not os.path.ismount(top) and top != top.parent:
        top = top.parent
    user = os.getuid() if hasattr(os, "getuid") else 0
    places += [(top / ".Trash" / str(user), top), (top / f".Trash-{user}", top)]
    return list(dict.fromkeys(places))

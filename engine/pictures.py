"""Picture files: their names, and writing them whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
from datetime import datetime
from pathlib import Path

from engine.errors import InvalidValue, KnownError, MissingFile
from engine.messages import GenerateRequest, OnExisting

_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FIELDS = re.compile(r"\{(\w+)\}")


def picture_name(pattern: str, *, seed: int, prompt: str, now: datetime) -> str:
    """The file name, without its ending, that `pattern` gives; its fields are seed, date, time and prompt.

    Raises:
        InvalidValue: the pattern has another field, or gives no usable name.
    """
    words = "-".join(re.findall(r"[^\W_]+", prompt.lower()))[:40].strip("-")
    values = {"seed": str(seed), "date": f"{now:%Y-%m-%d}", "time": f"{now:%H%M%S}", "prompt": words or "picture"}

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise InvalidValue(
                f"The name pattern {pattern!r} has no value for {match[0]}; use {{{'}, {'.join(values)}}}."
            )
        return values[match[1]]

    name = _FIELDS.sub(value, pattern)
    if not name or name in {".", ".."} or re.search(r"[/\\\0]", name):
        raise InvalidValue(f"The name pattern {pattern!r} gives {name!r}, which is no file name; choose another one.")
    return name


def picture_path(request: GenerateRequest, image: int, now: datetime) -> Path:
    """Where picture `image` of the job goes: explicit names get -2, -3, ... from the second picture on."""
    name = picture_name(request.name, seed=request.seed + image, prompt=request.prompt, now=now)
    if image and "{seed}" not in request.name:
        name = f"{name}-{image + 1}"
    return Path(request.folder) / f"{name}.png"


def check_target(path: Path, on_existing: OnExisting) -> None:
    """Raise a `KnownError` where `path` could not be written, before any work is done for it."""
    folder = path.parent
    if folder.exists() and not folder.is_dir():
        raise InvalidValue(f"{folder} is a file and no folder; choose another one with --out.")
    if not folder.is_dir():
        raise MissingFile(f"The folder {folder} does not exist; create it, or choose another one with --out.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise KnownError(f"The folder {folder} cannot be written to; choose another one with --out.")
    if path.is_dir():
        raise InvalidValue(f"{path} is a folder; give a file name with --out.")
    if on_existing == "fail" and path.exists():
        raise InvalidValue(f"The file {path} exists already; choose another name, or replace it with --overwrite.")


def write_picture(path: Path, content: bytes, on_existing: OnExisting) -> Path:
    """Write `content` to `path`, whole or not at all, and return the path it got.

    The bytes are on the disk before the name appears. Where the file exists, "rename" takes the next free of `name-2`,
    `name-3`, ..., "replace" replaces it, and "fail" raises `InvalidValue`.

    Raises:
        KnownError: the disk is full, or the folder is gone or cannot be written to.
    """
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            final = _publish(temporary, path, on_existing)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        if isinstance(error, KnownError):
            raise
        raise _explained(error, path) from error
    return final


def _publish(temporary: Path, path: Path, on_existing: OnExisting) -> Path:
    """Give the finished file its name; two programs that want the same name at once both keep their pictures."""
    if on_existing == "replace":
        temporary.replace(path)
        return path
    candidate, number = path, 2
    while not _take_name(temporary, candidate):
        if on_existing == "fail":
            raise InvalidValue(f"The file {path} exists already; choose another name, or replace it with --overwrite.")
        candidate, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return candidate


def _take_name(temporary: Path, path: Path) -> bool:
    try:
        os.link(temporary, path)  # fails where the name is taken, which a rename on Linux does not
    except FileExistsError:
        return False
    except OSError:
        # A file system without hard links (FAT, some network drives): the best there is.
        if path.exists():
            return False
        temporary.replace(path)
    return True


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk too, where the system lets folders be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explained(error: OSError, path: Path) -> KnownError:
    if error.errno in _DISK_FULL:
        return KnownError(f"The disk that holds {path.parent} is full; free some space and generate again.")
    if error.errno == errno.ENOTDIR:
        return KnownError(f"{path.parent} is a file and no folder; choose another folder.")
    if error.errno == errno.ENOENT and path.parent.is_dir():
        # One that the system makes up, such as /proc.
        return KnownError(f"The folder {path.parent} takes no new files; choose another one.")
    if error.errno == errno.ENOENT:
        return MissingFile(f"The folder {path.parent} is gone; create it again, or choose another one.")
    return KnownError(f"The picture {path} cannot be written ({error.strerror}); choose another folder.")

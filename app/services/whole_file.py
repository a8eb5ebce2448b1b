"""A file that is whole or absent, also after a crash. No Qt here."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from engine.errors import KnownError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        KnownError: the disk is full, or the folder is gone or cannot be written to.
    """
    temporary = path.parent / f".{os.urandom(8).hex()}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}:
            raise KnownError(f"The disk that holds {path.parent} is full; free some space and try again.") from error
        reason = error.strerror or str(error)
        raise KnownError(f"The file {path} cannot be written ({reason}); choose another folder.") from error

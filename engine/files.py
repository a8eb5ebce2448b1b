"""Small files in and out: JSON read with errors that name the file, writes that are whole or absent."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import BadFile, MissingFile


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; `MissingFile` or `BadFile` when there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingFile(f"{path} is missing; check the folder, or download the model again.") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"{path} is not a text file; download it again.") from error
    except OSError as error:
        raise BadFile(f"{path} cannot be read ({error.strerror}); check that it is a file you may read.") from error
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadFile(f"{path} is not valid JSON (line {error.lineno}: {error.msg}); download it again.") from error
    except RecursionError as error:
        raise BadFile(f"{path} is no JSON that can be read (it nests too deep); download it again.") from error
    if not isinstance(content, dict):
        raise BadFile(f"{path} holds a JSON {type(content).__name__}, not an object; download it again.")
    return content


def to_json(content: dict[str, Any]) -> str:
    """Return `content` as the JSON text that is written to disk: sorted, indented, one newline at the end."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@contextmanager
def atomic_path(path: Path) -> Generator[Path]:
    """Give a temporary path in the folder of `path`, which replaces `path` when the block ends without an error.

    The file is flushed to disk before it gets its name, so a crash leaves the old file or the new one, never a part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    # The only portable way to read the mask is to set it; mkstemp makes files private, ours are the user's to share.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` to `path` as sorted JSON, whole or not at all."""
    write_atomic(path, to_json(content).encode())

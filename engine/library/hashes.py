"""Hashes by which pictures and model sites name a file, read in one pass."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Cancelled

CHUNK_BYTES = 4 * 2**20
_AUTOV3_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Hashes:
    """`sha256` of the whole file (its first ten digits are AutoV2); `autov3` of safetensors without their header."""

    sha256: str
    autov3: str


def hash_file(path: Path, cancel: threading.Event) -> Iterator[int | Hashes]:
    """Hash the file at `path`: yields the bytes read so far now and then, and its `Hashes` at the end.

    Raises:
        Cancelled: `cancel` was set.
        OSError: the file cannot be read.
    """
    whole, body = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as file:
        skip = 0
        if path.suffix.lower() in {".safetensors", ".sft"}:
            skip = 8 + int.from_bytes(file.read(8), "little")
            file.seek(0)
        done = 0
        while chunk := file.read(CHUNK_BYTES):
            if cancel.is_set():
                raise Cancelled
            whole.update(chunk)
            if skip and done + len(chunk) > skip:
                body.update(memoryview(chunk)[max(skip - done, 0) :])
            done += len(chunk)
            yield done
    yield Hashes(whole.hexdigest(), body.hexdigest()[:_AUTOV3_DIGITS] if skip else "")

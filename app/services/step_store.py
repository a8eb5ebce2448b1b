"""How pictures formed, kept beside the database: the small previews of their steps and the keys of the stored states.

One file for each picture, named after a hash of its path: a line of JSON, then the pixels of all previews, deflated.
The oldest files go first once all together exceed the limit. No Qt here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.services.queue_store import request_from_json, request_to_json
from app.services.whole_file import write_whole
from engine.errors import KnownError
from engine.messages import Bitmap, GenerateRequest

log = logging.getLogger(__name__)

LIMIT_BYTES = 256 * 2**20
FORM = 1


@dataclass(frozen=True, slots=True)
class KeptSteps:
    """The steps of one picture: previews by index, keys of stored states by index, how many steps there were."""

    request: GenerateRequest
    previews: Sequence[tuple[int, Bitmap]]
    records: Mapping[int, str]
    total: int


class StepStore:
    """Files in `folder`, of at most `limit_bytes` altogether."""

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit = limit_bytes

    def put(self, picture: str, steps: KeptSteps) -> None:
        """Keep the steps of the picture at this path; `KnownError` where that cannot be written."""
        head = {
            "form": FORM,
            "request": request_to_json(steps.request),
            "records": {str(index): key for index, key in steps.records.items()},
            "total": steps.total,
            "previews": [[index, bitmap.width, bitmap.height] for index, bitmap in steps.previews],
        }
        pixels = zlib.compress(b"".join(bitmap.pixels for _, bitmap in steps.previews), 1)
        write_whole(self._path(picture), json.dumps(head).encode() + b"\n" + pixels)
        self._trim()

    def get(self, picture: str) -> KeptSteps | None:
        """The steps of the picture at this path; None where none are kept, or they cannot be read any more."""
        path = self._path(picture)
        try:
            line, _, pixels = path.read_bytes().partition(b"\n")
            head = json.loads(line)
            if head["form"] != FORM:
                return None
            return _unpacked(head, zlib.decompress(pixels))
        except FileNotFoundError:
            return None
        except (OSError, KnownError, ValueError, KeyError, TypeError, zlib.error) as error:
            log.info("the steps of %s cannot be read: %s", picture, error)
            return None

    def _path(self, picture: str) -> Path:
        return self._folder / f"{hashlib.blake2b(picture.encode(), digest_size=16).hexdigest()}.steps"

    def _trim(self) -> None:
        files = sorted((stat.st_mtime_ns, stat.st_size, path) for path, stat in _stats(self._folder))
        used = sum(size for _, size, _ in files)
        for _, size, path in files[:-1]:
            if used <= self._limit:
                return
            path.unlink(missing_ok=True)
            used -= size


def _stats(folder: Path) -> list[tuple[Path, os.stat_result]]:
    return [(path, path.stat()) for path in folder.glob("*.steps")]


def _unpacked(head: Mapping[str, Any], pixels: bytes) -> KeptSteps:
    previews: list[tuple[int, Bitmap]] = []
    at = 0
    for index, width, height in head["previews"]:
        size = width * height * 3
        if at + size > len(pixels):
            raise ValueError("pixels are missing")
        previews.append((index, Bitmap(width, height, pixels[at : at + size])))
        at += size
    records = {int(index): str(key) for index, key in head["records"].items()}
    return KeptSteps(request_from_json(head["request"]), previews, records, int(head["total"]))

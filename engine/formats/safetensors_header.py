"""The header of a safetensors file, checked as strictly as the format asks.

Eight bytes of length, that many bytes of JSON, then the tensors without gaps:
https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.errors import BadFile, MissingFile
from engine.formats.header import ITEM_SIZES, Header, Stored, elements

# Bytes. The format allows 100 MB; the largest in use have 2, and reading this many takes under a second.
HEADER_LIMIT = 20_000_000


def read_safetensors(path: Path) -> Header:
    """What the safetensors file `path` holds.

    Raises:
        MissingFile: there is no such file.
        BadFile: it cannot be read, is cut short, or is of another format.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(HEADER_LIMIT, size - 8):
                raise BadFile(f"{path} is not a safetensors file, or is cut short; download it again.")
            text = file.read(length)
    except FileNotFoundError as error:
        raise MissingFile(f"{path} is missing; check the folder, or download the model again.") from error
    except OSError as error:
        raise BadFile(f"{path} cannot be read ({error.strerror}); check that it is a file you may read.") from error
    try:
        content = json.loads(text)
        metadata = _metadata(content.pop("__metadata__", None))
        tensors = {name: _stored(path, name, value, 8 + length) for name, value in content.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(f"{path} is not a safetensors file: its header cannot be read; download it again.") from error
    _check_places(path, tensors, 8 + length, size)
    return Header(path, "safetensors", tensors, metadata)


def _metadata(content: Any) -> dict[str, str]:
    return {} if content is None else {str(key): str(value) for key, value in content.items()}


def _stored(path: Path, name: str, value: dict[str, Any], offset: int) -> Stored:
    dtype, shape, (start, end) = value["dtype"], value["shape"], value["data_offsets"]
    # Exact types: true and 1.0 equal 1, but no writer means them.
    if (
        type(start) is not int
        or type(end) is not int
        or not all(type(length) is int and length >= 0 for length in shape)
    ):
        raise BadFile(f"{path}: {name} has the shape {shape!r} at {start!r} to {end!r}; download it again.")
    if dtype not in ITEM_SIZES:
        raise BadFile(f"{path}: {name} has the dtype {dtype!r}, which is not known here; use a float16 file.")
    stored = Stored(dtype, tuple(shape), offset + start, offset + end)
    if end - start != elements(stored.shape) * ITEM_SIZES[dtype] or start < 0:
        raise BadFile(f"{path}: {name} takes {end - start} bytes, which do not fit its shape {list(shape)}.")
    return stored


def _check_places(path: Path, tensors: dict[str, Stored], begin: int, size: int) -> None:
    """Tensors follow each other without gap or overlap, up to the end of the file."""
    at = begin
    for stored in sorted(tensors.values(), key=lambda stored: (stored.start, stored.end)):
        if stored.start != at:
            raise BadFile(f"{path} is damaged: its tensors overlap, or leave gaps; download it again.")
        at = stored.end
    if at > size:
        raise BadFile(f"{path} is cut short: {size:,} of {at:,} bytes; download it again.")
    if at < size:
        raise BadFile(f"{path} is damaged: {size - at:,} bytes follow its last tensor; download it again.")

"""The header of a GGUF file: metadata, then names, shapes, types and places of the tensors.

The reader of the `gguf` library trusts its input; this one bounds every count and length first.
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from engine.errors import BadFile, MissingFile
from engine.formats.header import Header, Stored, elements

MAGIC = b"GGUF"
HEADER_LIMIT = 64_000_000
_COUNT_LIMIT, _TEXT_LIMIT, _DIMENSIONS = 200_000, 1_000_000, 8
# Types of tensors: number -> name, elements of a block, bytes of a block.
TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    20: ("IQ4_NL", 32, 18),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    30: ("BF16", 1, 2),
}
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


class _Reader:
    """Numbers and texts from the front of a file, never past its end or the limit of a header."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content, self.at = path, content, 0

    def take(self, count: int) -> bytes:
        if count > len(self.content) - self.at:
            raise BadFile(f"{self.path} is cut short, or not a GGUF file; download it again.")
        self.at += count
        return self.content[self.at - count : self.at]

    def number(self, code: str) -> Any:
        return struct.unpack(code, self.take(struct.calcsize(code)))[0]

    def count(self, limit: int) -> int:
        value = self.number("<Q")
        if value > limit:
            raise BadFile(f"{self.path} is damaged: a count of {value:,} in its header; download it again.")
        return value

    def text(self) -> str:
        return self.take(self.count(_TEXT_LIMIT)).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind in _NUMBERS:
            return self.number(_NUMBERS[kind])
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            raise BadFile(f"{self.path} is damaged: a value of the kind {kind} in its header; download it again.")
        item, length = self.number("<I"), self.count(2_000_000)
        if item in _NUMBERS:
            width = struct.calcsize(_NUMBERS[item])
            return list(struct.unpack(f"<{length}{_NUMBERS[item][1]}", self.take(length * width)))
        if item != _STRING:
            raise BadFile(f"{self.path} is damaged: an array of the kind {item}; download it again.")
        return [self.text() for _ in range(length)]


def read_gguf(path: Path) -> Header:
    """What the GGUF file `path` holds; numbers and lists of its metadata as text.

    The shapes are in the order of torch, and where the writer noted that it flattened a tensor, as it was before.

    Raises:
        MissingFile: there is no such file.
        BadFile: it is cut short, damaged, of another format, or of a version or a type that is not known here.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            reader = _Reader(path, file.read(HEADER_LIMIT))
    except FileNotFoundError as error:
        raise MissingFile(f"{path} is missing; check the folder, or download the model again.") from error
    except OSError as error:
        raise BadFile(f"{path} cannot be read ({error.strerror}); check that it is a file you may read.") from error
    if reader.take(4) != MAGIC:
        raise BadFile(f"{path} is not a GGUF file; download it again.")
    version = reader.number("<I")
    if version not in (2, 3):
        raise BadFile(f"{path} is a GGUF file of version {version}; only versions 2 and 3 are known: convert it anew.")
    tensors, values = reader.count(_COUNT_LIMIT), reader.count(_COUNT_LIMIT)
    metadata = {reader.text(): reader.value(reader.number("<I")) for _ in range(values)}
    described = [_described(reader) for _ in range(tensors)]
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 1 <= alignment <= 1 << 20:
        raise BadFile(f"{path} is damaged: an alignment of {alignment!r}; download it again.")
    begin = -(-reader.at // alignment) * alignment
    stored = {
        name: _stored(path, begin, metadata, name, shape, kind, offset) for name, shape, kind, offset in described
    }
    end = max((entry.end for entry in stored.values()), default=0)
    if end > size:
        raise BadFile(f"{path} is cut short: {size:,} of {end:,} bytes; download it again.")
    return Header(path, "gguf", stored, {key: _as_text(value) for key, value in metadata.items()})


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)[:10_000]


def _described(reader: _Reader) -> tuple[str, tuple[int, ...], int, int]:
    name, dimensions = reader.text(), reader.number("<I")
    if dimensions > _DIMENSIONS:
        raise BadFile(f"{reader.path} is damaged: {name!r} has {dimensions:,} dimensions; download it again.")
    # GGUF names the fastest dimension first.
    shape = tuple(reader.count(1 << 40) for _ in range(dimensions))[::-1]
    return name, shape, reader.number("<I"), reader.number("<Q")


def _stored(
    path: Path, begin: int, metadata: dict[str, Any], name: str, shape: tuple[int, ...], kind: int, offset: int
) -> Stored:
    if kind not in TYPES:
        raise BadFile(f"{path}: {name} is quantised in the way {kind}, which is not known here; use Q8_0 or Q4_K.")
    type_name, block, size = TYPES[kind]
    count = elements(shape)
    if count % block or (shape and shape[-1] % block):
        raise BadFile(f"{path}: {name} of the shape {list(shape)} cannot be {type_name}; download it again.")
    original = metadata.get(f"comfy.gguf.orig_shape.{name}")
    if isinstance(original, list) and all(type(length) is int for length in original):
        before = tuple(original)
        shape = before if elements(before) == count else shape
    return Stored(type_name, shape, begin + offset, begin + offset + count // block * size)

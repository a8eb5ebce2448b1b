"""What every weights file says about its tensors before any of them is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

Format = Literal["safetensors", "gguf", "pickle"]

# Bytes of one element, under the names of the safetensors header.
ITEM_SIZES: Mapping[str, int] = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U64": 8,
    "U32": 4,
    "U16": 2,
    "U8": 1,
    "BOOL": 1,
}


class Stored(NamedTuple):
    """One tensor of a file: dtype, shape, first and last byte (exclusive) from the file's start.

    `dtype` is a name of the safetensors header or, in GGUF, of a quantisation such as "Q4_K". Tensors of a pickle have
    no bytes of their own: both places are 0.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """What the file at `path` holds: tensors by name, and texts beside them (for a pickle its top-level numbers)."""

    path: Path
    format: Format
    tensors: Mapping[str, Stored]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


def elements(shape: tuple[int, ...]) -> int:
    """The number of elements of a tensor of this shape."""
    count = 1
    for length in shape:
        count *= length
    return count

"""`read_header`: what any file of weights holds, by its suffix and first bytes."""

from __future__ import annotations

from pathlib import Path

from engine.errors import BadFile, MissingFile
from engine.formats.gguf_header import read_gguf
from engine.formats.header import Header
from engine.formats.pickle_check import PICKLE_SUFFIXES, read_pickled
from engine.formats.safetensors_header import read_safetensors

SAFETENSORS_SUFFIXES = frozenset({".safetensors", ".sft"})
WEIGHT_SUFFIXES = SAFETENSORS_SUFFIXES | PICKLE_SUFFIXES | {".gguf"}


def read_header(path: Path) -> Header:
    """What the file `path` holds, from its header (of a pickle: checked, not obeyed).

    Raises:
        MissingFile: there is no such file.
        BadFile: it is damaged, carries code, or its name ends in none of `WEIGHT_SUFFIXES`.
    """
    suffix = path.suffix.lower()
    if suffix in SAFETENSORS_SUFFIXES:
        return read_safetensors(path)
    if suffix == ".gguf":
        return read_gguf(path)
    if suffix in PICKLE_SUFFIXES:
        return read_pickled(path)
    if not path.exists():
        raise MissingFile(f"{path} is missing; check the path.")
    raise BadFile(f"{path} is not a file of weights; its name must end in {', '.join(sorted(WEIGHT_SUFFIXES))}.")

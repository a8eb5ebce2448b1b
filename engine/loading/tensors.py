"""Reads single tensors of small files (adapters, embeddings), whatever their format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from engine.errors import BadFile
from engine.weights import load_tensors, read_entries


def read_tensors(path: Path, keys: Sequence[str]) -> dict[str, Tensor]:
    """Return the tensors `keys` of the file `path`: mapped, of a pickled file from its checked conversion.

    Raises:
        MissingFile, BadFile: it is missing, damaged, or carries code.
    """
    entries = read_entries([path])
    missing = [key for key in keys if key not in entries]
    if missing:
        raise BadFile(f"{path} is damaged: {missing[0]} cannot be read from it; download it again, as safetensors.")
    return dict(load_tensors({key: entries[key] for key in keys}, None))

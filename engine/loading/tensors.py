"""Reads single tensors of small files (adapters, embeddings), whatever their format, after the file was checked."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from engine.errors import BadFile
from engine.formats.pickle_check import PICKLE_SUFFIXES, flatten, read_pickled
from engine.weights import UNREADABLE, load_tensors, read_header


def read_tensors(path: Path, keys: Sequence[str]) -> dict[str, Tensor]:
    """Return the tensors `keys` of the file `path`: mapped if it is safetensors, read without obeying it if pickled.

    Raises:
        MissingFile, BadFile: it is missing, damaged, or carries code.
    """
    if path.suffix.lower() in PICKLE_SUFFIXES:
        content = read_checked_pickle(path)
        return {key: content[key] for key in keys}
    entries = read_header(path)
    return dict(load_tensors({key: entries[key] for key in keys}, None))


def read_checked_pickle(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a file of `torch.save`, by name, after the check that it carries no code."""
    read_pickled(path)
    try:
        # Embeddings of A1111 may be a ParameterDict, which the check allows and torch alone does not.
        with torch.serialization.safe_globals([nn.ParameterDict]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except UNREADABLE as error:
        reason = str(error).partition("\n")[0][:200]
        raise BadFile(f"{path} is damaged ({reason}); download it again, as safetensors.") from error
    if isinstance(content, dict):
        content = {key: _as_dict(value) for key, value in cast("dict[Any, Any]", content).items()}
    return {key: tensor.detach() for key, tensor in flatten(content, lambda value: isinstance(value, Tensor)).items()}


def _as_dict(value: Any) -> Any:
    return {**value.__dict__["_parameters"]} if isinstance(value, nn.ParameterDict) else value

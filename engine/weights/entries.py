"""Where the tensors of a model lie: in which files, and where in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from engine.errors import BadFile, MissingFile, MissingVariant
from engine.files import read_json
from engine.formats.header import ITEM_SIZES, Header, Stored
from engine.formats.pickle_check import PICKLE_SUFFIXES
from engine.formats.pickle_convert import as_safetensors
from engine.formats.read import read_header as read_any

# Names of the safetensors header, https://github.com/huggingface/safetensors#format
DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
SAFETENSORS, PICKLED = ".safetensors", ".bin"


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies: file, dtype, shape, and first and last byte (exclusive).

    Attributes:
        quantisation: how GGUF packed it, such as "Q4_K", or "". The dtype is then that of the bytes.
        transposed: the file holds the matrix with rows for columns; `shape` is that of the result.
        scale: one number, or one for each row, by which the stored values are multiplied (scaled 8-bit floats).
    """

    path: Path
    key: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int = 0
    end: int = 0
    quantisation: str = ""
    transposed: bool = False
    scale: Entry | None = None


def entries_of(header: Header) -> dict[str, Entry]:
    """The tensors of a safetensors or GGUF file by name."""
    return {name: _entry(header.path, name, stored) for name, stored in header.tensors.items()}


def _entry(path: Path, name: str, stored: Stored) -> Entry:
    plain = stored.dtype in ITEM_SIZES
    dtype = DTYPES[stored.dtype] if plain else torch.uint8
    return Entry(path, name, dtype, stored.shape, stored.start, stored.end, "" if plain else stored.dtype)


def read_file(path: Path) -> Header:
    """What the file `path` holds, with its tensors in reach; of a pickled file that is its checked conversion.

    Raises `MissingFile`, or `BadFile` where the file is damaged, carries code, or is of another format.
    """
    header = read_any(path)
    return as_safetensors(path, header) if header.format == "pickle" else header


def read_header(path: Path) -> dict[str, Entry]:
    """The tensors of the file `path`; raises as `read_file`."""
    return entries_of(read_file(path))


def read_entries(paths: Iterable[Path]) -> dict[str, Entry]:
    """The tensors of all `paths` together."""
    entries: dict[str, Entry] = {}
    for path in paths:
        entries |= read_header(path)
    return entries


# -------------------------------------------------------------------------------------------------- folders


def weight_files(folder: Path, names: Sequence[str], variant: str | None = None) -> list[Path]:
    """Return the files of the weights in `folder` called by the first of `names` that is there: one, or its shards.

    `names` are such as `model.safetensors`. Without a `variant` of its own a file counts only if it has none; a wanted
    variant that is absent is an error that lists what is present.
    """
    for name in names:
        single = folder / "".join(stem_and_suffix(name, variant))
        if single.is_file():
            return [single]
        for index in index_names(name, variant):
            if (folder / index).is_file():
                return _shards(folder / index)
    if not folder.is_dir():
        raise MissingFile(f"The folder {folder} is missing; check the path, or download the model again.")
    wanted = folder / "".join(stem_and_suffix(names[0], variant))
    present = sorted(path.name for path in folder.iterdir() if path.suffix in {SAFETENSORS, *PICKLE_SUFFIXES})
    found = f"it holds {', '.join(present)}" if present else "it holds no weights"
    if variant:
        raise MissingVariant(f"{wanted} is missing ({found}); choose another variant.")
    raise MissingFile(f"{wanted} is missing ({found}); download the model as safetensors, or name the variant.")


def stem_and_suffix(name: str, variant: str | None) -> tuple[str, str]:
    """The two parts of a file name, with the variant between them."""
    path = Path(name)
    return f"{path.stem}.{variant}" if variant else path.stem, path.suffix


def index_names(name: str, variant: str | None) -> list[str]:
    """What the list of shards may be called."""
    if not variant:
        return [f"{name}.index.json"]
    # Two spellings are on the hub: the variant before and after the word index.
    return [f"{name}.index.{variant}.json", f"{name}.{variant}.index.json"]


def _shards(index: Path) -> list[Path]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise BadFile(f"{index} has no weight_map; download it again.")
    shards = [index.parent / Path(str(file)).name for file in sorted(set(cast("dict[str, str]", weight_map).values()))]
    for shard in shards:
        if not shard.is_file():
            raise MissingFile(f"{shard}, which {index.name} names, is missing; download the model again.")
    return shards

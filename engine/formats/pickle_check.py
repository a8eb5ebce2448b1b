"""Checks files of `torch.save` (`.ckpt`, `.pt`, `.pth`, `.bin`) with the standard library: what they hold, and no more.

Since torch 1.6 such a file is a zip archive of one pickle and the tensors' bytes, before that several pickles in a
row. Archive and pickle are bounded, and the pickle is read on inert values (`pickle_machine`): a file with code in it
is refused with what it would have run.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from engine.errors import BadFile, MissingFile
from engine.formats.header import ITEM_SIZES, Header, Stored
from engine.formats.pickle_machine import MALFORMED, Machine, Refused, Storage

PICKLE_SUFFIXES = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl"})
PICKLE_LIMIT = 24_000_000  # bytes; that of Stable Diffusion XL has 0.5 MB
ENTRIES_LIMIT = 20_000
DIRECTORY_LIMIT = 8_000_000  # bytes of the list of entries
# The number with which files of before torch 1.6 begin, as a pickle.
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_ARCHIVE_ERRORS = (zipfile.BadZipFile, NotImplementedError, struct.error, OSError, *MALFORMED)
_REMEDY = "download the model as safetensors from somebody you trust"


def read_pickled(path: Path) -> Header:
    """What the file `path` of `torch.save` holds, without obeying it; numbers and texts beside the tensors as metadata.

    Raises:
        MissingFile: there is no such file.
        BadFile: it is damaged, out of bounds, of another kind, or carries code; the text says which.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(LEGACY_START))
            content = _read_legacy(path, file) if start == LEGACY_START else _read_archive(path, file, start)
    except FileNotFoundError as error:
        raise MissingFile(f"{path} is missing; check the folder, or download the model again.") from error
    except OSError as error:
        raise BadFile(f"{path} cannot be read ({error.strerror}); check that it is a file you may read.") from error
    tensors = flatten(content, lambda value: isinstance(value, Stored))
    return Header(path, "pickle", cast("Mapping[str, Stored]", tensors), _texts(content))


def flatten(content: Any, is_tensor: Callable[[Any], bool]) -> dict[str, Any]:
    """The tensors of a checkpoint by name: those of its `state_dict` where it has one, else of all its levels.

    Copies of a trainer that are no part of the model (averages, the optimiser's state) are left out.
    """
    if isinstance(content, dict):
        inner = cast("dict[Any, Any]", content).get("state_dict")
        if isinstance(inner, dict) and any(is_tensor(value) for value in cast("dict[Any, Any]", inner).values()):
            content = cast("dict[Any, Any]", inner)
    found: dict[str, Any] = {}
    pending: list[tuple[str, Any, int]] = [("", content, 0)]
    while pending:
        name, value, depth = pending.pop()
        if is_tensor(value):
            found[name or "tensor"] = value
        elif depth < 8 and isinstance(value, (dict, list, tuple)):
            items = (
                cast("dict[Any, Any]", value).items()
                if isinstance(value, dict)
                else enumerate(cast("list[Any]", value))
            )
            children = [(f"{name}.{key}" if name else str(key), item, depth + 1) for key, item in items]
            pending += [child for child in reversed(children) if not child[0].startswith(_LEFT_OUT)]
    return found


_LEFT_OUT = ("model_ema.", "optimizer_states", "optimizer.")


def _texts(content: Any) -> dict[str, str]:
    if not isinstance(content, dict):
        return {}
    plain = cast("dict[Any, Any]", content).items()
    return {str(key): str(value)[:10_000] for key, value in plain if isinstance(value, (str, int, float))}


def _run(path: Path, stream: BytesIO, machine: Machine) -> Any:
    try:
        return machine.run(stream)
    except Refused as error:
        raise BadFile(f"{path} is refused, because {error}; {_REMEDY}.") from error
    except MALFORMED as error:
        raise BadFile(
            f"{path} is damaged: its list of tensors cannot be read; download the model as safetensors."
        ) from error


# -------------------------------------------------------------------------------------------------- archives


def _read_archive(path: Path, file: BinaryIO, start: bytes) -> Any:
    if not start.startswith(b"PK\x03\x04"):
        raise BadFile(f"{path} is not a file of weights that torch wrote, or is damaged; {_REMEDY}.")
    _check_directory(path, file)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = _checked_entries(path, archive, file.seek(0, 2))
            root = next(
                (
                    name.removesuffix("data.pkl")
                    for name in entries
                    if name.count("/") == 1 and name.endswith("/data.pkl")
                ),
                None,
            )
            if root is None:
                raise BadFile(f"{path} is an archive, but not one of weights that torch wrote; {_REMEDY}.")
            if any(name.startswith(f"{root}code/") for name in entries):
                raise BadFile(f"{path} is refused, because it holds a TorchScript program; {_REMEDY}.")
            if entries[f"{root}data.pkl"].file_size > PICKLE_LIMIT:
                raise BadFile(f"{path} is refused, because its list of tensors is larger than {PICKLE_LIMIT:,} bytes.")
            pickled = archive.read(f"{root}data.pkl")
    except _ARCHIVE_ERRORS as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(f"{path} is damaged: its archive cannot be read; download the model as safetensors.") from error
    storages: dict[str, Storage] = {}
    content = _run(path, BytesIO(pickled), Machine(storages))
    for storage in storages.values():
        entry = entries.get(f"{root}data/{storage.key}")
        if entry is None or entry.file_size < storage.length * ITEM_SIZES[storage.dtype]:
            raise BadFile(
                f"{path} is damaged: the part {storage.key} is missing or cut short; download the model as safetensors."
            )
    return content


def _check_directory(path: Path, file: BinaryIO) -> None:
    """Bound the list of entries before `zipfile` reads it."""
    size = file.seek(0, 2)
    file.seek(max(size - 65_557 - 76, 0))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise BadFile(f"{path} is cut short: the end of its archive is missing; download the model as safetensors.")
    count, length = struct.unpack("<HI", tail[at + 10 : at + 16])
    wide = tail.rfind(b"PK\x06\x06", 0, at)
    if 0 <= wide and len(tail) >= wide + 56:
        count, length = struct.unpack("<QQ", tail[wide + 32 : wide + 48])
    if count > ENTRIES_LIMIT or length > DIRECTORY_LIMIT:
        raise BadFile(f"{path} is refused, because its archive lists {count:,} parts in {length:,} bytes.")


def _checked_entries(path: Path, archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    total = 0
    for entry in archive.infolist():
        name = entry.filename
        if name in entries or re.search(r"^[/\\]|\\|^[A-Za-z]:|(^|/)\.\.?(/|$)|[\x00-\x1f]", name):
            raise BadFile(f"{path} is refused, because its archive has a part called {name[:100]!r}.")
        # torch stores its parts as they are; only a bomb needs more room than the file itself.
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise BadFile(f"{path} is refused, because {name[:100]} in it is packed; {_REMEDY}.")
        if entry.flag_bits & 0x1:
            raise BadFile(f"{path} is refused, because {name[:100]} in it is encrypted; {_REMEDY}.")
        total += entry.file_size
        entries[name] = entry
    if total > size:
        raise BadFile(
            f"{path} is damaged: its parts take {total:,} bytes of {size:,}; download the model as safetensors."
        )
    return entries


# -------------------------------------------------------------------------------------------------- before torch 1.6


def _read_legacy(path: Path, file: BinaryIO) -> Any:
    size = file.seek(0, 2)
    file.seek(0)
    stream = BytesIO(file.read(PICKLE_LIMIT))
    storages: dict[str, Storage] = {}
    machine = Machine(storages)
    for _ in range(3):  # the magic number, the version of the format, facts of the writing machine
        _run(path, stream, machine)
    content = _run(path, stream, machine)
    keys = _run(path, stream, machine)
    if not isinstance(keys, list) or {str(key) for key in cast("list[Any]", keys)} != set(storages):
        raise BadFile(f"{path} is damaged: its list of parts does not fit; download the model as safetensors.")
    # Each part is preceded by its length in eight bytes.
    needed = stream.tell() + sum(8 + storage.length * ITEM_SIZES[storage.dtype] for storage in storages.values())
    if needed > size:
        raise BadFile(f"{path} is cut short: {size:,} of {needed:,} bytes; download the model as safetensors.")
    return content

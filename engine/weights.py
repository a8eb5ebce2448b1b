"""Weights in and out: files, shards, variants, and modules filled from them without a second copy.

The format is safetensors. Files of `torch.save` (`.bin`), which older models have, are read and written too; no code in
them is run.

A module is built on the meta device, where tensors have shapes but no memory, and each tensor of the file is assigned
to it. Where the dtype is kept the tensors are views of the memory-mapped file. Where it changes each tensor is read
into a buffer of its own and converted, because pages of a mapped file that were only passed through would stay counted
as memory of the process.
"""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.overrides import TorchFunctionMode

from engine.errors import BadFile, BugError, InvalidValue, MissingFile, MissingVariant, WeightsMismatch
from engine.files import atomic_path, read_json, write_json

# Names of the safetensors header, https://github.com/huggingface/safetensors#format
DTYPES: dict[str, torch.dtype] = {
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
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
SAFETENSORS, PICKLED = ".safetensors", ".bin"
# What the reader of pickled files raises for damaged ones, and for those that hold code.
UNREADABLE = (pickle.PickleError, RuntimeError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError)
HEADER_LIMIT = 100_000_000  # bytes; the format's own limit
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies: file, dtype, shape, and first and last byte (exclusive) in a safetensors file."""

    path: Path
    key: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int = 0
    end: int = 0


def read_header(path: Path) -> dict[str, Entry]:
    """Return what the safetensors file `path` holds, reading its header only.

    Raises `MissingFile`, or `BadFile` where the file is cut short or of another format.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(HEADER_LIMIT, size - 8):
                raise BadFile(f"{path} is not a safetensors file, or is cut short; download it again.")
            header = json.loads(file.read(length))
            entries = {
                key: _entry(path, key, value, 8 + length) for key, value in header.items() if key != "__metadata__"
            }
    except FileNotFoundError as error:
        raise MissingFile(f"{path} is missing; check the folder, or download the model again.") from error
    except OSError as error:
        raise BadFile(f"{path} cannot be read ({error.strerror}); check that it is a file you may read.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(f"{path} is not a safetensors file: its header cannot be read; download it again.") from error
    end = max((entry.end for entry in entries.values()), default=0)
    if end > size:
        raise BadFile(f"{path} is cut short: {size:,} of {end:,} bytes; download it again.")
    return entries


def _entry(path: Path, key: str, value: dict[str, Any], offset: int) -> Entry:
    if value["dtype"] not in DTYPES:
        raise BadFile(f"{path}: {key} has the dtype {value['dtype']!r}, which is not known here; use a float16 file.")
    start, end = value["data_offsets"]
    dtype, shape = DTYPES[value["dtype"]], tuple(int(length) for length in value["shape"])
    count = 1
    for length in shape:
        count *= length
    if end - start != count * dtype.itemsize or start < 0:
        raise BadFile(f"{path}: {key} takes {end - start} bytes, which do not fit its shape {list(shape)}.")
    return Entry(path, key, dtype, shape, offset + start, offset + end)


def weight_files(folder: Path, names: Sequence[str], variant: str | None = None) -> list[Path]:
    """Return the files of the weights in `folder` called by the first of `names` that is there: one, or its shards.

    `names` are such as `model.safetensors`. Without a `variant` of its own a file counts only if it has none; a wanted
    variant that is absent is an error that lists what is present.
    """
    for name in names:
        single = folder / "".join(_stem_and_suffix(name, variant))
        if single.is_file():
            return [single]
        for index in _index_names(name, variant):
            if (folder / index).is_file():
                return _shards(folder / index)
    if not folder.is_dir():
        raise MissingFile(f"The folder {folder} is missing; check the path, or download the model again.")
    wanted = folder / "".join(_stem_and_suffix(names[0], variant))
    present = sorted(path.name for path in folder.iterdir() if path.suffix in (SAFETENSORS, PICKLED))
    found = f"it holds {', '.join(present)}" if present else "it holds no weights"
    if variant:
        raise MissingVariant(f"{wanted} is missing ({found}); choose another variant.")
    raise MissingFile(f"{wanted} is missing ({found}); download the model as safetensors, or name the variant.")


def _stem_and_suffix(name: str, variant: str | None) -> tuple[str, str]:
    path = Path(name)
    return f"{path.stem}.{variant}" if variant else path.stem, path.suffix


def _index_names(name: str, variant: str | None) -> list[str]:
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


def read_entries(paths: Iterable[Path]) -> dict[str, Entry]:
    """Return the tensors of all `paths` together."""
    entries: dict[str, Entry] = {}
    for path in paths:
        entries |= read_header(path) if path.suffix == SAFETENSORS else _pickled_entries(path)
    return entries


def _pickled_entries(path: Path) -> dict[str, Entry]:
    return {key: Entry(path, key, tensor.dtype, tuple(tensor.shape)) for key, tensor in _open_pickled(path).items()}


def _open_pickled(path: Path) -> dict[str, torch.Tensor]:
    """Return what `torch.save` wrote into `path`, mapped unless the file is of before 2020; runs no code of the file.

    Raises `BadFile` for anything but tensors by name.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except UNREADABLE as error:
        raise BadFile(f"{path} is damaged, or holds more than weights; download the model as safetensors.") from error
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise BadFile(f"{path} does not hold weights by name; download the model as safetensors.")
    return {str(key): tensor.detach() for key, tensor in content.items()}


def load_tensors(entries: Mapping[str, Entry], dtype: torch.dtype | None) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield each tensor of `entries`: mapped where its dtype is kept, read and converted where it changes.

    Integer and boolean tensors keep their dtype. `dtype` None keeps all.
    """
    by_path: dict[Path, dict[str, Entry]] = {}
    for name, entry in entries.items():
        by_path.setdefault(entry.path, {})[name] = entry
    for path, own in by_path.items():
        if path.suffix != SAFETENSORS:
            tensors = _open_pickled(path)
            yield from ((name, _converted(tensors[entry.key], dtype)) for name, entry in own.items())
            continue
        kept = {name: entry for name, entry in own.items() if not _changes(entry.dtype, dtype)}
        if kept:
            yield from _map_tensors(path, kept)
        for name, entry in sorted(own.items(), key=lambda item: item[1].start):
            if name not in kept:
                yield name, _read_tensor(entry).to(dtype)


def _changes(stored: torch.dtype, wanted: torch.dtype | None) -> bool:
    return wanted is not None and stored.is_floating_point and stored != wanted


def _converted(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    return tensor.to(dtype) if _changes(tensor.dtype, dtype) else tensor


def _map_tensors(path: Path, entries: Mapping[str, Entry]) -> Iterator[tuple[str, torch.Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            for name, entry in entries.items():
                yield name, file.get_tensor(entry.key)
    except SafetensorError as error:
        raise BadFile(f"{path} is damaged ({error}); download it again.") from error


def _read_tensor(entry: Entry) -> torch.Tensor:
    buffer = bytearray(entry.end - entry.start)
    with entry.path.open("rb", buffering=0) as file:
        file.seek(entry.start)
        view = memoryview(buffer)
        while view and (count := file.readinto(view)):
            view = view[count:]
    if view:
        raise BadFile(f"{entry.path} is cut short at {entry.key}; download it again.")
    if not buffer:
        return torch.empty(entry.shape, dtype=entry.dtype)
    return torch.frombuffer(buffer, dtype=entry.dtype).reshape(entry.shape)


def build_on_meta(make: Callable[[], Module]) -> Module:
    """Return `make()` with every parameter and buffer on the meta device: shapes without memory or first values."""
    with torch.device("meta"), _WithoutFirstValues():
        return make()


class _WithoutFirstValues(TorchFunctionMode):
    """Leaves out `torch.nn.init`: on the meta device it has no effect, but imports the compiler (one second)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        return func(*args, **(kwargs or {}))


def fill_module(module: nn.Module, entries: Mapping[str, Entry], dtype: torch.dtype | None) -> None:
    """Give the meta `module` the tensors of `entries`, which must have its keys and shapes exactly.

    Raises `WeightsMismatch` with the file and the first key that does not fit.
    """
    check_fit(module, {name: entry.shape for name, entry in entries.items()}, _where(entries))
    module.load_state_dict(dict(load_tensors(entries, dtype)), strict=True, assign=True)
    left = [name for name, tensor in _tensors(module) if tensor.is_meta]
    if left:
        raise BugError(f"{type(module).__name__}: {left[0]} is not in the state dict, so no weights reach it")


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _where(entries: Mapping[str, Entry]) -> str:
    paths = sorted({entry.path for entry in entries.values()})
    return str(paths[0] if len(paths) == 1 else paths[0].parent) if paths else "the file (it is empty)"


def check_fit(module: nn.Module, shapes: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Raise `WeightsMismatch` unless `shapes` are those of the state dict of `module`; `where` names the file."""
    name = type(module).__name__
    wanted = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    missing = [key for key in wanted if key not in shapes]
    extra = [key for key in shapes if key not in wanted]
    remedy = "check that config.json and the weights belong to the same model"
    if missing:
        raise WeightsMismatch(f"{where} lacks {missing[0]}{_more(missing)}, which {name} needs; {remedy}.")
    if extra:
        raise WeightsMismatch(f"{where} holds {extra[0]}{_more(extra)}, which {name} does not have; {remedy}.")
    for key, shape in wanted.items():
        if tuple(shapes[key]) != shape:
            raise WeightsMismatch(
                f"{where}: {key} has the shape {list(shapes[key])}, but the configuration asks for {list(shape)}; "
                f"{remedy}."
            )


def _more(keys: list[str]) -> str:
    return f" and {len(keys) - 1} more" if len(keys) > 1 else ""


def save_weights(
    tensors: Mapping[str, torch.Tensor],
    folder: Path,
    names: Sequence[str],
    max_shard_size: int | str = "10GB",
    variant: str | None = None,
) -> list[Path]:
    """Write `tensors` under the first of `names` into `folder`, in shards with an index above `max_shard_size`.

    Weights that the folder held under any of `names` in the same variant are replaced. Returns the files written.
    """
    shards = _split(tensors, parse_size(max_shard_size))
    stem, suffix = _stem_and_suffix(names[0], variant)
    if len(shards) == 1:
        files = {f"{stem}{suffix}": shards[0]}
    else:
        files = {f"{stem}-{i:05d}-of-{len(shards):05d}{suffix}": shard for i, shard in enumerate(shards, 1)}
    for file, shard in files.items():
        with atomic_path(folder / file) as temporary:
            _write(shard, temporary, suffix)
    written = set(files)
    if len(shards) > 1:
        index = _index_names(names[0], variant)[0]
        total = sum(tensor.nbytes for tensor in tensors.values())
        weight_map = {key: file for file, shard in files.items() for key in shard}
        write_json(folder / index, {"metadata": {"total_size": total}, "weight_map": weight_map})
        written.add(index)
    for path in folder.iterdir():
        if path.name not in written and any(_belongs(path.name, name, variant) for name in names):
            path.unlink()
    return [folder / file for file in files]


def _write(tensors: Mapping[str, torch.Tensor], path: Path, suffix: str) -> None:
    plain = {key: tensor.detach().contiguous() for key, tensor in tensors.items()}
    if suffix == SAFETENSORS:
        save_file(plain, path, {"format": "pt"})
    else:
        torch.save(plain, path)


def _belongs(file: str, name: str, variant: str | None) -> bool:
    """Whether `file` is, or is a shard or the index of, the weights called `name` in this variant."""
    stem, suffix = _stem_and_suffix(name, variant)
    pattern = re.escape(stem) + r"(-\d{5}-of-\d{5})?" + re.escape(suffix)
    return re.fullmatch(pattern, file) is not None or file in _index_names(name, variant)


def _split(tensors: Mapping[str, torch.Tensor], limit: int) -> list[dict[str, torch.Tensor]]:
    shards: list[dict[str, torch.Tensor]] = [{}]
    used = 0
    for key, tensor in tensors.items():
        if shards[-1] and used + tensor.nbytes > limit:
            shards.append({})
            used = 0
        shards[-1][key] = tensor
        used += tensor.nbytes
    return shards


def parse_size(size: int | str) -> int:
    """Return the number of bytes of `size`: a number, or text such as `"10GB"` (decimal) or `"2GiB"`."""
    if isinstance(size, int):
        return size
    match = re.fullmatch(r"(\d+)\s*([KMGT])(i?)B", size.strip(), re.IGNORECASE)
    if match is None:
        raise InvalidValue(f"max_shard_size cannot be {size!r}; write it as 5GB, 500MB or a number of bytes.")
    number, unit, binary = match.groups()
    return int(number) * (1024 if binary else 1000) ** (" KMGT".index(unit.upper()))

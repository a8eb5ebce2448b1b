"""Weights written: whole or not at all, in one file or in shards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file

from engine.errors import InvalidValue
from engine.files import atomic_path, write_json
from engine.weights.entries import DTYPES, SAFETENSORS, index_names, stem_and_suffix

_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_safetensors(
    path: Path,
    layout: Mapping[str, tuple[torch.dtype, tuple[int, ...]]],
    tensor_of: Callable[[str], torch.Tensor],
    metadata: Mapping[str, str],
) -> None:
    """Write a safetensors file of the tensors in `layout` (dtype and shape by name), asking for one at a time.

    So a file larger than the memory can be written. The file appears under its name only when it is whole.
    """
    ordered = sorted(layout, key=lambda name: (-layout[name][0].itemsize, name))
    header: dict[str, object] = {"__metadata__": {"format": "pt", **metadata}}
    at = 0
    for name in ordered:
        dtype, shape = layout[name]
        size = dtype.itemsize
        for length in shape:
            size *= length
        header[name] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in ordered:
            dtype, shape = layout[name]
            tensor = tensor_of(name).to(dtype)
            if tuple(tensor.shape) != shape:
                raise InvalidValue(f"{name} has the shape {list(tensor.shape)}, not {list(shape)}; it cannot be saved.")
            if tensor.numel():
                file.write(cast("Any", tensor.contiguous().view(-1).view(torch.uint8).numpy()))


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
    stem, suffix = stem_and_suffix(names[0], variant)
    if len(shards) == 1:
        files = {f"{stem}{suffix}": shards[0]}
    else:
        files = {f"{stem}-{i:05d}-of-{len(shards):05d}{suffix}": shard for i, shard in enumerate(shards, 1)}
    for file, shard in files.items():
        with atomic_path(folder / file) as temporary:
            _write(shard, temporary, suffix)
    written = set(files)
    if len(shards) > 1:
        index = index_names(names[0], variant)[0]
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
    stem, suffix = stem_and_suffix(name, variant)
    pattern = re.escape(stem) + r"(-\d{5}-of-\d{5})?" + re.escape(suffix)
    return re.fullmatch(pattern, file) is not None or file in index_names(name, variant)


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

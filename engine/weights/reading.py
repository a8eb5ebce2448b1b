"""Tensors out of files: mapped where they are kept as they are, read in pieces by several threads where they change."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from engine.errors import BadFile
from engine.weights.entries import Entry

# Bytes read at a time: small enough for the processor's cache, large enough to make the calls cheap.
PIECE = 1 << 20


def load_tensors(entries: Mapping[str, Entry], dtype: torch.dtype | None) -> Iterator[tuple[str, Tensor]]:
    """Yield each tensor of `entries`: mapped where its dtype is kept, read and converted where it changes.

    Integer and boolean tensors keep their dtype; quantised and scaled ones become `dtype`, float32 if None. `dtype`
    None keeps all others. Raises `BadFile` where a file became shorter meanwhile.
    """
    kept = {name: entry for name, entry in entries.items() if _is_kept(entry, dtype)}
    yield from _mapped(kept)
    others = sorted(((name, entry) for name, entry in entries.items() if name not in kept), key=_place)
    if not others:
        return
    with _Readers() as readers:
        workers = min(4, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers, thread_name_prefix="weights") as pool:
            yield from pool.map(lambda item: (item[0], readers.read(item[1], dtype)), others)


def load_tensor(entry: Entry, dtype: torch.dtype | None) -> Tensor:
    """The one tensor of `entry`, as `load_tensors` has it."""
    return next(load_tensors({entry.key: entry}, dtype))[1]


def scale_of(entry: Entry, scale: Tensor) -> Tensor:
    """`scale` in a shape that multiplies the tensor of `entry`: one number, or one for each row.

    Raises `BadFile` where it has another number of them.
    """
    if scale.numel() == 1:
        return scale.reshape(())
    if entry.shape and scale.numel() == entry.shape[0]:
        return scale.reshape(-1, *[1] * (len(entry.shape) - 1))
    raise BadFile(
        f"{entry.path}: {entry.key} is scaled by {scale.numel()} numbers, which is known for one or for one a row "
        f"({entry.shape[0] if entry.shape else 1}); use a float16 file."
    )


def _place(item: tuple[str, Entry]) -> tuple[str, int]:
    return str(item[1].path), item[1].start


def _is_kept(entry: Entry, dtype: torch.dtype | None) -> bool:
    if entry.quantisation or entry.transposed or entry.scale is not None or entry.start % entry.dtype.itemsize:
        return False
    return dtype is None or not entry.dtype.is_floating_point or entry.dtype == dtype


def _mapped(entries: Mapping[str, Entry]) -> Iterator[tuple[str, Tensor]]:
    storages: dict[Path, torch.UntypedStorage] = {}
    for name, entry in entries.items():
        if entry.end == entry.start:
            yield name, torch.empty(entry.shape, dtype=entry.dtype)
            continue
        if entry.path not in storages:
            storages[entry.path] = map_file(entry.path)
        yield name, view_of(storages[entry.path], entry)


def map_file(path: Path) -> torch.UntypedStorage:
    """The bytes of the file, in memory only where they are looked at; changes to them stay in this process."""
    try:
        mapped = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=path.stat().st_size)
        return cast("torch.UntypedStorage", mapped)
    except (RuntimeError, OSError) as error:
        raise BadFile(f"{path} cannot be mapped into memory ({error}); copy it to another disk.") from error


def view_of(storage: torch.UntypedStorage, entry: Entry) -> Tensor:
    """The tensor of `entry` in the mapped file."""
    if entry.end > storage.nbytes():
        raise BadFile(f"{entry.path} is cut short at {entry.key}; download it again.")
    offset = entry.start // entry.dtype.itemsize
    return cast("Any", torch.empty(0, dtype=entry.dtype)).set_(storage, offset, entry.shape)


class _Readers:
    """Reads and converts; open files are shared, each thread has a buffer of its own."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._files: dict[Path, Any] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> _Readers:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def read(self, entry: Entry, dtype: torch.dtype | None) -> Tensor:
        """The tensor of `entry` in `dtype`."""
        if entry.quantisation:
            from engine.weights.quantised import dequantise

            packed = torch.empty(entry.end - entry.start, dtype=torch.uint8)
            self._fill(entry, packed)
            return dequantise(packed, entry.quantisation, entry.shape).to(dtype or torch.float32)
        target = _target_dtype(entry, dtype)
        shape = entry.shape[::-1] if entry.transposed else entry.shape
        tensor = torch.empty(shape, dtype=target)
        self._fill(entry, tensor.view(-1))
        if entry.scale is not None:
            tensor *= scale_of(entry, self.read(entry.scale, torch.float32))
        return tensor.t().contiguous() if entry.transposed else tensor

    def _fill(self, entry: Entry, flat: Tensor) -> None:
        buffer, floats = self._buffer(entry.dtype)
        size, at = entry.dtype.itemsize, 0
        total = entry.end - entry.start
        while at < total:
            length = min(PIECE, total - at)
            self._read_into(entry, memoryview(buffer)[:length], entry.start + at)
            flat[at // size : (at + length) // size].copy_(floats[: length // size])
            at += length

    def _read_into(self, entry: Entry, view: memoryview, at: int) -> None:
        with self._lock:
            if entry.path not in self._files:
                self._files[entry.path] = entry.path.open("rb", buffering=0)
        file = self._files[entry.path]
        while view:
            if hasattr(os, "preadv"):
                count = os.preadv(file.fileno(), [view], at)
            else:
                with self._lock:
                    file.seek(at)
                    count = file.readinto(view)
            if not count:
                raise BadFile(f"{entry.path} is cut short at {entry.key}; download it again.")
            view, at = view[count:], at + count

    def _buffer(self, dtype: torch.dtype) -> tuple[bytearray, Tensor]:
        buffers = self._own.__dict__
        if dtype not in buffers:
            if "bytes" not in buffers:
                buffers["bytes"] = bytearray(PIECE)
            buffers[str(dtype)] = torch.frombuffer(buffers["bytes"], dtype=dtype)
        return buffers["bytes"], buffers[str(dtype)]


def _target_dtype(entry: Entry, dtype: torch.dtype | None) -> torch.dtype:
    if not entry.dtype.is_floating_point:
        return entry.dtype
    # Scaled values leave the range of eight bits.
    return dtype or (torch.float32 if entry.scale is not None else entry.dtype)

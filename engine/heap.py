"""Memory that was freed: kept at hand while a picture is made, and given back to the system afterwards."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# glibc's `mallopt`: how much free memory the heap may end with, and from which size on a block is not taken from the
# heap but asked of the system, and given back to it as soon as it is freed.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# What glibc comes to by itself once large blocks were freed.
_USUAL = {_M_MMAP_THRESHOLD: 32 * 2**20, _M_TRIM_THRESHOLD: 64 * 2**20}
_KEEPING = {_M_MMAP_THRESHOLD: 2**30, _M_TRIM_THRESHOLD: 2**30}
_APART = {_M_MMAP_THRESHOLD: 2**20, _M_TRIM_THRESHOLD: 16 * 2**20}
# Between larger tensors than this, what holes hold is worth the time that giving it back takes.
LARGE = 4 * 2**20

_lock = Lock()
# Those that are wanted now; the newest counts.
_wanted: list[dict[int, int]] = []


@contextmanager
def freed_memory_kept() -> Generator[None]:
    """Let freed memory stay at hand while the block runs, for all threads, where the C library is GNU's.

    A network frees and takes the same large blocks again and again. Each that comes from the system comes as pages that
    it clears one by one: a fifth of the time of a decoder, a tenth of that of a U-Net.
    """
    try:
        with _thresholds(_KEEPING):
            yield
    finally:
        if not _wanted:
            trim_heap()


def give_holes_back(like: Tensor) -> None:
    """Give the holes in the heap back to the system where they are kept and tensors as large as `like` come and go.

    Those of one layer leave holes into which the next layer's often do not fit, since they are larger or lie at an
    aligned place: without this, a decoder of large pictures holds up to twice as much as it uses. Tensors on another
    device than the processor leave none.
    """
    if like.device.type == "cpu" and like.nbytes >= LARGE and _wanted and _wanted[-1] == _KEEPING:
        trim_heap()


@contextmanager
def tensors_apart() -> Generator[None]:
    """Ask the system for each tensor that comes while the block runs, so that they go back to it one by one.

    Weights that are read would be held in the heap by what lies behind them. And where the system has refused memory,
    holes in the heap are what it lacks.
    """
    with _thresholds(_APART):
        yield


@contextmanager
def _thresholds(sizes: dict[int, int]) -> Generator[None]:
    wanted = dict(sizes)  # a dictionary of its own, to be found again
    with _lock:
        _wanted.append(wanted)
        _set(wanted)
    try:
        yield
    finally:
        with _lock:
            _wanted[:] = [other for other in _wanted if other is not wanted]
            _set(_wanted[-1] if _wanted else _USUAL)


def return_memory() -> None:
    """Give what was freed back to the system."""
    if gc.isenabled():
        # A window switches it off: its own objects may not end in this thread.
        gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None:
        _empty_caches(torch)
    trim_heap()


def _empty_caches(torch: Any) -> None:
    # After an assertion that failed on a card, each further call to it fails in the same way, this one too. What is
    # freed is freed because of the first error, and that is the one to be told.
    with suppress(RuntimeError):
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.empty_cache()
            if hasattr(torch.accelerator, "empty_host_cache"):  # newer than the oldest PyTorch that serves
                torch.accelerator.empty_host_cache()  # pages of streamed blocks and of copies
        if torch.backends.mps.is_available():
            torch.mps.empty_cache()


def trim_heap() -> None:
    """Give what the C library keeps of freed memory back to the system: without it, weights below 32 MB stay."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)  # a foreign call, so that other threads run meanwhile


def _set(thresholds: dict[int, int]) -> None:
    if (libc := _glibc()) is not None:
        for name, size in thresholds.items():
            libc.mallopt(name, size)


@cache
def _glibc() -> Any:
    """The C library where it is GNU's, else None."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") else None

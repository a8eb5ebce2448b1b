"""What was freed goes back to the system, and does not stay with Python, the C library or the GPU's allocator."""

from __future__ import annotations

import ctypes
import gc
import sys


def return_memory() -> None:
    """Give what was freed back to the system."""
    if gc.isenabled():
        # A window switches it off: its own objects may not end in this thread.
        gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    trim_heap()


def trim_heap() -> None:
    """Give what the C library keeps of freed memory back to the system: without it, weights below 32 MB stay."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)  # a foreign call, so that other threads run meanwhile

"""How the C library deals memory out to the program's threads."""

from __future__ import annotations

import ctypes
import sys

# glibc's `mallopt`: the most heaps ("arenas") that threads have of their own.
_M_ARENA_MAX = -8
_HEAPS = 1


def share_heaps() -> None:
    """Let all threads take memory from the first heap, where the C library is GNU's.

    It would give each thread one of its own, sixteen on two cores, and what one thread frees in its heap is of no use
    to the others: the program would grow by a tenth over some hundred pictures. Only the first heap can be told to keep
    what was freed at hand for a network (`engine.heap`): the others give it back whatever they are told.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_ARENA_MAX, _HEAPS)

"""The ways of computing faster that change no picture, and the one place that can turn each of them off.

They are always on. Only measurements turn one off, to see what it gives and how far its numbers are from the plain
path's: `tests/benchmarks/NOTES.md` has both.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from enum import Enum

import torch

from engine.heap import LARGE, freed_memory_kept


class Win(Enum):
    """One way of computing faster."""

    WINOGRAD = "Winograd convolutions"
    """3x3 convolutions of large images by four ninths of the multiplications (`winograd`)."""
    LARGER_TILES = "Winograd convolutions with larger tiles"
    """Those of larger images by a quarter of them."""
    SMALL_IMAGES = "convolutions as matrix products"
    """3x3 convolutions of small images, whose time goes into rearranging the weights, leave the weights as they are."""
    DOUBLING = "doubling inside the convolution"
    """An image is doubled and convolved by a quarter of the multiplications, and the doubled one is never made."""
    FEED_FORWARD = "feed-forward in pieces"
    """The wide middle of a feed-forward layer is made for some tokens at a time, so that it stays in the cache."""
    WIDER = "float32 arithmetic for narrow weights"
    """Weights in a precision that the processor has no instructions for are widened layer by layer (`arithmetic`)."""
    KEPT_MEMORY = "freed memory kept at hand"
    """While a picture is made or a network called, what was freed is not cleared by the system again (`heap`)."""
    IN_PLACE = "activations and sums in place"
    """What nothing else needs is written over, so that one large map less is in memory (`in_place`)."""
    SHARED_HALVES = "what both halves of guidance share once"
    """What comes before the first look at the prompt is computed for one of two equal halves (`halves`)."""
    PROMPT_KEYS = "keys and values of the prompt once per run"
    """Cross-attention keeps what it makes of the prompt from step to step (`prompt_keys`)."""
    SIDE_BY_SIDE = "queries, keys and values by one product"
    """On a GPU, whose host then asks for one operation in place of three (`side_by_side`)."""
    TIME_EMBEDDINGS = "time embeddings of all steps at once"
    """Blocks make what they add for a timestep for all steps of a run by one product (`time_embeddings`)."""


_OFF: ContextVar[frozenset[Win]] = ContextVar("exact wins that are off", default=frozenset())


def is_on(win: Win) -> bool:
    """Whether `win` is used here: not where a compiler or an exporter reads the network, which choose themselves."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
        return False
    return win not in _OFF.get()


@contextmanager
def without(*wins: Win) -> Generator[None]:
    """Compute without `wins` while the block runs, in this thread; without any given, the plain path."""
    token = _OFF.set(_OFF.get() | frozenset(wins or Win))
    try:
        yield
    finally:
        _OFF.reset(token)


def memory_kept() -> AbstractContextManager[None]:
    """Keep freed memory at hand while the block runs, where that is on."""
    return freed_memory_kept() if is_on(Win.KEPT_MEMORY) else nullcontext()


def memory_kept_within(size: int, device: torch.device) -> AbstractContextManager[None]:
    """The same within one call of a network whose largest maps take `size` bytes on `device`.

    So that a network is as fast when it is called alone. Not for small ones, for which giving back takes longer than
    what is saved, nor with gradients, for which the maps are held anyway.
    """
    worth = device.type == "cpu" and size >= LARGE and not torch.is_grad_enabled()
    return memory_kept() if worth else nullcontext()

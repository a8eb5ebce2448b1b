"""Leave a model call at once, from another thread or a signal handler.

A step of a large model takes seconds, so looking at a flag between steps is not enough. Hooks on the leaf modules that
do the work look at it before each of them, which bounds the wait by the longest single operation.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from threading import Event
from typing import Any

from torch import nn

from engine.errors import Cancelled


@contextmanager
def cancellable(modules: Iterable[nn.Module], cancel: Event) -> Generator[None]:
    """While the block runs, any call of a leaf of `modules` raises `Cancelled` once `cancel` is set.

    The hooks cost about a microsecond per leaf and call, and are gone after the block, however it ends.
    """

    def leave_if_cancelled(_module: nn.Module, _inputs: Any) -> None:
        if cancel.is_set():
            raise Cancelled

    leaves = {leaf for module in modules for leaf in module.modules() if _works(leaf)}
    handles = [leaf.register_forward_pre_hook(leave_if_cancelled) for leaf in leaves]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _works(module: nn.Module) -> bool:
    # Linear layers, convolutions, norms and embeddings: no parts, but weights. Activations are too short to matter.
    return next(module.children(), None) is None and next(module.parameters(recurse=False), None) is not None

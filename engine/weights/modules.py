"""Modules without memory, and how they get their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from engine.errors import BugError, WeightsMismatch
from engine.weights.entries import Entry
from engine.weights.reading import load_tensors

Module = TypeVar("Module", bound=nn.Module)


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
    check_fit(module, {name: entry.shape for name, entry in entries.items()}, where(entries))
    module.load_state_dict(dict(load_tensors(entries, dtype)), strict=True, assign=True)
    left = [name for name, tensor in _tensors(module) if tensor.is_meta]
    if left:
        raise BugError(f"{type(module).__name__}: {left[0]} is not in the state dict, so no weights reach it")


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def where(entries: Mapping[str, Entry]) -> str:
    """The file or folder in which `entries` lie, for messages."""
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

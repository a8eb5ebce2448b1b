"""The bound of a network's time: its convolutions, matrix products and attentions alone, replayed one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

WORK = {torch.conv2d, F.conv2d, F.linear, F.scaled_dot_product_attention}


@dataclass(frozen=True)
class Call:
    """One call: the function, and its arguments with their shape, dtype and layout."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    def __call__(self) -> object:
        return self.function(*self.arguments, **self.options)


class _Recorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._stand_ins: dict[tuple[Any, ...], Tensor] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        if func in WORK:
            given = tuple(self._kept(value) for value in args)
            self.calls.append(Call(func, given, {name: self._kept(value) for name, value in options.items()}))
        return func(*args, **options)

    def _kept(self, value: Any) -> Any:
        """Return a weight itself, and in place of an activation one tensor for all that look alike."""
        if not isinstance(value, Tensor) or isinstance(value, torch.nn.Parameter):
            return value
        look = (value.shape, value.stride(), value.dtype, value.device)
        if look not in self._stand_ins:
            alike = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=value.device)
            self._stand_ins[look] = alike.normal_()
        return self._stand_ins[look]


@torch.no_grad()
def recorded(run: Callable[[], object]) -> list[Call]:
    """Return the convolutions, linear layers and attentions that `run` calls."""
    with _Recorder() as recorder:
        run()
    return recorder.calls


@torch.no_grad()
def replay(calls: list[Call]) -> None:
    """Call them all again; nothing else."""
    for call in calls:
        call()

"""Whether tensors are those that something was computed from, and hold the numbers that they held then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn


class Seen:
    """Tensors as they are now. What was computed from them holds for as long as `are_still` says so."""

    def __init__(self, tensors: Iterable[Tensor | None]) -> None:
        self.tensors = tuple(tensors)
        self._versions = tuple(map(_version, self.tensors))

    def are_still(self, tensors: Iterable[Tensor | None]) -> bool:
        """Whether `tensors` are these very ones, to which nothing was written since."""
        now = tuple(tensors)
        return (
            len(now) == len(self.tensors)
            and all(one is other for one, other in zip(now, self.tensors, strict=True))
            and self.unwritten()
        )

    def unwritten(self) -> bool:
        """Whether nothing was written to them since."""
        return self._versions == tuple(map(_version, self.tensors))


def weights_of(*layers: nn.Module) -> Iterator[Tensor | None]:
    """All parameters and buffers in `layers`, each with its parts.

    As `parameters` and `buffers` give them, in a tenth of the time: this is asked for by every layer at every step.
    """
    for layer in layers:
        inside: dict[str, Any] = vars(layer)
        yield from inside["_parameters"].values()
        yield from inside["_buffers"].values()
        if inside["_modules"]:
            yield from weights_of(*(part for part in inside["_modules"].values() if part is not None))


def _version(tensor: Tensor | None) -> int:
    # Inference tensors count no writes; weights that are such are replaced, not written to.
    return 0 if tensor is None or tensor.is_inference() else tensor._version

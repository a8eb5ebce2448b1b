"""In which precision each part of a model is kept, how it is read so, and how many bytes it then holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from engine.backends.parts import Computed
from engine.device import resolve_dtype
from engine.switches import COMPUTED, PACKED


def read_in(precision: str, read: Callable[[torch.dtype], nn.Module], stored: Callable[[], str]) -> nn.Module:
    """Read a network with `read`, which takes a dtype, in `precision`; `stored` tells that of its file.

    Raises:
        MissingDependency: `precision` is int8, and torchao is not installed.
    """
    if precision not in PACKED:
        return read(resolve_dtype(precision))
    # As it lies in the file, which is mapped then: each layer is packed from there.
    network = read(resolve_dtype(stored()))
    if precision == "float8":
        from engine.models.float8 import keep_in_float8 as keep
    else:
        from engine.models.int8 import keep_in_int8 as keep
    keep(network, resolve_dtype(COMPUTED))
    return network


def held_bytes(network: nn.Module) -> int:
    """The bytes of all weights of `network` as they are kept, each counted once; those that are away are not.

    A back end's network counts with what its graphs hold from their first call on.
    """
    tensors = {id(part): part for tensor in (*network.parameters(), *network.buffers()) for part in _parts(tensor)}
    own = network.weight_bytes if isinstance(network, Computed) else 0
    return own + sum(tensor.nbytes for tensor in tensors.values() if not tensor.is_meta)


def _parts(tensor: Any) -> Iterator[torch.Tensor]:
    """The plain tensors that `tensor` is made of: a packed one has several, and counts itself as what it stands for."""
    if not hasattr(tensor, "__tensor_flatten__"):
        yield tensor
        return
    for name in tensor.__tensor_flatten__()[0]:
        yield from _parts(getattr(tensor, name))

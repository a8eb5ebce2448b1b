"""Everything mutable of a scheduler as plain values and tensors, so that a run can go on from the middle of it.

What is kept is the whole of the instance but its configuration, tables that follow from it, and functions: restored
into a scheduler of the same configuration it goes on to the bit as the first one did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.device_queue import copied
from engine.errors import BadFile, BugError
from engine.schedulers.brownian import BrownianTree

# Tables that the constructor makes again.
CONSTANT = frozenset({"_config", "betas", "alphas", "alphas_cumprod", "_alphas_bar", "_trained_sigmas", "_log_sigmas"})


def capture(scheduler: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the state of `scheduler`: JSON values, and the tensors that they name, as `copied`."""
    tensors: dict[str, Tensor] = {}
    state = {
        name: _encoded(value, tensors)
        for name, value in vars(scheduler).items()
        if name not in CONSTANT and not callable(value)
    }
    return state, tensors


def restore(
    scheduler: Any, state: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device | None = None
) -> None:
    """Give `scheduler`, made with the same configuration, a state that `capture` returned.

    Tensors that were on a device other than the CPU go to `device`. Raises `BadFile` where the two do not belong
    together.
    """
    try:
        values = {name: _decoded(value, tensors, device) for name, value in state.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(f"The stored state of {type(scheduler).__name__} is damaged; make the picture again.") from error
    vars(scheduler).update(values)


def _encoded(value: Any, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, bool | int | str) or type(value) is float:
        return value
    if isinstance(value, np.generic):
        return {"kind": "scalar", "dtype": value.dtype.str, "bytes": value.tobytes().hex()}
    if isinstance(value, Tensor):
        return {"kind": "tensor", "name": _kept(value, tensors), "cpu": value.device.type == "cpu"}
    if isinstance(value, np.ndarray):
        return {"kind": "array", "name": _kept(torch.from_numpy(value.copy()), tensors)}
    if isinstance(value, list | tuple | set | frozenset):
        items = [_encoded(item, tensors) for item in value]  # pyright: ignore[reportUnknownVariableType]
        # The shape of a tensor is a tuple with a name of its own.
        kind = "tuple" if isinstance(value, torch.Size) else type(value).__name__
        return {"kind": kind, "items": items}
    if isinstance(value, dict):
        pairs = [[_encoded(key, tensors), _encoded(item, tensors)] for key, item in value.items()]  # pyright: ignore[reportUnknownVariableType]
        return {"kind": "dict", "items": pairs}
    if isinstance(value, BrownianTree):
        shape, dtype, low, high, seed = value.__reduce__()[1]
        seed = seed if isinstance(seed, int) else list(seed)
        return {"kind": "brownian", "made_with": [list(shape), str(dtype).removeprefix("torch."), low, high, seed]}
    if isinstance(value, torch.dtype):
        return {"kind": "dtype", "name": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"kind": "device", "name": str(value)}
    raise BugError(f"a scheduler holds {value!r}, which has no stored form")


def _kept(tensor: Tensor, tensors: dict[str, Tensor]) -> str:
    name = str(len(tensors))
    tensors[name] = copied(tensor)
    return name


def _decoded(value: Any, tensors: Mapping[str, Tensor], device: torch.device | None) -> Any:
    if not isinstance(value, dict):
        return value
    kind: str = value["kind"]  # pyright: ignore[reportUnknownVariableType]
    return _DECODERS[kind](value, tensors, device)  # pyright: ignore[reportUnknownArgumentType]


def _decoded_items(value: Any, tensors: Mapping[str, Tensor], device: torch.device | None) -> list[Any]:
    return [_decoded(item, tensors, device) for item in value["items"]]


def _decoded_tensor(value: Any, tensors: Mapping[str, Tensor], device: torch.device | None) -> Tensor:
    tensor = tensors[value["name"]].clone()  # keeps the layout
    return tensor if value["cpu"] or device is None else tensor.to(device)


def _decoded_brownian(value: Any, _tensors: Mapping[str, Tensor], _device: torch.device | None) -> BrownianTree:
    shape, dtype, low, high, seed = value["made_with"]
    return BrownianTree(tuple(shape), getattr(torch, dtype), low, high, seed)


_DECODERS: Mapping[str, Callable[[Any, Mapping[str, Tensor], torch.device | None], Any]] = {
    "scalar": lambda value, _tensors, _device: np.frombuffer(bytes.fromhex(value["bytes"]), value["dtype"])[0],
    "tensor": _decoded_tensor,
    "array": lambda value, tensors, _device: tensors[value["name"]].numpy().copy(),
    "list": _decoded_items,
    "tuple": lambda value, tensors, device: tuple(_decoded_items(value, tensors, device)),
    "set": lambda value, tensors, device: set(_decoded_items(value, tensors, device)),
    "frozenset": lambda value, tensors, device: frozenset(_decoded_items(value, tensors, device)),
    "dict": lambda value, tensors, device: {
        _decoded(key, tensors, device): _decoded(item, tensors, device) for key, item in value["items"]
    },
    "brownian": _decoded_brownian,
    "dtype": lambda value, _tensors, _device: getattr(torch, value["name"]),
    "device": lambda value, _tensors, _device: torch.device(value["name"]),
}

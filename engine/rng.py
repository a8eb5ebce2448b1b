"""Random numbers from explicit generators, and how they reach a device that works while the program goes on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from engine.errors import InvalidValue

Generators = torch.Generator | list[torch.Generator] | None


def randn_tensor(
    shape: Sequence[int],
    generator: Generators = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Return standard normal noise of `shape` on `device`, drawn where the generator lives.

    A generator on the CPU gives the same noise for every device. A list has one generator for each row of `shape`, so
    that an image does not depend on its neighbours in the batch. Raises `InvalidValue` for a list of another length
    and for a generator on a device from which noise cannot be moved to `device`.
    """
    target = torch.device(device or "cpu")
    if isinstance(generator, list):
        if len(generator) == 1:
            return randn_tensor(shape, generator[0], target, dtype)
        if len(generator) != shape[0]:
            raise InvalidValue(f"{len(generator)} generators do not fit {shape[0]} images; give one, or one for each.")
        return torch.cat([randn_tensor((1, *shape[1:]), one, target, dtype) for one in generator])
    source = target if generator is None else generator.device
    if source.type not in ("cpu", target.type):
        raise InvalidValue(f"a generator on {source} cannot draw for {target}; make it with torch.Generator('cpu').")
    return moved(torch.randn(tuple(shape), generator=generator, device=source, dtype=dtype), target)


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return `tensor` on `device`; from the CPU, without waiting for what the device has yet to do before.

    What a step draws or reads from a table on the CPU goes this way, so that the next step is asked for meanwhile.
    """
    if tensor.device.type != "cpu" or device.type in ("cpu", "mps"):
        # On Apple's devices such a copy reads memory that may be gone: https://github.com/pytorch/pytorch/issues/189690
        return tensor.to(device)
    if device.type == "cuda":
        # Only from pages that the system cannot move does a GPU copy while other work goes on.
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)

"""Random numbers from explicit generators."""

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
    return torch.randn(tuple(shape), generator=generator, device=source, dtype=dtype).to(target)

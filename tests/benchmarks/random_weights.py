"""Networks of any size with random weights of a usual spread, without a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def with_random_weights(kind: Callable[..., Network], config: Mapping[str, Any]) -> Network:
    """Return `kind(**config)` with weights that keep the size of what passes through it."""
    with torch.device("meta"):
        network = kind(**config)
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, Tensor] = {}
    for name, entry in network.state_dict().items():
        drawn = torch.empty(entry.shape)
        if entry.ndim > 1:
            drawn.normal_(0, max(entry[0].numel(), 1) ** -0.5, generator=generator)
        else:
            drawn.normal_(0, 0.1, generator=generator).add_(float(name.endswith("norm.weight")))
        weights[name] = drawn
    network.load_state_dict(weights, assign=True)
    return network.eval()

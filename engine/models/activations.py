"""Activation functions by their configuration names, and the gated linear units of feed-forward layers."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import ConfigError
from engine.models.linear import Linear

ActivationName = Literal["swish", "silu", "mish", "gelu", "relu"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "swish": nn.SiLU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "gelu": nn.GELU,
    "relu": nn.ReLU,
}


def get_activation(name: str) -> nn.Module:
    """A new activation module for a configuration's name; raises `ConfigError` for a name it does not know."""
    try:
        return _ACTIVATIONS[name.lower()]()
    except KeyError:
        raise ConfigError(f"Activation {name!r} is unknown; use one of {', '.join(_ACTIVATIONS)}.") from None


class GELU(nn.Module):
    """Linear layer followed by GELU: (..., dim_in) -> (..., dim_out). Hendrycks & Gimpel, arXiv:1606.08415."""

    def __init__(
        self, dim_in: int, dim_out: int, approximate: Literal["none", "tanh"] = "none", bias: bool = True
    ) -> None:
        super().__init__()
        self.proj = Linear(dim_in, dim_out, bias=bias)
        self.approximate = approximate

    def forward(self, hidden_states: Tensor) -> Tensor:
        return F.gelu(self.proj(hidden_states), approximate=self.approximate)


class GEGLU(nn.Module):
    """Gated linear unit with GELU: (..., dim_in) -> (..., dim_out). Shazeer, arXiv:2002.05202, section 2."""

    def __init__(self, dim_in: int, dim_out: int, bias: bool = True) -> None:
        super().__init__()
        self.proj = Linear(dim_in, 2 * dim_out, bias=bias)

    def forward(self, hidden_states: Tensor) -> Tensor:
        value, gate = self.proj(hidden_states).chunk(2, dim=-1)
        return value * F.gelu(gate)

"""Activation functions by their configuration names, and the gated linear units of feed-forward layers."""

from __future__ import annotations

from typing import Literal

import torch
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
        if torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
            # A graph that is compiled would copy both halves of one product; each of two goes on where it is.
            value, gate = _halves(hidden_states, self.proj.weight, self.proj.bias)
        else:
            value, gate = self.proj(hidden_states).chunk(2, dim=-1)
        return value * F.gelu(gate)


def _halves(x: Tensor, weight: Tensor, bias: Tensor | None) -> list[Tensor]:
    """Return both halves of the linear layer's result as products of their own."""
    biases = (None, None) if bias is None else bias.chunk(2)
    return [F.linear(x, *half) for half in zip(weight.chunk(2), biases, strict=True)]

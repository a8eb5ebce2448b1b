"""Linear layers whose weights are kept as 8-bit integers, by the library torchao, which is loaded when asked for."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import nn

from engine.errors import MissingDependency


def keep_in_int8(network: nn.Module, dtype: torch.dtype) -> None:
    """Keep the weights of the linear layers of `network` as 8-bit integers with a scale for each output.

    Everything else, and what is computed, is in `dtype`. Convolutions are not changed: torchao knows none with such
    weights.

    Raises:
        MissingDependency: torchao is not installed.
    """
    try:
        quantization: Any = importlib.import_module("torchao.quantization")
    except ImportError as error:
        raise MissingDependency(
            "Weights of the kind int8 need the library torchao, which is not installed; run pip install torchao, or "
            "choose float8."
        ) from error
    for layer in network.modules():
        # One layer at a time, so that the network is never in memory twice.
        layer.to(dtype)
        if isinstance(layer, nn.Linear):
            quantization.quantize_(nn.Sequential(layer), quantization.Int8WeightOnlyConfig())

"""Weights that GGUF packed into a few bits each, unpacked by the `gguf` library."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from engine.errors import BadFile, MissingDependency


def dequantise(packed: Tensor, quantisation: str, shape: tuple[int, ...]) -> Tensor:
    """The values of `packed` (its bytes, uint8), in float32 and of `shape`.

    Raises `MissingDependency` without the library, and `BadFile` for a kind that it does not unpack.
    """
    try:
        import gguf
    except ImportError as error:
        raise MissingDependency("GGUF files need the package gguf, which is missing; run pip install gguf.") from error
    kind = gguf.GGMLQuantizationType[quantisation]
    _, size = gguf.GGML_QUANT_SIZES[kind]
    try:
        values = gguf.quants.dequantize(cast("Any", packed.numpy()).reshape(-1, size), kind)
    except NotImplementedError as error:
        raise BadFile(
            f"Weights packed as {quantisation} cannot be read; use a file of the kind Q8_0 or Q4_K."
        ) from error
    return torch.from_numpy(values).reshape(shape)

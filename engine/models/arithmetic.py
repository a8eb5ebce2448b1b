"""The precision that a layer computes in, where it is not that of its weights.

Weights in bfloat16 or float16 take half the memory. A processor without instructions for them (x86 before AVX-512 BF16,
which is most of what people have) computes with them one number at a time: on two cores with AVX2 a convolution took
sixty times as long as in float32, a linear layer six times. There, a layer widens its weights when it is called, one
layer at a time, and computes in float32. Each result is rounded once.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from engine.models.exact import Win, is_on


def computes_wider(x: Tensor) -> bool:
    """Whether a layer that gets `x` is to compute in float32 in place of `x`'s precision."""
    return (
        x.dtype in (torch.bfloat16, torch.float16)
        and x.device.type == "cpu"
        and not has_instructions(x.dtype)
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and is_on(Win.WIDER)
    )


@cache
def has_instructions(dtype: torch.dtype) -> bool:
    """Whether PyTorch multiplies matrices of `dtype`, bfloat16 or float16, by instructions of this processor."""
    # oneDNN knows; a build of PyTorch without it multiplies such numbers one by one everywhere.
    if not torch.backends.mkldnn.is_available():
        return False
    supported = "_is_mkldnn_bf16_supported" if dtype == torch.bfloat16 else "_is_mkldnn_fp16_supported"
    return bool(getattr(torch.ops.mkldnn, supported)())

"""The precision that a layer computes in, where it is not that of its weights.

Weights in bfloat16 or float16 take half the memory. A processor without instructions for them (x86 before AVX-512 BF16,
which is most of what people have) computes with them one number at a time: on two cores with AVX2 a convolution took
sixty times as long as in float32, a linear layer six times. One with slow instructions took half as long again. There,
a layer widens its weights when it is called, one layer at a time, and computes in float32. Each result is rounded once.
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
        and not is_quick(x.dtype)
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and is_on(Win.WIDER)
    )


@cache
def is_quick(dtype: torch.dtype) -> bool:
    """Whether PyTorch multiplies matrices of `dtype`, bfloat16 or float16, faster than of float32 on this processor.

    It is told by the processor's kind and never measured, so that it is the same at every start: pictures hang on it.
    """
    # oneDNN knows; a build of PyTorch without it multiplies such numbers one by one everywhere.
    if not torch.backends.mkldnn.is_available():
        return False
    supported = "_is_mkldnn_bf16_supported" if dtype == torch.bfloat16 else "_is_mkldnn_fp16_supported"
    if not getattr(torch.ops.mkldnn, supported)():
        return False
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    # Intel's vector instructions for bfloat16 multiply no more numbers in a cycle than those for float32, and take
    # half as long again with what is around them; only its matrix units (AMX) are faster. AMD's do twice as many.
    slow = str(capabilities.get("cpu_name", "")).startswith("Intel") and not capabilities.get("amx_bf16", False)
    return not (slow and dtype == torch.bfloat16)

"""`torch.compile` for the blocks that a network repeats: each is a region of its own, compiled once for all like it.

A whole U-Net takes minutes to compile, and a look at the cancel flag inside it would cut it into pieces. Blocks of one
class and size share their code, and what is compiled is kept on disk for the next start. Between regions the network
runs as ever.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.models.attention import BasicTransformerBlock
from engine.models.resnet import ResnetBlock2D

log = logging.getLogger(__name__)

REGIONS = (BasicTransformerBlock, ResnetBlock2D)
# A processor computes the convolutions of the others faster than a compiler makes them (`engine.models.convolution`).
REGIONS_ON_CPU = (BasicTransformerBlock,)
# Sizes and widths of one class of block in one network, for two batches; torch's own limit is 8.
VARIANTS = 64
_MARK = "compiled_region"  # `engine.cancel` looks for it
_PROBLEM = "compiling_problem"


def use_cache(folder: Path) -> None:
    """Keep what is compiled in `folder`, unless the environment names another one."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


@functools.cache
def compiler_problem(device: torch.device) -> str:
    """Why nothing can be compiled for `device`, in the words of torch; "" where it can. Compiles a sum, once."""

    def probe(x: torch.Tensor) -> torch.Tensor:
        return x.cos() + 1

    try:
        torch.compile(probe)(torch.zeros(16, device=device))
    # Without a compiler, without its headers, or without Triton, the errors are of many kinds.
    except Exception as error:  # noqa: BLE001
        return _reason(error)
    return ""


def failed_compiling(network: nn.Module) -> str:
    """Why a block of `network` could not be compiled, so that it runs as it is written; "" where all could."""
    return vars(network).get(_PROBLEM, "")


def compile_blocks(network: nn.Module, device: torch.device, backend: str | Callable[..., Any] = "inductor") -> None:
    """Compile the repeated blocks of `network` at their next call, on `device`, by a `backend` of torch.

    Those that are compiled stay so.

    Where one cannot be compiled, all run as they are written from then on, and `failed_compiling` says why. On a GPU,
    `engine.models.cuda_graph` makes graphs of what they become.
    """
    import torch._dynamo.config as limits

    limits.recompile_limit = max(limits.recompile_limit, VARIANTS)
    for block in _blocks(network):
        if isinstance(block, REGIONS_ON_CPU if device.type == "cpu" else REGIONS) and not is_region(block):
            # Only `forward`: hooks stay outside, so that they can be put on and taken off without compiling anew.
            compiled = torch.compile(block.forward, dynamic=False, backend=backend)
            vars(block)["forward"] = _falling_back(network, block, compiled)
            vars(block)[_MARK] = vars(network)[_MARK] = True


def undo_compiling(network: nn.Module) -> None:
    """Let the blocks of `network` run as they are written again."""
    vars(network).pop(_MARK, None)
    for block in _blocks(network):
        if is_region(block):
            del vars(block)["forward"], vars(block)[_MARK]


def _falling_back(network: nn.Module, block: nn.Module, compiled: Callable[..., Any]) -> Callable[..., Any]:
    """What calls `compiled`, the `forward` of `block`, and the one that is written where it cannot be compiled."""
    from torch._dynamo.exc import TorchDynamoException

    def forward(*inputs: Any, **options: Any) -> Any:
        try:
            return compiled(*inputs, **options)
        except TorchDynamoException as error:
            if "out of memory" in str(error).lower():
                raise  # the compiler's own words for it: another plan may help
            log.warning("a block could not be compiled; the network goes on without", exc_info=error)
            vars(network)[_PROBLEM] = _reason(error)
            undo_compiling(network)
            return block.forward(*inputs, **options)

    return forward


def _reason(error: Exception) -> str:
    # The first line may only name who raised it.
    return " ".join(str(error).split("\n")[:2]).strip()[:200] or type(error).__name__


def has_compiled_blocks(network: nn.Module) -> bool:
    """Whether blocks of `network` are compiled now."""
    return _MARK in vars(network)


def is_region(module: nn.Module) -> bool:
    """Whether `module` is compiled now: hooks inside it would cut it into pieces."""
    return isinstance(module, REGIONS) and _MARK in vars(module)


def _blocks(network: nn.Module) -> Iterator[nn.Module]:
    return (module for module in network.modules() if isinstance(module, REGIONS))

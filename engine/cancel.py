"""Leave a model call at once, from another thread or a signal handler.

A step of a large model takes seconds, so looking at a flag between steps is not enough. Hooks on the leaf modules that
do the work look at it before each of them, which bounds the wait by the longest single operation; convolutions and
attention that would last long on a CPU are done in pieces, with a look between them. The pieces are exact: every
element of the result is summed in the same order as in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import Cancelled

# Multiplications and additions of one piece: up to a quarter of a second on two cores.
PIECE_OPERATIONS = 8e9
# Numbers that a norm does in one piece; it is memory that takes its time.
PIECE_NUMBERS = 2**24


@contextmanager
def cancellable(modules: Iterable[nn.Module], cancel: Event, device: torch.device | None = None) -> Generator[None]:
    """While the block runs, any call of a leaf of `modules` raises `Cancelled` once `cancel` is set.

    The hooks cost about a microsecond per leaf and call, and are gone after the block, however it ends. With a GPU as
    `device`, which is given work in advance, no operation lasts long, and asking for it is what takes time: there the
    look is before each block of layers.
    """

    def look() -> None:
        if cancel.is_set():
            raise Cancelled

    def leave_if_cancelled(_module: nn.Module, _inputs: Any) -> None:
        look()

    parts = {part for module in modules for part in module.modules()}
    # What is compiled (`engine.models.compilation`) is left whole: a look before it, and none inside.
    regions = {part for part in parts if "compiled_region" in vars(part)}
    parts -= {part for region in regions for part in region.modules()}
    on_cpu = device is None or device.type == "cpu"
    inner = filter(_works, parts) if on_cpu else (block for part in parts for block in _blocks(part))
    handles = [part.register_forward_pre_hook(leave_if_cancelled) for part in (*regions, *inner)]
    changed = [(name, part) for part in parts for name in _do_in_pieces(part, look)] if on_cpu else []
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for name, part in changed:
            vars(part).pop(name, None)


def _works(module: nn.Module) -> bool:
    # Linear layers, convolutions, norms and embeddings: no parts, but weights. Activations are too short to matter.
    return next(module.children(), None) is None and next(module.parameters(recurse=False), None) is not None


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    # Layers of a network come in lists: residual blocks, transformers, stages.
    if isinstance(module, nn.ModuleList):
        yield from (part for part in module if next(part.children(), None) is not None)


def _do_in_pieces(part: nn.Module, look: Callable[[], None]) -> Iterator[str]:
    """Replace the methods of `part` that can last long by ones that do the same in pieces; gives their names."""
    replacements: dict[str, Callable[..., Any]] = {}
    # `engine.models.convolution` has pieces of its own, and `direct` for what it leaves to PyTorch.
    whole = "direct" if hasattr(part, "direct") else "forward"
    if isinstance(part, nn.Conv2d) and (whole == "direct" or type(part) is nn.Conv2d) and part.kernel_size[0] > 0:
        if hasattr(part, "between_pieces"):
            replacements["between_pieces"] = look
        if part.stride == (1, 1) and part.dilation == (1, 1) and part.groups == 1 and part.padding_mode == "zeros":
            if isinstance(part.padding, tuple):
                convolve = cast("Callable[[Tensor], Tensor]", getattr(part, whole))
                replacements[whole] = lambda x: _convolve(part, convolve, x, look)
    elif (attend := getattr(part, "attend", None)) is not None:
        attend = cast("Callable[..., Tensor]", attend)
        replacements["attend"] = lambda q, k, v, mask: _attend(attend, q, k, v, mask, look)
    elif type(part) is nn.GroupNorm:
        replacements["forward"] = lambda x: _normalise(part, x, look)
    elif hasattr(part, "between_pieces"):
        # A network that a back end computes (`engine.backends`): its only leaf, which looks while it waits.
        replacements["between_pieces"] = look
    for name, replacement in replacements.items():
        if name not in vars(part):
            vars(part)[name] = replacement
            yield name


def _convolve(conv: nn.Conv2d, whole: Callable[[Tensor], Tensor], x: Tensor, look: Callable[[], None]) -> Tensor:
    """Return `whole(x)`, row by row where it is long: each piece sees as many rows more as its kernel reaches."""
    kernel, reach = conv.kernel_size[0], cast("tuple[int, int]", conv.padding)[0]
    rows = x.shape[-2] + 2 * reach - kernel + 1
    operations = 2.0 * conv.weight.numel() * x.shape[-1] * rows * (x.shape[0] if x.dim() == 4 else 1)
    if operations <= 1.5 * PIECE_OPERATIONS or x.device.type != "cpu" or x.dim() != 4:
        return whole(x)
    step = max(int(rows * PIECE_OPERATIONS / operations), 1)
    # Narrow weights may be computed with in float32 (`engine.models.arithmetic`).
    weight, bias = conv.weight.to(x.dtype), None if conv.bias is None else conv.bias.to(x.dtype)
    width = cast("tuple[int, int]", conv.padding)[1]
    # All pieces at once beside the result would take the memory of another whole image.
    columns = x.shape[3] + 2 * width - conv.kernel_size[1] + 1
    plain = x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last)
    layout = torch.contiguous_format if plain else torch.channels_last
    shape = (len(x), conv.out_channels, rows, columns)
    result = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)
    for first in range(0, rows, step):
        look()
        low, high = first - reach, min(first + step, rows) - reach + kernel - 1
        piece = x[:, :, max(low, 0) : min(high, x.shape[2])]
        piece = F.pad(piece, (0, 0, max(-low, 0), max(high - x.shape[2], 0)))
        result[:, :, first : first + step] = F.conv2d(piece, weight, bias, 1, (0, width))
    return result


def _normalise(norm: nn.GroupNorm, x: Tensor, look: Callable[[], None]) -> Tensor:
    """Return the norm of `x` (batch, channels, ...), some groups at a time where it is large."""
    if x.numel() <= 1.5 * PIECE_NUMBERS or x.device.type != "cpu":
        return F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
    width = norm.num_channels // norm.num_groups
    groups = max(PIECE_NUMBERS // (x[0].numel() // norm.num_groups), 1)
    result = torch.empty_like(x)
    for number in range(len(x)):
        for first in range(0, norm.num_channels, groups * width):
            look()
            some = slice(first, min(first + groups * width, norm.num_channels))
            weight, bias = (norm.weight[some], norm.bias[some]) if norm.affine else (None, None)
            piece = x[number : number + 1, some]
            result[number, some] = F.group_norm(piece, piece.shape[1] // width, weight, bias, norm.eps)[0]
    return result


def _attend(
    whole: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, look: Callable[[], None]
) -> Tensor:
    """Return `whole(q, k, v, mask)` for tensors (batch, heads, tokens, channels), some queries at a time where long."""
    operations = 4.0 * q.numel() * k.shape[-2]
    if operations <= 1.5 * PIECE_OPERATIONS or q.device.type != "cpu":
        return whole(q, k, v, mask)
    # Whole blocks of the kernel's own size, so that none of its sums is cut differently.
    step = max(int(q.shape[-2] * PIECE_OPERATIONS / operations) // 256 * 256, 256)
    pieces: list[Tensor] = []
    for first in range(0, q.shape[-2], step):
        look()
        rows = slice(first, first + step)
        part = mask[..., rows, :] if mask is not None and mask.shape[-2] > 1 else mask
        pieces.append(whole(q[:, :, rows], k, v, part))
    return torch.cat(pieces, dim=2)

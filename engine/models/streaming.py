"""The blocks of a network that come to a GPU one after the other, for a network that is larger than the card's memory.

All blocks wait in the processor's memory. Two places on the card take turns: while the block in one of them works,
the next one is copied into the other, on a stream of its own, so that the copy costs nothing where a block works longer
than that. What is small and lies between the blocks stays on the card.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.memory import PLACES
from engine.models.attention import BasicTransformerBlock
from engine.models.convolution import Conv2d
from engine.models.resnet import Downsample2D, ResnetBlock2D, Upsample2D
from engine.models.unet_2d_k_blocks import KResnetBlock2D

log = logging.getLogger(__name__)

BLOCKS = (ResnetBlock2D, KResnetBlock2D, BasicTransformerBlock, Downsample2D, Upsample2D)
# Tensors begin at multiples of this, so that kernels may read many numbers at a time.
ALIGNED = 256
# Bytes of the processor's memory that are taken at a time.
SLAB = 2**27


def blocks_of(network: nn.Module) -> Iterator[nn.Module]:
    """The blocks of `network` that come and go: none of them lies inside another one."""
    for child in network.children():
        if isinstance(child, BLOCKS):
            yield child
        else:
            yield from blocks_of(child)


class _Slabs:
    """Memory of the processor for blocks that wait, in pieces of a size that is handed out again as it is.

    A card copies while something else goes on only from pages that the system cannot move. PyTorch rounds what it takes
    of those up to a power of two and keeps it for the next who ask: so they are taken in such sizes.
    """

    def __init__(self, pinned: bool) -> None:
        self._pinned = pinned
        self._slab: Tensor | None = None
        self._used = 0

    def take(self, size: int) -> tuple[Tensor, bool]:
        """Return so many bytes, and whether they follow those that were taken before."""
        follows = self._slab is not None and self._used + size <= len(self._slab)
        if self._slab is None or not follows:
            self._slab, self._used = self._new(max(SLAB, size)), 0
        piece = self._slab[self._used : self._used + size]
        self._used += size
        return piece, follows

    def _new(self, size: int) -> Tensor:
        if self._pinned:
            try:
                return torch.empty(size, dtype=torch.uint8, pin_memory=True)
            except RuntimeError as error:
                # The system has a limit to it; copies from other pages only take longer.
                log.info("blocks wait in ordinary memory: %s", error)
                self._pinned = False
        return torch.empty(size, dtype=torch.uint8)


@dataclass(frozen=True, eq=False)
class _Tensor:
    """A parameter or buffer of a block.

    Attributes:
        owner, name: the module that has it, and under which name.
        home: its bytes while it waits.
        first: where they lie in a place on the device.
    """

    owner: nn.Module
    name: str
    tensor: Tensor
    home: Tensor
    first: int

    def lie_in(self, memory: Tensor) -> None:
        """Let the tensor's numbers be those in `memory`, its bytes."""
        self.tensor.data = memory.view(self.tensor.dtype).as_strided(self.tensor.shape, self.tensor.stride())


class _Block:
    """The weights of one block, in the processor's memory.

    Attributes:
        runs: its bytes as they lie side by side, each with its place on the device.
        size: bytes on the device.
    """

    def __init__(self, module: nn.Module, slabs: _Slabs, device: torch.device) -> None:
        self.module = module
        for part in module.modules():
            if isinstance(part, Conv2d):
                part.lay_out(device)
        self.tensors: list[_Tensor] = []
        self.runs: list[tuple[int, Tensor]] = []
        self.size = 0
        for owner, name, tensor in _tensors_of(module):
            length = -(-tensor.nbytes // ALIGNED) * ALIGNED
            home, follows = slabs.take(length)
            one = _Tensor(owner, name, tensor, home[: tensor.nbytes], self.size)
            before = tensor.detach()
            if not _is_dense(before):
                tensor.data = before = before.contiguous()
            one.lie_in(one.home)
            tensor.data.copy_(before)
            self.tensors.append(one)
            if follows and self.runs:
                first, run = self.runs[-1]
                self.runs[-1] = (first, run.as_strided((len(run) + length,), (1,)))
            else:
                self.runs.append((self.size, home))
            self.size += length

    def wait(self) -> None:
        """Let the block's weights be those in the processor's memory."""
        for one in self.tensors:
            one.lie_in(one.home)

    def work(self, memory: Tensor) -> None:
        """Let the block work with the copy of its weights in `memory`, on the device."""
        for one in self.tensors:
            one.lie_in(memory[one.first : one.first + one.tensor.nbytes])

    @property
    def is_whole(self) -> bool:
        """Whether its weights are those that were gathered: adapters put others, and other layers, in their place."""
        present = list(_tensors_of(self.module))
        gathered = [(one.owner, one.name, one.tensor) for one in self.tensors]
        return len(present) == len(gathered) and all(
            all(map(operator.is_, one, other)) for one, other in zip(present, gathered, strict=True)
        )


def _tensors_of(block: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """Each module in `block`, the name of a parameter or buffer of its own, and the tensor."""
    for owner in block.modules():
        for name, tensor in (*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False)):
            yield owner, name, tensor


def can_stream(block: nn.Module) -> bool:
    """Whether the weights of `block` are plain numbers, which can lie anywhere; torchao's are not."""
    tensors = (*block.parameters(), *block.buffers())
    return bool(tensors) and not any(hasattr(tensor, "__tensor_flatten__") for tensor in tensors)


class StreamedBlocks:
    """The blocks of `network`, gathered in the processor's memory, from where they come to `device` in turn.

    They do between `begin` and `end`; the rest of the network goes to `device` then, and stays there. A call that ends
    early, by an error or a cancel, does no harm to those that follow. On a CPU everything is the same, but for the
    streams: so it is tested.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network
        self._device = device
        slabs = _Slabs(pinned=device.type == "cuda")
        self._blocks = {module: _Block(module, slabs, device) for module in blocks_of(network) if can_stream(module)}
        self._lane = _Lane(device)
        self._places: list[_Place] = []
        # Which block followed which one at the last call, and the one that was last.
        self._next: dict[nn.Module, nn.Module] = {}
        self._last: nn.Module | None = None
        self._handles: list[Any] = []

    @property
    def is_whole(self) -> bool:
        """Whether the network's weights are still those that were gathered: else gather anew."""
        return all(block.is_whole for block in self._blocks.values())

    @property
    def works(self) -> bool:
        """Whether blocks come to the device now."""
        return bool(self._places)

    @property
    def held(self) -> int:
        """Bytes on the device: the two places, and what always stays."""
        streamed = {id(one.tensor) for block in self._blocks.values() for one in block.tensors}
        tensors = (*self._network.parameters(), *self._network.buffers())
        places = sum(place.memory.nbytes for place in self._places)
        return places + sum(tensor.nbytes for tensor in tensors if id(tensor) not in streamed)

    def begin(self) -> None:
        """Let blocks come to the device."""
        inside = {part for module in self._blocks for part in module.modules()}
        for part in self._network.modules():
            if part not in inside:
                part._apply(lambda tensor: tensor.to(self._device), recurse=False)  # pyright: ignore[reportPrivateUsage]
        most = max((block.size for block in self._blocks.values()), default=0)
        self._places = [_Place(torch.empty(most, dtype=torch.uint8, device=self._device)) for _ in range(PLACES)]
        for module in self._blocks:
            self._handles.append(module.register_forward_pre_hook(self._enter))
            self._handles.append(module.register_forward_hook(self._leave, always_call=True))

    def end(self) -> None:
        """Let the network be as any other one again, its blocks on the CPU."""
        for handle in self._handles:
            handle.remove()
        for block in self._blocks.values():
            block.wait()
        self._lane.finish()
        self._handles, self._places, self._last = [], [], None

    def _enter(self, module: nn.Module, _inputs: Any) -> None:
        block = self._blocks[module]
        place = self._place_of(block) or self._fetch(block, self._other_than(self._last))
        self._lane.wait_for_copy(place)
        block.work(place.memory)
        if self._last is not None:
            self._next[self._last] = module
        self._last = module
        following = self._next.get(module)
        if following is not None and self._place_of(self._blocks[following]) is None:
            self._fetch(self._blocks[following], self._other_than(module))

    def _leave(self, module: nn.Module, _inputs: Any, _output: Any) -> None:
        block = self._blocks[module]
        block.wait()
        if (place := self._place_of(block)) is not None:
            self._lane.note_done(place)

    def _place_of(self, block: _Block) -> _Place | None:
        return next((place for place in self._places if place.block is block), None)

    def _other_than(self, module: nn.Module | None) -> _Place:
        """A place that the block of `module` does not lie in."""
        return next(place for place in self._places if place.block is None or place.block.module is not module)

    def _fetch(self, block: _Block, place: _Place) -> _Place:
        place.block = block
        self._lane.copy(block.runs, place)
        return place


@dataclass(eq=False)
class _Place:
    """Memory on the device, the block whose weights are there or on their way, and when they came and were used."""

    memory: Tensor
    block: _Block | None = None
    copied: Any = None
    done: Any = None


class _Lane:
    """The stream of copies to `device`, beside that on which it computes; nothing of the kind on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def copy(self, runs: Sequence[tuple[int, Tensor]], place: _Place) -> None:
        """Copy `runs`, each to where it belongs in `place`, as soon as what lay there has been used."""
        if self._stream is None:
            for first, run in runs:
                place.memory[first : first + len(run)].copy_(run)
            return
        if place.done is None:
            # New memory, which may have been something else's until now.
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
        else:
            self._stream.wait_event(place.done)
        with torch.cuda.stream(self._stream):
            for first, run in runs:
                place.memory[first : first + len(run)].copy_(run, non_blocking=True)
            place.copied = self._stream.record_event()

    def wait_for_copy(self, place: _Place) -> None:
        """Let what is computed from now on begin when the copy into `place` is there."""
        if self._stream is not None:
            torch.cuda.current_stream(self._device).wait_event(place.copied)

    def note_done(self, place: _Place) -> None:
        """Say that all that uses `place` has been asked for."""
        if self._stream is not None:
            place.done = torch.cuda.current_stream(self._device).record_event()

    def finish(self) -> None:
        """Wait for all copies: memory that one of them still writes into may not be handed out again."""
        if self._stream is not None:
            self._stream.synchronize()


def _is_dense(tensor: Tensor) -> bool:
    """Whether the numbers of `tensor` lie side by side in some order."""
    return tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))

"""Which parts of a loaded pipeline have their weights in memory now: under some plans they take turns.

On a CPU a part that leaves forgets its weights, and reads them from its file again when it is needed: mapped where the
precision is the file's, which costs next to nothing. On another device it goes to the CPU's memory and comes back, the
denoiser under some plans block by block (`engine.models.streaming`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from engine.backends.parts import Computed
from engine.heap import trim_heap
from engine.loading.adapters import clear_part
from engine.memory import MemoryPlan, group_of
from engine.models.streaming import StreamedBlocks

# Reads a part anew from the files of the model, onto the CPU.
Read = Callable[[str], nn.Module]


class Residency:
    """The parts of `pipeline`, of which some may be away; `read` gives a part by name from its files."""

    def __init__(self, pipeline: Any, device: torch.device, read: Read) -> None:
        self._pipeline: Any = pipeline
        self._device = device
        self._read = read
        self._streamed: dict[nn.Module, StreamedBlocks] = {}

    def end(self) -> None:
        """Let go of the pipeline."""
        for streamed in self._streamed.values():
            streamed.end()
        self._streamed.clear()
        self._pipeline = None

    def let_work(self, plan: MemoryPlan, *working: str) -> None:
        """Have the parts of the groups `working` (`engine.memory.GROUPS`) here, and away those that `plan` says.

        What leaves goes first, so that both are never in memory together.
        """
        parts = {name: part for name, part in self._pipeline.components.items() if isinstance(part, nn.Module)}
        groups = {name: group_of(name) for name in parts}
        left = False
        for part, streamed in list(self._streamed.items()):
            # While text encoders work, adapters may be put on, and other weights in the place of those gathered.
            useless = not plan.streamed or not streamed.is_whole
            if streamed.works and (useless or "text" in working):
                self._send_away(part)
            if useless:
                del self._streamed[part]
        for name, part in parts.items():
            group = groups[name]
            if group is not None and group not in working and _leaves(plan, group) and isinstance(part, Computed):
                part.release()  # and comes back by itself
            elif group is not None and group not in working and _leaves(plan, group) and not self._is_away(part):
                self._send_away(part)
                left = True
        if left and self._device.type == "cpu":
            trim_heap()  # else what comes would lie beside what is freed
        for name, part in parts.items():
            # Without a plan that lets them leave, all are here.
            group = groups[name]
            if group is not None and self._is_away(part) and (group in working or not _leaves(plan, group)):
                self._bring(name, part, plan.streamed and group == "denoiser", working)

    def _is_away(self, part: nn.Module) -> bool:
        first = next(part.parameters(), None)
        return not isinstance(part, Computed) and first is not None and first.device.type != self._device.type

    def _send_away(self, part: nn.Module) -> None:
        if part in self._streamed:
            self._streamed[part].end()
        if self._device.type != "cpu":
            part.to("cpu")
            return
        empty(part)

    def _bring(self, name: str, part: nn.Module, streamed: bool, working: tuple[str, ...]) -> None:
        try:
            if not streamed or self._device.type != "cuda":
                self._fetch(name, part)
            elif "text" not in working:  # else it is only to be whole, for adapters, which it is where it waits
                if part not in self._streamed:
                    self._streamed[part] = StreamedBlocks(part, self._device)
                self._streamed[part].begin()
        except (RuntimeError, MemoryError):
            self._send_away(part)  # not half of it here
            raise

    def _fetch(self, name: str, part: nn.Module) -> None:
        if self._device.type != "cpu":
            part.to(self._device)
            return
        # Into the modules that are there: hooks, and those who hold a module, know no others.
        for module, fresh in zip(part.modules(), self._read(name).modules(), strict=True):
            module._parameters.update(fresh._parameters)  # pyright: ignore[reportPrivateUsage]
            module._buffers.update(fresh._buffers)  # pyright: ignore[reportPrivateUsage]


def empty(part: nn.Module) -> nn.Module:
    """Let `part` forget its weights: it keeps their shapes."""
    clear_part(part)
    for module in part.modules():
        for name, parameter in module._parameters.items():  # pyright: ignore[reportPrivateUsage]
            if parameter is not None:
                module._parameters[name] = nn.Parameter(parameter.to("meta"), requires_grad=False)  # pyright: ignore[reportPrivateUsage]
        for name, buffer in module._buffers.items():  # pyright: ignore[reportPrivateUsage]
            if buffer is not None:
                module._buffers[name] = buffer.to("meta")  # pyright: ignore[reportPrivateUsage]
    return part


def _leaves(plan: MemoryPlan, group: str) -> bool:
    return plan.in_turn or (plan.text_released and group == "text")

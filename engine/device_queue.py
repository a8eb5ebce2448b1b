"""What a device has yet to do. A GPU is given work faster than it does it, and nothing but asking for a number waits.

So a number is asked for when the next step has been asked for, too: the device then goes on while Python works.
"""

from __future__ import annotations

from time import perf_counter

import torch
from torch import Tensor


class Mark:
    """The place in the work of `device` that everything asked of it until now comes before."""

    def __init__(self, device: torch.device) -> None:
        self._event: torch.cuda.Event | None = None
        if device.type == "cuda":
            self._event = torch.cuda.Event(enable_timing=True)
            self._event.record(torch.cuda.current_stream(device))
        self._time = perf_counter()

    def wait(self) -> None:
        """Wait until the device is there; other threads run meanwhile."""
        if self._event is not None:
            self._event.synchronize()

    def seconds_since(self, earlier: Mark) -> float:
        """The seconds that what lies between the two took; waits for it."""
        if self._event is None or earlier._event is None:
            return self._time - earlier._time
        self._event.synchronize()
        return earlier._event.elapsed_time(self._event) / 1000


def steps_behind(device: torch.device) -> int:
    """How many steps may be unfinished when the next one is asked for."""
    return 1 if device.type == "cuda" else 0


def copied(tensor: Tensor) -> Tensor:
    """A copy of `tensor` in the processor's memory; a GPU has made it when a later `Mark` was reached."""
    tensor = tensor.detach()
    if tensor.device.type != "cuda":
        return tensor.to("cpu", copy=True)
    # Into pages that the system cannot move, into which a GPU copies while other work goes on.
    return torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)

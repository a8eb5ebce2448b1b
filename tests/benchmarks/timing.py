"""Measuring side by side: subjects take turns, and what is compared are the ratios of one round."""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

Subject = Callable[[], object]
ROUNDS = 7
# So long one measurement on a GPU takes: a step of a few milliseconds alone says little.
GPU_SECONDS = 0.2


@dataclass(frozen=True)
class Ratio:
    """The ratios of the rounds; `str` gives the median and, in brackets, the least and the largest."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{digits(self.median)} ({digits(min(self.values))} to {digits(max(self.values))})"


def digits(value: float) -> str:
    """Three decimals, or two digits of a number that has none there."""
    return f"{value:.{max(3, 1 - math.floor(math.log10(abs(value)))) if value else 3}f}"


@dataclass(frozen=True)
class Times:
    """Seconds of every subject in every round."""

    seconds: Mapping[str, tuple[float, ...]]

    def ratio(self, name: str, to: str) -> Ratio:
        """Return the ratios of the subject `name` to the subject `to`, round by round."""
        return Ratio(tuple(a / b for a, b in zip(self.seconds[name], self.seconds[to], strict=True)))

    def median(self, name: str) -> float:
        """Return the median of a subject's seconds."""
        return statistics.median(self.seconds[name])


def take_turns(
    subjects: Mapping[str, Subject],
    rounds: int = ROUNDS,
    device: str = "cpu",
    clock: str = "wall",
    told: Callable[[str], None] = lambda _line: None,
    each: Callable[[Times], None] = lambda _times: None,
) -> Times:
    """Run all `subjects` unmeasured, once (thrice on a GPU), then `rounds` times in turn, every other round backwards.

    `clock` "wall" is what a user waits for; "cpu" counts the processor's seconds of this process, which other programs
    of a busy machine disturb less. On a GPU time is taken by its own events. `each` gets all times after every round.
    """
    names = list(subjects)
    for name in names:
        # A CUDA graph is recorded at the second call of a shape.
        for _ in range(1 if device == "cpu" else 3):
            seconds_of(subjects[name], device, clock)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            seconds[name].append(seconds_of(subjects[name], device, clock))
        told(f"round {turn + 1}: " + ", ".join(f"{name} {seconds[name][-1]:.3f}" for name in names))
        each(_times(seconds))
    return _times(seconds)


def _times(seconds: Mapping[str, Sequence[float]]) -> Times:
    return Times({name: tuple(values) for name, values in seconds.items()})


def seconds_of(subject: Subject, device: str = "cpu", clock: str = "wall") -> float:
    """Return the seconds that one call of `subject` takes; on a GPU the mean of as many as fill `GPU_SECONDS`."""
    if device != "cpu":
        with torch.cuda.device(device):
            alone = _gpu_seconds(subject, 1)
            calls = int(GPU_SECONDS / alone)
            return _gpu_seconds(subject, calls) / calls if calls > 1 else alone
    now = time.perf_counter if clock == "wall" else time.process_time
    start = now()
    subject()
    return now() - start


def _gpu_seconds(subject: Subject, calls: int) -> float:
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    began.record()
    for _ in range(calls):
        # Whose graphs these are: without it, those of one subject would be taken for a part of another's.
        torch.compiler.cudagraph_mark_step_begin()
        subject()
    ended.record()
    torch.cuda.synchronize()
    return began.elapsed_time(ended) / 1000


def machine(device: str = "cpu") -> str:
    """Return one line on the machine: processor, threads, torch, and how busy it was."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{processor(device)}, {torch.get_num_threads()} threads, torch {torch.__version__}{load}"


def processor(device: str = "cpu") -> str:
    """Return the name of the processor with the instructions that torch uses of it, or that of the GPU."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.backends.cpu.get_cpu_capability()}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 - a file of the kernel
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

"""One stage of training under way: network, average, optimiser, clock, and what they report and save.

The three trainers write out their own loops; what is the same in all of them stands here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import ConfigError, DeviceUnavailable
from engine.models.arithmetic import is_quick
from engine.training.checkpoint import (
    check_settings,
    load_checkpoint,
    load_optimizer_state,
    load_weights,
    optimizer_state,
    save_checkpoint,
)
from engine.training.clock import Clock
from engine.training.config import StageSettings
from engine.training.cpu_kernels import FastOnCpu
from engine.training.ema import Ema
from engine.training.events import CheckpointSaved, Event, ImageSaved, Progress, Stage, Started
from engine.training.optimisation import learning_rate, make_optimizer, set_learning_rate
from engine.training.plots import save_loss_curve

Network = TypeVar("Network", bound=nn.Module)

# What may change between the parts of a resumed run. A longer run is a change of steps or minutes.
CHANGEABLE = frozenset(
    {
        "out",
        "steps",
        "max_minutes",
        "device",
        "threads",
        "log_steps",
        "sample_minutes",
        "checkpoint_minutes",
        "decay_share",
        "learning_rate",
    }
)


def make_accelerator(settings: StageSettings) -> Any:
    """Return an `accelerate.Accelerator` for the device and precision of `settings`.

    Raises `DeviceUnavailable` where the device is not present, `ConfigError` for a precision that it cannot have.
    """
    from accelerate import Accelerator  # heavy, and only training needs it
    from accelerate.state import AcceleratorState, PartialState

    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if settings.device != "auto" and not present[settings.device]:
        raise DeviceUnavailable(f"The device {settings.device!r} is not present; choose 'cpu' or 'auto'.")
    if settings.precision == "fp16" and (settings.device == "cpu" or not (present["cuda"] or present["mps"])):
        raise ConfigError("precision cannot be 'fp16' on a CPU; choose 'bf16' or 'no'.")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    states: tuple[Any, ...] = (AcceleratorState, PartialState)
    if all(state._shared_state for state in states) and PartialState().num_processes == 1:
        # They are global, and refuse a stage with another precision or device in the same process.
        for state in states:
            state._reset_state()
    on_cpu = settings.device == "cpu" or not (present["cuda"] or present["mps"])
    precision = best_precision(on_cpu) if settings.precision == "auto" else settings.precision
    return Accelerator(cpu=settings.device == "cpu", mixed_precision=precision)


def best_precision(on_cpu: bool) -> Literal["no", "bf16"]:
    """Return `bf16` where the processor computes faster in it, or else the GPU has instructions for it, else `no`."""
    if on_cpu:
        present = is_quick(torch.bfloat16)
    else:
        present = not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if present else "no"


def step_seed(*numbers: int) -> int:
    """Return a seed that is a hash of `numbers`, such as run seed, step and process."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


class Session(Generic[Network]):
    """Keeps the state of a stage and resumes it when `settings.out` holds a checkpoint.

    Attributes:
        network: the trained module itself; call it through `compute`.
        ema: its moving average, on the same device.
        losses: the loss of every step.
        resumed: whether a checkpoint was loaded.
    """

    def __init__(
        self, stage: Stage, settings: StageSettings, network: Network, stop: threading.Event | None = None
    ) -> None:
        self.stage: Stage = stage
        self.settings = settings
        self.folder = Path(settings.out)
        self.accelerator = make_accelerator(settings)
        self.device: torch.device = self.accelerator.device
        self.network = network.to(self.device).train()
        cast("Any", self.network).to(memory_format=torch.channels_last)
        self.ema = Ema(self.network, settings.ema_decay)
        self._optimizer = make_optimizer(self.network.parameters(), settings)
        self.clock = Clock(settings)
        self.losses: list[float] = []
        self._pending: list[Tensor] = []
        self._stop = stop or threading.Event()
        self._fraction = 0.0
        self._rate = 0.0
        self.resumed = self.checkpoint_path.is_file()
        if self.resumed:
            self._resume()
        self._forward, self._prepared_optimizer = self.accelerator.prepare(self.network, self._optimizer)

    @property
    def checkpoint_path(self) -> Path:
        """The file from which the stage resumes."""
        return self.folder / f"{self.stage}.checkpoint.pt"

    @property
    def step(self) -> int:
        """Optimiser steps done."""
        return self.clock.step

    @property
    def fraction(self) -> float:
        """How much of the stage is done, the same number in every process."""
        return self._fraction

    def started(self) -> Started:
        """Return the event that opens the stage."""
        count = sum(weight.numel() for weight in self.network.parameters())
        begin = f"goes on at step {self.step}" if self.resumed else "begins"
        text = f"{self.stage} {begin}: {count:,} weights on {self.device}, {self.accelerator.mixed_precision}"
        return Started(self.stage, self.step, text)

    def running(self) -> bool:
        """Return whether another step is to be made: steps, time and the stop event decide."""
        going = self.clock.running()
        if going and self._stop.is_set():
            self.clock.reason, going = "interrupted", False
        self._fraction = self.clock.fraction
        if self.accelerator.num_processes > 1:
            # Clocks differ between processes, and one that stops alone would leave the others waiting for ever.
            from accelerate.utils import broadcast

            shared: Any = broadcast(torch.tensor([float(going), self._fraction], device=self.device))
            going, self._fraction = bool(shared[0] > 0), float(shared[1])
            if not going and self.clock.reason is None:
                self.clock.reason = "time"
        return going

    def generator(self) -> torch.Generator:
        """Return the source of all randomness of the present step in this process, on the CPU."""
        seed = step_seed(self.settings.seed, self.step, self.accelerator.process_index)
        return torch.Generator().manual_seed(seed)

    def compute(self, *inputs: Any, **named: Any) -> Any:
        """Return the network's output under the settings' precision."""
        with FastOnCpu() if self.device.type == "cpu" else nullcontext():
            return self._forward(*inputs, **named)

    def part(self, last: bool) -> AbstractContextManager[Any]:
        """Return the context for one accumulated part of a step: only the last one exchanges gradients."""
        return nullcontext() if last else self.accelerator.no_sync(self._forward)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`, one part of this step's loss."""
        self._pending.append(loss.detach())
        self.accelerator.backward(loss)

    def update(self) -> None:
        """Make the optimiser step with the gradients added so far."""
        self._rate = learning_rate(self.settings, self.step, self._fraction)
        set_learning_rate(self._optimizer, self._rate)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.settings.max_grad_norm)
        self._prepared_optimizer.step()
        self._prepared_optimizer.zero_grad()
        self.ema.update(self.network)
        self.losses.append(float(torch.stack(self._pending).sum()))
        self._pending.clear()
        self.clock.tick()

    def reports(self) -> Iterator[Event]:
        """Yield what is due after a step: progress with the loss curve, and a checkpoint."""
        if self.step % self.settings.log_steps == 0:
            yield self._progress()
        if self.accelerator.is_main_process and self.clock.due("checkpoint", self.settings.checkpoint_minutes):
            yield from self.save()

    def samples_due(self) -> bool:
        """Return whether pictures of the present state are due, in the process that makes them."""
        return self.accelerator.is_main_process and self.clock.due("samples", self.settings.sample_minutes)

    def save(self) -> Iterator[Event]:
        """Write the loss curve and the checkpoint."""
        if not self.accelerator.is_main_process:
            return
        if self.losses:
            path = self.folder / f"{self.stage}.loss.png"
            save_loss_curve(self.losses, path, title=f"{self.stage}: loss")
            yield ImageSaved(self.stage, self.step, "loss", path)
        scaler = self.accelerator.scaler
        content = {
            "settings": self.settings.to_dict(),
            "step": self.step,
            "seconds": self.clock.seconds,
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "network": self.network.state_dict(),
            "ema": self.ema.model.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizer": optimizer_state(self.network, self._optimizer),
            "scaler": scaler.state_dict() if scaler is not None else {},
        }
        save_checkpoint(self.checkpoint_path, content)
        yield CheckpointSaved(self.stage, self.step, self.checkpoint_path)

    def close(self) -> Iterator[Event]:
        """Write the last checkpoint; every process waits for it, since launchers end all once one has ended."""
        yield from self.save()
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        content = load_checkpoint(self.checkpoint_path)
        check_settings(self.checkpoint_path, content["settings"], self.settings.to_dict(), CHANGEABLE)
        load_weights(self.network, content["network"], self.checkpoint_path)
        load_weights(self.ema.model, content["ema"], self.checkpoint_path)
        self.ema.updates = content["ema_updates"]
        load_optimizer_state(self.network, self._optimizer, content["optimizer"], self.checkpoint_path)
        if content["scaler"] and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(content["scaler"])
        self.losses = content["losses"].tolist()
        self.clock = Clock(self.settings, content["step"], content["seconds"])

    def _progress(self) -> Progress:
        recent = self.losses[-self.settings.log_steps :]
        return Progress(
            self.stage,
            self.step,
            total=self.settings.steps,
            loss=sum(recent) / len(recent),
            learning_rate=self._rate,
            seconds_per_step=self.clock.seconds_per_step,
            seconds_left=self.clock.seconds_left,
        )

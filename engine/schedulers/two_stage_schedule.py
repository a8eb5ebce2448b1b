"""What the schedulers share that call the model twice a step."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from engine.errors import CallOrder
from engine.schedulers.base import Device, Timestep
from engine.schedulers.sigma_schedule import SigmaScheduler


class TwoStageScheduler(SigmaScheduler):
    """A scheduler whose step from sigma_i to sigma_{i+1} calls the model at sigma_i and at a second level.

    Place 2i of the schedule is the first call of step i, place 2i + 1 its second; the last step, to zero, has only the
    first. `timesteps` has an entry for every call, and `prev_sample` is what the model is to be called with next.

    Attributes:
        sample: x_i between the two calls of a step, else None.
        state_in_first_order: whether the next call is the first of a step.
    """

    order: ClassVar[int] = 2

    sample: torch.Tensor | None = None
    # The level at every call, in torch for `add_noise` and in numpy for arithmetic.
    _called_at: torch.Tensor
    _call_sigmas: npt.NDArray[np.float32]

    def _start_two_stage_run(
        self, sigmas: torch.Tensor, called_at: torch.Tensor, times: npt.NDArray[Any], device: Device
    ) -> None:
        """Take the levels `sigmas`, those of the 2n - 1 calls and their timesteps as the schedule of n steps."""
        steps = (len(times) + 1) // 2
        # A device that knows no float64 takes its timesteps rounded.
        times = times.astype(np.float32) if device is not None and torch.device(device).type == "mps" else times
        self._start_sigma_run(sigmas.numpy(), times, device)
        self.num_inference_steps = steps
        self._called_at, self._call_sigmas = called_at, called_at.numpy()
        self.sample = None

    @property
    def state_in_first_order(self) -> bool:
        """Whether the next call is the first of a step."""
        return self.sample is None

    @property
    def _levels_of_input(self) -> torch.Tensor:
        return self.sigmas if self.num_inference_steps is None else self._called_at

    def scale_model_input(  # pyright: ignore[reportIncompatibleMethodOverride]  # the level depends on the timestep
        self, sample: torch.Tensor, timestep: Timestep
    ) -> torch.Tensor:
        """Return x / sqrt(1 + sigma^2) for the level of this call; `sample` is of any shape.

        Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        sigma = self._call_sigmas[self._current_index(timestep)]
        self.is_scale_input_called = True
        return sample / float((sigma**2 + 1) ** 0.5)

    def _current_call(self, timestep: Timestep) -> int:
        """Return the place of the call that `step` is given; raises `CallOrder` for a second one without a first."""
        self._require_scaled()
        place = self._current_index(timestep)
        if place % 2 and self.sample is None:
            raise CallOrder(
                f"{type(self).__name__}: place {place} of the schedule is the second call of a step; start at an even "
                "one, as scheduler.timesteps[scheduler.order * step:] does."
            )
        return place

    def _begin_or_end(self, x: torch.Tensor) -> torch.Tensor:
        """Return x_i: `x` itself, which is kept, in the first call of a step, and what was kept in the second."""
        x_i = x if self.sample is None else self.sample
        self.sample = x if self.sample is None else None
        return x_i


def twice(values: torch.Tensor) -> torch.Tensor:
    """Return the first of `values` (n,) once and each other one twice, shape (2n - 1,): one for every call."""
    return torch.cat([values[:1], values[1:].repeat_interleave(2)])


def interleave(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return first[0], second[0], first[1], ..., of the type of `first` (n,), which has one more than `second`."""
    table = np.empty(len(first) + len(second), dtype=first.dtype)
    table[::2], table[1::2] = first, second
    return table

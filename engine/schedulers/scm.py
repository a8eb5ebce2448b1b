"""Multistep sampling of simplified consistency models, on the trigonometric path of TrigFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import CallOrder, InvalidValue
from engine.schedulers.base import Device, Generators, SchedulerMixin, StepResult, Timestep, full_precision, noise_like
from engine.schedulers.noise_schedules import checked_steps

MAX_TIMESTEPS, INTERMEDIATE_TIMESTEPS = 1.57080, 1.3


class SCMScheduler(SchedulerMixin):
    """x_t = cos(t) x_0 + sin(t) sigma_data z for the next time t, with x_0 = cos(s) x_s - sin(s) F, z standard normal.

    "Simplifying, Stabilizing and Scaling Continuous-Time Consistency Models", https://arxiv.org/abs/2410.11081: samples
    are x_t = cos(t) x_0 + sin(t) z for times t from pi / 2 (noise of std sigma_data) to 0, the network predicts
    sigma_data F, here `model_output`, with which section 3 jumps to x_0; noising that afresh is algorithm 1 of
    https://arxiv.org/abs/2303.01469.

    `timesteps` has one more than there are steps: the last, 0, is where the run ends.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps", "max_timesteps", "intermediate_timesteps"})
    _compatibles: ClassVar[Sequence[str]] = ()

    # cos and sin of every time, in numpy: float32 scalars are quick, and round as the reference's do.
    _cos: npt.NDArray[np.float32]
    _sin: npt.NDArray[np.float32]

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        prediction_type: Literal["trigflow"] = "trigflow",
        sigma_data: float = 0.5,
    ) -> None:
        self._check_ranges()
        self._start_run(np.arange(num_train_timesteps)[::-1].copy(), None)

    def set_timesteps(  # pyright: ignore[reportIncompatibleMethodOverride]  # the reference's order of arguments
        self,
        num_inference_steps: int,
        timesteps: Sequence[float] | torch.Tensor | None = None,
        device: Device = None,
        max_timesteps: float | None = MAX_TIMESTEPS,
        intermediate_timesteps: float | None = INTERMEDIATE_TIMESTEPS,
    ) -> None:
        """Lay out `num_inference_steps` steps from the time `max_timesteps` to 0.

        Two steps go by way of `intermediate_timesteps`, which must be None for any other number. Own descending
        `timesteps`, one more than steps, need `max_timesteps=None`. Raises `InvalidValue` if the arguments disagree.
        """
        n = checked_steps(num_inference_steps, self.config.num_train_timesteps)
        if (timesteps is None) == (max_timesteps is None):
            raise InvalidValue(
                f"set_timesteps takes exactly one of timesteps and max_timesteps, not ({timesteps}, {max_timesteps}); "
                "set the other to None."
            )
        if intermediate_timesteps is not None and n != 2:
            raise InvalidValue(
                f"intermediate_timesteps={intermediate_timesteps} is for 2 steps, not {n}; set it to None."
            )
        if timesteps is not None:
            times = torch.as_tensor(timesteps, dtype=torch.float32, device="cpu")
        elif intermediate_timesteps is not None:
            times = torch.tensor([max_timesteps, intermediate_timesteps, 0])
        else:
            times = torch.linspace(max_timesteps or 0, 0, n + 1)
        if len(times) != n + 1 or bool((times.diff() >= 0).any()) or times[-1] < 0:
            raise InvalidValue(
                f"timesteps cannot be {times.tolist()} for {n} steps; give {n + 1} that descend, the last usually 0."
            )
        self.num_inference_steps = n
        self._cos, self._sin = times.cos().numpy(), times.sin().numpy()
        self._start_run(times.numpy(), device)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_t and the predicted x_0, both like `sample` (any shape).

        Raises `CallOrder` before `set_timesteps` and at the last time, where the run has ended.
        """
        self._require_timesteps()
        s = self._current_index(timestep)
        t = s + 1
        if t == len(self._timetable):
            raise CallOrder(
                f"{type(self).__name__}: all {t - 1} steps are done, the last timestep is where they end; "
                "call set_timesteps for another run."
            )
        x, f = full_precision(sample), full_precision(model_output)
        x_0 = torch.add(float(self._cos[s]) * x, f, alpha=-float(self._sin[s]))
        z = noise_like(model_output, generator, torch.float32)
        x_t = torch.add(float(self._cos[t]) * x_0, z, alpha=float(self._sin[t]) * self.config.sigma_data)
        self._step_index = t
        return self._output(x_t.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

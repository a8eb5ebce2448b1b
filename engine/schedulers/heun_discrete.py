"""Heun's method on the probability flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import Device, StepResult, Timestep, full_precision
from engine.schedulers.noise_schedules import BetaSchedule, Spacing, checked_timesteps
from engine.schedulers.two_stage_schedule import TwoStageScheduler, twice


class HeunDiscreteScheduler(TwoStageScheduler):
    """x_{i+1} = x_i + (t_{i+1} - t_i) (d_i + d'_i) / 2, for the noise levels t_i = sigma_i.

    "Elucidating the Design Space of Diffusion-Based Generative Models", https://arxiv.org/abs/2206.00364, algorithm 1:

        d_i  = (x_i - x_0) / t_i             first call, at t_i
        x'   = x_i + (t_{i+1} - t_i) d_i
        d'_i = (x' - x'_0) / t_{i+1}         second call, at t_{i+1}

    with x_0 and x'_0 the predicted clean samples. The last step, to zero, is x' (Euler's).
    """

    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps"})

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: BetaSchedule = "linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon",
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        clip_sample: bool | None = False,
        clip_sample_range: float = 1.0,
        timestep_spacing: Spacing = "linspace",
        steps_offset: int = 0,
    ) -> None:
        self._make_sigmas()
        self._d: torch.Tensor | None = None

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Device = None,
        num_train_timesteps: int | None = None,
        timesteps: Sequence[float] | None = None,
    ) -> None:
        """Lay out `num_inference_steps` steps, or one from each of the given descending `timesteps`.

        `num_train_timesteps`: of how many the steps are taken, all by default. Raises `InvalidValue` for none or both
        of them, and for timesteps that a grid of sigmas would move.
        """
        if (num_inference_steps is None) == (timesteps is None):
            raise InvalidValue(
                "set_timesteps takes exactly one of num_inference_steps and timesteps, not "
                f"({num_inference_steps}, {timesteps})."
            )
        if timesteps is None:
            times = self._spaced_times(num_inference_steps, num_train_timesteps)
        else:
            self._refuse_grid_for("timesteps")
            times = checked_timesteps(timesteps, self.config.num_train_timesteps)
        levels, times = self._gridded(times.astype(np.float32))
        called_at = twice(torch.from_numpy(levels.astype(np.float32)))
        sigmas = torch.cat([called_at, torch.zeros(1)])
        times = twice(torch.from_numpy(times.astype(np.float32))).numpy()
        self._start_two_stage_run(sigmas, called_at, times, device)
        self._d = None

    def step(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> StepResult:
        """Return x' or, in the second call, x_{i+1}, and the predicted x_0, all like `sample` (any shape).

        Raises `CallOrder` before `set_timesteps` and `scale_model_input`.
        """
        place = self._current_call(timestep)
        t = self._call_sigmas[place]
        x = full_precision(sample)
        x_0 = self._bounded(self._clean(full_precision(model_output), x, t, t))
        d = (x - x_0) / float(t)
        x_i = self._begin_or_end(x)
        if self._d is None:
            # x_i + step d_i, whose terms nearly cancel from a high level, is x_0 + (t_i + step) d_i.
            step = float(self._sigmas[place + 1] - t)
            x_next, self._d = torch.add(x_0, d, alpha=float(t) + step), d
        else:
            step = float(t - self._sigmas[place - 1])
            x_next, self._d = torch.add(x_i, self._d + d, alpha=step / 2), None
        self._step_index = place + 1
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

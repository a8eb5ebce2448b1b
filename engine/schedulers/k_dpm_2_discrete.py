"""DPM-Solver-2 as a midpoint method on the probability flow, in the form of Karras et al."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.schedulers.base import Device, StepResult, Timestep, full_precision
from engine.schedulers.noise_schedules import BetaSchedule, Spacing, sigma_to_t
from engine.schedulers.two_stage_schedule import TwoStageScheduler, interleave


class KDPM2DiscreteScheduler(TwoStageScheduler):
    """x_{i+1} = x_i + (sigma_{i+1} - sigma_i) d', with the derivative d' halfway.

    The midpoint rule in log sigma: DPM-Solver-2 (https://arxiv.org/abs/2206.00927, algorithm 1, r_1 = 1/2) in the
    variables of https://arxiv.org/abs/2206.00364, sampler of https://github.com/crowsonkb/k-diffusion:

        d  = (x_i - x_0) / sigma_i                        first call, at sigma_i
        x' = x_i + (sigma' - sigma_i) d,  sigma' = sqrt(sigma_i sigma_{i+1})
        d' = (x' - x'_0) / sigma'                         second call, at sigma'

    with x_0 and x'_0 the predicted clean samples. The last step, to zero, is x' (Euler's).
    """

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: BetaSchedule = "linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon",
        timestep_spacing: Spacing = "linspace",
        steps_offset: int = 0,
    ) -> None:
        self._make_sigmas()

    def set_timesteps(
        self, num_inference_steps: int, device: Device = None, num_train_timesteps: int | None = None
    ) -> None:
        """Lay out `num_inference_steps` steps, of all trained timesteps or `num_train_timesteps` of them.

        Raises `InvalidValue` for none, and for more than were trained.
        """
        times = self._spaced_times(num_inference_steps, num_train_timesteps).astype(np.float32)
        levels, times = self._gridded(times)
        if self.config.use_karras_sigmas:
            times = times.round()
        sigmas = torch.from_numpy(np.append(levels, 0).astype(np.float32))
        halfway = self._lay_out(sigmas[:-1], sigmas[1:])
        # In float32, as these levels are; the sum of `sigma_to_t` too.
        halfway_times = sigma_to_t(halfway[:-1].numpy(), self._log_sigmas, np.float32)
        called_at = torch.from_numpy(interleave(sigmas[:-1].numpy(), halfway[:-1].numpy()))
        self._halfway = halfway.numpy()
        # The reference's table: every level but the first and the last zero twice.
        twice = torch.cat([sigmas[:1], sigmas[1:].repeat_interleave(2), sigmas[-1:]])
        self._start_two_stage_run(twice, called_at, interleave(times, halfway_times), device)

    def _lay_out(self, sigmas: torch.Tensor, sigmas_next: torch.Tensor) -> torch.Tensor:
        """Set where each step from `sigmas` (n,) goes, and return the levels halfway, the last of them 0."""
        self._targets = sigmas_next.numpy()
        return sigmas_next.log().lerp(sigmas.log(), 0.5).exp()

    def step(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> StepResult:
        """Return x' or, in the second call, x_{i+1}, and the predicted x_0, all like `sample` (any shape).

        Raises `CallOrder` before `set_timesteps` and `scale_model_input`.
        """
        place = self._current_call(timestep)
        x_next, x_0 = self._advance(full_precision(model_output), full_precision(sample), place)
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _advance(self, model_output: torch.Tensor, x: torch.Tensor, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Do the call at `place`: return x' or the sample at the target of the step, and x_0."""
        sigma = self._call_sigmas[place]
        x_0 = self._clean(model_output, x, sigma, sigma)
        x_i, i = self._begin_or_end(x), place // 2
        target = self._targets[i] if place % 2 else self._halfway[i]
        # d = (x - x_0) / sigma, dividing numbers, not tensors.
        step = float(target - self._call_sigmas[2 * i]) / float(sigma)
        if place % 2:
            x_next = torch.add(x_i, x - x_0, alpha=step)
        else:
            # Of x_i + step (x_i - x_0) the terms nearly cancel from a high level.
            x_next = torch.add(x_0, x - x_0, alpha=1 + step)
        self._step_index = place + 1
        return x_next, x_0

"""Euler's method with ancestral noise: each step goes further down than its level and climbs back with fresh noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.schedulers.base import Device, Generators, StepResult, full_precision, noise_like
from engine.schedulers.noise_schedules import BetaSchedule, Spacing, checked_steps, root, spaced_timesteps
from engine.schedulers.sigma_schedule import SigmaScheduler


class EulerAncestralDiscreteScheduler(SigmaScheduler):
    """x_{i+1} = x_i + (sigma_down - sigma_i) d_i + sigma_up z with d_i = (x_i - x_0) / sigma_i, z standard normal.

    x_0 is the predicted clean sample. The step from the level sigma_i to sigma_{i+1} adds the noise of DDPM's posterior
    (https://arxiv.org/abs/2006.11239, equation 7, at levels sigma; sampler of https://github.com/crowsonkb/k-diffusion):

        sigma_up^2   = sigma_{i+1}^2 (sigma_i^2 - sigma_{i+1}^2) / sigma_i^2
        sigma_down^2 = sigma_{i+1}^2 - sigma_up^2
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: BetaSchedule = "linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon",
        timestep_spacing: Spacing = "linspace",
        steps_offset: int = 0,
        rescale_betas_zero_snr: bool = False,
    ) -> None:
        self._make_sigmas()

    def set_timesteps(self, num_inference_steps: int, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps. Raises `InvalidValue` for none, and for more than were trained."""
        config = self.config
        n = checked_steps(num_inference_steps, config.num_train_timesteps)
        times = spaced_timesteps(config.timestep_spacing, config.num_train_timesteps, n, config.steps_offset)
        times = times.astype(np.float32)
        self._start_sigma_run(np.append(self._sigma_at(times), 0), times, device)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: float | torch.Tensor,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_{i+1} and the predicted x_0, both like `sample` (any shape).

        Raises `CallOrder` before `set_timesteps` and `scale_model_input`.
        """
        i = self._require_scaled_input(timestep)
        sigma, sigma_next = self._sigmas[i], self._sigmas[i + 1]
        sigma_up = root(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2)
        square = sigma_next**2 - sigma_up**2
        # sigma_{i+1}^2 / sigma_i in other words, where rounding leaves nothing of a long step's difference.
        sigma_down = root(square) if square > 0 else sigma_next**2 / sigma

        x = full_precision(sample)
        x_0 = self._clean(full_precision(model_output), x, sigma, sigma)
        # x + (sigma_down - sigma) (x - x_0) / sigma, whose terms nearly cancel at a high level, as a share of x - x_0.
        x_down = torch.add(x_0, x - x_0, alpha=1 + float(sigma_down - sigma) / float(sigma))
        x_next = torch.add(x_down, noise_like(model_output, generator), alpha=float(sigma_up))
        self._step_index = i + 1
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

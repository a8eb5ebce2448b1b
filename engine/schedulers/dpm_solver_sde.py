"""DPM-Solver++ as a midpoint method for the reverse SDE, with the noise of one Brownian motion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.rng import moved
from engine.schedulers.base import Device, Generators, StepResult, Timestep, full_precision, weighted_sum
from engine.schedulers.brownian import BrownianTree, require_torchsde, seed_of
from engine.schedulers.noise_schedules import BetaSchedule, Spacing, sigma_to_t
from engine.schedulers.two_stage_schedule import TwoStageScheduler, interleave


class DPMSolverSDEScheduler(TwoStageScheduler):
    """x_{i+1} = r x_i + (1 - r) x'_0 + sigma_up z with r = sigma_down / sigma_i, and x'_0 predicted halfway.

    "DPM-Solver++", https://arxiv.org/abs/2211.01095, its single-step solver of order 2 (algorithm 1, r_1 = 1/2) on the
    reverse SDE; sampler `dpmpp_sde` of https://github.com/crowsonkb/k-diffusion. A step to the level s takes

        sigma_up^2   = min(s^2, s^2 (sigma_i^2 - s^2) / sigma_i^2)
        sigma_down^2 = s^2 - sigma_up^2

    First s = sigma' = sqrt(sigma_i sigma_{i+1}) with the clean sample x_0 predicted at sigma_i, which gives x'; then
    s = sigma_{i+1}, again from x_i, with x'_0 predicted for x' at sigma'. z is the increment of a Brownian motion W
    over the levels, (W(s) - W(sigma_i)) / sqrt(sigma_i - s). The last step, to zero, is x_0.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"s_noise", "generator"})

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
        noise_sampler_seed: int | None = None,
        timestep_spacing: Spacing = "linspace",
        steps_offset: int = 0,
    ) -> None:
        self._make_sigmas()
        self.noise_sampler: BrownianTree | None = None

    def set_timesteps(
        self, num_inference_steps: int, device: Device = None, num_train_timesteps: int | None = None
    ) -> None:
        """Lay out `num_inference_steps` steps, of all trained timesteps or `num_train_timesteps` of them.

        Raises `InvalidValue` for none, and for more than were trained; `MissingDependency` without torchsde.
        """
        require_torchsde()
        levels, times = self._gridded(self._spaced_times(num_inference_steps, num_train_timesteps))
        t = -np.log(levels)
        halfway_times = sigma_to_t(np.exp(-(t[:-1] + np.diff(t) * 0.5)), self._log_sigmas)
        sigmas = torch.from_numpy(levels.astype(np.float32))
        halfway = self._lay_out(sigmas)
        called_at = torch.from_numpy(interleave(sigmas.numpy(), halfway.numpy()))
        # The reference's table: every level but the first and zero twice.
        table = torch.cat([sigmas[:1], sigmas[1:].repeat_interleave(2), torch.zeros(1)])
        self._start_two_stage_run(table, called_at, interleave(times, halfway_times), device)
        self.noise_sampler = None

    def _lay_out(self, sigmas: torch.Tensor) -> torch.Tensor:
        """Make the tables of all calls but the last for levels `sigmas` (n,); return the levels halfway (n - 1,)."""
        # With torch's rounding of exp and log, on which the Brownian motion's times depend.
        t = -sigmas.log()
        halfway_t = t[:-1] + t.diff() * 0.5
        start = torch.exp(-t[:-1]).repeat_interleave(2)
        end = torch.exp(-torch.stack([halfway_t, t[1:]], dim=1).flatten())
        up = torch.minimum(end, (end**2 * (start**2 - end**2) / start**2) ** 0.5)
        down_t = -((end**2 - up**2) ** 0.5).log()
        start_t = t[:-1].repeat_interleave(2)
        self._start, self._end, self._up = start.tolist(), end.tolist(), up.tolist()
        self._of_x = (torch.exp(-down_t) / start).tolist()
        self._of_x_0 = (-torch.expm1(start_t - down_t)).tolist()
        return torch.exp(-halfway_t)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        return_dict: bool = True,
        s_noise: float = 1.0,
        generator: Generators = None,
    ) -> StepResult:
        """Return x' or, in the second call, x_{i+1}, and the predicted x_0, all like `sample` (batch, ...).

        `s_noise` scales the noise. Its seed is `noise_sampler_seed` of the configuration or else that of `generator` at
        the first step of a run. Raises `CallOrder` before `set_timesteps` and `scale_model_input`.
        """
        place = self._current_call(timestep)
        sigma = self._call_sigmas[place]
        x = full_precision(sample)
        x_0 = self._clean(full_precision(model_output), x, sigma, sigma)
        x_i = self._begin_or_end(x)
        if place == len(self._up):
            x_next = x_0
        else:
            z = moved(self._tree(x, generator).normal(self._start[place], self._end[place]), x.device)
            weights = (self._of_x[place], self._of_x_0[place], self._up[place] * s_noise)
            x_next = weighted_sum(weights, (x_i, x_0, z))
        self._step_index = place + 1
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _tree(self, x: torch.Tensor, generator: Generators) -> BrownianTree:
        """Return the Brownian motion of this run, made at its first step."""
        if self.noise_sampler is None:
            seed = self.config.noise_sampler_seed
            seed = seed_of(generator, len(x)) if seed is None else seed
            low, high = float(self._call_sigmas[-1]), float(self._call_sigmas.max())
            self.noise_sampler = BrownianTree(x.shape, x.dtype, low, high, seed)
        return self.noise_sampler

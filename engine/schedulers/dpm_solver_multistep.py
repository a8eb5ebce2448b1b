"""DPM-Solver and DPM-Solver++, multistep, for the probability flow and for the reverse SDE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.rng import moved
from engine.schedulers.base import Device, Generators, StepResult, Timestep, noise_like
from engine.schedulers.dpm_solver import DPMSolver, ExponentialUpdate, Weights
from engine.schedulers.noise_schedules import BetaSchedule, FloatArray, Prediction, Spacing, VarianceType, sigma_to_t


class MultistepUpdate(ExponentialUpdate):
    """x_t from x_s at the level before, and from the predictions m at the last levels s_0 = s, s_1, s_2.

    "DPM-Solver++", https://arxiv.org/abs/2211.01095, algorithm 2, and "DPM-Solver", https://arxiv.org/abs/2206.00927:
    the update of `ExponentialUpdate` with h = lambda_t - lambda_s and the divided differences (appendix A, B)

        r_0 = (lambda_s0 - lambda_s1) / h,  r_1 = (lambda_s1 - lambda_s2) / h
        D_0 = m_0,  d_0 = (m_0 - m_1) / r_0,  d_1 = (m_1 - m_2) / r_1
        D_1 = d_0 (order 2),  d_0 + r_0 / (r_0 + r_1) (d_0 - d_1) (order 3),  D_2 = (d_0 - d_1) / (r_0 + r_1)
        phi_1 = phi_0 / 2                                 at order 2 with `solver_type="midpoint"`

    Attributes:
        lower_order_nums: how many predictions there are to go on.
    """

    def _forget(self) -> None:
        super()._forget()
        self.lower_order_nums = 0

    def _next_sample(self, x: torch.Tensor, x_0: torch.Tensor, i: int, noise: torch.Tensor | None) -> torch.Tensor:
        """Return x_t for `x` at the place `i`, and go to the next place."""
        if self._sigma[i + 1] == 0:
            x_t = x_0
        elif self._h[0][i] == 0:
            # Two equal levels, as where a grid ends at the lowest level and `final_sigmas_type` repeats it.
            x_t = x
        else:
            x_t = self._update(x, i, self._differences(i, self._order(i)), noise)
        self.lower_order_nums = min(self.lower_order_nums + 1, self.config.solver_order)
        self._step_index = i + 1
        return x_t

    def _order(self, i: int) -> int:
        """Return the order of the step at place `i`: less at the start, and at the end of short runs."""
        config, steps = self.config, len(self._timetable)
        short = config.lower_order_final and steps < 15
        if i == steps - 1 and (config.euler_at_final or short):
            return 1
        order = min(config.solver_order, self.lower_order_nums + 1)
        return min(order, 2) if i == steps - 2 and short else order

    def _differences(self, i: int, order: int) -> list[Weights]:
        """Return D_0, ..., D_{order - 1} at place `i`."""
        m = np.eye(order)
        if order == 1:
            return [m[0]]
        h = self._h[0]
        r_0 = float(h[i - 1] / h[i])
        d_0 = (m[0] - m[1]) / r_0
        if order == 2:
            return [m[0], d_0]
        r_1 = float(h[i - 2] / h[i])
        d_1 = (m[1] - m[2]) / r_1
        return [m[0], d_0 + r_0 / (r_0 + r_1) * (d_0 - d_1), (d_0 - d_1) / (r_0 + r_1)]


class DPMSolverMultistepScheduler(MultistepUpdate, DPMSolver):
    """The update of `MultistepUpdate` on the levels of a model that was trained on discrete ones.

    "DPM-Solver++", https://arxiv.org/abs/2211.01095, algorithm 2, and "DPM-Solver", https://arxiv.org/abs/2206.00927,
    for the probability flow and, with the `sde-` algorithms, for the reverse SDE.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator", "variance_noise"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps"})

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: BetaSchedule = "linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        solver_order: Literal[1, 2, 3] = 2,
        prediction_type: Prediction = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        sample_max_value: float = 1.0,
        algorithm_type: Literal["dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++", "deis"] = "dpmsolver++",
        solver_type: Literal["midpoint", "heun", "logrho", "bh1", "bh2"] = "midpoint",
        lower_order_final: bool = True,
        euler_at_final: bool = False,
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        use_lu_lambdas: bool | None = False,
        use_flow_sigmas: bool | None = False,
        flow_shift: float = 1.0,
        final_sigmas_type: Literal["zero", "sigma_min"] = "zero",
        lambda_min_clipped: float = -float("inf"),
        variance_type: VarianceType | None = None,
        timestep_spacing: Spacing = "linspace",
        steps_offset: int = 0,
        rescale_betas_zero_snr: bool = False,
        use_dynamic_shifting: bool = False,
        time_shift_type: Literal["exponential"] = "exponential",
    ) -> None:
        self._make_solver()

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Device = None,
        mu: float | None = None,
        timesteps: Sequence[int] | None = None,
    ) -> None:
        """Lay out `num_inference_steps` steps, or the given descending `timesteps`.

        `mu` is the logarithm of the flow's shift, for `use_dynamic_shifting`. Raises `InvalidValue` for none or both,
        for timesteps together with a grid of sigmas, and for `mu` without dynamic shifting.
        """
        if mu is not None and not self.config.use_dynamic_shifting:
            raise InvalidValue(f"mu={mu} shifts a flow dynamically; leave it out or set use_dynamic_shifting=True.")
        shift = math.exp(mu) if mu is not None else self.config.flow_shift
        levels, times = self._schedule(num_inference_steps, timesteps, shift)
        self._start_solver_run(levels, times, device, spans=1)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        variance_noise: torch.Tensor | None = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_t and the predicted x_0, both like `sample` (batch, ...).

        `variance_noise` is z, drawn from `generator` if not given. Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        i = self._current_index(timestep)
        x, x_0, _ = self._remember(model_output, sample, i)
        noise = None
        if self.is_sde:
            given = None if variance_noise is None else moved(variance_noise, x.device)
            noise = (noise_like(x, generator, torch.float32) if given is None else given).to(x.dtype)
        x_t = self._next_sample(x, x_0, i, noise)
        return self._output(x_t.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _grid_times(self, levels: FloatArray) -> npt.NDArray[np.float64]:
        """Return the timesteps of the levels of a grid, still fractions for the cosine schedule of betas."""
        times = sigma_to_t(levels, self._log_sigmas)
        rounded = self.config.use_karras_sigmas or self.config.get("use_lu_lambdas")
        return times.round() if rounded and self.config.beta_schedule != "squaredcos_cap_v2" else times

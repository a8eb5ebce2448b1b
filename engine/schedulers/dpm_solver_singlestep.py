"""DPM-Solver and DPM-Solver++, singlestep: Runge-Kutta methods whose stages are the steps of the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import Device, Generators, StepResult, Timestep, full_precision, noise_like
from engine.schedulers.dpm_solver import DPMSolver, Weights
from engine.schedulers.noise_schedules import BetaSchedule, Prediction, VarianceType


class DPMSolverSinglestepScheduler(DPMSolver):
    """x_t from x_s, where s is where the current group of steps began, and from the predictions m since then.

    "DPM-Solver", https://arxiv.org/abs/2206.00927, algorithms 1 and 2, and "DPM-Solver++",
    https://arxiv.org/abs/2211.01095, algorithm 1: steps come in groups of `solver_order`. The k-th step of a group
    starts again from the group's first sample, now with k predictions, and is of order k; only the last of a group
    counts, the others are its stages. With the newest prediction m_0, m_1 before and m_2 before that, the update of
    `ExponentialUpdate` has, for h = lambda_t - lambda_s,

        order 1:  D_0 = m_0
        order 2:  D_0 = m_1,  D_1 = (m_0 - m_1) / r_0,  r_0 = (lambda_0 - lambda_s) / h
                  phi_1 = phi_0 / 2                                 with `solver_type="midpoint"`
        order 3:  D_0 = m_2,  d_1 = (m_1 - m_2) / r_1,  d_0 = (m_0 - m_2) / r_0,  r_1 = (lambda_1 - lambda_s) / h
                  D_1 = (r_0 d_1 - r_1 d_0) / (r_0 - r_1),  D_2 = 2 (d_0 - d_1) / (r_0 - r_1)
                  D_1 = d_0,  D_2 = 0                               with `solver_type="midpoint"`

    The last step is of order 1 where the run ends at the clean sample and, with `lower_order_final`, wherever the
    steps fill their groups.

    Attributes:
        sample: the sample that the current group began with.
        order_list: the order of every step of a whole run.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
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
        algorithm_type: Literal["dpmsolver", "dpmsolver++", "sde-dpmsolver++", "deis"] = "dpmsolver++",
        solver_type: Literal["midpoint", "heun", "logrho", "bh1", "bh2"] = "midpoint",
        lower_order_final: bool = False,
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        use_flow_sigmas: bool | None = False,
        flow_shift: float = 1.0,
        final_sigmas_type: Literal["zero", "sigma_min"] = "zero",
        lambda_min_clipped: float = -float("inf"),
        variance_type: VarianceType | None = None,
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
        self._start_solver_run(levels, times, device, spans=self.config.solver_order)
        self.order_list = self._orders(len(times))

    def _orders(self, steps: int) -> list[int]:
        """Return the order of every step."""
        group = self.config.solver_order
        orders = [1 + i % group for i in range(steps)]
        ends_clean = self.config.final_sigmas_type == "zero"
        if ends_clean or (self.config.lower_order_final and steps % group == 0):
            orders[-1] = 1
        return orders

    def _forget(self) -> None:
        super()._forget()
        self.sample: torch.Tensor | None = None

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_t and the predicted x_0, both like `sample` (batch, ...).

        `generator` is where `sde-dpmsolver++` draws its noise from. Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        i = self._current_index(timestep)
        x, x_0, m = self._remember(model_output, sample, i)
        noise = full_precision(noise_like(m, generator, model_output.dtype)) if self.is_sde else None
        # A run that starts in the middle has fewer predictions than the step could use.
        order = min(self.order_list[i], sum(output is not None for output in self.model_outputs))
        if order == 1 or self.sample is None:
            self.sample = x
        if self._sigma[i + 1] == 0:
            x_t = x_0
        elif self._h[order - 1][i] == 0:
            # Two equal levels, as where a grid ends at the lowest level and `final_sigmas_type` repeats it.
            x_t = x
        else:
            x_t = self._update(self.sample, i, self._differences(i, order), noise, span=order)
        self._step_index = i + 1
        return self._output(x_t.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _differences(self, i: int, order: int) -> list[Weights]:
        """Return D_0, ..., D_{order - 1} at place `i`."""
        m = np.eye(order)
        if order == 1:
            return [m[0]]
        h = self._h[order - 1][i]
        r_0 = float(self._h[order - 2][i - 1] / h)
        if order == 2:
            return [m[1], (m[0] - m[1]) / r_0]
        r_1 = float(self._h[0][i - 2] / h)
        d_0, d_1 = (m[0] - m[2]) / r_0, (m[1] - m[2]) / r_1
        if self.solver_type == "midpoint":
            return [m[2], d_0, 0 * m[0]]
        return [m[2], (r_0 * d_1 - r_1 * d_0) / (r_0 - r_1), 2 * (d_0 - d_1) / (r_0 - r_1)]

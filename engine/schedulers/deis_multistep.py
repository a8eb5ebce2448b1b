"""DEIS: the exponential integrator whose predicted noise is a polynomial in log rho."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import Device, StepResult, Timestep, full_precision, weighted_sum
from engine.schedulers.log_snr_schedule import LogSnrScheduler
from engine.schedulers.noise_schedules import BetaSchedule, Prediction, Spacing, predicted_noise


class DEISMultistepScheduler(LogSnrScheduler):
    """x_t / alpha_t = x_s / alpha_s + sum_j C_j eps_j with the last predictions of the noise, eps_0 at s the newest.

    "Fast Sampling of Diffusion Models with Exponential Integrator", https://arxiv.org/abs/2204.13902, equations 14 and
    15: in rho = sigma / alpha the probability flow is d(x / alpha) = eps d rho, and eps is replaced by the polynomial
    through its last values. Here that is one in log rho (rho_j the level of eps_j; "log rho AB", appendix H):

        C_j = integral from rho_s to rho_t of the product over k != j of (log r - log rho_k) / (log rho_j - log rho_k)
        integral of log r - c                = r (log r - c - 1)
        integral of (log r - c) (log r - d)  = r (log^2 r - (c + d + 2) log r + c d + c + d + 2)

    Order 1 is DDIM: C_0 = rho_t - rho_s = -rho_t (e^h - 1) with h = log rho_s - log rho_t. A run ends at the lowest
    trained level, or that of its grid, not at 0.

    Attributes:
        model_outputs: the last `solver_order` predictions eps_j, the newest last.
        lower_order_nums: how many predictions there are to go on.
    """

    _default_end: ClassVar[Literal["zero", "sigma_min"]] = "sigma_min"
    _ends_on_grid: ClassVar[bool] = True

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
        algorithm_type: Literal["deis", "dpmsolver", "dpmsolver++"] = "deis",
        solver_type: Literal["logrho", "midpoint", "heun", "bh1", "bh2"] = "logrho",
        lower_order_final: bool = True,
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        use_flow_sigmas: bool | None = False,
        flow_shift: float = 1.0,
        timestep_spacing: Spacing = "linspace",
        steps_offset: int = 0,
        use_dynamic_shifting: bool = False,
        time_shift_type: Literal["exponential"] = "exponential",
    ) -> None:
        # algorithm_type and solver_type may name what sibling solvers do; this one knows log rho alone.
        self._make_levels()
        self._forget()

    def set_timesteps(self, num_inference_steps: int, device: Device = None, mu: float | None = None) -> None:
        """Lay out `num_inference_steps` steps; `mu` is the logarithm of the flow's shift, for `use_dynamic_shifting`.

        Raises `InvalidValue` for none, for more than were trained, and for `mu` without dynamic shifting.
        """
        if mu is not None and not self.config.use_dynamic_shifting:
            raise InvalidValue(f"mu={mu} shifts a flow dynamically; leave it out or set use_dynamic_shifting=True.")
        shift = math.exp(mu) if mu is not None else self.config.flow_shift
        levels, times = self._schedule(num_inference_steps, None, shift)
        self._start_level_run(levels, times, device)
        self._rho: npt.NDArray[Any] = self._sigma / self._alpha
        self._log_rho = np.log(self._rho)
        lambdas = torch.from_numpy(self._lambda)
        self._exp_h = torch.exp(lambdas[1:] - lambdas[:-1]).numpy()
        self._forget()

    def _forget(self) -> None:
        self.model_outputs: list[torch.Tensor | None] = [None] * self.config.solver_order
        self.lower_order_nums = 0

    def step(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> StepResult:
        """Return x_t and the predicted x_0, both like `sample` (batch, ...).

        Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        i = self._current_index(timestep)
        x = full_precision(sample)
        x_0 = self._clean_at(full_precision(model_output), x, i)
        alpha, sigma = float(self._alpha[i]), float(self._sigma[i])
        self.model_outputs = [*self.model_outputs[1:], predicted_noise("sample", x_0, x, alpha, sigma)]
        order = self._order(i)
        earlier = [output for output in self.model_outputs[-2 : -order - 1 : -1] if output is not None]
        # With eps_0 = (x - alpha_s x_0) / sigma_s, since the terms of x and eps_0 nearly cancel where alpha_s is tiny.
        of_x, of_eps, *of_earlier = self._weights(i, order)
        weights = [of_x + of_eps / sigma, -of_eps * alpha / sigma, *of_earlier]
        x_t = weighted_sum(weights, [x, x_0, *earlier])
        self.lower_order_nums = min(self.lower_order_nums + 1, self.config.solver_order)
        self._step_index = i + 1
        return self._output(x_t.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _order(self, i: int) -> int:
        """Return the order of the step at place `i`: less at the start, and at the end of short runs."""
        left = len(self._timetable) - i
        order = min(self.config.solver_order, self.lower_order_nums + 1)
        return min(order, left) if self.config.lower_order_final and len(self._timetable) < 15 else order

    def _weights(self, i: int, order: int) -> list[float]:
        """Return the weights of x_s, eps_0, ... in x_t: alpha_t / alpha_s, alpha_t C_0, ..."""
        alpha_s, alpha_t = self._alpha[i], self._alpha[i + 1]
        if order == 1:
            return [float(alpha_t / alpha_s), -float(self._sigma[i + 1] * (self._exp_h[i] - 1))]
        # Where alpha_s is tiny these are large and nearly cancel: no float32 in between.
        return [float(alpha_t) / float(alpha_s), *(float(alpha_t) * float(c) for c in self._coefficients(i, order))]

    def _coefficients(self, i: int, order: int) -> list[np.float32]:
        """Return C_0, ..., C_{order - 1} at place `i`, of order 2 or 3."""
        start, end = (self._rho[i], self._log_rho[i]), (self._rho[i + 1], self._log_rho[i + 1])
        logs = [self._log_rho[i - j] for j in range(order)]
        result: list[np.float32] = []
        for j, own in enumerate(logs):
            # In this order, since float32 rounds differently in another.
            others = (logs[j + 1 :] + logs[:j])[: order - 1]
            scale = math.prod(own - other for other in others)
            result.append(_integral(*end, others) / scale - _integral(*start, others) / scale)
        return result


def _integral(r: np.float32, log_r: np.float32, others: list[np.float32]) -> np.float32:
    """Return the integral of the product of log r - c over `others`, one or two c, up to `r`."""
    if len(others) == 1:
        return r * (-others[0] + log_r - 1)
    c, d = others
    return r * (c * (d - log_r + 1) - d * log_r + d + log_r**2 - 2 * log_r + 2)

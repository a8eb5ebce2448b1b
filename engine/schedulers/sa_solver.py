"""SA-Solver: a stochastic Adams predictor and corrector along the log-SNR."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import (
    Device,
    Generators,
    StepResult,
    Timestep,
    full_precision,
    noise_like,
    weighted_sum,
)
from engine.schedulers.log_snr_schedule import LogSnrScheduler, without_variance
from engine.schedulers.noise_schedules import BetaSchedule, Prediction, Spacing, VarianceType


def noisy_in_the_middle(timestep: float) -> float:
    """Return tau = 1 between the timesteps 200 and 800, else 0."""
    return float(200 <= timestep <= 800)


class SASolverScheduler(LogSnrScheduler):
    """x_t = e^(-tau^2 h) (sigma_t / sigma_s) x_s + alpha_t (1 + tau^2) sum_j b_j m_j + noise; then corrected.

    "SA-Solver", https://arxiv.org/abs/2309.05019, sections 5.1 (predictor), 5.2 (corrector), algorithm 1, with the data
    prediction m = x_0, h = lambda_t - lambda_s, k = 1 + tau^2 and the noise sigma_t sqrt(1 - e^(-2 tau^2 h)) z. The b_j
    integrate the polynomial through the m_j at lambda_j exactly, which fixes them by its moments:

        sum_j b_j (lambda_j - lambda_s)^p = M_p = integral from 0 to h of e^(-k (h - v)) v^p dv,  p = 0, 1, ...
        M_0 = (1 - e^-kh) / k,  M_p = (h^p - p M_(p-1)) / k

    The predictor takes the m_j at s and before. The corrector does the step to s again, with the same z and with the
    prediction at s too. At order 2, M_1 is h^2 / 2 instead, which has the same order and serves few steps better.

    `noise_prediction`, m = eps: x_t = (alpha_t / alpha_s) x_s - sigma_t (1 + tau^2) sum_j b_j m_j + noise
    tau sigma_t sqrt(e^2h - 1) z with k = -1 in M.

    `tau_func`, timestep -> tau, is how stochastic the process is: 0 the probability flow, 1 the reverse SDE, and by
    default 1 for the timesteps from 200 to 800. A run ends at the lowest trained level, or that of its grid, not at 0.

    Attributes:
        model_outputs: the last predictions m, the newest last.
        lower_order_nums: how many of them there are to go on.
        last_sample, last_noise: x_s and z of the step before, for the corrector.
        this_corrector_order: the corrector's order at the next step.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
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
        predictor_order: Literal[1, 2, 3, 4] = 2,
        corrector_order: Literal[1, 2, 3, 4] = 2,
        prediction_type: Prediction = "epsilon",
        tau_func: Callable[[float], float] | None = None,
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        sample_max_value: float = 1.0,
        algorithm_type: Literal["data_prediction", "noise_prediction"] = "data_prediction",
        lower_order_final: bool = True,
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        use_flow_sigmas: bool | None = False,
        flow_shift: float = 1.0,
        lambda_min_clipped: float = -float("inf"),
        variance_type: VarianceType | None = None,
        timestep_spacing: Spacing = "linspace",
        steps_offset: int = 0,
    ) -> None:
        self.tau_func = noisy_in_the_middle if tau_func is None else tau_func
        self.predict_x0 = algorithm_type == "data_prediction"
        self._make_levels()
        self._forget()

    def config_json(self) -> str:
        """Return the configuration as JSON; raises `InvalidValue` if `tau_func` is a function of one's own."""
        if self.config.tau_func is not None:
            raise InvalidValue(
                f"tau_func={self.config.tau_func!r} is a function and cannot be saved; "
                "save the scheduler without it, and give it again to from_pretrained."
            )
        return super().config_json()

    def set_timesteps(self, num_inference_steps: int | None = None, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps. Raises `InvalidValue` for none, and for more than were trained."""
        levels, times = self._schedule(num_inference_steps, None, self.config.flow_shift)
        # The moments of nearby levels nearly cancel: float32 would leave three digits of an order of 4.
        self._start_level_run(levels, times, device, torch.float64)
        self._tau = [float(self.tau_func(t)) for t in self._timetable]
        self._forget()

    def _forget(self) -> None:
        self.model_outputs: list[torch.Tensor | None] = [None] * self._most_outputs
        self.lower_order_nums = 0
        self.last_sample: torch.Tensor | None = None
        self.last_noise: torch.Tensor | None = None
        self.this_corrector_order = 1

    @property
    def _most_outputs(self) -> int:
        """How many predictions a step takes from those before."""
        return max(self.config.predictor_order, self.config.corrector_order - 1)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_t and the predicted x_0, both like `sample` (batch, ...).

        `sample` is corrected first, from the second step of a run on. Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        i = self._current_index(timestep)
        x = full_precision(sample)
        prediction = without_variance(model_output, sample)
        m = full_precision(prediction)
        if self.predict_x0:
            x_0 = m = self._clean_at(m, x, i)
        else:
            x_0, m = self._noise_at(m, x, i)

        if self.last_sample is not None and self.last_noise is not None:
            weights = self._weights(i - 1, i, self.this_corrector_order)
            recent = [m, *self._recent(self.this_corrector_order - 1)]
            x = weighted_sum(weights, [self.last_sample, self.last_noise, *recent])
        self.model_outputs = [*self.model_outputs[1:], m]

        order, self.this_corrector_order = self._orders(i)
        self.last_sample = x
        self.last_noise = full_precision(noise_like(prediction, generator))
        x_t = weighted_sum(self._weights(i, i, order), [x, self.last_noise, *self._recent(order)])
        self.lower_order_nums = min(self.lower_order_nums + 1, self._most_outputs)
        self._step_index = i + 1
        return self._output(x_t.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _recent(self, count: int) -> list[torch.Tensor]:
        """Return the last `count` predictions, the newest first."""
        return [m for m in self.model_outputs[: -count - 1 : -1] if m is not None]

    def _orders(self, i: int) -> tuple[int, int]:
        """Return the orders of the predictor at place `i` and of the corrector of its result: less at both ends."""
        predictor = min(self.config.predictor_order, self.lower_order_nums + 1)
        corrector = min(self.config.corrector_order, self.lower_order_nums + 2)
        if self.config.lower_order_final:
            left = len(self._timetable) - i
            predictor, corrector = min(predictor, left), min(corrector, left + 1)
        return predictor, corrector

    def _weights(self, s: int, newest: int, order: int) -> list[float]:
        """Return the weights of x_s, z and the predictions at the places `newest`, ... in x at the place s + 1."""
        t, tau = s + 1, self._tau[s]
        sigma_t, alpha_t = float(self._sigma[t]), float(self._alpha[t])
        h = float(self._lambda[t] - self._lambda[s])
        nodes = self._lambda[newest - order + 1 : newest + 1][::-1] - self._lambda[s]
        k = 1 + tau**2 if self.predict_x0 else -1.0
        moments = [-math.expm1(-k * h) / k]
        for p in range(1, order):
            moments.append((h**p - p * moments[-1]) / k)
        if self.predict_x0:
            if order == 2:
                moments[1] = h**2 / 2
            of_x, of_m = math.exp(-(tau**2) * h) * sigma_t / float(self._sigma[s]), alpha_t * k
            of_noise = sigma_t * math.sqrt(-math.expm1(-2 * tau**2 * h))
        else:
            of_x, of_m = alpha_t / float(self._alpha[s]), -sigma_t * (1 + tau**2)
            of_noise = tau * sigma_t * math.sqrt(math.expm1(2 * h))
        b = np.linalg.solve(np.vander(nodes, increasing=True).T, np.array(moments))
        return [of_x, of_noise, *(of_m * b).tolist()]

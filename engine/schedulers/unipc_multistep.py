"""UniPC: a predictor and a corrector of any order that share their predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import (
    Device,
    SchedulerMixin,
    StepResult,
    Timestep,
    full_precision,
    highest_precision,
    weighted_sum,
)
from engine.schedulers.log_snr_schedule import Float32s, LogSnrScheduler
from engine.schedulers.noise_schedules import (
    BetaSchedule,
    FloatArray,
    Prediction,
    Spacing,
    checked_steps,
    clean_sample,
    predicted_noise,
    shift_sigmas,
    stretch_to_terminal,
)
from engine.schedulers.sigma_schedule import GRIDS


class UniPCMultistepScheduler(LogSnrScheduler):
    """x_t = (sigma_t / sigma_s) x_s - alpha_t (e^g - 1) m_0 - alpha_t B(g) sum_k rho_k D_k from the level s to t.

    "UniPC", https://arxiv.org/abs/2302.04867, with h = lambda_t - lambda_s, g = -h and the predictions m of x_0, m_0 at
    s and m_k at the levels lambda_k before (equations 3 and 8; `predict_x0`):

        r_k = (lambda_k - lambda_s) / h,  D_k = (m_k - m_0) / r_k
        sum_k rho_k r_k^(j-1) = b_j = j! phi_(j+1)(g) g / B(g),  j = 1, 2, ...                   theorem 3.1
        phi_1(g) = (e^g - 1) / g,  phi_(j+1)(g) = (phi_j(g) - 1 / j!) / g
        B(g) = g (`bh1`),  e^g - 1 (`bh2`)                                                     section 3.2

    The predictor UniP-p has the p - 1 predictions before s for its D_k. The corrector UniC-p does the step to s again
    with m at s too, r = 1 (algorithm 1). Where one D_k is all there is, rho is 1/2, which is as good (appendix F).
    Without `predict_x0` m predicts eps, alpha and sigma change places, and g = h.

    A step to sigma_t = 0 ends at x_0, the limit of the first order (h grows without bound).

    Attributes:
        model_outputs: the last `solver_order` predictions m, the newest last.
        lower_order_nums: how many of them there are to go on.
        last_sample: x_s of the step before, for the corrector.
        this_order: the order of the step before, and of its corrector.
        solver_p: another scheduler that predicts in the place of UniP, if given.
    """

    schedule_options: ClassVar[frozenset[str]] = frozenset({"sigmas"})
    _ends_on_grid: ClassVar[bool] = True
    _joint_grids: ClassVar[Sequence[set[str]]] = ({"use_karras_sigmas", "use_flow_sigmas"},)
    _h: Float32s
    _expm1_g: Float32s

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: BetaSchedule = "linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        solver_order: int = 2,
        prediction_type: Prediction = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        sample_max_value: float = 1.0,
        predict_x0: bool = True,
        solver_type: Literal["bh1", "bh2", "midpoint", "heun", "logrho"] = "bh2",
        lower_order_final: bool = True,
        disable_corrector: Sequence[int] = [],  # noqa: B006  # a configuration is read, never changed
        solver_p: SchedulerMixin | None = None,
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        use_flow_sigmas: bool | None = False,
        flow_shift: float = 1.0,
        timestep_spacing: Spacing = "linspace",
        steps_offset: int = 0,
        final_sigmas_type: Literal["zero", "sigma_min"] = "zero",
        rescale_betas_zero_snr: bool = False,
        use_dynamic_shifting: bool = False,
        time_shift_type: Literal["exponential", "linear"] = "exponential",
        sigma_min: float | None = None,
        sigma_max: float | None = None,
        shift_terminal: float | None = None,
    ) -> None:
        if solver_order < 1:
            raise InvalidValue(f"solver_order cannot be {solver_order}; it must be 1 or more, usually 2 or 3.")
        if shift_terminal is not None and not use_flow_sigmas:
            raise InvalidValue(
                f"shift_terminal={shift_terminal} is a level of a flow; leave it out or set use_flow_sigmas=True."
            )
        # Configurations of sibling solvers name types that this one does not have.
        self.solver_type = "bh1" if solver_type == "bh1" else "bh2"
        self.predict_x0 = predict_x0
        self.disable_corrector = frozenset(disable_corrector)
        self.solver_p: Any = solver_p
        self._make_levels()
        self._forget()

    def config_json(self) -> str:
        """Return the configuration as JSON; raises `InvalidValue` if there is a `solver_p`, which is an object."""
        if self.solver_p is not None:
            raise InvalidValue(
                f"solver_p={type(self.solver_p).__name__} is an object and cannot be saved; "
                "save the scheduler without it, and give it again to from_pretrained."
            )
        return super().config_json()

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Device = None,
        sigmas: Sequence[float] | None = None,
        mu: float | None = None,
    ) -> None:
        """Lay out `num_inference_steps` steps, or for a flow the given descending `sigmas`, the final one left out.

        `mu` is how far a flow is shifted, for `use_dynamic_shifting`. Raises `InvalidValue` for none or both, and for
        what contradicts the configuration.
        """
        config = self.config
        if (mu is not None) != config.use_dynamic_shifting:
            raise InvalidValue(
                f"mu={mu} contradicts use_dynamic_shifting={config.use_dynamic_shifting}; change either."
            )
        if config.use_flow_sigmas:
            levels, times = self._flow_schedule(num_inference_steps, sigmas, mu)
        elif sigmas is not None:
            raise InvalidValue(
                f"sigmas={list(sigmas)} are those of a flow; set use_flow_sigmas=True or leave them out."
            )
        else:
            levels, times = self._schedule(num_inference_steps, None, config.flow_shift)
        self._start_level_run(levels, times, device)
        lambdas = torch.from_numpy(self._lambda)
        h = lambdas[1:] - lambdas[:-1]
        self._h = h.numpy()
        self._expm1_g = torch.expm1(-h if self.predict_x0 else h).numpy()
        self._forget()
        if self.solver_p is not None:
            self.solver_p.set_timesteps(len(times), device=device)

    def _flow_schedule(
        self, num_inference_steps: int | None, sigmas: Sequence[float] | None, mu: float | None
    ) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Return the levels of a flow, the last included, and its timesteps."""
        config, trained = self.config, self.config.num_train_timesteps
        if sigmas is not None:
            self._refuse_grid_for("sigmas")
            levels = _checked_levels(sigmas, num_inference_steps)
        else:
            levels = np.linspace(1, 1 / trained, checked_steps(num_inference_steps, trained) + 1)[:-1]
        if config.use_karras_sigmas:
            karras = GRIDS["use_karras_sigmas"](*self._grid_ends(), len(levels))
            levels = karras / (karras + 1)
        else:
            shift = config.flow_shift
            if mu is not None:
                shift = math.exp(mu) if config.time_shift_type == "exponential" else mu
            levels = shift_sigmas(levels, shift)
            if config.shift_terminal:
                levels = stretch_to_terminal(levels, config.shift_terminal)
            # At the level 1 there is no signal, and lambda is infinite.
            if abs(levels[0] - 1) < 1e-6:
                levels[0] -= 1e-6
        return np.append(levels, self._last_sigma(levels)), (levels * trained).astype(np.int64)

    def _forget(self) -> None:
        self.model_outputs: list[torch.Tensor | None] = [None] * self.config.solver_order
        self.lower_order_nums = 0
        self.last_sample: torch.Tensor | None = None
        self.this_order = 1

    def step(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> StepResult:
        """Return x_t and the predicted x_0, both like `sample` (batch, ...).

        `sample` is corrected first, from the second step of a run on. Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        i = self._current_index(timestep)
        # Without `predict_x0` a step multiplies what was rounded by alpha_t / alpha_s, over the run by hundreds.
        precise = full_precision if self.predict_x0 else highest_precision
        x = precise(sample)
        x_0, m = self._predictions(precise(model_output), x, i)
        if self.last_sample is not None and i > 0 and i - 1 not in self.disable_corrector:
            weights = self._weights(i - 1, self.this_order, corrects=True)
            x = weighted_sum(weights, [self.last_sample, *self._recent(self.this_order), m])
        self.model_outputs = [*self.model_outputs[1:], m]

        left = len(self._timetable) - i if self.config.lower_order_final else self.config.solver_order
        self.this_order = min(self.config.solver_order, self.lower_order_nums + 1, left)
        self.last_sample = x
        if self.solver_p is not None:
            x_t = precise(self.solver_p.step(model_output, timestep, x.to(model_output.dtype)).prev_sample)
        elif self._sigma[i + 1] == 0:
            alpha, sigma = float(self._alpha[i]), float(self._sigma[i])
            x_t = m if self.predict_x0 else clean_sample("epsilon", m, x, alpha, sigma)
        elif self._h[i] == 0:
            # Two equal levels, as where `final_sigmas_type` repeats the lowest of a grid.
            x_t = x
        else:
            x_t = weighted_sum(self._weights(i, self.this_order), [x, *self._recent(self.this_order)])
        self.lower_order_nums = min(self.lower_order_nums + 1, self.config.solver_order)
        self._step_index = i + 1
        return self._output(x_t.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _predictions(self, model_output: torch.Tensor, x: torch.Tensor, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return x_0 and m at the place `i`; thresholding is of x_0 alone, and so of `predict_x0`."""
        if self.predict_x0:
            x_0 = self._clean_at(model_output, x, i)
            return x_0, x_0
        prediction: Prediction = self.config.prediction_type
        alpha, sigma = float(self._alpha[i]), float(self._sigma[i])
        x_0 = clean_sample(prediction, model_output, x, alpha, sigma)
        return x_0, predicted_noise(prediction, model_output, x, alpha, sigma)

    def _recent(self, count: int) -> list[torch.Tensor]:
        """Return the last `count` predictions, the newest first."""
        return [m for m in self.model_outputs[: -count - 1 : -1] if m is not None]

    def _weights(self, s: int, order: int, corrects: bool = False) -> list[float]:
        """Return the weights of x_s, m_0, m_1, ... m_{order - 1} and, if it `corrects`, of m at t, in x at s + 1."""
        sigma_t, alpha_t = self._sigma[s + 1], self._alpha[s + 1]
        h, expm1_g = self._h[s], self._expm1_g[s]
        if self.predict_x0:
            g, of_x, of_m = -h, sigma_t / self._sigma[s], alpha_t
        else:
            g, of_x, of_m = h, alpha_t / self._alpha[s], sigma_t
        r = [(self._lambda[s - k] - self._lambda[s]) / h for k in range(1, order)]
        if corrects:
            r.append(np.float32(1))
        b_of_g = g if self.solver_type == "bh1" else expm1_g
        rho = self._rho(g, expm1_g, b_of_g, r)
        of_d = [-float(of_m * b_of_g) * p / float(r_k) for p, r_k in zip(rho, r, strict=True)]
        return [float(of_x), -float(of_m * expm1_g) - sum(of_d), *of_d]

    @staticmethod
    def _rho(g: np.float32, expm1_g: np.float32, b_of_g: np.float32, r: list[np.float32]) -> list[float]:
        """Return rho_1, rho_2, ... for the levels `r`."""
        if len(r) < 2:
            return [0.5] * len(r)
        factorial, g_phi = 1, expm1_g / g - 1
        b: list[np.float32] = []
        for j in range(1, len(r) + 1):
            b.append(g_phi * factorial / b_of_g)
            factorial *= j + 1
            g_phi = g_phi / g - 1 / factorial
        return np.linalg.solve(np.vander(np.array(r), increasing=True).T, np.array(b)).tolist()


def _checked_levels(sigmas: Sequence[float], num_inference_steps: int | None) -> FloatArray:
    """Return `sigmas` as an array; raises `InvalidValue` unless they descend in (0, 1] and are all that is given."""
    levels = np.array(sigmas, dtype=np.float64)
    if num_inference_steps is not None:
        raise InvalidValue(f"set_timesteps takes {num_inference_steps} steps or sigmas={list(sigmas)}, not both.")
    if levels.ndim != 1 or not len(levels) or np.any(np.diff(levels) >= 0) or levels[0] > 1 or levels[-1] <= 0:
        raise InvalidValue(f"sigmas cannot be {list(sigmas)}; those of a flow descend from at most 1 to above 0.")
    return levels

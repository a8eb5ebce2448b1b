"""DPM-Solver and DPM-Solver++, multistep, for the probability flow and for the reverse SDE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import Device, Generators, StepResult, Timestep, full_precision, noise_like
from engine.schedulers.log_snr_schedule import LogSnrScheduler, without_variance
from engine.schedulers.noise_schedules import BetaSchedule, Prediction, Spacing, VarianceType


class DPMSolverMultistepScheduler(LogSnrScheduler):
    """x_t = (sigma_t / sigma_s) x_s + alpha_t (phi_0 D_0 + phi_1 D_1 + phi_2 D_2) from the level s to the next, t.

    "DPM-Solver++", https://arxiv.org/abs/2211.01095 (`dpmsolver++`, the data prediction m = x_0; algorithm 2), with
    h = lambda_t - lambda_s and the divided differences of m at the last levels s_0 = s, s_1, s_2 (appendix A, B):

        r_0 = (lambda_s0 - lambda_s1) / h,  r_1 = (lambda_s1 - lambda_s2) / h
        D_0 = m_0,  d_0 = (m_0 - m_1) / r_0,  d_1 = (m_1 - m_2) / r_1
        D_1 = d_0 (order 2),  d_0 + r_0 / (r_0 + r_1) (d_0 - d_1) (order 3),  D_2 = (d_0 - d_1) / (r_0 + r_1)
        phi_0 = 1 - e^-h,  phi_1 = (e^-h - 1) / h + 1,  phi_2 = 1/2 - (e^-h - 1 + h) / h^2
        phi_1 = phi_0 / 2                                 at order 2 with `solver_type="midpoint"`

    `sde-dpmsolver++`: the same with 2h for h in phi, (sigma_t / sigma_s) e^-h before x_s, and noise
    sigma_t sqrt(1 - e^-2h) z (appendix of the paper's second version).

    "DPM-Solver", https://arxiv.org/abs/2206.00927 (`dpmsolver`, the noise prediction m = eps; appendix B):

        x_t = (alpha_t / alpha_s) x_s - k sigma_t (phi_0 D_0 + phi_1 D_1 + phi_2 D_2)
        phi_0 = e^h - 1,  phi_1 = (e^h - 1) / h - 1,  phi_2 = (e^h - 1 - h) / h^2 - 1/2

    with k = 1; `sde-dpmsolver` has k = 2 and noise sigma_t sqrt(e^2h - 1) z.

    A step to sigma_t = 0 ends at x_0, the limit of the first-order `dpmsolver++` (h grows without bound).

    Attributes:
        model_outputs: the last `solver_order` predictions m, the newest last.
        lower_order_nums: how many of them there are.
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
        # Configurations of sibling solvers name methods that this one does not have.
        self.algorithm_type = "dpmsolver++" if algorithm_type == "deis" else algorithm_type
        self.solver_type = "heun" if solver_type == "heun" else "midpoint"
        self.predicts_clean = self.algorithm_type in ("dpmsolver++", "sde-dpmsolver++")
        self.is_sde = self.algorithm_type in ("sde-dpmsolver", "sde-dpmsolver++")
        self._make_levels()
        self._forget()

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
        self._start_level_run(levels, times, device)
        lambdas = torch.from_numpy(self._lambda)
        h = lambdas[1:] - lambdas[:-1]
        self._h = h.numpy()
        # e^kh of every step: in one pass, and with torch's rounding, to which phi_2 is sensitive where h is small.
        self._exp = {k: torch.exp(k * h).numpy() for k in (-2, -1, 1, 2)}
        self._forget()

    def _forget(self) -> None:
        self.model_outputs: list[torch.Tensor | None] = [None] * self.config.solver_order
        self.lower_order_nums = 0

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
        x = full_precision(sample)
        m = full_precision(without_variance(model_output, sample))
        if self.predicts_clean:
            x_0 = m = self._clean_at(m, x, i)
        else:
            x_0, m = self._noise_at(m, x, i)
        self.model_outputs = [*self.model_outputs[1:], m]

        noise = None
        if self.is_sde:
            noise = noise_like(x, generator, torch.float32) if variance_noise is None else variance_noise.to(x.device)
        if self._sigma[i + 1] == 0:
            x_t = x_0
        elif self._h[i] == 0:
            # Two equal levels, as where a grid ends at the lowest level and `final_sigmas_type` repeats it.
            x_t = x
        else:
            x_t = self._update(x, i, self._order(i), noise)
        self.lower_order_nums = min(self.lower_order_nums + 1, self.config.solver_order)
        self._step_index = i + 1
        return self._output(x_t.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _order(self, i: int) -> int:
        """Return the order of the step at place `i`: less at the start, and at the end of short runs."""
        config, steps = self.config, len(self._h)
        short = config.lower_order_final and steps < 15
        if i == steps - 1 and (config.euler_at_final or short or config.final_sigmas_type == "zero"):
            return 1
        order = min(config.solver_order, self.lower_order_nums + 1)
        return min(order, 2) if i == steps - 2 and short else order

    def _update(self, x: torch.Tensor, i: int, order: int, noise: torch.Tensor | None) -> torch.Tensor:
        """Return x_t from the predictions at the last `order` places, of which `i` is the newest."""
        sigma_t, alpha_t = self._sigma[i + 1], self._alpha[i + 1]
        if self.predicts_clean:
            decay = self._exp[-1][i] if self.is_sde else np.float32(1)
            of_x, of_m = sigma_t / self._sigma[i] * decay, alpha_t
            spread = sigma_t * (1 - self._exp[-2][i]) ** 0.5
        else:
            of_x, of_m = alpha_t / self._alpha[i], -sigma_t * (2 if self.is_sde else 1)
            spread = sigma_t * (self._exp[2][i] - 1) ** 0.5 if self.is_sde else 0
        x_t = float(of_x) * x
        for phi, difference in zip(self._phi(i, order), self._differences(i, order), strict=True):
            x_t = x_t + float(of_m * phi) * difference
        return x_t if noise is None else x_t + float(spread) * noise

    def _phi(self, i: int, order: int) -> list[np.float32]:
        """Return phi_0, ..., phi_{order - 1} of the step at place `i`."""
        h = self._h[i]
        if not self.predicts_clean:
            e = self._exp[1][i] - 1
            phi = [e, e / h - 1, (e - h) / h**2 - np.float32(0.5)]
        else:
            h, e = (2 * h, self._exp[-2][i] - 1) if self.is_sde else (h, self._exp[-1][i] - 1)
            phi = [-e, e / h + 1, np.float32(0.5) - (e + h) / h**2]
        if order == 2 and self.solver_type == "midpoint":
            phi[1] = phi[0] / 2
        return phi[:order]

    def _differences(self, i: int, order: int) -> list[torch.Tensor]:
        """Return D_0, ..., D_{order - 1} at place `i`."""
        m = [output for output in reversed(self.model_outputs) if output is not None]
        if order == 1:
            return m[:1]
        r_0 = float(self._h[i - 1] / self._h[i])
        d_0 = (m[0] - m[1]) / r_0
        if order == 2:
            return [m[0], d_0]
        r_1 = float(self._h[i - 2] / self._h[i])
        curve = d_0 - (m[1] - m[2]) / r_1
        return [m[0], d_0 + r_0 / (r_0 + r_1) * curve, curve / (r_0 + r_1)]

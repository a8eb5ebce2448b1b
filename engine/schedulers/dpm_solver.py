"""What the DPM-Solvers share: the exponential integrals of a prediction that is a polynomial in lambda."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.schedulers.base import Device, full_precision, highest_precision, weighted_sum
from engine.schedulers.log_snr_schedule import Float32s, LogSnrScheduler, without_variance
from engine.schedulers.noise_schedules import FloatArray
from engine.schedulers.sigma_schedule import SigmaRun

# Which combination of the predictions m_0, m_1, ... something is: its weights.
Weights = npt.NDArray[np.float64]


class ExponentialUpdate(SigmaRun):
    """x_t = (sigma_t / sigma_s) x_s + alpha_t (phi_0 D_0 + phi_1 D_1 + phi_2 D_2) from the level s to the level t.

    "DPM-Solver++", https://arxiv.org/abs/2211.01095 (`dpmsolver++`, the data prediction m = x_0; appendix A, B), with
    the D_k that a subclass makes of its predictions m_0, m_1, m_2 and h = lambda_t - lambda_s:

        phi_0 = 1 - e^-h,  phi_1 = (e^-h - 1) / h + 1,  phi_2 = 1/2 - (e^-h - 1 + h) / h^2

    `sde-dpmsolver++`: the same with 2h for h in phi, (sigma_t / sigma_s) e^-h before x_s, and noise
    sigma_t sqrt(1 - e^-2h) z (appendix of the paper's second version).

    "DPM-Solver", https://arxiv.org/abs/2206.00927 (`dpmsolver`, the noise prediction m = eps; appendix B):

        x_t = (alpha_t / alpha_s) x_s - k sigma_t (phi_0 D_0 + phi_1 D_1 + phi_2 D_2)
        phi_0 = e^h - 1,  phi_1 = (e^h - 1) / h - 1,  phi_2 = (e^h - 1 - h) / h^2 - 1/2

    with k = 1; `sde-dpmsolver` has k = 2 and noise sigma_t sqrt(e^2h - 1) z.

    A step to sigma_t = 0 ends at x_0, the limit of the first-order `dpmsolver++` (h grows without bound).

    Attributes:
        algorithm_type, solver_type: the method, where the configuration may name one of a sibling's.
        predicts_clean, is_sde: whether m = x_0, and whether steps draw noise.
        model_outputs: the last `solver_order` predictions m, the newest last.
    """

    # alpha, sigma and lambda of the levels of the run, in numpy: float32 scalars that round as the reference's do.
    _alpha: Float32s
    _sigma: Float32s
    _lambda: Float32s

    def _read_method(self) -> None:
        """Read the method from the configuration."""
        # Configurations of sibling solvers name methods that these do not have.
        named = self.config.get("algorithm_type", "sde-dpmsolver++")
        self.algorithm_type = "dpmsolver++" if named == "deis" else named
        self.solver_type = "heun" if self.config.solver_type == "heun" else "midpoint"
        self.predicts_clean = self.algorithm_type in ("dpmsolver++", "sde-dpmsolver++")
        self.is_sde = self.algorithm_type in ("sde-dpmsolver", "sde-dpmsolver++")
        self._forget()

    def _make_steps(self, spans: int) -> None:
        """Make the tables of the steps between the levels of the run, of which a step crosses up to `spans`."""
        lambdas = torch.from_numpy(self._lambda)
        ends = torch.arange(1, len(lambdas))
        # Of the steps over 1, 2, ... levels that end at each level: h, and e^kh in one pass and with torch's rounding,
        # to which phi_2 is sensitive where h is small.
        self._h: list[Float32s] = []
        self._exp: list[dict[int, Float32s]] = []
        for span in range(1, spans + 1):
            h = lambdas[ends] - lambdas[(ends - span).clamp(min=0)]
            self._h.append(h.numpy())
            self._exp.append({k: torch.exp(k * h).numpy() for k in (-2, -1, 1, 2)})
        self._forget()

    @abstractmethod
    def _clean_at(self, model_output: torch.Tensor, x: torch.Tensor, i: int) -> torch.Tensor:
        """Return the predicted x_0 for `x` at the place `i`."""

    @abstractmethod
    def _noise_at(self, model_output: torch.Tensor, x: torch.Tensor, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the predicted x_0 and its eps for `x` at the place `i`."""

    def _forget(self) -> None:
        self.model_outputs: list[torch.Tensor | None] = [None] * self.config.solver_order

    def _remember(
        self, model_output: torch.Tensor, sample: torch.Tensor, i: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return `sample`, x_0 and m at the place `i`, for arithmetic, and add m to the predictions."""
        # A thresholded eps and x nearly cancel where alpha is tiny, and are multiplied by alpha_t / alpha_s.
        cancels = self.config.get("thresholding") and not self.predicts_clean
        precise = highest_precision if cancels else full_precision
        x = precise(sample)
        m: Any = precise(without_variance(model_output, sample))
        if self.predicts_clean:
            x_0 = m = self._clean_at(m, x, i)
        else:
            x_0, m = self._noise_at(m, x, i)
        self.model_outputs = [*self.model_outputs[1:], m]
        return x, x_0, m

    def _update(
        self, x: torch.Tensor, i: int, differences: list[Weights], noise: torch.Tensor | None, span: int = 1
    ) -> torch.Tensor:
        """Return x_t at the place i + 1 from `x`, `span` places before.

        `differences` are D_0, D_1, ... as weights of the newest predictions m_0, m_1, ...
        """
        s, exp = i + 1 - span, self._exp[span - 1]
        sigma_t, alpha_t = self._sigma[i + 1], self._alpha[i + 1]
        if self.predicts_clean:
            decay = exp[-1][i] if self.is_sde else np.float32(1)
            of_x, of_m = sigma_t / self._sigma[s] * decay, alpha_t
        else:
            of_x, of_m = alpha_t / self._alpha[s], -sigma_t * (2 if self.is_sde else 1)
        phi = self._phi(self._h[span - 1][i], {k: table[i] for k, table in exp.items()}, len(differences))
        of_outputs = sum(float(of_m * p) * difference for p, difference in zip(phi, differences, strict=True))
        weights = [float(of_x), *np.asarray(of_outputs).tolist()]
        tensors = [x, *(m for m in self.model_outputs[: -len(differences) - 1 : -1] if m is not None)]
        if noise is not None:
            spread = (1 - exp[-2][i]) ** 0.5 if self.predicts_clean else (exp[2][i] - 1) ** 0.5
            weights.append(float(sigma_t * spread))
            tensors.append(noise)
        return weighted_sum(weights, tensors)

    def _phi(self, h: np.float32, exp: dict[int, np.float32], order: int) -> list[np.float32]:
        """Return phi_0, ..., phi_{order - 1} of a step over h, with `exp[k]` = e^kh."""
        if not self.predicts_clean:
            e = exp[1] - 1
            phi = [e, e / h - 1, (e - h) / h**2 - np.float32(0.5)]
        else:
            h, e = (2 * h, exp[-2] - 1) if self.is_sde else (h, exp[-1] - 1)
            phi = [-e, e / h + 1, np.float32(0.5) - (e + h) / h**2]
        if order == 2 and self.solver_type == "midpoint":
            phi[1] = phi[0] / 2
        return phi[:order]


class DPMSolver(  # pyright: ignore[reportIncompatibleVariableOverride]  # a property there, a number in the base
    LogSnrScheduler, ExponentialUpdate
):
    """The update of `ExponentialUpdate` on the levels of a model that was trained on discrete ones."""

    def _make_solver(self) -> None:
        """Make the trained levels, and read the method from the configuration."""
        self._make_levels()
        self._read_method()

    def _start_solver_run(self, levels: FloatArray, times: npt.NDArray[np.int64], device: Device, spans: int) -> None:
        """Take levels (steps + 1,) and timesteps (steps,) as the schedule; a step crosses up to `spans` levels."""
        self._start_level_run(levels, times, device)
        self._make_steps(spans)

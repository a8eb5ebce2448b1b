"""Linear multistep method on the probability flow, with coefficients for uneven noise levels."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import Device, StepResult, Timestep, full_precision, weighted_sum
from engine.schedulers.noise_schedules import BetaSchedule, Spacing
from engine.schedulers.sigma_schedule import SigmaScheduler

# Nodes and weights of the quadrature on [-1, 1].
gauss_legendre = functools.cache(np.polynomial.legendre.leggauss)


class LMSDiscreteScheduler(SigmaScheduler):
    """x_{i+1} = x_i + sum_k c_k d_{i-k} with d_i = (x_i - x_0) / sigma_i, over the last `order` derivatives d.

    Adams-Bashforth on the noise levels sigma_i: c_k is the integral of the k-th Lagrange polynomial through the last
    levels over the step,

        c_k = integral from sigma_i to sigma_{i+1} of prod_{j != k} (s - sigma_{i-j}) / (sigma_{i-k} - sigma_{i-j}) ds

    (https://arxiv.org/abs/2206.00364 gives the flow, equation 3; sampler of https://github.com/crowsonkb/k-diffusion).
    x_0 is the predicted clean sample. The first steps of a run have fewer derivatives and a lower order.

    Attributes:
        derivatives: the last d, the newest last.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"order"})

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
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
        self.derivatives: list[torch.Tensor] = []

    def set_timesteps(self, num_inference_steps: int, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps. Raises `InvalidValue` for none, and for more than were trained."""
        times = self._spaced_times(num_inference_steps).astype(np.float32)
        levels, times = self._gridded(times)
        self._start_sigma_run(np.append(levels, 0), times.astype(np.float32), device)
        self.derivatives = []

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        order: int = 4,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_{i+1} and the predicted x_0, both like `sample` (any shape).

        `order`: how many derivatives to use at most. Raises `CallOrder` before `set_timesteps` and
        `scale_model_input`, and `InvalidValue` for an order below 1.
        """
        self._require_scaled()
        if order < 1:
            raise InvalidValue(f"order cannot be {order}; a step uses one derivative at least.")
        i = self._current_index(timestep)
        sigma = self._sigmas[i]
        x = full_precision(sample)
        x_0 = self._clean(full_precision(model_output), x, sigma, sigma)
        d = (x - x_0) / float(sigma)
        self.derivatives = [*self.derivatives, d][-order:]
        c_0, *c = self._coefficients(i, len(self.derivatives))
        # x_i + c_0 d_i, whose terms nearly cancel from a high level, is x_0 + (sigma_i + c_0) d_i.
        x_next = weighted_sum([1.0, float(sigma) + c_0, *c], [x_0, *reversed(self.derivatives)])
        self._step_index = i + 1
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _coefficients(self, i: int, order: int) -> list[float]:
        """Return c_0, ..., c_{order - 1} of the step from place `i`."""
        start, end = float(self._sigmas[i]), float(self._sigmas[i + 1])
        levels = [float(self._sigmas[i - j]) for j in range(order)]
        # Gauss-Legendre with `order` nodes is exact for these polynomials.
        nodes, weights = gauss_legendre(order)
        c = [0.0] * order
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
            s = (start + end) / 2 + (end - start) / 2 * node
            for k in range(order):
                lagrange = (end - start) / 2 * weight
                for j in range(order):
                    if j != k:
                        lagrange *= (s - levels[j]) / (levels[k] - levels[j])
                c[k] += lagrange
        return c

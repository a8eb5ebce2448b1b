"""Euler's method on the probability flow for preconditioned models, with the stochastic churn of Karras et al."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import DISCRETE_FAMILY, Device, Generators, StepResult, full_precision, noise_like
from engine.schedulers.edm_schedule import EdmPrediction, EdmSchedule, EdmScheduler
from engine.schedulers.noise_schedules import checked_steps, karras_levels


class EDMEulerScheduler(EdmScheduler):
    """x_{i+1} = x_i + (t_{i+1} - t_i) d_i with d_i = (x_i - x_0) / t_i, for the noise levels t_i = sigma_i.

    "Elucidating the Design Space of Diffusion-Based Generative Models", https://arxiv.org/abs/2206.00364, algorithm 2
    without its second-order correction; x_0 is the predicted clean sample. With `s_churn` the level is first raised
    from t_i to t^_i = (1 + gamma_i) t_i by fresh noise, and the step is taken from there.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"s_churn", "s_tmin", "s_tmax", "s_noise", "generator"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"sigmas"})
    _compatibles: ClassVar[Sequence[str]] = DISCRETE_FAMILY
    _ramp_dtype: ClassVar[torch.dtype] = torch.float64

    @register_to_config
    def __init__(
        self,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        sigma_data: float = 0.5,
        sigma_schedule: EdmSchedule = "karras",
        num_train_timesteps: int = 1000,
        prediction_type: EdmPrediction = "epsilon",
        rho: float = 7.0,
        final_sigmas_type: Literal["zero", "sigma_min"] = "zero",
    ) -> None:
        self._make_edm(num_train_timesteps + 1)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Device = None,
        sigmas: Sequence[float] | torch.Tensor | None = None,
    ) -> None:
        """Lay out `num_inference_steps` steps, or one from each of the given `sigmas`.

        `sigmas` either descend and are levels, or ascend from 0 to 1 and are fractions of the way from sigma_max to
        sigma_min, as published pipelines give them. Raises `InvalidValue` for none or both arguments, and for others.
        """
        if (num_inference_steps is None) == (sigmas is None):
            raise InvalidValue(
                f"set_timesteps takes exactly one of num_inference_steps and sigmas, not "
                f"({num_inference_steps}, {sigmas})."
            )
        if sigmas is None:
            levels = self._spaced_levels(checked_steps(num_inference_steps, self.config.num_train_timesteps))
        else:
            levels = self._own_levels(sigmas)
        last = float(levels[-1]) if self.config.final_sigmas_type == "sigma_min" else 0.0
        self._start_edm_run(levels, last, device)

    def _own_levels(self, sigmas: Sequence[float] | torch.Tensor) -> torch.Tensor:
        """Return the levels that `sigmas` are or are fractions of, float32 of shape (steps,)."""
        own = torch.as_tensor(sigmas, dtype=torch.float64, device="cpu").reshape(-1)
        if len(own) and bool((own.diff() < 0).all()) and own[-1] > 0:
            return own.float()
        if not len(own) or bool((own.diff() <= 0).any()) or own[0] < 0 or own[-1] > 1:
            raise InvalidValue(
                f"sigmas cannot be {own.tolist()}; give levels that descend and stay above 0, or fractions that ascend "
                "from 0 to 1."
            )
        low, high = self.config.sigma_min, self.config.sigma_max
        if self.config.sigma_schedule == "karras":
            return karras_levels(own, low, high, self.config.rho).float()
        return (math.log(high) + own * (math.log(low) - math.log(high))).exp().float()

    def step(
        self,
        model_output: torch.Tensor,
        timestep: float | torch.Tensor,
        sample: torch.Tensor,
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = float("inf"),
        s_noise: float = 1.0,
        generator: Generators = None,
        return_dict: bool = True,
        pred_original_sample: torch.Tensor | None = None,
    ) -> StepResult:
        """Return x_{i+1} and the predicted x_0, both like `sample` (any shape).

        `s_churn`, `s_tmin`, `s_tmax`, `s_noise`: amount, range of levels and scale of the fresh noise (algorithm 2).
        `pred_original_sample` is x_0 where the caller knows it already; `model_output` is then not used.
        Raises `CallOrder` before `set_timesteps` and `scale_model_input`.
        """
        i = self._require_scaled_input(timestep)
        t, t_next = self._sigmas[i], self._sigmas[i + 1]
        x = full_precision(sample)

        gamma = min(s_churn / (len(self._sigmas) - 1), 2**0.5 - 1) if s_tmin <= t <= s_tmax else 0.0
        t_hat = t * (1 + gamma)
        if gamma > 0:
            x = x + float((t_hat**2 - t**2) ** 0.5 * s_noise) * noise_like(model_output, generator)

        x_0 = pred_original_sample
        if x_0 is None:
            x_0 = self.precondition_outputs(x, full_precision(model_output), t_hat)
        # x + (t_next - t_hat) (x - x_0) / t_hat, whose terms nearly cancel from a high level, as a share of x - x_0.
        x_next = torch.add(x_0, x - x_0, alpha=1 + float(t_next - t_hat) / float(t_hat))
        self._step_index = i + 1
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

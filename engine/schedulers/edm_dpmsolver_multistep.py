"""DPM-Solver++, multistep, for preconditioned models, and what its cosine sibling shares."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.schedulers.base import Device, Generators, StepResult, Timestep, noise_like
from engine.schedulers.dpm_solver_multistep import MultistepUpdate
from engine.schedulers.edm_schedule import EdmPrediction, EdmSchedule, EdmScheduler
from engine.schedulers.noise_schedules import checked_steps, dynamic_threshold

SolverType = Literal["midpoint", "heun", "logrho", "bh1", "bh2"]


class EdmMultistep(  # pyright: ignore[reportIncompatibleVariableOverride]  # a property there, a number in the base
    EdmScheduler, MultistepUpdate
):
    """The update of `MultistepUpdate` with alpha = 1, so that lambda = -log sigma, on the levels of Karras et al."""

    def set_timesteps(  # pyright: ignore[reportIncompatibleMethodOverride]  # the reference's default
        self, num_inference_steps: int | None = None, device: Device = None
    ) -> None:
        """Lay out `num_inference_steps` steps. Raises `InvalidValue` for none, and for more than trained timesteps."""
        levels = self._spaced_levels(checked_steps(num_inference_steps, self.config.num_train_timesteps))
        last = self.config.sigma_min if self.config.final_sigmas_type == "sigma_min" else 0.0
        self._start_edm_run(levels, last, device)
        # Rounding may put a last level of sigma_min above the one before.
        sigma = torch.cummin(self.sigmas, dim=0).values
        self._alpha, self._sigma, self._lambda = np.ones_like(self._sigmas), sigma.numpy(), (-sigma.log()).numpy()
        self._make_steps(spans=1)

    def _clean_at(self, model_output: torch.Tensor, x: torch.Tensor, i: int) -> torch.Tensor:
        x_0 = self.precondition_outputs(x, model_output, self._sigmas[i])
        if self.config.get("thresholding"):
            return dynamic_threshold(x_0, self.config.dynamic_thresholding_ratio, self.config.sample_max_value)
        return x_0


class EDMDPMSolverMultistepScheduler(EdmMultistep):
    """The update of `MultistepUpdate` for x = x_0 + sigma eps: alpha = 1, lambda = -log sigma.

    "DPM-Solver++", https://arxiv.org/abs/2211.01095, algorithm 2, for models of "Elucidating the Design Space of
    Diffusion-Based Generative Models", https://arxiv.org/abs/2206.00364 (`EdmScheduler`).
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})

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
        solver_order: Literal[1, 2, 3] = 2,
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        sample_max_value: float = 1.0,
        algorithm_type: Literal["dpmsolver++", "sde-dpmsolver++", "deis"] = "dpmsolver++",
        solver_type: SolverType = "midpoint",
        lower_order_final: bool = True,
        euler_at_final: bool = False,
        final_sigmas_type: Literal["zero", "sigma_min"] = "zero",
    ) -> None:
        self._make_edm(num_train_timesteps)
        self._read_method()

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_t and the predicted x_0, both like `sample` (batch, ...).

        Raises `CallOrder` before `set_timesteps` and `scale_model_input`.
        """
        self._require_scaled()
        i = self._current_index(timestep)
        x, x_0, _ = self._remember(model_output, sample, i)
        x_t = self._next_sample(x, x_0, i, noise_like(x, generator) if self.is_sde else None)
        return self._output(x_t.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

"""DPM-Solver++, multistep, for the reverse SDE of preconditioned models with a cosine schedule of timesteps."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch

from engine.config import register_to_config
from engine.rng import moved
from engine.schedulers.base import Device, Generators, StepResult, Timestep
from engine.schedulers.brownian import BrownianTree, require_torchsde, seed_of
from engine.schedulers.edm_dpmsolver_multistep import EdmMultistep, SolverType
from engine.schedulers.edm_schedule import EdmPrediction, EdmSchedule


class CosineDPMSolverMultistepScheduler(EdmMultistep):
    """The update of `MultistepUpdate`, `sde-dpmsolver++`, with alpha = 1, lambda = -log sigma and Brownian noise.

    "DPM-Solver++", https://arxiv.org/abs/2211.01095, for models of "Elucidating the Design Space of Diffusion-Based
    Generative Models", https://arxiv.org/abs/2206.00364 (`EdmScheduler`), that are given the timestep

        t = 2/pi atan(sigma),  of which cos(pi/2 t), sin(pi/2 t) are the signal's and the noise's share in c_in x

    (Stable Audio, https://arxiv.org/abs/2407.14358). z of a step from the level s to t is the increment of a Brownian
    motion W over the levels, (W(t) - W(s)) / sqrt(s - t).
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})

    @register_to_config
    def __init__(
        self,
        sigma_min: float = 0.3,
        sigma_max: float = 500,
        sigma_data: float = 1.0,
        sigma_schedule: EdmSchedule = "exponential",
        num_train_timesteps: int = 1000,
        solver_order: Literal[1, 2, 3] = 2,
        prediction_type: EdmPrediction = "v_prediction",
        rho: float = 7.0,
        solver_type: SolverType = "midpoint",
        lower_order_final: bool = True,
        euler_at_final: bool = False,
        final_sigmas_type: Literal["zero", "sigma_min"] = "zero",
    ) -> None:
        self._make_edm(num_train_timesteps)
        self._read_method()
        self.noise_sampler: BrownianTree | None = None

    def set_timesteps(self, num_inference_steps: int | None = None, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps.

        Raises `InvalidValue` for none, and for more than trained timesteps; `MissingDependency` without torchsde.
        """
        require_torchsde()
        super().set_timesteps(num_inference_steps, device)
        self.noise_sampler = None

    def precondition_noise(self, sigma: torch.Tensor) -> torch.Tensor:
        """Return t = 2/pi atan(sigma) of the levels `sigma` (any shape)."""
        return sigma.atan() / math.pi * 2

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_t and the predicted x_0, both like `sample` (batch, ...).

        The noise of the whole run follows from the seed of `generator` at its first step. Raises `CallOrder` before
        `set_timesteps` and `scale_model_input`.
        """
        self._require_scaled()
        i = self._current_index(timestep)
        x, x_0, _ = self._remember(model_output, sample, i)
        start, end = float(self._sigmas[i]), float(self._sigmas[i + 1])
        # The last step ends at x_0, without noise.
        z = moved(self._tree(x, generator).normal(start, end), x.device) if end > 0 else None
        x_t = self._next_sample(x, x_0, i, z)
        return self._output(x_t.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _tree(self, x: torch.Tensor, generator: Generators) -> BrownianTree:
        """Return the Brownian motion of this run, made at its first step."""
        if self.noise_sampler is None:
            seed = seed_of(generator, len(x))
            self.noise_sampler = BrownianTree(x.shape, x.dtype, self.config.sigma_min, self.config.sigma_max, seed)
        return self.noise_sampler

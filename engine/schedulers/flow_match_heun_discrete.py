"""Heun's method on a rectified flow: two model calls for a step of second order."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from engine.config import register_to_config
from engine.errors import CallOrder
from engine.schedulers.base import Device, Generators, StepResult, Timestep, full_precision, noise_like
from engine.schedulers.flow_schedule import FlowScheduler
from engine.schedulers.noise_schedules import checked_steps, shift_sigmas


class FlowMatchHeunDiscreteScheduler(FlowScheduler):
    """x_{i+1} = x_i + (sigma_{i+1} - sigma_i) (v + v') / 2, v' the velocity where Euler's step with v alone arrives.

    "Elucidating the Design Space of Diffusion-Based Generative Models", https://arxiv.org/abs/2206.00364, algorithm 2,
    on the flow of https://arxiv.org/abs/2403.03206; the last step, to sigma = 0, is Euler's. Every step but the last
    takes two calls of `step`, and so every timestep but the first stands twice in `timesteps`: once where it ends a
    step, once where it begins one.

    With `s_churn` x_i is raised from sigma_i to sigma^_i = (1 + gamma_i) sigma_i by noise of variance
    sigma^_i^2 - sigma_i^2, and v is weighed by sigma_i / sigma^_i, as if the noise were added to a signal that stays.
    """

    order: ClassVar[int] = 2
    step_options: ClassVar[frozenset[str]] = frozenset({"s_churn", "s_tmin", "s_tmax", "s_noise", "generator"})

    @register_to_config
    def __init__(self, num_train_timesteps: int = 1000, shift: float = 1.0) -> None:
        self._make_flow()
        self._begun: tuple[torch.Tensor, torch.Tensor, float] | None = None

    def set_timesteps(  # pyright: ignore[reportIncompatibleMethodOverride]  # there are only evenly spaced levels
        self, num_inference_steps: int, device: Device = None
    ) -> None:
        """Lay out `num_inference_steps` steps. Raises `InvalidValue` for none, and for more than were trained."""
        trained = self.config.num_train_timesteps
        n = checked_steps(num_inference_steps, trained)
        even = np.linspace(self.sigma_max * trained, self.sigma_min * trained, n) / trained
        levels = shift_sigmas(even, self._shift).astype(np.float32)
        levels = np.append(levels[:1], levels[1:].repeat(2))
        self.num_inference_steps = n
        self._begun = None
        self._start_flow_run(np.append(levels, 0), levels * trained, device)

    def _current_index(self, timestep: Timestep) -> int:
        starts = self._step_index is None
        i = super()._current_index(timestep)
        if starts and i % 2:
            # The first of two equal timesteps ends a step that this run has not begun.
            i = self._step_index = i + 1
        return i

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = float("inf"),
        s_noise: float = 1.0,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return where Euler's step arrives, or, at every second call, x_{i+1}; and the predicted x_0.

        Both are like `sample` (any shape). `s_churn`, `s_tmin`, `s_tmax`, `s_noise`: amount, range of levels and scale
        of the fresh noise. Raises `CallOrder` before `set_timesteps`.
        """
        place = self._flow_index(timestep)
        ends = place % 2  # of the two calls of a step, the second
        i = place - ends
        sigma, sigma_next = self._sigmas[i], self._sigmas[i + 1]
        x, v = full_precision(sample), full_precision(model_output)
        x_0 = torch.add(x, v, alpha=-float(sigma_next if ends else sigma))

        gamma = min(s_churn / (len(self._sigmas) - 1), 2**0.5 - 1) if s_tmin <= sigma <= s_tmax else 0.0
        # The second call draws too, to no effect: so a seed means the same noise as in the reference.
        z = noise_like(model_output, generator) if gamma > 0 else None
        if ends:
            if self._begun is None:
                raise CallOrder(f"{type(self).__name__}: call set_timesteps before going back in the schedule.")
            x, d, h = self._begun
            d, self._begun = (d + v) / 2, None
        else:
            sigma_hat = sigma * (1 + gamma)
            d, h = v, float(sigma_next - sigma_hat)
            if z is not None:
                x = torch.add(x, z, alpha=float((sigma_hat**2 - sigma**2) ** 0.5 * s_noise))
                d = v * float(sigma / sigma_hat)
            self._begun = (x, d, h)
        x_next = torch.add(x, d, alpha=h)
        self._step_index = place + 1
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

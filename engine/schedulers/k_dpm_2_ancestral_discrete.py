"""DPM-Solver-2 with ancestral noise: each step goes further down than its level and climbs back with fresh noise."""

from __future__ import annotations

from typing import ClassVar

import torch

from engine.schedulers.base import Generators, StepResult, Timestep, full_precision, noise_like
from engine.schedulers.k_dpm_2_discrete import KDPM2DiscreteScheduler


class KDPM2AncestralDiscreteScheduler(KDPM2DiscreteScheduler):
    """x_{i+1} = x_i + (sigma_down - sigma_i) d' + sigma_up z, with the derivative d' halfway, z standard normal.

    The step of `KDPM2DiscreteScheduler` to sigma_down instead of sigma_{i+1}, with sigma' = sqrt(sigma_i sigma_down),
    and the noise of DDPM's posterior (https://arxiv.org/abs/2006.11239, equation 7, at levels sigma; sampler of
    https://github.com/crowsonkb/k-diffusion):

        sigma_up^2   = sigma_{i+1}^2 (sigma_i^2 - sigma_{i+1}^2) / sigma_i^2
        sigma_down^2 = sigma_{i+1}^2 - sigma_up^2
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})

    def _lay_out(self, sigmas: torch.Tensor, sigmas_next: torch.Tensor) -> torch.Tensor:
        sigma_up = (sigmas_next**2 * (sigmas**2 - sigmas_next**2) / sigmas**2) ** 0.5
        square = sigmas_next**2 - sigma_up**2
        # sigma_{i+1}^2 / sigma_i in other words, where rounding leaves nothing of a long step's difference.
        sigma_down = torch.where(square > 0, square.clamp(min=0) ** 0.5, sigmas_next**2 / sigmas)
        self._targets, self._up = sigma_down.numpy(), sigma_up.numpy()
        # The logarithm of the last level, zero, has no middle.
        halfway = sigmas[:-1].log().lerp(sigma_down[:-1].log(), 0.5).exp()
        return torch.cat([halfway, torch.zeros(1)])

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]  # the reference's order of arguments
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x' or, in the second call, x_{i+1}, and the predicted x_0, all like `sample` (any shape).

        Raises `CallOrder` before `set_timesteps` and `scale_model_input`.
        """
        place = self._current_call(timestep)
        x_next, x_0 = self._advance(full_precision(model_output), full_precision(sample), place)
        if place % 2:
            x_next = torch.add(x_next, noise_like(model_output, generator), alpha=float(self._up[place // 2]))
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

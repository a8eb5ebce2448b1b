"""What the schedulers share that follow Karras et al.: continuous noise levels, and preconditioned models.

Samples are x = x_0 + sigma eps. The model is a network F behind factors that keep its input and output of variance 1
for data of the standard deviation sigma_data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.errors import InvalidValue
from engine.schedulers.base import Device, Timestep
from engine.schedulers.noise_schedules import karras_levels
from engine.schedulers.sigma_schedule import SigmaRun

EdmPrediction = Literal["epsilon", "sample", "v_prediction"]
EdmSchedule = Literal["karras", "exponential"]


class EdmScheduler(SigmaRun):
    """A scheduler on levels from sigma_max to sigma_min, for a network F(c_in x; c_noise) that predicts

        x_0 = c_skip x + c_out F

    "Elucidating the Design Space of Diffusion-Based Generative Models", https://arxiv.org/abs/2206.00364, equation 7
    and table 1, with s = sigma_data:

        c_in    = 1 / sqrt(sigma^2 + s^2)          c_out = sigma s / sqrt(sigma^2 + s^2)   (`v_prediction`: less than 0)
        c_skip  = s^2 / (sigma^2 + s^2)            c_noise = log(sigma) / 4

    `timesteps` are c_noise. With `prediction_type="sample"` the model predicts x_0 itself.
    """

    _compatibles: ClassVar[Sequence[str]] = ()
    # The type in which levels are spaced, as in the reference.
    _ramp_dtype: ClassVar[torch.dtype] = torch.float32

    def _make_edm(self, levels: int) -> None:
        """Make the schedule of that many levels; raises `InvalidValue` for a sigma_min that is not the lower."""
        self._check_ranges()
        low, high = self.config.sigma_min, self.config.sigma_max
        if low >= high:
            raise InvalidValue(f"sigma_min={low} must be less than sigma_max={high}.")
        self._start_edm_run(self._spaced_levels(levels), 0.0, None)
        self.num_inference_steps = None

    def _spaced_levels(self, n: int) -> torch.Tensor:
        """Return `n` levels from sigma_max to sigma_min, float32 of shape (n,)."""
        low, high = self.config.sigma_min, self.config.sigma_max
        if self.config.sigma_schedule == "karras":
            return karras_levels(torch.linspace(0, 1, n, dtype=self._ramp_dtype), low, high, self.config.rho).float()
        if n == 1:
            return torch.tensor([high], dtype=torch.float32)
        return torch.linspace(math.log(low), math.log(high), n).exp().flip(0)

    def _start_edm_run(self, levels: torch.Tensor, last: float, device: Device) -> None:
        """Take `levels` (steps,) and the `last` one as the schedule and go to its beginning."""
        sigmas = np.append(levels.numpy(), np.float32(last))
        self._start_sigma_run(sigmas, self.precondition_noise(levels).numpy(), device)

    @property
    def init_noise_sigma(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Standard deviation of the noise that the run starts from: of x at sigma_max for data of variance 1."""
        return (self.config.sigma_max**2 + 1) ** 0.5

    def scale_model_input(  # pyright: ignore[reportIncompatibleMethodOverride]  # the level depends on the timestep
        self, sample: torch.Tensor, timestep: Timestep
    ) -> torch.Tensor:
        """Return c_in x, the network's input; `sample` is of any shape."""
        sigma = self._sigmas[self._current_index(timestep)]
        self.is_scale_input_called = True
        return self.precondition_inputs(sample, sigma)

    def precondition_inputs(self, sample: torch.Tensor, sigma: float | np.float32) -> torch.Tensor:
        """Return c_in x, like `sample` (any shape)."""
        return sample * float(1 / (sigma**2 + self.config.sigma_data**2) ** 0.5)

    def precondition_noise(self, sigma: torch.Tensor) -> torch.Tensor:
        """Return c_noise of the levels `sigma` (any shape)."""
        return 0.25 * torch.log(sigma)

    def precondition_outputs(
        self, sample: torch.Tensor, model_output: torch.Tensor, sigma: float | np.float32
    ) -> torch.Tensor:
        """Return x_0 = c_skip x + c_out F, like `sample` (any shape)."""
        if self.config.prediction_type == "sample":
            return model_output
        s = self.config.sigma_data
        c_skip = s**2 / (sigma**2 + s**2)
        c_out = sigma * s / (sigma**2 + s**2) ** 0.5
        c_out = -c_out if self.config.prediction_type == "v_prediction" else c_out
        return torch.add(sample * float(c_skip), model_output, alpha=float(c_out))

"""Multistep sampling of consistency models: jump to the clean sample, noise it to the next level, and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import Device, Generators, StepResult, Timestep, full_precision, noise_like
from engine.schedulers.noise_schedules import FloatArray, checked_steps, checked_timesteps, karras_levels
from engine.schedulers.sigma_schedule import SigmaRun


class CMStochasticIterativeScheduler(SigmaRun):
    """x_{i+1} = f(x_i) + sqrt(sigma_{i+1}^2 - sigma_min^2) s_noise z, z standard normal.

    "Consistency Models", https://arxiv.org/abs/2303.01469, algorithm 1, with the consistency function made from the
    network F as in equation 5 and appendix C (so that f(x) = x at sigma_min):

        f(x) = c_skip x + c_out F(x / sqrt(sigma^2 + sigma_data^2), 250 log sigma)
        c_skip = sigma_data^2 / ((sigma - sigma_min)^2 + sigma_data^2)
        c_out = sigma_data (sigma - sigma_min) / sqrt(sigma^2 + sigma_data^2)

    The levels are taken from T ones that are evenly spaced in sigma^(1/rho)
    (https://arxiv.org/abs/2206.00364, equation 5).
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps"})
    _compatibles: ClassVar[Sequence[str]] = ()

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 40,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        sigma_data: float = 0.5,
        s_noise: float = 1.0,
        rho: float = 7.0,
        clip_denoised: bool = True,
    ) -> None:
        self._check_ranges()
        if sigma_min >= sigma_max:
            raise InvalidValue(f"sigma_min={sigma_min} must be less than sigma_max={sigma_max}.")
        self._start_at(np.arange(num_train_timesteps), None)
        self.num_inference_steps = None

    @property
    def init_noise_sigma(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Standard deviation of the noise that the run starts from."""
        return self.config.sigma_max

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Device = None,
        timesteps: Sequence[int] | None = None,
    ) -> None:
        """Lay out `num_inference_steps` steps, or those at the given descending `timesteps` of the T trained ones.

        Raises `InvalidValue` for none or both, for too many steps and for timesteps that do not descend.
        """
        trained = self.config.num_train_timesteps
        if (num_inference_steps is None) == (timesteps is None):
            raise InvalidValue(
                "set_timesteps takes exactly one of num_inference_steps and timesteps, not "
                f"({num_inference_steps}, {timesteps})."
            )
        if timesteps is None:
            n = checked_steps(num_inference_steps, trained)
            places = np.arange(n) * (trained // n)
        else:
            places = checked_timesteps(timesteps, trained).astype(np.int64)[::-1]
        self._start_at(places, device)

    def _start_at(self, places: npt.NDArray[np.int64], device: Device) -> None:
        """Take the trained levels at the ascending `places`, 0 the noisiest, as the schedule."""
        config = self.config
        ramp = places / max(config.num_train_timesteps - 1, 1)
        levels = karras_levels(ramp, config.sigma_min, config.sigma_max, config.rho)
        timesteps = self.sigma_to_t(levels)
        # There is no float64 on Apple's devices.
        timesteps = timesteps.astype(np.float32) if str(device).startswith("mps") else timesteps
        self._start_sigma_run(np.append(levels, config.sigma_min), timesteps, device)

    def sigma_to_t(self, sigmas: float | FloatArray) -> FloatArray:
        """Return what the model is told of noise levels: 250 log sigma."""
        return 1000 * 0.25 * np.log(np.asarray(sigmas, dtype=np.float64) + 1e-44)

    def scale_model_input(self, sample: torch.Tensor, timestep: Timestep) -> torch.Tensor:
        """Return x / sqrt(sigma^2 + sigma_data^2), what the network was trained on; `sample` is of any shape."""
        sigma = self._sigmas[self._current_index(timestep)]
        self.is_scale_input_called = True
        return sample / float((sigma**2 + self.config.sigma_data**2) ** 0.5)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: float | torch.Tensor,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_{i+1} and f(x_i), both like `sample` (any shape).

        Raises `CallOrder` before `set_timesteps` and `scale_model_input`.
        """
        i = self._require_scaled_input(timestep)
        config = self.config
        sigma, sigma_next = self._sigmas[i], self._sigmas[i + 1]
        sigma_min, sigma_data = config.sigma_min, config.sigma_data
        c_skip = sigma_data**2 / ((sigma - sigma_min) ** 2 + sigma_data**2)
        c_out = (sigma - sigma_min) * sigma_data / (sigma**2 + sigma_data**2) ** 0.5

        x_0 = torch.add(float(c_skip) * full_precision(sample), full_precision(model_output), alpha=float(c_out))
        if config.clip_denoised:
            x_0 = x_0.clamp(-1, 1)
        x_next = x_0
        if len(self._timetable) > 1:
            # The last level is sigma_min up to rounding, which must not make the variance negative.
            std = max(sigma_next**2 - sigma_min**2, np.float32(0)) ** 0.5
            x_next = torch.add(x_0, noise_like(model_output, generator), alpha=float(std * config.s_noise))
        self._step_index = i + 1
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

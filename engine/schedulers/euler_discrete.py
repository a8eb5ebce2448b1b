"""Euler's method on the probability flow, with the stochastic churn of Karras et al."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import Device, Generators, StepResult, full_precision, noise_like
from engine.schedulers.noise_schedules import (
    BetaSchedule,
    FloatArray,
    Spacing,
    checked_steps,
    checked_timesteps,
    sigma_to_t,
    spaced_timesteps,
)
from engine.schedulers.sigma_schedule import SigmaScheduler


class EulerDiscreteScheduler(SigmaScheduler):
    """x_{i+1} = x_i + (t_{i+1} - t_i) d_i with d_i = (x_i - x_0) / t_i, for the noise levels t_i = sigma_i.

    "Elucidating the Design Space of Diffusion-Based Generative Models", https://arxiv.org/abs/2206.00364, algorithm 2
    without its second-order correction; x_0 is the predicted clean sample. With `s_churn` the level is first raised
    from t_i to t^_i = (1 + gamma_i) t_i by fresh noise, and the step is taken from there.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"s_churn", "s_tmin", "s_tmax", "s_noise", "generator"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps", "sigmas"})

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: BetaSchedule = "linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        prediction_type: Literal["epsilon", "sample", "original_sample", "v_prediction"] = "epsilon",
        interpolation_type: Literal["linear", "log_linear"] = "linear",
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
        timestep_spacing: Spacing = "linspace",
        timestep_type: Literal["discrete", "continuous"] = "discrete",
        steps_offset: int = 0,
        rescale_betas_zero_snr: bool = False,
        final_sigmas_type: Literal["zero", "sigma_min"] = "zero",
    ) -> None:
        self._make_sigmas()
        if self._timesteps_are_log_sigmas:
            self._start_run((0.25 * self.sigmas[:-1].log()).numpy(), None)

    @property
    def _timesteps_are_log_sigmas(self) -> bool:
        return self.config.timestep_type == "continuous" and self.config.prediction_type == "v_prediction"

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Device = None,
        timesteps: Sequence[float] | None = None,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        """Lay out `num_inference_steps` steps, or the given descending `timesteps`, or `sigmas` (one more than steps).

        Raises `InvalidValue` for none or several of them, or if they contradict the configuration.
        """
        if sum(given is not None for given in (num_inference_steps, timesteps, sigmas)) != 1:
            raise InvalidValue(
                "set_timesteps takes exactly one of num_inference_steps, timesteps and sigmas, not "
                f"({num_inference_steps}, {timesteps}, {sigmas})."
            )
        if sigmas is not None:
            levels = _checked_sigmas(sigmas)
            times = sigma_to_t(levels[:-1], self._log_sigmas)
        else:
            levels, times = self._levels_of(self._times(num_inference_steps, timesteps))
            levels = np.append(levels, self._last_sigma())
        if self._timesteps_are_log_sigmas:
            times = (0.25 * torch.from_numpy(levels[:-1].astype(np.float32)).log()).numpy()
        self._start_sigma_run(levels, times.astype(np.float32), device)

    def _times(self, num_inference_steps: int | None, timesteps: Sequence[float] | None) -> npt.NDArray[np.float32]:
        """Return the timesteps of the run, before a grid of sigmas moves them."""
        config = self.config
        if timesteps is None:
            n = checked_steps(num_inference_steps, config.num_train_timesteps)
            times = spaced_timesteps(config.timestep_spacing, config.num_train_timesteps, n, config.steps_offset)
        else:
            self._refuse_grid_for("timesteps")
            if self._timesteps_are_log_sigmas:
                raise InvalidValue(
                    "timesteps cannot be given with timestep_type='continuous' and v_prediction; give sigmas."
                )
            times = checked_timesteps(timesteps, config.num_train_timesteps)
        return times.astype(np.float32)

    def _levels_of(self, times: npt.NDArray[np.float32]) -> tuple[FloatArray, npt.NDArray[Any]]:
        """Return the levels of the run, and its timesteps where a grid of sigmas moves them."""
        config, n = self.config, len(times)
        if config.interpolation_type == "linear":
            levels = self._sigma_at(times)
        else:
            # n + 1 levels for n steps, as the reference has it: the last step ends at the lowest trained level.
            ends = math.log(self._trained_sigmas[-1]), math.log(self._trained_sigmas[0])
            levels = torch.linspace(*ends, n + 1).exp().numpy()
        if (grid := self._grid()) is None:
            return levels, times
        low = levels[-1].item() if config.sigma_min is None else config.sigma_min
        high = levels[0].item() if config.sigma_max is None else config.sigma_max
        levels = grid(low, high, n)
        return levels, sigma_to_t(levels, self._log_sigmas)

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
    ) -> StepResult:
        """Return x_{i+1} and the predicted x_0, both like `sample` (any shape).

        `s_churn`, `s_tmin`, `s_tmax`, `s_noise`: amount, range of levels and scale of the fresh noise (algorithm 2).
        Raises `CallOrder` before `set_timesteps` and `scale_model_input`.
        """
        i = self._require_scaled_input(timestep)
        t, t_next = self._sigmas[i], self._sigmas[i + 1]
        x = full_precision(sample)

        gamma = min(s_churn / (len(self._sigmas) - 1), 2**0.5 - 1) if s_tmin <= t <= s_tmax else 0.0
        t_hat = t * (1 + gamma)
        if gamma > 0:
            x = x + float((t_hat**2 - t**2) ** 0.5 * s_noise) * noise_like(model_output, generator)

        x_0 = self._clean(full_precision(model_output), x, t, t_hat)
        # x + (t_next - t_hat) (x - x_0) / t_hat, whose terms nearly cancel from a high level, as a share of x - x_0.
        x_next = torch.add(x_0, x - x_0, alpha=1 + float(t_next - t_hat) / float(t_hat))
        self._step_index = i + 1
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)


def _checked_sigmas(sigmas: Sequence[float]) -> npt.NDArray[np.float32]:
    """Return `sigmas` as an array, or raise `InvalidValue` unless they are at least two and descend."""
    levels = np.asarray(sigmas, dtype=np.float32)
    if levels.ndim != 1 or len(levels) < 2 or np.any(np.diff(levels) >= 0) or levels[-1] < 0:
        raise InvalidValue(f"sigmas cannot be {list(sigmas)}; give at least two that descend, the last usually 0.")
    return levels

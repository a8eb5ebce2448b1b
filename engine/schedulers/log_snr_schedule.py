"""What the exponential integrators share: solvers that step along lambda = log(alpha / sigma), half the log-SNR.

Samples are x = alpha x_0 + sigma eps; this is what the model was trained on, so its input is not scaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from engine.errors import InvalidValue
from engine.schedulers.base import Device, Timestep, highest_precision
from engine.schedulers.noise_schedules import (
    FloatArray,
    Prediction,
    checked_steps,
    checked_timesteps,
    clean_sample,
    flow_sigmas,
    predicted_noise,
    sigma_to_t,
    spaced_timesteps,
)
from engine.schedulers.sigma_schedule import SigmaScheduler

Float32s = npt.NDArray[np.float32]


class LogSnrScheduler(SigmaScheduler):
    """A scheduler on a grid of levels that computes with alpha, sigma and lambda of each.

    With level s: alpha = 1 / sqrt(1 + s^2), sigma = s alpha; for a flow alpha = 1 - s, sigma = s.

    Attributes:
        alpha_t, sigma_t, lambda_t: the trained levels, float32 of shape (T,).
    """

    # Where a run ends if the configuration does not say, and whether "sigma_min" is the last level of a grid again.
    _default_end: ClassVar[Literal["zero", "sigma_min"]] = "zero"
    _ends_on_grid: ClassVar[bool] = False

    # The same for the levels of the run, in numpy: float32 scalars that round as the reference's do.
    _alpha: npt.NDArray[Any]
    _sigma: npt.NDArray[Any]
    _lambda: npt.NDArray[Any]

    def _make_levels(self) -> None:
        """Make the trained levels and the grid of all of them."""
        self._make_sigmas()
        self.alpha_t = self.alphas_cumprod.sqrt()
        self.sigma_t = (1 - self.alphas_cumprod).sqrt()
        self.lambda_t = self.alpha_t.log() - self.sigma_t.log()

    def _schedule(
        self, num_inference_steps: int | None, timesteps: Sequence[int] | None, flow_shift: float
    ) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Return the levels of the run, the last included, and its timesteps."""
        config = self.config
        if (num_inference_steps is None) == (timesteps is None):
            raise InvalidValue(
                "set_timesteps takes exactly one of num_inference_steps and timesteps, not "
                f"({num_inference_steps}, {timesteps})."
            )
        if timesteps is not None:
            self._refuse_grid_for("timesteps")
            times = checked_timesteps(timesteps, config.num_train_timesteps)
        else:
            times = self._spaced(checked_steps(num_inference_steps, config.num_train_timesteps))
        if (grid := self._grid()) is not None:
            n = checked_steps(num_inference_steps, config.num_train_timesteps)
            levels = grid(*self._grid_ends(), n)
            times = self._grid_times(levels)
        elif config.use_flow_sigmas:
            levels = flow_sigmas(config.num_train_timesteps, num_inference_steps or len(times), flow_shift)
            times = levels * config.num_train_timesteps
        else:
            return np.append(self._sigma_at(times), self._last_sigma()), times.astype(np.int64)
        return np.append(levels, self._last_sigma(levels if self._ends_on_grid else None)), times.astype(np.int64)

    def _last_sigma(self, grid: FloatArray | None = None) -> float:
        """Return the level that a run ends at, after the levels `grid` or, if None, after trained ones."""
        if self.config.get("final_sigmas_type", self._default_end) == "zero":
            return 0.0
        return float(self._trained_sigmas[0] if grid is None else grid[-1])

    def _grid_ends(self) -> tuple[float, float]:
        """Return the lowest and the highest level of a grid: those of the configuration, else the trained ones."""
        low, high = self.config.get("sigma_min"), self.config.get("sigma_max")
        low = self._trained_sigmas[0].item() if low is None else low
        return low, self._trained_sigmas[-1].item() if high is None else high

    def _grid_times(self, levels: FloatArray) -> npt.NDArray[np.float64]:
        """Return the timesteps of the levels of a grid, still fractions where the model is not called at them."""
        times = sigma_to_t(levels, self._log_sigmas)
        return times.round() if self.config.use_karras_sigmas else times

    def _spaced(self, n: int) -> npt.NDArray[np.float64]:
        """Return `n` timesteps, none whose lambda is below `lambda_min_clipped`; the lowest of n + 1 is left out."""
        config, top = self.config, self._top()
        spacing = config.get("timestep_spacing", "linspace")
        if spacing == "trailing":
            return spaced_timesteps("trailing", config.num_train_timesteps, n, top=top)
        times = spaced_timesteps(spacing, config.num_train_timesteps, n + 1, config.get("steps_offset", 0), top)
        return times.round()[:-1]

    def _top(self) -> int:
        """Return the number of trained timesteps whose lambda is not below `lambda_min_clipped`."""
        lowest = self.config.get("lambda_min_clipped", -float("inf"))
        return self.config.num_train_timesteps - int(torch.searchsorted(self.lambda_t.flip(0), lowest).item())

    def _start_level_run(
        self, levels: FloatArray, times: npt.NDArray[Any], device: Device, dtype: torch.dtype = torch.float32
    ) -> None:
        """Take levels (steps + 1,) and timesteps (steps,) as the schedule, with alpha, sigma and lambda of each.

        `dtype` is that of the three tables; the levels themselves are always float32.
        """
        self._start_sigma_run(levels, times, device)
        alpha, sigma = self._alpha_and_sigma(self.sigmas.to(dtype))
        self._alpha, self._sigma = alpha.numpy(), sigma.numpy()
        self._lambda = (alpha.log() - sigma.log()).numpy()

    def _alpha_and_sigma(self, level: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return alpha and sigma of levels of any shape."""
        if self.config.use_flow_sigmas:
            return 1 - level, level
        alpha = 1 / (level**2 + 1) ** 0.5
        return alpha, level * alpha

    @property
    def init_noise_sigma(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Standard deviation of the noise that the run starts from."""
        return 1.0

    def scale_model_input(self, sample: torch.Tensor, timestep: Timestep | None = None) -> torch.Tensor:
        """Return `sample` as it is: the model was trained on x itself."""
        return sample

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return x = alpha x_0 + sigma eps at timesteps of the schedule.

        `original_samples` and `noise`: (batch, ...); `timesteps`: (batch,). After `set_begin_index` the level is
        that of the run's place, whatever `timesteps` says.
        """
        alpha, sigma = self._alpha_and_sigma(self._levels(timesteps, original_samples))
        return alpha * original_samples + sigma * noise

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return what a model of this parametrisation predicts: v = alpha eps - sigma x_0, for a flow eps - x_0.

        `sample` (the clean one) and `noise`: (batch, ...); `timesteps`: (batch,).
        """
        if self.config.use_flow_sigmas:
            return noise - sample
        alpha, sigma = self._alpha_and_sigma(self._levels(timesteps, sample))
        return alpha * noise - sigma * sample

    def _clean_at(self, model_output: torch.Tensor, x: torch.Tensor, i: int) -> torch.Tensor:
        """Return the predicted x_0 (thresholded if configured) for `x` at the place `i`."""
        prediction: Prediction = self.config.prediction_type
        alpha, sigma = float(self._alpha[i]), float(self._sigma[i])
        if not self.config.thresholding:
            return clean_sample(prediction, model_output, x, alpha, sigma)
        # Of a sample nearly all noise, what lies within the threshold is a difference far below float32's digits.
        x_0 = clean_sample(prediction, highest_precision(model_output), highest_precision(x), alpha, sigma)
        return self._bounded(x_0).to(x.dtype)

    def _noise_at(self, model_output: torch.Tensor, x: torch.Tensor, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the predicted x_0 (thresholded if configured) and its eps, for `x` at the place `i`."""
        alpha, sigma = float(self._alpha[i]), float(self._sigma[i])
        eps = predicted_noise(self.config.prediction_type, model_output, x, alpha, sigma)
        x_0 = clean_sample("epsilon", eps, x, alpha, sigma)
        if not self.config.thresholding:
            return x_0, eps
        x_0 = self._bounded(x_0)
        return x_0, predicted_noise("sample", x_0, x, alpha, sigma)


def without_variance(model_output: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """Return the prediction alone where a predicted variance, of no use here, follows it in the channels."""
    channels = sample.shape[1]
    return model_output[:, :channels] if model_output.shape[1] == 2 * channels else model_output

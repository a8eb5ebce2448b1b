"""What the schedulers that step along a grid of noise levels share: the grid, input scaling and adding noise.

Samples here are x = x_0 + sigma eps, of variance 1 + sigma^2 for data of variance 1; the models were trained on
x / sqrt(1 + sigma^2), the same sample in the variance-preserving form of `DiscreteScheduler`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from engine.errors import CallOrder, InvalidValue
from engine.rng import moved
from engine.schedulers import noise_schedules
from engine.schedulers.base import Device, DiscreteScheduler, SchedulerMixin, Timestep, broadcast
from engine.schedulers.noise_schedules import (
    FloatArray,
    Prediction,
    checked_steps,
    clean_sample,
    sigma_to_t,
    spaced_timesteps,
)

GRIDS: dict[str, Callable[[float, float, int], FloatArray]] = {
    "use_karras_sigmas": noise_schedules.karras_sigmas,
    "use_exponential_sigmas": noise_schedules.exponential_sigmas,
    "use_beta_sigmas": noise_schedules.beta_sigmas,
    "use_lu_lambdas": noise_schedules.lu_sigmas,
}


class SigmaRun(SchedulerMixin):
    """A scheduler whose run is a descending grid of noise levels, the last of which ends it.

    Attributes:
        sigmas: the levels, float32 of shape (steps + 1,), on the CPU.
        is_scale_input_called: whether the run has seen `scale_model_input`.
    """

    sigmas: torch.Tensor
    is_scale_input_called: bool = False
    # Grids that a class can take together.
    _joint_grids: ClassVar[Sequence[set[str]]] = ()
    # `sigmas` in numpy: its float32 scalars are quick, and round as the reference's do.
    _sigmas: npt.NDArray[np.float32]

    def _start_sigma_run(self, sigmas: FloatArray, timesteps: npt.NDArray[Any], device: Device) -> None:
        """Take `sigmas` (steps + 1,) and `timesteps` (steps,) as the schedule and go to its beginning."""
        self.sigmas = torch.from_numpy(sigmas.astype(np.float32))
        self._sigmas = self.sigmas.numpy()
        self.num_inference_steps = len(timesteps)
        self.is_scale_input_called = False
        self._start_run(timesteps, device)

    @property
    def _levels_of_input(self) -> torch.Tensor:
        """The level of the sample that the model is given, at every place of the schedule."""
        return self.sigmas

    def scale_model_input(  # pyright: ignore[reportIncompatibleMethodOverride]  # the level depends on the timestep
        self, sample: torch.Tensor, timestep: Timestep
    ) -> torch.Tensor:
        """Return x / sqrt(1 + sigma^2), what the model was trained on; `sample` is of any shape."""
        sigma = self._sigmas[self._current_index(timestep)]
        self.is_scale_input_called = True
        return sample / float((sigma**2 + 1) ** 0.5)

    def _require_scaled(self) -> None:
        """Raise `CallOrder` unless the run is laid out and its input was scaled."""
        self._require_timesteps()
        if not self.is_scale_input_called:
            raise CallOrder(
                f"{type(self).__name__}: call scale_model_input(sample, timestep) and give its result to the model "
                "before step."
            )

    def _require_scaled_input(self, timestep: Timestep) -> int:
        """Return the place of the step to do; raises unless the run is laid out and its input was scaled."""
        self._require_scaled()
        if isinstance(timestep, int) or (isinstance(timestep, torch.Tensor) and not timestep.is_floating_point()):
            raise InvalidValue(
                f"timestep cannot be the whole number {timestep}, which is no timestep but a place in the schedule; "
                "pass one of scheduler.timesteps."
            )
        return self._current_index(timestep)

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return x = x_0 + sigma eps at timesteps of the schedule.

        `original_samples` and `noise`: (batch, ...); `timesteps`: (batch,). After `set_begin_index` the level is
        that of the run's place, whatever `timesteps` says, as image to image needs it where a timestep occurs twice.
        """
        return original_samples + self._levels(timesteps, original_samples) * noise

    def _levels(self, timesteps: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Return the levels at `timesteps` (batch,), with dtype, device and number of dimensions of `like`."""
        if self._begin_index is None:
            places = [self.index_for_timestep(t) for t in timesteps.reshape(-1).unbind()]
        else:
            places = [self._begin_index if self._step_index is None else self._step_index]
        return broadcast(moved(self._levels_of_input[places].to(like.dtype), like.device), like)


class SigmaScheduler(  # pyright: ignore[reportIncompatibleMethodOverride]  # the level depends on the timestep
    SigmaRun, DiscreteScheduler
):
    """A scheduler on a grid of noise levels for a model that was trained on discrete ones."""

    _trained_sigmas: npt.NDArray[np.float32]
    _log_sigmas: npt.NDArray[np.float32]

    def _make_sigmas(self) -> None:
        """Make the trained levels, and the grid of all of them; raises `InvalidValue` for two grids at once."""
        self._make_betas()
        if self.config.get("rescale_betas_zero_snr"):
            self.alphas_cumprod[-1] = noise_schedules.SMALLEST_ALPHA_BAR
        self._trained_sigmas = noise_schedules.sigma_table(self.alphas_cumprod)
        self._log_sigmas = np.log(self._trained_sigmas)
        named = [name for name in (*GRIDS, "use_flow_sigmas") if self.config.get(name)]
        if len(named) > 1 and set(named) not in self._joint_grids:
            raise InvalidValue(f"{' and '.join(named)} cannot be used at once; set only one of them.")
        timesteps = np.arange(self.config.num_train_timesteps, dtype=np.float32)[::-1].copy()
        self._start_sigma_run(np.append(self._trained_sigmas[::-1], 0), timesteps, None)
        self.num_inference_steps = None

    def _grid(self) -> Callable[[float, float, int], FloatArray] | None:
        """Return the function (sigma_min, sigma_max, n) -> levels that the configuration names, if it names one."""
        return next((grid for name, grid in GRIDS.items() if self.config.get(name)), None)

    def _spaced_times(
        self, num_inference_steps: int | None, num_train_timesteps: int | None = None
    ) -> npt.NDArray[np.float64]:
        """Return the timesteps of a run as the configuration spaces them; raises `InvalidValue` for a wrong number."""
        config = self.config
        trained = num_train_timesteps or config.num_train_timesteps
        n = checked_steps(num_inference_steps, trained)
        return spaced_timesteps(config.timestep_spacing, trained, n, config.steps_offset)

    def _gridded(self, times: npt.NDArray[Any]) -> tuple[FloatArray, npt.NDArray[Any]]:
        """Return the levels at `times`, or those of the configured grid between their ends; and their timesteps."""
        levels = self._sigma_at(times)
        if (grid := self._grid()) is None:
            return levels, times
        levels = grid(levels[-1].item(), levels[0].item(), len(levels))
        return levels, sigma_to_t(levels, self._log_sigmas)

    def _refuse_grid_for(self, what: str) -> None:
        """Raise `InvalidValue` if the configuration names a grid, which own timesteps would contradict."""
        if named := [name for name in GRIDS if self.config.get(name)]:
            raise InvalidValue(f"{what} cannot be given with {named[0]}=True, which chooses them; set it to False.")

    def _sigma_at(self, timesteps: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the levels at (fractional) timesteps, linear between the trained ones."""
        return np.interp(timesteps, np.arange(len(self._trained_sigmas)), self._trained_sigmas)

    def _last_sigma(self) -> float:
        """Return the level that a run ends at."""
        return 0.0 if self.config.get("final_sigmas_type", "zero") == "zero" else float(self._trained_sigmas[0])

    @property
    def init_noise_sigma(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Standard deviation of the noise that the run starts from: of x at the first level."""
        highest = float(self._sigmas.max())
        return highest if self.config.timestep_spacing in ("linspace", "trailing") else (highest**2 + 1) ** 0.5

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return v = (eps - sigma x_0) / sqrt(1 + sigma^2) at timesteps of the schedule.

        `sample` (the clean one) and `noise`: (batch, ...); `timesteps`: (batch,).
        """
        sigma = self._levels(timesteps, sample)
        return (noise - sigma * sample) / (sigma**2 + 1) ** 0.5

    def _clean(
        self, model_output: torch.Tensor, x: torch.Tensor, sigma: np.float32, sigma_hat: np.float32
    ) -> torch.Tensor:
        """Return x_0, given that the model was called at the level `sigma` and `x` is now at `sigma_hat`."""
        prediction: Prediction = self.config.prediction_type
        if prediction == "v_prediction":
            # The model saw alpha x = alpha x_0 + s eps with alpha = 1 / sqrt(1 + sigma^2), s = sigma alpha: hence
            # x_0 = alpha (alpha x) - s v.
            power = sigma**2 + 1
            return clean_sample(prediction, model_output, x, 1 / float(power), float(sigma / power**0.5))
        return clean_sample(prediction, model_output, x, 1.0, float(sigma_hat))

"""The multistep DPM-Solver run backwards: from a clean sample to the noise that it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from engine.config import register_to_config
from engine.schedulers.base import Device
from engine.schedulers.dpm_solver_multistep import DPMSolverMultistepScheduler
from engine.schedulers.noise_schedules import (
    BetaSchedule,
    FloatArray,
    Prediction,
    Spacing,
    VarianceType,
    checked_steps,
    flow_sigmas,
    spaced_timesteps,
)


class DPMSolverMultistepInverseScheduler(DPMSolverMultistepScheduler):
    """x_t from x_s as in `DPMSolverMultistepScheduler`, where t is the next noisier level, so that h < 0.

    The probability flow of "DPM-Solver++", https://arxiv.org/abs/2211.01095, can be walked both ways, and upwards it
    finds the noise of a given picture ("Null-text inversion", https://arxiv.org/abs/2211.09794, section 3.1, does so
    with DDIM). The reverse SDE cannot: its noise would have the variance 1 - e^-2h < 0.

    A run starts at timestep 0 and ends at the noisiest level. Timesteps that rounding makes equal are done once.
    """

    schedule_options: ClassVar[frozenset[str]] = frozenset()

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: BetaSchedule = "linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        solver_order: Literal[1, 2, 3] = 2,
        prediction_type: Prediction = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        sample_max_value: float = 1.0,
        algorithm_type: Literal["dpmsolver", "dpmsolver++", "deis"] = "dpmsolver++",
        solver_type: Literal["midpoint", "heun", "logrho", "bh1", "bh2"] = "midpoint",
        lower_order_final: bool = True,
        euler_at_final: bool = False,
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        use_flow_sigmas: bool | None = False,
        flow_shift: float = 1.0,
        lambda_min_clipped: float = -float("inf"),
        variance_type: VarianceType | None = None,
        timestep_spacing: Spacing = "linspace",
        steps_offset: int = 0,
    ) -> None:
        self._make_solver()
        sigmas = self._trained_sigmas
        self._start_level_run(np.append(sigmas, sigmas[-1]), np.arange(num_train_timesteps, dtype=np.float32), None)
        self.num_inference_steps = None

    def set_timesteps(  # pyright: ignore[reportIncompatibleMethodOverride]  # takes no timesteps, having none to skip
        self, num_inference_steps: int | None = None, device: Device = None
    ) -> None:
        """Lay out `num_inference_steps` steps upwards. Raises `InvalidValue` for none, and for more than trained."""
        config, trained = self.config, self.config.num_train_timesteps
        n = checked_steps(num_inference_steps, trained)
        times: FloatArray
        # A grid has no level beyond its noisiest, which is repeated.
        if (grid := self._grid()) is not None:
            low, high = self._grid_ends()
            levels = grid(high, low, n)
            times, end = self._grid_times(levels), levels[-1]
        elif config.use_flow_sigmas:
            levels = flow_sigmas(trained, n, config.flow_shift)[::-1]
            times, end = levels * trained, levels[-1]
        else:
            times = self._spaced(n)
            levels, end = self._sigma_at(times), self._trained_sigmas[self._top() - 1]
        first = np.unique(times, return_index=True)[1]
        self._start_solver_run(np.append(levels[first], end), times[first].astype(np.int64), device, spans=1)

    def _spaced(self, n: int) -> npt.NDArray[np.float64]:
        """Return `n` ascending timesteps; the highest of n + 1, where the run ends, is left out."""
        config, top = self.config, self._top()
        if config.timestep_spacing == "trailing":
            return spaced_timesteps("trailing", config.num_train_timesteps, n, top=top)[::-1]
        times = spaced_timesteps(
            config.timestep_spacing, config.num_train_timesteps, n + 1, config.steps_offset, top
        ).round()
        return times[:0:-1]

    def _grid_times(self, levels: FloatArray) -> npt.NDArray[np.float64]:
        """Return the timesteps of the levels of a grid, whole numbers for that of Karras."""
        return super(DPMSolverMultistepScheduler, self)._grid_times(levels)

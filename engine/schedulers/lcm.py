"""Latent consistency models: a clean sample from any timestep, made noisy again and improved a few times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.schedulers.base import (
    Generators,
    SchedulerOutput,
    Timestep,
    full_precision,
    noise_like,
    weighted_sum,
)
from engine.schedulers.distilled_schedule import DistilledScheduler
from engine.schedulers.noise_schedules import BetaSchedule, Spacing, clean_sample

# Standard deviation of the data, sigma_data of the paper.
SIGMA_DATA = 0.5


@dataclass
class LCMSchedulerOutput(SchedulerOutput):
    """What `step` gives: the less noisy sample and f, the model's clean sample, under both of its names."""

    @property
    def denoised(self) -> torch.Tensor | None:
        """The clean sample f."""
        return self.pred_original_sample


class LCMScheduler(DistilledScheduler):
    """x_s = sqrt(alpha_bar_s) f + sqrt(1 - alpha_bar_s) z with f = c_skip x_t + c_out x_0; the last step ends at f.

    "Latent Consistency Models", https://arxiv.org/abs/2310.04378, section 4.1 and algorithm 3, with the predicted clean
    sample x_0, z standard normal, and the boundary condition f = x at t = 0 (https://arxiv.org/abs/2303.01469, appendix
    C; sigma_data = 1/2):

        c_skip = sigma_data^2 / (u^2 + sigma_data^2),  c_out = u / sqrt(u^2 + sigma_data^2),  u = t `timestep_scaling`

    The model was distilled on `original_inference_steps` timesteps, of which a run takes a few. `timestep_spacing`
    and `steps_offset` are only kept for other schedulers.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps"})

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: BetaSchedule = "scaled_linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        original_inference_steps: int = 50,
        clip_sample: bool = False,
        clip_sample_range: float = 1.0,
        set_alpha_to_one: bool = True,
        steps_offset: int = 0,
        prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        sample_max_value: float = 1.0,
        timestep_spacing: Spacing = "leading",
        timestep_scaling: float = 10.0,
        rescale_betas_zero_snr: bool = False,
    ) -> None:
        self._make_distilled()

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> LCMSchedulerOutput | tuple[torch.Tensor, ...]:
        """Return x_s and f, both like `sample` (batch, ...).

        Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        i = self._current_index(timestep)
        t, s = int(self._timetable[i]), self._next_timestep(i)
        signal, spread = self._signal_and_spread(t)
        x = full_precision(sample)
        x_0 = clean_sample(self.config.prediction_type, full_precision(model_output), x, signal, spread)
        f = weighted_sum(self.get_scalings_for_boundary_condition_discrete(t), [x, self._bounded(x_0)])
        x_s = f
        if s is not None:
            noise = full_precision(noise_like(f, generator, model_output.dtype))
            x_s = weighted_sum(self._signal_and_spread(s), [f, noise])
        self._step_index = i + 1
        x_s, f = x_s.to(model_output.dtype), f.to(model_output.dtype)
        return LCMSchedulerOutput(x_s, f) if return_dict else (x_s, f)

    def get_scalings_for_boundary_condition_discrete(self, timestep: float) -> tuple[float, float]:
        """Return c_skip and c_out at `timestep`."""
        u = timestep * self.config.timestep_scaling
        return SIGMA_DATA**2 / (u**2 + SIGMA_DATA**2), u / (u**2 + SIGMA_DATA**2) ** 0.5

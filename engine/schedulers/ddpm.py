"""Ancestral sampling of denoising diffusion probabilistic models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import Device, DiscreteScheduler, Generators, StepResult, Timestep, noise_like
from engine.schedulers.noise_schedules import (
    BetaSchedule,
    Spacing,
    VarianceType,
    checked_steps,
    checked_timesteps,
    clean_sample,
    root,
    spaced_timesteps,
)


class DDPMScheduler(DiscreteScheduler):
    """x_s = mu_t(x_t, x_0) + std_t z for the next timestep s < t, z standard normal (none at the last step).

    "Denoising Diffusion Probabilistic Models", https://arxiv.org/abs/2006.11239:

        beta_t = 1 - alpha_bar_t / alpha_bar_s                                         of the step from t to s
        mu_t   = sqrt(alpha_bar_s) beta_t / (1 - alpha_bar_t) x_0
               + sqrt(alpha_t) (1 - alpha_bar_s) / (1 - alpha_bar_t) x_t               equation 7
        var_t  = (1 - alpha_bar_s) / (1 - alpha_bar_t) beta_t     (`fixed_small`)      equation 7
        var_t  = beta_t                                           (`fixed_large`)      section 3.2

    `learned_range` interpolates between the two in the logarithm with the model's second half of channels, after
    "Improved DDPM", https://arxiv.org/abs/2102.09672, equation 15; `learned` takes that half as the variance.

    A new scheduler is laid out on all trained timesteps, algorithm 2 of the paper, and needs no `set_timesteps`.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps"})

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: BetaSchedule = "linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        variance_type: VarianceType = "fixed_small",
        clip_sample: bool = True,
        prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        clip_sample_range: float = 1.0,
        sample_max_value: float = 1.0,
        timestep_spacing: Spacing = "leading",
        steps_offset: int = 0,
        rescale_betas_zero_snr: bool = False,
    ) -> None:
        self._make_betas()

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Device = None,
        timesteps: Sequence[int] | None = None,
    ) -> None:
        """Lay out `num_inference_steps` steps, or the given descending `timesteps`.

        Raises `InvalidValue` for both, for too many steps and for timesteps that do not descend.
        """
        config = self.config
        if timesteps is None:
            n = checked_steps(num_inference_steps, config.num_train_timesteps)
            table = spaced_timesteps(config.timestep_spacing, config.num_train_timesteps, n, config.steps_offset)
        elif num_inference_steps is not None:
            raise InvalidValue(
                f"set_timesteps takes num_inference_steps ({num_inference_steps}) or timesteps ({timesteps}), not both."
            )
        else:
            table = checked_timesteps(timesteps, config.num_train_timesteps)
        self._start_trained_run(table.round(), device)

    def previous_timestep(self, timestep: Timestep) -> torch.Tensor:
        """Return the timestep that follows `timestep` in the run (the one of less noise), -1 after the last."""
        return torch.tensor(self._next(self._timestep_value(timestep)))

    def _next(self, t: int) -> int:
        if self.num_inference_steps is None:
            return t - 1
        place = self.index_for_timestep(t) + 1
        return int(self._timetable[place]) if place < len(self._timetable) else -1

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_s and the predicted x_0, both like `sample` (batch, channels, ...).

        `model_output` has twice the channels where it predicts the variance too.
        """
        t = self._timestep_value(timestep)
        s = self._next(t)
        model_output, predicted_variance = self._split(model_output, sample)
        alpha_bar_t, alpha_bar_s = self._alpha_bar(t), self._alpha_bar(s)
        alpha_t = alpha_bar_t / alpha_bar_s
        beta_t = 1 - alpha_t

        prediction = self.config.prediction_type
        x_0 = clean_sample(prediction, model_output, sample, float(root(alpha_bar_t)), float(root(1 - alpha_bar_t)))
        x_0 = self._bounded(x_0)

        of_x_0 = root(alpha_bar_s) * beta_t / (1 - alpha_bar_t)
        of_x_t = root(alpha_t) * (1 - alpha_bar_s) / (1 - alpha_bar_t)
        x_s = float(of_x_0) * x_0 + float(of_x_t) * sample
        if t > 0:
            x_s = x_s + self._get_variance(t, predicted_variance) ** 0.5 * noise_like(model_output, generator)
        return self._output(x_s, x_0, return_dict)

    def _split(self, model_output: torch.Tensor, sample: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the prediction and, where the model gives one, the predicted variance."""
        if self.config.variance_type not in ("learned", "learned_range"):
            return model_output, None
        if model_output.shape[1] != 2 * sample.shape[1]:
            raise InvalidValue(
                f"variance_type={self.config.variance_type!r} needs a model of {2 * sample.shape[1]} output channels, "
                f"not {model_output.shape[1]}; use variance_type='fixed_small' with this one."
            )
        prediction, variance = model_output.split(sample.shape[1], dim=1)
        return prediction, variance

    def _get_variance(self, t: int, predicted_variance: torch.Tensor | None = None) -> torch.Tensor:
        """Return var_t of the step from `t`: a number, or like `predicted_variance` where the model predicts it."""
        alpha_bar_t, alpha_bar_s = self._alpha_bar(t), self._alpha_bar(self._next(t))
        beta_t = 1 - alpha_bar_t / alpha_bar_s
        small = max((1 - alpha_bar_s) / (1 - alpha_bar_t) * beta_t, np.float32(1e-20))
        match self.config.variance_type:
            case "fixed_large" | "fixed_large_log":
                return torch.tensor(beta_t)
            case "learned" if predicted_variance is not None:
                return predicted_variance
            case "learned_range" if predicted_variance is not None:
                share = (predicted_variance + 1) / 2
                return torch.exp(share * float(np.log(beta_t)) + (1 - share) * float(np.log(small)))
            case _:
                return torch.tensor(small)

"""DDIM run backwards: from a clean sample to the noise that DDIM would make it from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.schedulers.base import Device, DiscreteScheduler, StepResult, Timestep
from engine.schedulers.noise_schedules import (
    BetaSchedule,
    Spacing,
    checked_steps,
    clean_sample,
    predicted_noise,
    root,
    spaced_timesteps,
)


class DDIMInverseScheduler(DiscreteScheduler):
    """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps from x_s, s = t - T / n: `timesteps` ascend.

    "Denoising Diffusion Implicit Models", https://arxiv.org/abs/2010.02502, equation 12 with std = 0 and s and t
    exchanged (section 5.4). x_0 and eps are those that the model, asked at t, predicts for x_s. Before the first
    timestep alpha_bar_s is 1, or with `set_alpha_to_one=False` the first trained one.
    """

    _compatibles: ClassVar[Sequence[str]] = ()

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: BetaSchedule = "linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        clip_sample: bool = True,
        set_alpha_to_one: bool = True,
        steps_offset: int = 0,
        prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon",
        clip_sample_range: float = 1.0,
        timestep_spacing: Spacing = "leading",
        rescale_betas_zero_snr: bool = False,
        set_alpha_to_zero: bool | None = None,
    ) -> None:
        self._make_betas()
        # An early name of the same option, which published configurations still have.
        if not (set_alpha_to_one if set_alpha_to_zero is None else set_alpha_to_zero):
            self.final_alpha_cumprod = self.alphas_cumprod[0]
        self._start_run(np.arange(num_train_timesteps), None)

    @property
    def initial_alpha_cumprod(self) -> torch.Tensor:
        """alpha_bar of the clean sample that the run starts from."""
        return self.final_alpha_cumprod

    def set_timesteps(self, num_inference_steps: int, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps. Raises `InvalidValue` for none, and for more than were trained."""
        config = self.config
        n = checked_steps(num_inference_steps, config.num_train_timesteps)
        table = spaced_timesteps(config.timestep_spacing, config.num_train_timesteps, n, config.steps_offset)
        self._start_trained_run(table.round(), device)
        self._start_run(table.round()[::-1].astype(np.int64), device)

    def step(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> StepResult:
        """Return x_t, more noisy than `sample` (batch, ...), and the predicted x_0; `timestep` is t.

        Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        t = self._timestep_value(timestep)
        s = t - self.config.num_train_timesteps // (self.num_inference_steps or 1)
        alpha_bar_s, alpha_bar_t = self._alpha_bar(s), self._alpha_bar(t)
        signal, spread = float(root(alpha_bar_s)), float(root(1 - alpha_bar_s))
        signal_t, spread_t = float(root(alpha_bar_t)), float(root(1 - alpha_bar_t))

        prediction = self.config.prediction_type
        if prediction == "sample" and spread == 0:
            # x_s is clean, and x_s - x_0 no noise that could be scaled: what the model sees in it at t is.
            eps = predicted_noise(prediction, model_output, sample, signal_t, spread_t)
        else:
            eps = predicted_noise(prediction, model_output, sample, signal, spread)
        x_0 = self._bounded(clean_sample(prediction, model_output, sample, signal, spread))
        x_t = torch.add(signal_t * x_0, eps, alpha=spread_t)
        return self._output(x_t, x_0, return_dict)

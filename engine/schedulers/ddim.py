"""Denoising diffusion implicit models: the deterministic sampler, and those between it and DDPM."""

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
    checked_steps,
    clean_sample,
    predicted_noise,
    root,
    spaced_timesteps,
)


class DDIMScheduler(DiscreteScheduler):
    """x_s = sqrt(alpha_bar_s) x_0 + sqrt(1 - alpha_bar_s - std^2) eps + std z, z standard normal, s = t - T / n.

    "Denoising Diffusion Implicit Models", https://arxiv.org/abs/2010.02502, equation 12, with the predicted clean
    sample x_0 and the predicted noise eps, and

        std = eta sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) sqrt(1 - alpha_bar_t / alpha_bar_s)    equation 16

    eta = 0 is deterministic, eta = 1 is DDPM. The T trained timesteps are crossed in n strides of T // n, whatever the
    spacing.
    """

    step_options: ClassVar[frozenset[str]] = frozenset(
        {"eta", "use_clipped_model_output", "generator", "variance_noise"}
    )

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
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        clip_sample_range: float = 1.0,
        sample_max_value: float = 1.0,
        timestep_spacing: Spacing = "leading",
        rescale_betas_zero_snr: bool = False,
    ) -> None:
        self._make_betas()
        if not set_alpha_to_one:
            self.final_alpha_cumprod = self.alphas_cumprod[0]

    def set_timesteps(self, num_inference_steps: int, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps. Raises `InvalidValue` for none, and for more than were trained."""
        config = self.config
        n = checked_steps(num_inference_steps, config.num_train_timesteps)
        table = spaced_timesteps(config.timestep_spacing, config.num_train_timesteps, n, config.steps_offset)
        self._start_trained_run(table.round(), device)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        eta: float = 0.0,
        use_clipped_model_output: bool = False,
        generator: Generators = None,
        variance_noise: torch.Tensor | None = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_s and the predicted x_0, both like `sample` (batch, ...).

        `eta` in [0, 1]; `variance_noise` is z, drawn from `generator` if not given; `use_clipped_model_output` takes
        eps from the bounded x_0. Raises `CallOrder` before `set_timesteps`, `InvalidValue` for noise and generator at
        once.
        """
        self._require_timesteps()
        t = self._timestep_value(timestep)
        s = t - self.config.num_train_timesteps // (self.num_inference_steps or 1)
        alpha_bar_t, alpha_bar_s = self._alpha_bar(t), self._alpha_bar(s)
        signal, spread = float(root(alpha_bar_t)), float(root(1 - alpha_bar_t))

        prediction = self.config.prediction_type
        x_0 = self._bounded(clean_sample(prediction, model_output, sample, signal, spread))
        if use_clipped_model_output:
            eps = (sample - signal * x_0) / spread
        else:
            eps = predicted_noise(prediction, model_output, sample, signal, spread)

        std = eta * root(self._variance(alpha_bar_t, alpha_bar_s))
        # Where x_t holds next to no signal, std^2 at eta = 1 is all of 1 - alpha_bar_s, and may round to more.
        of_eps = float(root(max(1 - alpha_bar_s - std**2, np.float32(0))))
        x_s = float(root(alpha_bar_s)) * x_0 + of_eps * eps
        if eta > 0:
            if variance_noise is None:
                variance_noise = noise_like(model_output, generator)
            elif generator is not None:
                raise InvalidValue("step takes variance_noise or a generator to draw it from, not both.")
            x_s = x_s + float(std) * variance_noise
        return self._output(x_s, x_0, return_dict)

    @staticmethod
    def _variance(alpha_bar_t: np.float32, alpha_bar_s: np.float32) -> np.float32:
        """Return the variance of the step at eta = 1."""
        return (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)

    def _get_variance(self, timestep: int, prev_timestep: int) -> torch.Tensor:
        """Return the variance of the step between two timesteps at eta = 1."""
        return torch.tensor(self._variance(self._alpha_bar(timestep), self._alpha_bar(prev_timestep)))

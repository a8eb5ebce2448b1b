"""Ancestral sampling as unCLIP (Karlo) does it: cosine betas, and strides that the caller chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import Device, DiscreteScheduler, Generators, StepResult, Timestep, noise_like
from engine.schedulers.noise_schedules import checked_steps, clean_sample, root


class UnCLIPScheduler(DiscreteScheduler):
    """x_s = mu_t(x_t, x_0) + std_t z for the timestep s < t that the caller names, z standard normal.

    "Hierarchical Text-Conditional Image Generation with CLIP Latents", https://arxiv.org/abs/2204.06125, samples as
    "Denoising Diffusion Probabilistic Models", https://arxiv.org/abs/2006.11239, equation 7:

        beta_t = 1 - alpha_bar_t / alpha_bar_s                                         of the step from t to s
        mu_t   = sqrt(alpha_bar_s) beta_t / (1 - alpha_bar_t) x_0
               + sqrt(1 - beta_t) (1 - alpha_bar_s) / (1 - alpha_bar_t) x_t
        std_t^2 = (1 - alpha_bar_s) / (1 - alpha_bar_t) beta_t                         (`fixed_small_log`)

    `learned_range` interpolates log std_t^2 between that and log beta_t with the model's second half of channels, after
    "Improved DDPM", https://arxiv.org/abs/2102.09672, equation 15. No noise is added at t = 0.

    A new scheduler is laid out on all trained timesteps, and needs no `set_timesteps`.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"prev_timestep", "generator"})
    _compatibles: ClassVar[Sequence[str]] = ()

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        variance_type: Literal["fixed_small_log", "learned_range"] = "fixed_small_log",
        clip_sample: bool = True,
        clip_sample_range: float = 1.0,
        prediction_type: Literal["epsilon", "sample"] = "epsilon",
        beta_schedule: Literal["squaredcos_cap_v2"] = "squaredcos_cap_v2",
    ) -> None:
        self._make_betas()
        self._betas = self.betas.numpy()

    def set_timesteps(self, num_inference_steps: int, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps, both ends of the trained timesteps included; one step is the last.

        Raises `InvalidValue` for none, and for more than were trained.
        """
        last = self.config.num_train_timesteps - 1
        n = checked_steps(num_inference_steps, self.config.num_train_timesteps)
        times = (np.arange(n) * (last / (n - 1))).round()[::-1] if n > 1 else np.array([last])
        self._start_trained_run(times, device)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        prev_timestep: Timestep | None = None,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_s and the predicted x_0, both like `sample` (batch, channels, ...).

        `prev_timestep` is s: the following element of `timesteps`, or None for t - 1 (for the end, after the last).
        `model_output` has twice the channels where it predicts the variance too.
        """
        t = self._timestep_value(timestep)
        s = self._previous(t) if prev_timestep is None else self._timestep_value(prev_timestep)
        model_output, predicted_variance = self._split(model_output, sample)
        alpha_bar_t, alpha_bar_s = self._alpha_bar(t), self._alpha_bar(s)
        beta_t = self._beta(t, s)

        signal, spread = float(root(alpha_bar_t)), float(root(1 - alpha_bar_t))
        x_0 = self._bounded(clean_sample(self.config.prediction_type, model_output, sample, signal, spread))
        of_x_0 = root(alpha_bar_s) * beta_t / (1 - alpha_bar_t)
        of_x_t = root(1 - beta_t) * (1 - alpha_bar_s) / (1 - alpha_bar_t)
        x_s = torch.add(float(of_x_0) * x_0, sample, alpha=float(of_x_t))
        if t > 0:
            z = noise_like(model_output, generator)
            if predicted_variance is None:
                x_s = torch.add(x_s, z, alpha=float(root(self._small(t, s))))
            else:
                x_s = x_s + torch.exp(0.5 * self._log_variance(t, s, predicted_variance)) * z
        return self._output(x_s, x_0, return_dict)

    def _previous(self, t: int) -> int:
        """Return t - 1, or -1 after the last timestep of the run."""
        return -1 if t == self._timetable[-1] else t - 1

    def _beta(self, t: int, s: int) -> np.float32:
        # Of neighbours the table says it to more digits than the difference does.
        return self._betas[t] if s == t - 1 else 1 - self._alpha_bar(t) / self._alpha_bar(s)

    def _small(self, t: int, s: int) -> np.float32:
        """Return the variance of the posterior of the step from `t` to `s`, at least 1e-20."""
        variance = (1 - self._alpha_bar(s)) / (1 - self._alpha_bar(t)) * self._beta(t, s)
        return max(variance, np.float32(1e-20))

    def _log_variance(self, t: int, s: int, share: torch.Tensor) -> torch.Tensor:
        """Return log std_t^2 where the model predicts its `share` in [-1, 1] of the way from the least to the most."""
        low, high = float(np.log(self._small(t, s))), float(np.log(self._beta(t, s)))
        return low + (share + 1) / 2 * (high - low)

    def _get_variance(
        self,
        t: int,
        prev_timestep: int | None = None,
        predicted_variance: torch.Tensor | None = None,
        variance_type: str | None = None,
    ) -> torch.Tensor:
        """Return std_t for `fixed_small_log`, and log std_t^2 for `learned_range`."""
        s = self._previous(t) if prev_timestep is None else prev_timestep
        if (variance_type or self.config.variance_type) == "learned_range" and predicted_variance is not None:
            return self._log_variance(t, s, torch.as_tensor(predicted_variance))
        return torch.tensor(root(self._small(t, s)))

    def _split(self, model_output: torch.Tensor, sample: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the prediction and, where the model gives one, the predicted variance."""
        if self.config.variance_type != "learned_range":
            return model_output, None
        if model_output.shape[1] != 2 * sample.shape[1]:
            raise InvalidValue(
                f"variance_type='learned_range' needs a model of {2 * sample.shape[1]} output channels, "
                f"not {model_output.shape[1]}; use variance_type='fixed_small_log' with this one."
            )
        prediction, variance = model_output.split(sample.shape[1], dim=1)
        return prediction, variance

"""Euler-Maruyama sampling of the variance preserving SDE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.rng import moved
from engine.schedulers.base import (
    Device,
    Generators,
    SchedulerMixin,
    StepResult,
    Timestep,
    broadcast,
    full_precision,
    noise_like,
)
from engine.schedulers.noise_schedules import checked_steps


class ScoreSdeVpScheduler(SchedulerMixin):
    """x <- x + (beta_t x / 2 + beta_t s) / n + sqrt(beta_t / n) z in each of n steps, z standard normal.

    "Score-Based Generative Modeling through Stochastic Differential Equations", https://arxiv.org/abs/2011.13456: the
    reverse (equation 6) of the SDE of equation 11, with the score s = -eps / std_t of the predicted noise eps, and

        beta_t = beta_min + t (beta_max - beta_min)                                     equation 32
        log mean_t = -t^2 (beta_max - beta_min) / 4 - t beta_min / 2                    equation 33
        std_t^2 = 1 - mean_t^2

    for samples x_t = mean_t x_0 + std_t eps at times t from 1 to `sampling_eps`.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
    _compatibles: ClassVar[Sequence[str]] = ()

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 2000,
        beta_min: float = 0.1,
        beta_max: float = 20,
        sampling_eps: float = 1e-3,
    ) -> None:
        self._check_ranges()
        if beta_min >= beta_max:
            raise InvalidValue(f"beta_min={beta_min} must be less than beta_max={beta_max}.")
        self.set_timesteps(num_train_timesteps)
        self.num_inference_steps = None

    def set_timesteps(self, num_inference_steps: int, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps. Raises `InvalidValue` for none, and for more than were trained."""
        n = checked_steps(num_inference_steps, self.config.num_train_timesteps)
        self._start_run(torch.linspace(1, self.config.sampling_eps, n).numpy(), device)
        self.num_inference_steps = n

    def step_pred(
        self, score: torch.Tensor, x: torch.Tensor, t: Timestep, generator: Generators = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the next x and its mean before noise was added, both like `x` (batch, ...).

        `score` is what the model predicts, the noise eps, like `x`; `t`: times of shape (batch,), or one.
        """
        prev, mean, _ = self._stepped(score, x, t, generator)
        return prev, mean

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return the next x and the predicted x_0, both like `sample` (batch, ...), as all schedulers do.

        Raises `CallOrder` before `set_timesteps`.
        """
        prev, _, x_0 = self._stepped(model_output, sample, timestep, generator)
        return self._output(prev, x_0, return_dict)

    def _stepped(
        self, model_output: torch.Tensor, sample: torch.Tensor, t: Timestep, generator: Generators
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the next x, its mean, and the predicted x_0."""
        self._require_timesteps()
        x, eps = full_precision(sample), full_precision(model_output)
        place = self._place_of_view(t)
        t = torch.as_tensor(t if place is None else self._timetable[place], dtype=torch.float32)
        low, high, n = self.config.beta_min, self.config.beta_max, len(self._timetable)
        log_mean_t = -0.25 * t**2 * (high - low) - 0.5 * t * low
        # One number on the CPU multiplies a sample wherever it lives; numbers for each image must live there too.
        if t.ndim:
            t, log_mean_t = (broadcast(moved(values, x.device), x) for values in (t, log_mean_t))
        std_t = (1 - torch.exp(2 * log_mean_t)) ** 0.5
        beta_t = low + t * (high - low)

        # With the score -eps / std_t put in, x and eps are each multiplied once.
        mean = (1 + beta_t / (2 * n)) * x - beta_t / (n * std_t) * eps
        prev = mean + (beta_t / n) ** 0.5 * noise_like(sample, generator)
        x_0 = (x - std_t * eps) / torch.exp(log_mean_t)
        return prev.to(sample.dtype), mean.to(sample.dtype), x_0.to(sample.dtype)

"""Predictor-corrector sampling of the variance exploding SDE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import CallOrder, InvalidValue
from engine.output import Output
from engine.rng import moved
from engine.schedulers.base import (
    Device,
    Generators,
    SchedulerMixin,
    SchedulerOutput,
    StepResult,
    Timestep,
    broadcast,
    full_precision,
    noise_like,
)
from engine.schedulers.noise_schedules import checked_steps


@dataclass
class SdeVeOutput(Output):
    """What a predictor gives: the sample, its mean before noise was added, and the predicted clean sample."""

    prev_sample: torch.Tensor
    prev_sample_mean: torch.Tensor
    pred_original_sample: torch.Tensor | None = None


class ScoreSdeVeScheduler(SchedulerMixin):
    """x_{i-1} = x_i + (sigma_i^2 - sigma_{i-1}^2) s(x_i) + sqrt(sigma_i^2 - sigma_{i-1}^2) z, z standard normal.

    "Score-Based Generative Modeling through Stochastic Differential Equations", https://arxiv.org/abs/2011.13456:
    samples are x = x_0 + sigma eps, the model predicts the score s = grad log p, the predictor (`step_pred`) is
    equation 47 and the levels are a geometric series (appendix C). The clean sample is x_0 = x + sigma^2 s.

    The corrector (`step_correct`, algorithm 4: Langevin dynamics, to be done `correct_steps` times before it) is

        x <- x + e s(x) + sqrt(2 e) z,  e = 2 (snr |z| / |s|)^2                 (norms are means over the batch)

    A new scheduler is laid out on all trained levels, and needs no `set_timesteps`.

    Attributes:
        timesteps: times t from 1 to `sampling_eps`.
        sigmas: sigma_min (sigma_max / sigma_min)^t, what the model is told at each of them.
        discrete_sigmas: the ascending levels that the predictor goes down.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
    _compatibles: ClassVar[Sequence[str]] = ()

    sigmas: torch.Tensor
    discrete_sigmas: torch.Tensor
    _levels: npt.NDArray[np.float32]

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 2000,
        snr: float = 0.15,
        sigma_min: float = 0.01,
        sigma_max: float = 1348.0,
        sampling_eps: float = 1e-5,
        correct_steps: int = 1,
    ) -> None:
        self._check_ranges()
        self.init_noise_sigma = sigma_max
        self._own_levels = False
        self.set_timesteps(num_train_timesteps)
        self.num_inference_steps = None

    def set_timesteps(  # pyright: ignore[reportIncompatibleMethodOverride]  # the reference's order of arguments
        self, num_inference_steps: int, sampling_eps: float | None = None, device: Device = None
    ) -> None:
        """Lay out `num_inference_steps` steps from t = 1 to `sampling_eps` (the configuration's, if not given).

        The levels follow, unless `set_sigmas` was called for as many steps. Raises `InvalidValue` for no steps, and
        for more than were trained.
        """
        n = checked_steps(num_inference_steps, self.config.num_train_timesteps)
        end = self.config.sampling_eps if sampling_eps is None else sampling_eps
        self._start_run(torch.linspace(1, end, n).numpy(), device)
        self.num_inference_steps = n
        if not (self._own_levels and len(self._levels) == n):
            self.set_sigmas(n)
            self._own_levels = False

    def set_sigmas(
        self,
        num_inference_steps: int,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
        sampling_eps: float | None = None,
    ) -> None:
        """Lay out the levels between `sigma_min` and `sigma_max` (the configuration's, if not given).

        `sampling_eps` belongs to `set_timesteps`, and is taken here because the reference takes it.
        """
        low = self.config.sigma_min if sigma_min is None else sigma_min
        high = self.config.sigma_max if sigma_max is None else sigma_max
        if not 0 < low < high:
            raise InvalidValue(f"sigma_min={low} must be more than 0 and less than sigma_max={high}.")
        self.sigmas = low * (high / low) ** torch.tensor(self._timetable)
        self.discrete_sigmas = torch.linspace(math.log(low), math.log(high), num_inference_steps).exp()
        self._levels = self.discrete_sigmas.numpy()
        self._own_levels = True

    def _level_index(self, timestep: Timestep) -> int:
        """Return the place of the level, in ascending order, that belongs to the time `timestep` in [0, 1]."""
        n = len(self._timetable)
        if len(self._levels) != n:
            raise CallOrder(
                f"{type(self).__name__}: there are {n} timesteps but {len(self._levels)} levels; "
                f"call set_sigmas({n}) after set_timesteps({n})."
            )
        place = self._place_of_view(timestep)
        t = float(timestep) if place is None else self._timetable[place]
        if not 0 <= t <= 1:
            raise InvalidValue(f"timestep cannot be {t:g}; it is a time from 1 to 0, such as those of timesteps.")
        return int(np.float32(t) * np.float32(n - 1))

    def step_pred(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> SdeVeOutput | tuple[torch.Tensor, ...]:
        """Return x_{i-1}, its mean and the predicted x_0, all like `sample` (batch, ...); without x_0 as a tuple.

        Raises `CallOrder` if there are not as many levels as timesteps.
        """
        prev, mean, x_0 = self._predicted(model_output, timestep, sample, generator)
        return SdeVeOutput(prev, mean, x_0) if return_dict else (prev, mean)

    def _predicted(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, generator: Generators
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return x_{i-1}, its mean and the predicted x_0."""
        i = self._level_index(timestep)
        sigma, sigma_next = self._levels[i], self._levels[i - 1] if i else np.float32(0)
        variance = sigma**2 - sigma_next**2
        x, score = full_precision(sample), full_precision(model_output)
        mean = torch.add(x, score, alpha=float(variance))
        prev = torch.add(mean, noise_like(sample, generator), alpha=float(variance**0.5))
        x_0 = torch.add(x, score, alpha=float(sigma**2))
        return prev.to(sample.dtype), mean.to(sample.dtype), x_0.to(sample.dtype)

    def step_correct(
        self,
        model_output: torch.Tensor,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return the corrected sample, like `sample` (batch, ...), at the level where it is."""
        x, score = full_precision(sample), full_precision(model_output)
        z = noise_like(sample, generator, torch.float32)
        length, of_score = (torch.linalg.vector_norm(v.flatten(1), dim=1).mean() for v in (z, score))
        e = 2 * (self.config.snr * length / of_score) ** 2
        corrected = (x + e * score + (2 * e) ** 0.5 * z).to(sample.dtype)
        return SchedulerOutput(corrected) if return_dict else (corrected,)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return the predictor's x_{i-1} and the predicted x_0, both like `sample`, as all schedulers do."""
        prev, _, x_0 = self._predicted(model_output, timestep, sample, generator)
        return self._output(prev, x_0, return_dict)

    def add_noise(
        self, original_samples: torch.Tensor, noise: torch.Tensor | None, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """Return x = x_0 + sigma eps, eps drawn if `noise` is None.

        `original_samples` and `noise`: (batch, ...); `timesteps` (batch,): times in [0, 1], or whole numbers, which
        are places of `discrete_sigmas`.
        """
        if timesteps.is_floating_point():
            timesteps = (timesteps.float() * (len(self._levels) - 1)).long()
        device = original_samples.device
        sigma = moved(self.discrete_sigmas.to(original_samples.dtype), device)[moved(timesteps, device)]
        noise = torch.randn_like(original_samples) if noise is None else noise
        return original_samples + broadcast(sigma, original_samples) * noise

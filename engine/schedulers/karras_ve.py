"""The stochastic second-order sampler of Karras et al., on variance exploding models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.output import Output
from engine.schedulers.base import Device, Generators, SchedulerMixin, noise_like

Level = float | torch.Tensor


@dataclass
class KarrasVeOutput(Output):
    """What a step gives: the less noisy sample, the derivative dx / dsigma it followed, and the clean sample."""

    prev_sample: torch.Tensor
    derivative: torch.Tensor
    pred_original_sample: torch.Tensor | None = None


KarrasVeResult = KarrasVeOutput | tuple[torch.Tensor, torch.Tensor]


class KarrasVeScheduler(SchedulerMixin):
    """x' = x^ + (sigma' - sigma^) d with d = (x^ - x_0) / sigma^ = -F from the raised level sigma^ to the next, sigma'.

    "Elucidating the Design Space of Diffusion-Based Generative Models", https://arxiv.org/abs/2206.00364, algorithm 2,
    whose three parts the caller runs in turn, with the model F that predicts x_0 = x + sigma F:

        add_noise_to_input: sigma^ = (1 + gamma) sigma,  x^ = x + sqrt(sigma^^2 - sigma^2) s_noise z      lines 4 to 6
        step:               d and x' as above                                                             lines 7, 8
        step_correct:       d' = (x' - x_0') / sigma' = -F',  x' = x^ + (sigma' - sigma^) (d + d') / 2    lines 10, 11

    with gamma = min(s_churn / n, sqrt(2) - 1) where s_min <= sigma <= s_max, else 0; the last sigma' is 0, and is not
    corrected.

    Attributes:
        timesteps: places in `schedule`, n - 1 ... 0.
        schedule: levels sigma_max^2 (sigma_min^2 / sigma_max^2)^(i / (n - 1)), the lowest first: the times t_i of the
            paper's table 1, VE column, whose sigma is sqrt(t_i); this class takes t_i itself, as the reference does.
    """

    order: ClassVar[int] = 2
    step_options: ClassVar[frozenset[str]] = frozenset({"sigma_hat", "sigma_prev"})
    _compatibles: ClassVar[Sequence[str]] = ()

    schedule: torch.Tensor
    _levels: list[float]

    @register_to_config
    def __init__(
        self,
        sigma_min: float = 0.02,
        sigma_max: float = 100,
        s_noise: float = 1.007,
        s_churn: float = 80,
        s_min: float = 0.05,
        s_max: float = 50,
    ) -> None:
        self._check_ranges()
        if sigma_min >= sigma_max:
            raise InvalidValue(f"sigma_min={sigma_min} must be less than sigma_max={sigma_max}.")
        self.init_noise_sigma = sigma_max
        self.set_timesteps(1)
        self.num_inference_steps = None

    def set_timesteps(self, num_inference_steps: int | None, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps. Raises `InvalidValue` for none."""
        if num_inference_steps is None or num_inference_steps < 1:
            raise InvalidValue(f"num_inference_steps cannot be {num_inference_steps}; take at least one step.")
        n = self.num_inference_steps = num_inference_steps
        high, low = self.config.sigma_max**2, self.config.sigma_min**2
        places = np.arange(n)[::-1].copy()
        schedule = (high * (low / high) ** (places / max(n - 1, 1))).astype(np.float32)
        if n == 1:
            schedule[0] = high  # a single step begins where all runs begin
        self._levels = schedule.tolist()
        self.schedule = torch.from_numpy(schedule).to(device)
        self._start_run(places, device)

    def add_noise_to_input(
        self, sample: torch.Tensor, sigma: Level, generator: Generators = None
    ) -> tuple[torch.Tensor, Level]:
        """Return x^, like `sample` (any shape), and sigma^, of the type of `sigma`.

        `sigma` is a number or an element of `schedule`. Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        config, steps = self.config, self.num_inference_steps or 1
        place = self._place_of_view(sigma, self.schedule)
        level = float(sigma) if place is None else self._levels[place]
        gamma = min(config.s_churn / steps, 2**0.5 - 1) if config.s_min <= level <= config.s_max else 0
        eps = config.s_noise * noise_like(sample, generator, torch.float32)
        sigma_hat = sigma + gamma * sigma
        return (sample + (sigma_hat**2 - sigma**2) ** 0.5 * eps).to(sample.dtype), sigma_hat

    def step(
        self,
        model_output: torch.Tensor,
        sigma_hat: Level,
        sigma_prev: Level,
        sample_hat: torch.Tensor,
        return_dict: bool = True,
    ) -> KarrasVeResult:
        """Return x', d and the predicted x_0 (without x_0 as a tuple), all like `sample_hat` (any shape).

        `sigma_prev` is sigma', the level to go to, 0 at the last step.
        """
        d = -model_output
        x_next = sample_hat + (sigma_prev - sigma_hat) * d
        if not return_dict:
            return x_next, d
        return KarrasVeOutput(x_next, d, sample_hat - sigma_hat * d)

    def step_correct(
        self,
        model_output: torch.Tensor,
        sigma_hat: Level,
        sigma_prev: Level,
        sample_hat: torch.Tensor,
        sample_prev: torch.Tensor,
        derivative: torch.Tensor,
        return_dict: bool = True,
    ) -> KarrasVeResult:
        """Return the corrected x', the d it was given and the predicted x_0 (without x_0 as a tuple).

        `model_output` is of `sample_prev` at `sigma_prev`; `sample_prev` and `derivative` are what `step` gave.
        """
        x_next = sample_hat + 0.5 * (sigma_prev - sigma_hat) * (derivative - model_output)
        if not return_dict:
            return x_next, derivative
        return KarrasVeOutput(x_next, derivative, sample_prev + sigma_prev * model_output)

"""RePaint: DDPM or DDIM that keeps the known part of a picture and goes back up to let the rest agree with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import (
    Device,
    DiscreteScheduler,
    Generators,
    StepResult,
    Timestep,
    full_precision,
    noise_like,
    weighted_sum,
)
from engine.schedulers.noise_schedules import BetaSchedule, checked_steps, clean_sample, root


class RePaintScheduler(DiscreteScheduler):
    """x_s = mask known + (1 - mask) unknown, the known part from the picture, the unknown from the model.

    "RePaint", https://arxiv.org/abs/2201.09865, equation 8 and algorithm 1, with z standard normal for both parts, the
    predicted x_0 and eps, and the step of DDIM (https://arxiv.org/abs/2010.02502, equations 12 and 16), which is that
    of DDPM for eta = 1:

        known   = sqrt(alpha_bar_s) picture + sqrt(1 - alpha_bar_s) z
        unknown = sqrt(alpha_bar_s) x_0 + sqrt(1 - alpha_bar_s - std^2) eps + std z
        std     = eta sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) sqrt(1 - alpha_bar_t / alpha_bar_s)

    The known part has the deviation sqrt(1 - alpha_bar_s) of equation 8a; line 5 of the algorithm has the variance.
    `timesteps` descend, and every `jump_length` steps climb as many again, `jump_n_sample` - 1 times (figure 9): to a
    timestep above the last goes `undo_step`, to one below it `step`.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"original_image", "mask", "generator"})
    _compatibles: ClassVar[Sequence[str]] = ()

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: BetaSchedule = "linear",
        eta: float = 0.0,
        trained_betas: np.ndarray | Sequence[float] | None = None,
        clip_sample: bool = True,
    ) -> None:
        if not 0 <= eta <= 1:
            raise InvalidValue(f"eta cannot be {eta}; it must lie between 0 (DDIM) and 1 (DDPM).")
        self.eta = eta
        self._make_betas()

    def set_timesteps(  # pyright: ignore[reportIncompatibleMethodOverride]  # the reference's order of arguments
        self, num_inference_steps: int, jump_length: int = 10, jump_n_sample: int = 10, device: Device = None
    ) -> None:
        """Lay out `num_inference_steps` steps; each part of `jump_length` of them is done `jump_n_sample` times.

        Raises `InvalidValue` for none, for more than were trained, and for jumps or samples below 1.
        """
        n = checked_steps(num_inference_steps, self.config.num_train_timesteps)
        if jump_length < 1 or jump_n_sample < 1:
            raise InvalidValue(f"jump_length={jump_length} and jump_n_sample={jump_n_sample} must both be 1 or more.")
        jumps_left = dict.fromkeys(range(0, n - jump_length, jump_length), jump_n_sample - 1)
        places = [n - 1]
        while places[-1] > 0 or jumps_left.get(0):
            t = places[-1]
            if jumps_left.get(t):
                jumps_left[t] -= 1
                places += range(t + 1, t + jump_length + 1)
            places.append(places[-1] - 1)
        self._start_trained_run(np.array(places) * (self.config.num_train_timesteps // n), device)
        self.num_inference_steps = n

    @property
    def _stride(self) -> int:
        return self.config.num_train_timesteps // (self.num_inference_steps or 1)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        original_image: torch.Tensor,
        mask: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_s for s = t - T // n, and the predicted x_0, both like `sample` (batch, ...).

        `original_image`: like `sample`; `mask`: 1 where the picture is known, 0 where it is to be painted, of a shape
        that broadcasts. Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        t = self._timestep_value(timestep)
        alpha_bar_t, alpha_bar_s = self._alpha_bar(t), self._alpha_bar(t - self._stride)
        x, eps = full_precision(sample), full_precision(model_output)
        x_0 = clean_sample("epsilon", eps, x, float(root(alpha_bar_t)), float(root(1 - alpha_bar_t)))
        if self.config.clip_sample:
            x_0 = x_0.clamp(-1, 1)

        z = full_precision(noise_like(model_output, generator))
        std = self.eta * root((1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s))
        signal_s = float(root(alpha_bar_s))
        unknown = weighted_sum([signal_s, float(root(1 - alpha_bar_s - std**2))], [x_0, eps])
        if t > 0 and self.eta > 0:
            unknown.add_(z, alpha=float(std))
        known = weighted_sum([signal_s, float(root(1 - alpha_bar_s))], [original_image.to(x.dtype), z])
        x_s = torch.lerp(unknown, known, mask.to(x.dtype))
        return self._output(x_s.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def undo_step(self, sample: torch.Tensor, timestep: Timestep, generator: Generators = None) -> torch.Tensor:
        """Return `sample` (batch, ...) T // n timesteps noisier, as algorithm 1, line 10, goes up one at a time.

        `timestep` is where it is now. Raises `CallOrder` before `set_timesteps`, `InvalidValue` above the last.
        """
        self._require_timesteps()
        t, stride = self._timestep_value(timestep), self._stride
        if t + stride > len(self.betas):
            raise InvalidValue(f"timestep {t} cannot be undone: above it are no {stride} trained timesteps.")
        x = full_precision(sample)
        for beta in self.betas[t : t + stride].numpy():
            noise = full_precision(noise_like(sample, generator))
            x = weighted_sum([float(root(1 - beta)), float(root(beta))], [x, noise])
        return x.to(sample.dtype)

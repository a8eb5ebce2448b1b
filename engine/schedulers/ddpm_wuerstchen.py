"""Ancestral sampling in continuous time, as Wuerstchen and Stable Cascade do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import CallOrder, InvalidValue
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


class DDPMWuerstchenScheduler(SchedulerMixin):
    """x_s = (x_t - (1 - alpha) / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha) + std z for the next time s, z normal.

    "Denoising Diffusion Probabilistic Models", https://arxiv.org/abs/2006.11239, algorithm 2, in continuous time from
    t = 1 to 0 on the cosine schedule of "Improved DDPM", https://arxiv.org/abs/2102.09672, equation 17, with

        alpha_bar_t = (cos((t' + s) / (1 + s) pi / 2) / cos(s / (1 + s) pi / 2))^2      within 0.0001 ... 0.9999
        alpha = alpha_bar_t / alpha_bar_s,  std^2 = (1 - alpha) (1 - alpha_bar_s) / (1 - alpha_bar_t)

    where t' = 1 - (1 - t)^scaler for a scaler above 1, else t^scaler. There is no noise in the step to s = 0.

    `timesteps` has one more than there are steps: the last is where the run ends.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps"})
    _compatibles: ClassVar[Sequence[str]] = ()

    # alpha_bar of every time of the run, in numpy: float32 scalars that round as the reference's do.
    _alphas_bar: npt.NDArray[np.float32]

    @register_to_config
    def __init__(self, scaler: float = 1.0, s: float = 0.008) -> None:
        self._check_ranges()
        offset = torch.tensor([s])
        self._offset = offset
        self._first = torch.cos(offset / (1 + offset) * torch.pi * 0.5) ** 2
        self._lay_out(torch.linspace(1.0, 0.0, 2), None)
        self.num_inference_steps = None

    def _alpha_cumprod(self, t: torch.Tensor) -> torch.Tensor:
        """Return alpha_bar at times `t` in [0, 1], float32 of any shape."""
        if self.config.scaler > 1:
            t = 1 - (1 - t) ** self.config.scaler
        elif self.config.scaler < 1:
            t = t**self.config.scaler
        offset, first = moved(self._offset, t.device), moved(self._first, t.device)
        return (torch.cos((t + offset) / (1 + offset) * torch.pi * 0.5) ** 2 / first).clamp(0.0001, 0.9999)

    def set_timesteps(  # pyright: ignore[reportIncompatibleMethodOverride]  # the reference's order of arguments
        self,
        num_inference_steps: int | None = None,
        timesteps: Sequence[float] | torch.Tensor | None = None,
        device: Device = None,
    ) -> None:
        """Lay out `num_inference_steps` steps from t = 1 to 0, or descending `timesteps`, one more than steps.

        Raises `InvalidValue` for none or both, and for timesteps that do not descend within [0, 1].
        """
        if (num_inference_steps is None) == (timesteps is None):
            raise InvalidValue(
                "set_timesteps takes exactly one of num_inference_steps and timesteps, not "
                f"({num_inference_steps}, {timesteps})."
            )
        if timesteps is not None:
            times = torch.as_tensor(timesteps, dtype=torch.float32, device="cpu")
        elif num_inference_steps is not None and num_inference_steps >= 1:
            times = torch.linspace(1.0, 0.0, num_inference_steps + 1)
        else:
            raise InvalidValue(f"num_inference_steps cannot be {num_inference_steps}; take at least one step.")
        if times.ndim != 1 or len(times) < 2 or bool((times.diff() >= 0).any()) or times[0] > 1 or times[-1] < 0:
            raise InvalidValue(f"timesteps cannot be {times.tolist()}; give at least two that descend within 1 ... 0.")
        self._lay_out(times, device)

    def _lay_out(self, times: torch.Tensor, device: Device) -> None:
        self.num_inference_steps = len(times) - 1
        self._alphas_bar = self._alpha_cumprod(times).numpy()
        self._start_run(times.numpy(), device)

    def previous_timestep(self, timestep: torch.Tensor) -> torch.Tensor:
        """Return the time that follows `timestep` (batch,) or () in the run, of the same shape."""
        return self.timesteps[self._place(timestep) + 1].expand(timestep.shape)

    def _place(self, timestep: Timestep) -> int:
        """Return the place of the time in the schedule that `timestep`, the same for the whole batch, is nearest to."""
        if isinstance(timestep, torch.Tensor) and timestep.ndim:
            timestep = timestep[0]
        place = self._place_of_view(timestep)
        if place is None:
            place = int(np.abs(np.asarray(self._timetable) - float(timestep)).argmin())
        if place == len(self._timetable) - 1:
            end = self._timetable[-1]
            raise CallOrder(f"{type(self).__name__}: {end:g} is where the run ends; call set_timesteps for another.")
        return place

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_s and the predicted x_0, both like `sample` (batch, ...).

        `timestep`: an element of `timesteps`, expanded to (batch,) or not. Raises `CallOrder` before `set_timesteps`
        and at the last time, where the run has ended.
        """
        self._require_timesteps()
        i = self._place(timestep)
        alpha_bar_t, alpha_bar_s = self._alphas_bar[i], self._alphas_bar[i + 1]
        alpha = alpha_bar_t / alpha_bar_s
        x, eps = full_precision(sample), full_precision(model_output)

        spread = (1 - alpha_bar_t) ** 0.5
        x_0 = torch.add(x, eps, alpha=-float(spread)) / float(alpha_bar_t**0.5)
        mean = torch.add(x, eps, alpha=-float((1 - alpha) / spread)) * float((1 / alpha) ** 0.5)
        ends = self._timetable[i + 1] == 0
        std = 0.0 if ends else float(((1 - alpha) * (1 - alpha_bar_s) / (1 - alpha_bar_t)) ** 0.5)
        x_s = torch.add(mean, noise_like(model_output, generator), alpha=std)
        return self._output(x_s.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps.

        `original_samples` and `noise`: (batch, ...); `timesteps`: times in [0, 1] of shape (batch,).
        """
        alpha_bar = broadcast(self._alpha_cumprod(moved(timesteps, original_samples.device)), original_samples)
        noisy = alpha_bar.sqrt() * original_samples + (1 - alpha_bar).sqrt() * noise
        return noisy.to(original_samples.dtype)

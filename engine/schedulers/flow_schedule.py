"""What the flow matching schedulers share: levels on the straight path from noise to picture, and their shifting.

Samples are x = (1 - sigma) x_0 + sigma eps, and the model predicts the velocity dx / dsigma = v = eps - x_0
(https://arxiv.org/abs/2210.02747; https://arxiv.org/abs/2403.03206, section 2), so that x_0 = x + (0 - sigma) v. Where
sigma is inverted it ascends to 1, and x_0 = x + (1 - sigma) v: always the straight way to the level at the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from engine.errors import InvalidValue
from engine.rng import moved
from engine.schedulers.base import Device, SchedulerMixin, Timestep, broadcast
from engine.schedulers.noise_schedules import FloatArray, checked_steps, resolution_mu, shift_sigmas
from engine.schedulers.sigma_schedule import GRIDS

# What swaps among each other: models of one kind, with nothing in common with trained betas.
FLOW_FAMILY = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "FlowMatchLCMScheduler")


class FlowScheduler(SchedulerMixin):
    """A scheduler on levels sigma of a flow, which descend from 1 towards 0, the clean sample.

    Attributes:
        sigmas: the levels, float32 of shape (steps + 1,), on the device; the last is where the run ends.
        sigma_min, sigma_max: the ends of the trained levels.
        shift: s of the static shift, sigma' = s sigma / (1 + (s - 1) sigma).
    """

    _compatibles: ClassVar[Sequence[str]] = FLOW_FAMILY

    sigmas: torch.Tensor
    # `sigmas` in numpy: its float32 scalars are quick, and round as the reference's do.
    _sigmas: npt.NDArray[np.float32]
    # The share of noise in x at every level: sigma, or 1 - sigma where it is inverted.
    _shares: npt.NDArray[np.float32]

    def _make_flow(self) -> None:
        """Make the trained levels, and the schedule of all of them; raises `InvalidValue` for two grids at once."""
        self._check_ranges()
        config = self.config
        named = [name for name in GRIDS if config.get(name)]
        if len(named) > 1:
            raise InvalidValue(f"{' and '.join(named)} cannot be used at once; set only one of them.")
        self._shift: float = config.shift
        trained = config.num_train_timesteps
        levels = np.arange(trained, 0, -1, dtype=np.float32) / trained
        if not config.get("use_dynamic_shifting"):
            levels = shift_sigmas(levels, config.shift)
        self.sigma_min, self.sigma_max = levels[-1].item(), levels[0].item()
        self._start_flow_run(np.append(levels, 0), levels * trained, None)
        self.sigmas = self.sigmas[:-1]
        self.num_inference_steps = None

    def _start_flow_run(self, levels: FloatArray, timesteps: FloatArray, device: Device) -> None:
        """Take `levels` (steps + 1,) and `timesteps` (steps,) as the schedule and go to its beginning."""
        self._sigmas = levels.astype(np.float32)
        self._shares = np.abs(self._sigmas - self._sigmas[-1])
        self.sigmas = torch.from_numpy(self._sigmas).to(device)
        self._start_run(timesteps.astype(np.float32), device)

    @property
    def shift(self) -> float:
        """The static shift of the next `set_timesteps`."""
        return self._shift

    def set_shift(self, shift: float) -> None:
        """Shift statically by `shift` from the next `set_timesteps` on."""
        if shift <= 0:
            raise InvalidValue(f"shift cannot be {shift}; it must be more than 0, and 1 shifts nothing.")
        self._shift = shift

    def mu_of(self, image_seq_len: int) -> float:
        """Return `mu` of the dynamic shift for an image of `image_seq_len` tokens, as the configuration has it."""
        config = self.config
        return resolution_mu(
            image_seq_len, config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift
        )

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Device = None,
        sigmas: Sequence[float] | None = None,
        mu: float | None = None,
        timesteps: Sequence[float] | None = None,
    ) -> None:
        """Lay out `num_inference_steps` steps, or one for each of the given descending `sigmas` or `timesteps`.

        `sigmas` (without the last, which is added) are shifted as any others; of `timesteps` alone the levels are
        timesteps / T, shifted, and of both each is what it says. `mu` is the logarithm of the shift (the shift itself
        where `time_shift_type` is linear); it counts only with `use_dynamic_shifting`. Raises `InvalidValue` for none
        of the three, for lengths that differ, for lists that do not descend and for a dynamic shift without `mu`.
        """
        config, trained = self.config, self.config.num_train_timesteps
        if config.use_dynamic_shifting and mu is None:
            raise InvalidValue("`mu` must be passed where use_dynamic_shifting=True, not None; see mu_of().")
        levels = None if sigmas is None else _descending("sigmas", sigmas, 1)
        times = None if timesteps is None else _descending("timesteps", timesteps, trained)
        n = self._number_of_steps(num_inference_steps, levels, times)
        if levels is None:
            own = np.linspace(self.sigma_max * trained, self.sigma_min * trained, n) if times is None else times
            levels = own / trained
        levels = self._shifted(levels, mu).astype(np.float32)
        if times is None:
            times = levels * trained
        end = 0.0
        if config.invert_sigmas:
            levels, end = 1 - levels, 1.0
            times = levels * trained
        self.num_inference_steps = n
        self._start_flow_run(np.append(levels, np.float32(end)), times, device)

    def _number_of_steps(self, n: int | None, levels: FloatArray | None, times: FloatArray | None) -> int:
        """Return the number of steps that was given, or that the given lists have; they must agree."""
        lengths = {len(given) for given in (levels, times) if given is not None}
        if not lengths:
            return checked_steps(n, self.config.num_train_timesteps)
        if n is not None:
            lengths.add(n)
        if len(lengths) > 1:
            raise InvalidValue(
                f"num_inference_steps, sigmas and timesteps disagree: {', '.join(map(str, sorted(lengths)))} steps; "
                "give one of them, or lists as long as the number."
            )
        return lengths.pop()

    def _shifted(self, levels: FloatArray, mu: float | None) -> FloatArray:
        """Return `levels` shifted, stretched and moved to a grid, as configured."""
        config = self.config
        if config.use_dynamic_shifting and mu is not None:
            levels = self.time_shift(mu, 1.0, levels)
        else:
            levels = shift_sigmas(levels, self._shift)
        if config.shift_terminal:
            levels = self.stretch_shift_to_terminal(levels)
        grid: Callable[[float, float, int], FloatArray] | None
        grid = next((grid for name, grid in GRIDS.items() if config.get(name)), None)
        return levels if grid is None else grid(levels[-1].item(), levels[0].item(), len(levels))

    def time_shift(self, mu: float, sigma: float, t: FloatArray) -> FloatArray:
        """Return s / (s + (1 / t - 1)^sigma) with s = e^mu, or s = mu where `time_shift_type` is linear.

        At sigma = 1 it is the static shift s t / (1 + (s - 1) t).
        """
        s = math.exp(mu) if self.config.time_shift_type == "exponential" else mu
        with np.errstate(divide="ignore"):  # t = 0 stays 0
            return s / (s + (1 / t - 1) ** sigma)

    def stretch_shift_to_terminal(self, t: FloatArray) -> FloatArray:
        """Return levels `t` stretched so that the last is `shift_terminal`; a single one stays where it is."""
        signal = 1 - t
        return t if signal[-1] == 0 else 1 - signal / (signal[-1] / (1 - self.config.shift_terminal))

    def scale_noise(self, sample: torch.Tensor, timestep: Timestep, noise: torch.Tensor) -> torch.Tensor:
        """Return x = (1 - sigma) x_0 + sigma eps at timesteps of the schedule.

        `sample` (the clean one) and `noise`: (batch, ...); `timestep`: (batch,) or one number. After `set_begin_index`
        the level is that of the run's place, whatever `timestep` says.
        """
        if self._begin_index is None:
            each = timestep.reshape(-1).unbind() if isinstance(timestep, torch.Tensor) else (timestep,)
            places = [self.index_for_timestep(t) for t in each]
        else:
            places = [self._begin_index if self._step_index is None else self._step_index]
        level = broadcast(moved(torch.from_numpy(self._shares[places]).to(sample.dtype), sample.device), sample)
        return level * noise + (1 - level) * sample

    def _flow_index(self, timestep: Timestep) -> int:
        """Return the place of the step to do; raises before `set_timesteps`, and for a place instead of a timestep."""
        self._require_timesteps()
        if isinstance(timestep, int) or (isinstance(timestep, torch.Tensor) and not timestep.is_floating_point()):
            raise InvalidValue(
                f"timestep cannot be the whole number {timestep}, which is no timestep but a place in the schedule; "
                "pass one of scheduler.timesteps."
            )
        return self._current_index(timestep)

    def _to(self, place: int, i: int) -> float:
        """Return sigma_place - sigma_i: how far the velocity is followed from the place `i` to `place`."""
        return float(self._sigmas[place] - self._sigmas[i])


def _descending(name: str, values: Sequence[float] | Any, highest: float) -> npt.NDArray[np.float32]:
    """Return `values` as an array, or raise `InvalidValue` unless they descend between `highest` and 0."""
    table = np.asarray(values, dtype=np.float32)
    if table.ndim != 1 or not len(table):
        raise InvalidValue(f"{name} cannot be {values!r}; give a list with at least one number.")
    if np.any(np.diff(table) >= 0) or table[0] > highest * (1 + 1e-6) or table[-1] < 0:
        raise InvalidValue(f"{name} cannot be {list(values)}; they must descend, between {highest:g} and 0.")
    return table

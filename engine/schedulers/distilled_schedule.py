"""What the samplers of distilled models share: a few timesteps out of those that the distillation used."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidValue
from engine.schedulers.base import Device, DiscreteScheduler
from engine.schedulers.noise_schedules import checked_steps, checked_timesteps, root

logger = logging.getLogger(__name__)


class DistilledScheduler(DiscreteScheduler):
    """A scheduler for a model that was distilled on `original_inference_steps` of its trained timesteps."""

    def _make_distilled(self) -> None:
        """Make the tables that the configuration names."""
        self._make_betas()
        if not self.config.set_alpha_to_one:
            self.final_alpha_cumprod = self.alphas_cumprod[0]

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Device = None,
        original_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        strength: float = 1.0,
    ) -> None:
        """Lay out `num_inference_steps` of the distilled timesteps, or the given descending `timesteps`.

        `original_inference_steps`: in how many the distillation divided the trained ones, if not as configured.
        `strength` in (0, 1]: the lowest part of the schedule alone, as image to image needs it. Raises `InvalidValue`
        for none or both, and for more steps than there are.
        """
        if (num_inference_steps is None) == (timesteps is None):
            raise InvalidValue(
                "set_timesteps takes exactly one of num_inference_steps and timesteps, not "
                f"({num_inference_steps}, {timesteps})."
            )
        if not 0 < strength <= 1:
            raise InvalidValue(f"strength cannot be {strength}; it must lie between 0 and 1, 0 left out.")
        distilled = self._distilled_timesteps(original_inference_steps, strength)
        if timesteps is None:
            table = self._evenly(distilled, checked_steps(num_inference_steps, self.config.num_train_timesteps))
        else:
            table = checked_timesteps(timesteps, self.config.num_train_timesteps)
            if unknown := sorted(set(table.tolist()) - set(distilled.tolist())):
                logger.warning("The model was not distilled at the timesteps %s.", ", ".join(f"{t:g}" for t in unknown))
            table = table[len(table) - int(len(table) * strength) :]
            if not len(table):
                raise InvalidValue(f"strength={strength} leaves none of {len(timesteps)} timesteps; raise either.")
        self._start_trained_run(table, device)

    def _distilled_timesteps(self, original_inference_steps: int | None, strength: float) -> npt.NDArray[np.int64]:
        """Return the ascending timesteps of the distillation (https://arxiv.org/abs/2310.04378, section 4.3)."""
        trained = self.config.num_train_timesteps
        steps = self.config.original_inference_steps if original_inference_steps is None else original_inference_steps
        if not 1 <= steps <= trained:
            raise InvalidValue(f"original_inference_steps cannot be {steps}; it must lie between 1 and {trained}.")
        return np.arange(1, int(steps * strength) + 1) * (trained // steps) - 1

    @staticmethod
    def _evenly(distilled: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
        """Return `n` of the timesteps, descending from the last."""
        if n > len(distilled):
            raise InvalidValue(
                f"num_inference_steps cannot be {n}: there are {len(distilled)} distilled timesteps; "
                "take fewer steps, or raise original_inference_steps or strength."
            )
        return distilled[::-1][np.floor(np.linspace(0, len(distilled), n, endpoint=False)).astype(np.int64)]

    def _next_timestep(self, i: int) -> int | None:
        """Return the timestep that follows the place `i`, None after the last."""
        return int(self._timetable[i + 1]) if i + 1 < len(self._timetable) else None

    def _signal_and_spread(self, t: int) -> tuple[float, float]:
        """Return sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t)."""
        alpha_bar = self._alphas_bar[t]
        return float(root(alpha_bar)), float(root(1 - alpha_bar))

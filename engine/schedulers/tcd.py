"""Trajectory consistency distillation: from any timestep to any other on its trajectory, and back up with noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import (
    Generators,
    SchedulerOutput,
    Timestep,
    full_precision,
    noise_like,
    weighted_sum,
)
from engine.schedulers.distilled_schedule import DistilledScheduler
from engine.schedulers.noise_schedules import BetaSchedule, Spacing, clean_sample, predicted_noise, root


@dataclass
class TCDSchedulerOutput(SchedulerOutput):
    """What `step` gives: the less noisy sample, the predicted clean one, and the noisy one on the trajectory."""

    pred_noised_sample: torch.Tensor | None = None


class TCDScheduler(DistilledScheduler):
    """x_s' = sqrt(a_s' / a_s) x_s + sqrt(1 - a_s' / a_s) z with x_s = sqrt(a_s) x_0 + sqrt(1 - a_s) eps.

    "Trajectory Consistency Distillation", https://arxiv.org/abs/2402.19159, strategic stochastic sampling (algorithm
    4), with a_t = alpha_bar_t, the next timestep s', z standard normal, and the predicted x_0 and eps: each step goes
    down the trajectory to s = (1 - eta) s', the paper's gamma being `eta`, and climbs to s' with fresh noise. eta = 0
    is deterministic, eta = 1 the multistep sampling of consistency models. The last step ends at timestep 0.

    The model was distilled on `original_inference_steps` timesteps, of which a run takes a few; if given to
    `set_timesteps` too, it may take any of the trained. x_0 is not bounded, which would leave the trajectory:
    `clip_sample`, `thresholding` and what belongs to them, `timestep_spacing`, `timestep_scaling` and `steps_offset`
    are only kept for other schedulers.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"eta", "generator"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps"})

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: BetaSchedule = "scaled_linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        original_inference_steps: int = 50,
        clip_sample: bool = False,
        clip_sample_range: float = 1.0,
        set_alpha_to_one: bool = True,
        steps_offset: int = 0,
        prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon",
        thresholding: bool = False,
        dynamic_thresholding_ratio: float = 0.995,
        sample_max_value: float = 1.0,
        timestep_spacing: Spacing = "leading",
        timestep_scaling: float = 10.0,
        rescale_betas_zero_snr: bool = False,
    ) -> None:
        self._make_distilled()

    def _distilled_timesteps(self, original_inference_steps: int | None, strength: float) -> npt.NDArray[np.int64]:
        """Return the ascending timesteps that a run may take: all, if `original_inference_steps` are given."""
        if original_inference_steps is None:
            return super()._distilled_timesteps(None, strength)
        return np.arange(int(self.config.num_train_timesteps * strength))

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        eta: float = 0.3,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> TCDSchedulerOutput | tuple[torch.Tensor, ...]:
        """Return x_s', the predicted x_0 and, as an output, x_s, all like `sample` (batch, ...).

        `eta` in [0, 1]. Raises `CallOrder` before `set_timesteps`, `InvalidValue` for another eta.
        """
        self._require_timesteps()
        if not 0 <= eta <= 1:
            raise InvalidValue(f"eta cannot be {eta}; it must lie between 0 (deterministic) and 1 (all noise).")
        i = self._current_index(timestep)
        following = self._next_timestep(i)
        # float32, as in the reference: the product is a whole number for many an eta.
        s = int(np.floor(np.float32(1 - eta) * np.float32(following or 0)))
        signal, spread = self._signal_and_spread(int(self._timetable[i]))
        x, output, prediction = full_precision(sample), full_precision(model_output), self.config.prediction_type
        x_0 = clean_sample(prediction, output, x, signal, spread)
        eps = predicted_noise(prediction, output, x, signal, spread)
        x_s = weighted_sum(self._signal_and_spread(s), [x_0, eps])
        x_next = x_s
        if eta > 0 and following is not None:
            ratio = self._alphas_bar[following] / self._alphas_bar[s]
            noise = full_precision(noise_like(x, generator, model_output.dtype))
            x_next = weighted_sum([float(root(ratio)), float(root(1 - ratio))], [x_s, noise])
        self._step_index = i + 1
        x_next, x_0, x_s = (tensor.to(model_output.dtype) for tensor in (x_next, x_0, x_s))
        return TCDSchedulerOutput(x_next, x_0, x_s) if return_dict else (x_next, x_0)

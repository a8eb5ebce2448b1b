"""Pseudo numerical methods: Runge-Kutta and linear multistep formulas on the curve that DDIM walks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import CallOrder, InvalidValue
from engine.schedulers.base import Device, DiscreteScheduler, StepResult, Timestep
from engine.schedulers.noise_schedules import (
    BetaSchedule,
    Prediction,
    Spacing,
    checked_steps,
    clean_sample,
    root,
    spaced_timesteps,
)

# Adams-Bashforth weights of the newest, second newest, ... of 1 to 4 predictions.
ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
# Weights of the four predictions of one Runge-Kutta step.
RUNGE_KUTTA = (1 / 6, 1 / 3, 1 / 3, 1 / 6)


class PNDMScheduler(DiscreteScheduler):
    """x_s = phi(x_t, e, t, s), where e combines the predictions at several timesteps.

    "Pseudo Numerical Methods for Diffusion Models on Manifolds", https://arxiv.org/abs/2202.09778, equation 11:

        phi(x, e, t, s) = sqrt(a_s / a_t) x - (a_s - a_t) e / (a_t sqrt(1 - a_s) + sqrt(a_t (1 - a_t) a_s))

    with a_t = alpha_bar_t. Three pseudo Runge-Kutta steps of four model calls (equation 13) start the run, unless
    `skip_prk_steps`; then each step takes Adams-Bashforth's combination of the last four predictions (equation 12).
    Without Runge-Kutta the run starts with an Euler step that is done again with the mean of the slopes at both ends,
    so that the second timestep occurs twice.

    Attributes:
        prk_timesteps, plms_timesteps: timesteps of the Runge-Kutta and of the multistep part; `timesteps` is both.
        ets: the last predictions, the newest last.
        counter: model calls so far.
    """

    pndm_order = 4

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        beta_schedule: BetaSchedule = "linear",
        trained_betas: np.ndarray | Sequence[float] | None = None,
        skip_prk_steps: bool = False,
        set_alpha_to_one: bool = False,
        prediction_type: Literal["epsilon", "v_prediction"] = "epsilon",
        timestep_spacing: Spacing = "leading",
        steps_offset: int = 0,
    ) -> None:
        self._make_betas()
        if not set_alpha_to_one:
            self.final_alpha_cumprod = self.alphas_cumprod[0]
        self.prk_timesteps = self.plms_timesteps = np.array([], dtype=np.int64)
        self._forget()

    def set_timesteps(self, num_inference_steps: int, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps; `timesteps` is longer, having an entry for every model call.

        Raises `InvalidValue` for more steps than were trained, and for less than 4 with Runge-Kutta.
        """
        config = self.config
        n = checked_steps(num_inference_steps, config.num_train_timesteps)
        if not config.skip_prk_steps and n < self.pndm_order:
            raise InvalidValue(
                f"`num_inference_steps` must be >= {self.pndm_order} for the Runge-Kutta steps, not {n}; "
                "take more steps or set skip_prk_steps=True."
            )
        spaced = spaced_timesteps(config.timestep_spacing, config.num_train_timesteps, n, config.steps_offset)
        times = spaced.round().astype(np.int64)
        if config.skip_prk_steps:
            self.prk_timesteps = times[:0]
            self.plms_timesteps = np.insert(times, 1, times[1]) if n > 1 else times
        else:
            self.prk_timesteps = self._runge_kutta_times(times[: self.pndm_order], config.num_train_timesteps // n // 2)
            self.plms_timesteps = times[3:]
        self._start_trained_run(np.concatenate([self.prk_timesteps, self.plms_timesteps]), device)
        self.num_inference_steps = n
        self._forget()

    @staticmethod
    def _runge_kutta_times(times: npt.NDArray[np.int64], half: int) -> npt.NDArray[np.int64]:
        """Return t, m, m, s for each of the three steps from t over m = s + `half` to s between four `times`."""
        return np.array([(t, s + half, s + half, s) for t, s in zip(times[:-1], times[1:], strict=True)]).reshape(-1)

    def _forget(self) -> None:
        self.ets: list[torch.Tensor] = []
        self.counter = 0
        self.cur_model_output: torch.Tensor | float = 0.0
        self.cur_sample: torch.Tensor | None = None

    def step(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> StepResult:
        """Return the sample of the next timestep and the predicted x_0, both like `sample` (any shape).

        Raises `CallOrder` before `set_timesteps`.
        """
        part = self.step_prk if self.counter < len(self.prk_timesteps) else self.step_plms
        return part(model_output, timestep, sample, return_dict)

    def step_prk(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> StepResult:
        """Do one of the four calls of a pseudo Runge-Kutta step (equation 13): first at t, two halfway, last at s."""
        self._require_timesteps()
        call = self.counter % 4
        half = 0 if self.counter % 2 else self._stride // 2
        s = self._timestep_value(timestep) - half
        t = int(self.prk_timesteps[self.counter // 4 * 4])
        if call == 0:
            self.ets.append(model_output)
            self.cur_sample = sample
            self.cur_model_output = 0.0
        self.cur_model_output = self.cur_model_output + RUNGE_KUTTA[call] * model_output
        e = self.cur_model_output if call == 3 else model_output
        self.counter += 1
        return self._transfer(sample if self.cur_sample is None else self.cur_sample, e, t, s, return_dict)

    def step_plms(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> StepResult:
        """Do one pseudo linear multistep step (equation 12).

        Raises `CallOrder` before `set_timesteps`, and before the Runge-Kutta steps where they are not skipped.
        """
        self._require_timesteps()
        if not self.config.skip_prk_steps and len(self.ets) < 3:
            raise CallOrder("PNDMScheduler: do the 12 Runge-Kutta calls (prk_timesteps) before step_plms.")
        t = self._timestep_value(timestep)
        s = t - self._stride
        if self.counter == 1 and self.cur_sample is not None:
            # The first step again, with the mean of the slopes at its ends.
            e = (model_output + self.ets[-1]) / 2
            t, s, sample, self.cur_sample = t + self._stride, t, self.cur_sample, None
        else:
            self.ets = [*self.ets[-3:], model_output]
            weights = ADAMS_BASHFORTH[len(self.ets) - 1]
            e = weights[0] * model_output
            for weight, past in zip(weights[1:], self.ets[-2::-1], strict=True):
                e = torch.add(e, past, alpha=weight)
            self.cur_sample = sample if self.counter == 0 else None
        self.counter += 1
        return self._transfer(sample, e, t, s, return_dict)

    @property
    def _stride(self) -> int:
        return self.config.num_train_timesteps // (self.num_inference_steps or 1)

    def _transfer(self, x: torch.Tensor, e: torch.Tensor, t: int, s: int, return_dict: bool) -> StepResult:
        """Return phi(x, e, t, s) and x_0 (equation 11)."""
        a_t, a_s = self._alpha_bar(t), self._alpha_bar(s)
        signal, spread = float(root(a_t)), float(root(1 - a_t))
        of_x = float(root(a_s / a_t))
        of_e = -float(a_s - a_t) / float(a_t * root(1 - a_s) + root(a_t * (1 - a_t) * a_s))
        prediction: Prediction = self.config.prediction_type
        x_0 = clean_sample(prediction, e, x, signal, spread)
        if prediction == "v_prediction":
            # eps = signal v + spread x, put in here: where a_t is tiny, the two terms of x are large and nearly cancel.
            of_x, of_e = of_x + of_e * spread, of_e * signal
        return self._output(torch.add(of_x * x, e, alpha=of_e), x_0, return_dict)

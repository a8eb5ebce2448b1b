"""Improved PNDM: Adams-Bashforth steps on the crash schedule of v-diffusion, for models that predict v."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.rng import moved
from engine.schedulers.base import Device, SchedulerMixin, StepResult, Timestep, broadcast, full_precision, weighted_sum
from engine.schedulers.noise_schedules import checked_steps, clean_sample, predicted_noise
from engine.schedulers.pndm import ADAMS_BASHFORTH


class IPNDMScheduler(SchedulerMixin):
    """x_s = alpha_s (x_t - sigma_t e) / alpha_t + sigma_s e, where e combines the last four predictions of eps.

    "Pseudo Numerical Methods for Diffusion Models on Manifolds", https://arxiv.org/abs/2202.09778, equations 11 and 12,
    started with the lower orders of Adams and Bashforth instead of Runge-Kutta (https://github.com/crowsonkb/
    v-diffusion-pytorch). The model predicts v, and eps = sigma x + alpha v. For u = 1, 1 - 1/n, ..., 0:

        sigma = sin^2(pi u / 2),  alpha = sqrt(1 - sigma^2),  t = (2 / pi) atan(sigma / alpha)

    At t = 1 there is no signal: eps is x itself, and the first step only shrinks it.

    Attributes:
        betas, alphas: sigma and alpha of every level, float32 of shape (steps + 1,), on the CPU.
        ets: the last predictions of eps, the newest last.
    """

    _compatibles: ClassVar[Sequence[str]] = ()
    pndm_order = 4

    betas: torch.Tensor
    alphas: torch.Tensor
    _sigma: npt.NDArray[np.float32]
    _alpha: npt.NDArray[np.float32]

    @register_to_config
    def __init__(
        self, num_train_timesteps: int = 1000, trained_betas: np.ndarray | Sequence[float] | None = None
    ) -> None:
        self._check_ranges()
        self.set_timesteps(num_train_timesteps)
        self.num_inference_steps = None

    def set_timesteps(self, num_inference_steps: int, device: Device = None) -> None:
        """Lay out `num_inference_steps` steps; where `trained_betas` name the sigma of every level, as many as these.

        Raises `InvalidValue` for none, and for more than were trained.
        """
        n = checked_steps(num_inference_steps, self.config.num_train_timesteps)
        if (trained := self.config.trained_betas) is not None:
            n = len(trained) - 1
            self.betas = torch.as_tensor(np.asarray(trained, dtype=np.float32))
        else:
            u = torch.cat([torch.linspace(1, 0, n + 1)[:-1], torch.zeros(1)])
            self.betas = torch.sin(u * math.pi / 2) ** 2
        self.alphas = (1.0 - self.betas**2) ** 0.5
        self._sigma, self._alpha = self.betas.numpy(), self.alphas.numpy()
        self.num_inference_steps = n
        self._start_run((torch.atan2(self.betas, self.alphas) / math.pi * 2)[:-1].numpy(), device)
        self.ets: list[torch.Tensor] = []

    def step(
        self, model_output: torch.Tensor, timestep: Timestep, sample: torch.Tensor, return_dict: bool = True
    ) -> StepResult:
        """Return x_s and the predicted x_0, both like `sample` (any shape).

        Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        i = self._current_index(timestep)
        alpha, sigma = float(self._alpha[i]), float(self._sigma[i])
        alpha_s, sigma_s = float(self._alpha[i + 1]), float(self._sigma[i + 1])
        x, v = full_precision(sample), full_precision(model_output)
        self.ets = [*self.ets[-3:], predicted_noise("v_prediction", v, x, alpha, sigma)]
        e = weighted_sum(ADAMS_BASHFORTH[len(self.ets) - 1], reversed(self.ets))
        signal = torch.sub(x, e, alpha=sigma)
        x_s = weighted_sum([alpha_s / max(alpha, 1e-8), sigma_s], [signal, e])
        x_0 = clean_sample("v_prediction", v, x, alpha, sigma)
        self._step_index = i + 1
        return self._output(x_s.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def scale_model_input(self, sample: torch.Tensor, timestep: Timestep | None = None) -> torch.Tensor:
        """Return `sample` as it is: the model was trained on x itself."""
        return sample

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return x = alpha x_0 + sigma eps at timesteps of the run.

        `original_samples` and `noise`: (batch, ...); `timesteps`: (batch,).
        """
        places = [self.index_for_timestep(t) for t in timesteps.reshape(-1).unbind()]
        dtype, device = original_samples.dtype, original_samples.device
        alpha, sigma = (
            broadcast(moved(table[places].to(dtype), device), original_samples) for table in (self.alphas, self.betas)
        )
        return alpha * original_samples + sigma * noise

"""DDPM for parallel sampling, where many timesteps of one run are stepped at once."""

from __future__ import annotations

import torch

from engine.rng import moved
from engine.schedulers.base import broadcast
from engine.schedulers.ddpm import DDPMScheduler
from engine.schedulers.noise_schedules import batch_predictions


class DDPMParallelScheduler(DDPMScheduler):
    """x_s = mu_t(x_t, x_0) for a batch of t at once: the mean of DDPM's step, to which the caller adds the noise.

    "Parallel Sampling of Diffusion Models" (ParaDiGMS), https://arxiv.org/abs/2305.16317, algorithm 1, whose parallel
    step is that of DDPM (`DDPMScheduler`, whose formulas, symbols and `step` this class has too).
    """

    def batch_step_no_noise(
        self, model_output: torch.Tensor, timesteps: torch.Tensor, sample: torch.Tensor
    ) -> torch.Tensor:
        """Return mu_t like `sample` (batch, channels, ...) for `timesteps` (batch,), one for each sample.

        s is the next lower timestep of the schedule. `model_output` has twice the channels where it predicts the
        variance too.
        """
        t = moved(timesteps, sample.device)
        ascending = moved(self.timesteps, sample.device).flip(0)
        # The end of the run stands before the trained timesteps, at index 0, and before the schedule.
        lower = torch.cat([ascending.new_full((1,), -1), ascending])
        s = lower[torch.searchsorted(ascending, t)]
        table = moved(torch.cat([self.final_alpha_cumprod.reshape(1), self.alphas_cumprod]), sample.device)
        alpha_bar_t, alpha_bar_s = broadcast(table[t + 1], sample), broadcast(table[s + 1], sample)
        alpha_t = alpha_bar_t / alpha_bar_s
        beta_t = 1 - alpha_t

        model_output, _ = self._split(model_output, sample)
        prediction = self.config.prediction_type
        x_0, _ = batch_predictions(prediction, model_output, sample, alpha_bar_t**0.5, (1 - alpha_bar_t) ** 0.5)
        x_0 = self._bounded(x_0)

        of_x_0 = alpha_bar_s**0.5 * beta_t / (1 - alpha_bar_t)
        of_x_t = alpha_t**0.5 * (1 - alpha_bar_s) / (1 - alpha_bar_t)
        return (of_x_0 * x_0 + of_x_t * sample).to(sample.dtype)

"""DDIM for parallel sampling, where many timesteps of one run are stepped at once."""

from __future__ import annotations

import torch

from engine.errors import InvalidValue
from engine.rng import moved
from engine.schedulers.base import broadcast
from engine.schedulers.ddim import DDIMScheduler
from engine.schedulers.noise_schedules import batch_predictions


class DDIMParallelScheduler(DDIMScheduler):
    """x_s = sqrt(alpha_bar_s) x_0 + sqrt(1 - alpha_bar_s) eps, s = t - T / n, for a batch of t at once.

    "Parallel Sampling of Diffusion Models" (ParaDiGMS), https://arxiv.org/abs/2305.16317, algorithm 1, whose parallel
    step is that of DDIM without noise (`DDIMScheduler`, whose `step` this class has too).
    """

    def batch_step_no_noise(
        self,
        model_output: torch.Tensor,
        timesteps: torch.Tensor,
        sample: torch.Tensor,
        eta: float = 0.0,
        use_clipped_model_output: bool = False,
    ) -> torch.Tensor:
        """Return x_s like `sample` (batch, ...) for `timesteps` (batch,), one for each sample.

        Raises `CallOrder` before `set_timesteps`, and `InvalidValue` for an `eta` other than 0, which would be noise.
        """
        self._require_timesteps()
        if eta != 0:
            raise InvalidValue(f"eta cannot be {eta} in a step without noise; leave it at 0.")
        t = moved(timesteps, sample.device)
        s = t - self.config.num_train_timesteps // (self.num_inference_steps or 1)
        # The end of the run stands before the trained timesteps, at index 0.
        table = moved(torch.cat([self.final_alpha_cumprod.reshape(1), self.alphas_cumprod]), sample.device)
        alpha_bar_t = broadcast(table[t + 1], sample)
        alpha_bar_s = broadcast(table[s.clamp(min=-1) + 1], sample)
        signal, spread = alpha_bar_t**0.5, (1 - alpha_bar_t) ** 0.5

        x_0, eps = batch_predictions(self.config.prediction_type, model_output, sample, signal, spread)
        x_0 = self._bounded(x_0)
        if use_clipped_model_output:
            eps = (sample - signal * x_0) / spread
        return (alpha_bar_s**0.5 * x_0 + (1 - alpha_bar_s) ** 0.5 * eps).to(sample.dtype)

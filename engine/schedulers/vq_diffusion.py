"""Discrete diffusion of image tokens, which are masked and replaced on the way to noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.rng import moved
from engine.schedulers.base import Device, Generators, SchedulerMixin, StepResult, Timestep
from engine.schedulers.noise_schedules import checked_steps

# log(1e-30): stands for log 0, so that differences of logarithms stay numbers.
LOG_ZERO = float(np.log(np.float32(1e-30)))


class VQDiffusionScheduler(SchedulerMixin):
    """x_{t-1} drawn from p(x_{t-1} | x_t) = sum over x_0 of q(x_t | x_{t-1}) q(x_{t-1} | x_0) p(x_0) / q(x_t | x_0).

    "Vector Quantized Diffusion Model for Text-to-Image Synthesis", https://arxiv.org/abs/2111.14822, equations 4, 5 and
    11: x are classes, of which the last is the mask. In step t a class stays with probability alpha_t + beta_t, turns
    into each other one with beta_t and into the mask with gamma_t = 1 - alpha_t - (K - 1) beta_t (equation 7), where it
    remains; alpha_bar, beta_bar, gamma_bar are the same of all steps up to t (equation 8), linear in t.

    Everything is in logarithms. A class is drawn as the largest of log p plus Gumbel noise. At t = 0 the prediction
    log p(x_0) is p itself.

    A new scheduler is laid out on all trained timesteps, and needs no `set_timesteps`.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
    _compatibles: ClassVar[Sequence[str]] = ()

    @register_to_config
    def __init__(
        self,
        num_vec_classes: int,
        num_train_timesteps: int = 100,
        alpha_cum_start: float = 0.99999,
        alpha_cum_end: float = 0.000009,
        gamma_cum_start: float = 0.000009,
        gamma_cum_end: float = 0.99999,
    ) -> None:
        self._check_ranges()
        if num_vec_classes < 2:
            raise InvalidValue(f"num_vec_classes cannot be {num_vec_classes}; it counts the mask and the classes.")
        self.num_embed = num_vec_classes
        self.mask_class = num_vec_classes - 1
        # At place t + 1, after place 0: the clean picture.
        alpha_bar = np.append(1, np.linspace(alpha_cum_start, alpha_cum_end, num_train_timesteps))
        gamma_bar = np.append(0, np.linspace(gamma_cum_start, gamma_cum_end, num_train_timesteps))
        alpha, gamma = alpha_bar[1:] / alpha_bar[:-1], 1 - (1 - gamma_bar[1:]) / (1 - gamma_bar[:-1])
        self._cumulative = self._logarithms(alpha_bar[1:], gamma_bar[1:])
        self._single = self._logarithms(alpha, gamma)
        self._start_run(np.arange(num_train_timesteps)[::-1].copy(), None)

    def _logarithms(self, alpha: npt.NDArray[np.float64], gamma: npt.NDArray[np.float64]) -> list[tuple[float, ...]]:
        """Return log alpha, log beta, log gamma of every t."""
        beta = (1 - alpha - gamma) / self.mask_class
        if min(alpha.min(), beta.min(), gamma.min()) <= 0:
            raise InvalidValue(
                f"alpha_cum_start, alpha_cum_end, gamma_cum_start and gamma_cum_end give a probability of "
                f"{min(alpha.min(), beta.min(), gamma.min()):g}; they must rise or fall within 0 ... 1, and their sum "
                "must stay below 1."
            )
        return [tuple(row) for row in np.log(np.stack([alpha, beta, gamma], 1)).astype(np.float32).tolist()]

    def set_timesteps(self, num_inference_steps: int, device: Device = None) -> None:
        """Lay out the last `num_inference_steps` of the trained steps.

        Raises `InvalidValue` for none, and for more than were trained.
        """
        n = self.num_inference_steps = checked_steps(num_inference_steps, self.config.num_train_timesteps)
        self._start_run(np.arange(n)[::-1].copy(), device)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_{t-1} and the likeliest x_0, both like `sample`: whole numbers (batch, tokens).

        `model_output`: log p(x_0) of shape (batch, classes without the mask, tokens).
        """
        t = self._timestep_value(timestep)
        log_p = self.q_posterior(model_output, sample, t) if t else model_output
        # max finds the same places as argmax, which is twenty times slower across a dimension that is not the last.
        prev = (log_p + _gumbel(log_p, generator)).max(dim=1).indices
        return self._output(prev, model_output.max(dim=1).indices, return_dict)

    def q_posterior(self, log_p_x_0: torch.Tensor, x_t: torch.Tensor, t: Timestep) -> torch.Tensor:
        """Return log p(x_{t-1} | x_t) of shape (batch, classes, tokens).

        `log_p_x_0`: (batch, classes without the mask, tokens); `x_t`: classes (batch, tokens); `t` above 0.
        """
        t = self._timestep_value(t)
        masked = (x_t == self.mask_class)[:, None]
        same = x_t[:, None] == torch.arange(self.mask_class, device=x_t.device)[None, :, None]
        # p(x_0) / q(x_t | x_0), and its sum over x_0, by which it is divided until the end
        q = log_p_x_0 - _transition(self._cumulative[t], same, masked)
        total = torch.logsumexp(q, dim=1, keepdim=True)
        # times q(x_{t-1} | x_0), summed: x_0 = x_{t-1} stays, and the others, of which the sum is 1, turn into it
        alpha_bar, beta_bar, gamma_bar = self._cumulative[t - 1]
        q = torch.logaddexp(q - total + alpha_bar, torch.full_like(total, beta_bar))
        # times q(x_t | x_{t-1})
        q = q + _transition(self._single[t], same, masked) + total
        to_mask = torch.where(masked, gamma_bar, gamma_bar + LOG_ZERO) + total
        return torch.cat((q, to_mask), dim=1)


def _transition(step: tuple[float, ...], same: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """Return log q(x_t | k) of every class k but the mask, given where k is x_t and where x_t is the mask."""
    alpha, beta, gamma = step
    stays, turns = float(np.logaddexp(alpha, beta)), float(np.logaddexp(LOG_ZERO + alpha, beta))
    return torch.where(masked, gamma, torch.where(same, stays, turns))


def _gumbel(like: torch.Tensor, generator: Generators) -> torch.Tensor:
    """Return Gumbel noise of the shape and device of `like`, drawn where the generator lives."""
    if isinstance(generator, list):
        rows = zip(like.split(1), generator, strict=True)
        return torch.cat([_gumbel(row, one) for row, one in rows])
    place = like.device if generator is None else generator.device
    uniform = moved(torch.rand(like.shape, generator=generator, device=place), like.device)
    return -torch.log(-torch.log(uniform + 1e-30) + 1e-30)

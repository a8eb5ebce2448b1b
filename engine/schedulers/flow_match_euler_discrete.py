"""Euler's method on a rectified flow, and sampling that noises the predicted clean sample afresh."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from engine.config import register_to_config
from engine.rng import moved
from engine.schedulers.base import Generators, StepResult, Timestep, full_precision, noise_like
from engine.schedulers.flow_schedule import FlowScheduler


class FlowMatchEulerDiscreteScheduler(FlowScheduler):
    """x_{i+1} = x_i + (sigma_{i+1} - sigma_i) v for the predicted velocity v.

    "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis", https://arxiv.org/abs/2403.03206: the
    flow of equation 13, integrated by Euler's method; the shift of the levels is equation 23.

    With `stochastic_sampling` the predicted x_0 = x_i - sigma_i v is brought to the next level by fresh noise z:
    x_{i+1} = (1 - sigma_{i+1}) x_0 + sigma_{i+1} z.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator", "per_token_timesteps"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps", "sigmas", "mu"})

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        shift: float = 1.0,
        use_dynamic_shifting: bool = False,
        base_shift: float | None = 0.5,
        max_shift: float | None = 1.15,
        base_image_seq_len: int = 256,
        max_image_seq_len: int = 4096,
        invert_sigmas: bool = False,
        shift_terminal: float | None = None,
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        time_shift_type: Literal["exponential", "linear"] = "exponential",
        stochastic_sampling: bool = False,
    ) -> None:
        self._make_flow()
        self._noises_afresh = stochastic_sampling

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        s_churn: float = 0.0,
        s_tmin: float = 0.0,
        s_tmax: float = float("inf"),
        s_noise: float = 1.0,
        generator: Generators = None,
        per_token_timesteps: torch.Tensor | None = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_{i+1} and the predicted x_0, both like `sample` (any shape).

        With `per_token_timesteps` (batch, tokens) every token of `sample` (batch, tokens, channels) goes from its own
        level to the next lower one of the run, and `model_output` is -v, as video pipelines give it. The four churn
        parameters are those of sibling classes and change nothing. Raises `CallOrder` before `set_timesteps`.
        """
        i = self._flow_index(timestep)
        x, v = full_precision(sample), full_precision(model_output)
        to_end: float | torch.Tensor
        to_next: float | torch.Tensor
        level: float | torch.Tensor
        if per_token_timesteps is None:
            dtype = model_output.dtype
            to_end, to_next, level = self._to(-1, i), self._to(i + 1, i), float(self._shares[i + 1])
        else:
            dtype = sample.dtype
            sigma, level = self._token_levels(per_token_timesteps)
            to_end, to_next = sigma, sigma - level
        x_0 = _followed(v, x, to_end)
        if self._noises_afresh:
            x_next = (1 - level) * x_0 + level * noise_like(x, generator, torch.float32)
        else:
            x_next = _followed(v, x, to_next)
        self._step_index = i + 1
        return self._output(x_next.to(dtype), x_0.to(dtype), return_dict)

    def _token_levels(self, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the level of every token and the next lower one of the run, both (batch, tokens, 1)."""
        sigma = timesteps / self.config.num_train_timesteps
        levels = moved(self.sigmas, timesteps.device)[:, None, None]
        lower = torch.where(levels < sigma - 1e-6, levels, 0).amax(dim=0)
        return sigma[..., None], lower[..., None]


def _followed(v: torch.Tensor, x: torch.Tensor, h: float | torch.Tensor) -> torch.Tensor:
    """Return x + h v, in one pass where `h` is a number."""
    return x + h * v if isinstance(h, torch.Tensor) else torch.add(x, v, alpha=h)

"""Multistep sampling of consistency models of a rectified flow, optionally growing the picture on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.schedulers.base import Generators, StepResult, Timestep, full_precision, noise_like
from engine.schedulers.flow_schedule import FlowScheduler

UpscaleMode = Literal["nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact"]


class FlowMatchLCMScheduler(FlowScheduler):
    """x_{i+1} = (1 - sigma_{i+1}) x_0 + sigma_{i+1} z with the predicted x_0 = x_i - sigma_i v, z standard normal.

    "Latent Consistency Models", https://arxiv.org/abs/2310.04378, algorithm 3, on the straight path of a flow: the
    model jumps to the clean sample, which fresh noise brings to the next level.

    With `scale_factors` the clean sample of step i is first resized to scale_factors[i] times the run's first size, so
    that the picture grows with the steps ("Scale-wise Distillation", https://arxiv.org/abs/2503.16397, algorithm 2).
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"generator"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"timesteps", "sigmas", "mu"})

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        shift: float = 1.0,
        use_dynamic_shifting: bool = False,
        base_shift: float = 0.5,
        max_shift: float = 1.15,
        base_image_seq_len: int = 256,
        max_image_seq_len: int = 4096,
        invert_sigmas: bool = False,
        shift_terminal: float | None = None,
        use_karras_sigmas: bool | None = False,
        use_exponential_sigmas: bool | None = False,
        use_beta_sigmas: bool | None = False,
        time_shift_type: Literal["exponential", "linear"] = "exponential",
        scale_factors: Sequence[float] | None = None,
        upscale_mode: UpscaleMode | None = "bicubic",
    ) -> None:
        self._first_size: torch.Size | None = None
        self.set_scale_factors(scale_factors, upscale_mode)
        self._make_flow()

    def set_scale_factors(self, scale_factors: Sequence[float] | None, upscale_mode: UpscaleMode | None) -> None:
        """Resize the clean sample of step i to `scale_factors[i]` times the first size; None resizes nothing."""
        self._scale_factors = list(scale_factors) if scale_factors and upscale_mode else []
        self._upscale_mode = upscale_mode or "bicubic"

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        generator: Generators = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return x_{i+1} and the predicted x_0, both like `sample` (batch, channels, ...) or of its next size.

        Raises `CallOrder` before `set_timesteps`, and `InvalidValue` unless there is one scale factor less than steps.
        """
        if self._scale_factors and len(self._scale_factors) != len(self._timetable) - 1:
            raise InvalidValue(
                f"{len(self._scale_factors)} scale_factors cannot go with {len(self._timetable)} steps; there must be "
                "one for each step but the last."
            )
        if self._step_index is None:
            self._first_size = model_output.shape[2:]
        i = self._flow_index(timestep)
        x, v = full_precision(sample), full_precision(model_output)
        x_0 = self._resized(torch.add(x, v, alpha=self._to(-1, i)), i)
        level = float(self._shares[i + 1])
        x_next = (1 - level) * x_0 + level * noise_like(x_0, generator)
        self._step_index = i + 1
        return self._output(x_next.to(model_output.dtype), x_0.to(model_output.dtype), return_dict)

    def _resized(self, x_0: torch.Tensor, i: int) -> torch.Tensor:
        """Return `x_0` in the size that the step after place `i` has."""
        if i >= len(self._scale_factors) or self._first_size is None:
            return x_0
        size = [round(self._scale_factors[i] * length) for length in self._first_size]
        return torch.nn.functional.interpolate(x_0, size=size, mode=self._upscale_mode)

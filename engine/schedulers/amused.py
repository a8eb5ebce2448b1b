"""Masked image modelling: predict all tokens, keep the surest, mask the rest again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.rng import moved
from engine.schedulers.base import Device, SchedulerMixin, StepResult, Timestep


class AmusedScheduler(SchedulerMixin):
    """x <- x_0 ~ p(x_0 | x), of which the m least certain tokens are masked again, m falling to 0 over the run.

    "aMUSEd: An Open MUSE Reproduction", https://arxiv.org/abs/2401.01808, sampling as in "MaskGIT",
    https://arxiv.org/abs/2202.04200, section 3.2: after step i of n the share of masked tokens is

        cos(pi / 2 i / n)  (`cosine`)  or  1 - i / n  (`linear`),

    and the certainty of a token is log p(x_0) + T g with Gumbel noise g, at a temperature T that falls over the run.

    Attributes:
        temperatures: T of every step, float32 of shape (steps,), on the device.
    """

    step_options: ClassVar[frozenset[str]] = frozenset({"starting_mask_ratio", "generator"})
    schedule_options: ClassVar[frozenset[str]] = frozenset({"temperature"})
    _compatibles: ClassVar[Sequence[str]] = ()

    temperatures: torch.Tensor
    _temperatures: list[float]
    _mask_ratios: npt.NDArray[np.float32]

    @register_to_config
    def __init__(self, mask_token_id: int, masking_schedule: Literal["cosine", "linear"] = "cosine") -> None:
        self.set_timesteps(1)
        self.num_inference_steps = None

    def set_timesteps(  # pyright: ignore[reportIncompatibleMethodOverride]  # the reference's order of arguments
        self, num_inference_steps: int | None, temperature: float | Sequence[float] = (2, 0), device: Device = None
    ) -> None:
        """Lay out `num_inference_steps` steps with a `temperature` that falls from its first number to its second.

        A single number falls to 0.01. Raises `InvalidValue` for no steps and for more than two numbers.
        """
        if num_inference_steps is None or num_inference_steps < 1:
            raise InvalidValue(f"num_inference_steps cannot be {num_inference_steps}; take at least one step.")
        ends: Sequence[float] = temperature if isinstance(temperature, Sequence) else (temperature, 0.01)
        if len(ends) != 2:
            raise InvalidValue(f"temperature cannot be {temperature}; give one number, or a first and a last one.")
        n = self.num_inference_steps = num_inference_steps
        table = torch.linspace(ends[0], ends[1], n)
        self.temperatures, self._temperatures = table.to(device), table.tolist()
        share = torch.arange(1, n + 1) / n
        ratios = torch.cos(share * math.pi / 2) if self.config.masking_schedule == "cosine" else 1 - share
        self._mask_ratios = ratios.numpy()
        self._start_run(np.arange(n)[::-1].copy(), device)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Timestep,
        sample: torch.Tensor,
        starting_mask_ratio: float = 1.0,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> StepResult:
        """Return the tokens with m of them masked again, and all predicted tokens, both like `sample`.

        `sample`: whole numbers (batch, tokens) or (batch, height, width); `model_output`: their logits, (batch, tokens,
        classes) or (batch, classes, height, width). `starting_mask_ratio` scales m, for a run that starts from a
        picture. Raises `CallOrder` before `set_timesteps`.
        """
        self._require_timesteps()
        i = self.index_for_timestep(timestep)
        shape, mask_id = sample.shape, self.config.mask_token_id
        if sample.ndim == 3 and model_output.ndim == 4:
            sample, model_output = sample.flatten(1), model_output.flatten(2).permute(0, 2, 1)
        unknown = sample == mask_id
        probs = model_output.softmax(dim=-1)
        tokens = torch.where(unknown, _drawn(probs, generator), sample)
        prev = tokens
        if i < len(self._timetable) - 1:
            wanted = math.floor(np.float32(starting_mask_ratio) * self._mask_ratios[i] * np.float32(sample.shape[1]))
            # At least one, and of those that were masked at least one stays known.
            m = (unknown.sum(dim=-1, keepdim=True) - 1).clamp(max=wanted).clamp(min=1)
            of_tokens = probs.gather(-1, tokens[..., None])[..., 0]
            of_tokens = torch.where(unknown, of_tokens, torch.finfo(probs.dtype).max)
            prev = torch.where(_least_certain(of_tokens, m, self._temperatures[i], generator), mask_id, tokens)
        return self._output(prev.reshape(shape), tokens.reshape(shape), return_dict)

    def add_noise(
        self, sample: torch.Tensor, timesteps: Timestep, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Return the tokens `sample` (any shape), masked at random as they are after the step at `timesteps`."""
        self._require_timesteps()
        ratio = float(self._mask_ratios[self.index_for_timestep(timesteps)])
        place = sample.device if generator is None else generator.device
        masked = moved(torch.rand(sample.shape, generator=generator, device=place), sample.device) < ratio
        return torch.where(masked, self.config.mask_token_id, sample)


def _drawn(probs: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Return a class of each distribution `probs` (batch, tokens, classes), drawn where the generator lives.

    Of exponential times at the rates `probs`, the class with the shortest: as `torch.multinomial` draws, which would
    have to have `probs` where the generator lives.
    """
    place = probs.device if generator is None else generator.device
    rates = probs.float().reshape(-1, probs.shape[-1])
    times = torch.empty(rates.shape, dtype=rates.dtype, device=place).exponential_(generator=generator)
    return (rates / moved(times, probs.device)).argmax(dim=-1).reshape(probs.shape[:-1])


def _least_certain(
    probs: torch.Tensor, m: torch.Tensor, temperature: float, generator: torch.Generator | None
) -> torch.Tensor:
    """Return where the `m` (batch, 1) least certain of the tokens lie, given their probabilities (batch, tokens)."""
    place = probs.device if generator is None else generator.device
    uniform = moved(torch.rand(probs.shape, generator=generator, device=place, dtype=probs.dtype), probs.device)
    gumbel = -torch.log((-torch.log(uniform.clamp(1e-20))).clamp(1e-20))
    certainty = torch.log(probs.clamp(1e-20)) + temperature * gumbel
    return certainty < certainty.sort(dim=-1).values.gather(1, m)

"""Noise from one Brownian motion over the noise levels, so that a step's noise does not depend on the other steps."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from engine.errors import InvalidValue, MissingDependency
from engine.schedulers.base import Generators

# Levels are resolved to so many digits after the point; the halving ends there.
DIGITS = 6


def require_torchsde() -> Any:
    """Return the package `torchsde`, or raise `MissingDependency`."""
    try:
        return importlib.import_module("torchsde")
    except ImportError as error:
        raise MissingDependency("Brownian noise needs torchsde: install it with `pip install torchsde`.") from error


def seed_of(generator: Generators, batch: int) -> int | list[int]:
    """Return the seed that `generator` was made with, a list of them for a list; a random one for None.

    Raises `InvalidValue` for a list of another length than `batch`.
    """
    if generator is None:
        return int(torch.randint(0, 2**63 - 1, ()))
    if not isinstance(generator, list):
        return generator.initial_seed()
    if len(generator) == 1:
        return generator[0].initial_seed()
    if len(generator) != batch:
        raise InvalidValue(f"{len(generator)} generators cannot draw noise for {batch} images; give one for each.")
    return [one.initial_seed() for one in generator]


class BrownianTree:
    """A Brownian motion W on the interval from `low` to `high`, that is a function of its seed alone.

    "Scalable Gradients for Stochastic Differential Equations", https://arxiv.org/abs/2001.01328, section 4: the values
    between two known ones are drawn by halving, each from its own seed. It is drawn on the CPU, so that a seed means
    the same noise on every device.

    Arguments:
        shape, dtype: those of W; with a list of seeds the first dimension has a motion for each.
    """

    def __init__(
        self, shape: Sequence[int], dtype: torch.dtype, low: float, high: float, seed: int | Sequence[int]
    ) -> None:
        self._made_with = (tuple(shape), dtype, low, high, seed)
        self._shape, self._dtype = tuple(shape), dtype
        # The motion begins and ends at multiples of its resolution.
        self._low, self._high = round(low, DIGITS), round(high, DIGITS)
        self._is_batched = not isinstance(seed, int)
        self._motions = [
            require_torchsde().BrownianInterval(
                t0=low,
                t1=high,
                size=tuple(shape[1:] if self._is_batched else shape),
                dtype=dtype,
                device="cpu",
                entropy=entropy,
                tol=10.0**-DIGITS,
                pool_size=24,
                halfway_tree=True,
            )
            for entropy in ([seed] if isinstance(seed, int) else seed)
        ]

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy is made anew: what torchsde keeps of past draws does not survive copying.
        return BrownianTree, self._made_with

    def normal(self, start: float, end: float) -> torch.Tensor:
        """Return (W(end) - W(start)) / sqrt(|end - start|), standard normal.

        Beyond the ends of the interval, to which rounding may lead, and between levels that are one at its resolution W
        does not change.
        """
        lower, upper = (round(min(max(level, self._low), self._high), DIGITS) for level in sorted((start, end)))
        if lower == upper:
            return torch.zeros(self._shape, dtype=self._dtype)
        increments = [motion(lower, upper) for motion in self._motions]
        w = torch.stack(increments) if self._is_batched else increments[0]
        spread = float(np.sqrt(np.abs(np.float32(end) - np.float32(start))))
        return w / (spread if end > start else -spread)

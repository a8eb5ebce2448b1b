"""DeepCache: what the deep layers of a U-Net made is used again at the calls that follow, which then are cheap.

From one step to the next, the features deep inside change little. Every `every`-th call is whole and keeps what goes
into the last layer on the way up; the calls in between compute only the first convolution, that last layer, which joins
both, and the output. Ma et al., "DeepCache: Accelerating Diffusion Models for Free", arXiv:2312.00858, with the
shortest branch of section 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Size, Tensor

# Names of what a run that is left in the middle has to keep.
FEATURES, PLACE = "deep_cache.features", "deep_cache.place"


class DeepCache:
    """The deep features of one run. A pipeline makes one when a run begins and gives it to every call of the network.

    Attributes:
        every: one whole call in so many.
        whole_calls, short_calls: how many calls there were of each kind.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.whole_calls = self.short_calls = 0
        self._since = 0
        self._features: Tensor | None = None
        self._of: Size | None = None

    @classmethod
    def resumed(cls, every: int, carried: Mapping[str, Tensor]) -> Self:
        """One that goes on where another's `state` among `carried` was taken; without one, with a whole call."""
        cache = cls(every)
        if FEATURES in carried and PLACE in carried:
            since, *shape = carried[PLACE].tolist()
            cache._features, cache._since, cache._of = carried[FEATURES], since, Size(shape)
        return cache

    def state(self) -> dict[str, Tensor]:
        """What the next call needs of those before: nothing where it will be whole."""
        if self._features is None or self._of is None or self._since >= self.every - 1:
            return {}
        return {FEATURES: self._features, PLACE: torch.tensor([self._since, *self._of])}

    def take(self, sample: Tensor) -> Tensor | None:
        """The features to use for `sample` (batch, channels, height, width); None where the call must be whole.

        So it must at every `every`-th call, and where batch or size are others than at the last whole one.
        """
        if self._features is None or self._since >= self.every - 1 or self._of != sample.shape:
            self._of, self._since = sample.shape, 0
            self.whole_calls += 1
            return None
        self._since += 1
        self.short_calls += 1
        return self._features

    def keep(self, features: Tensor) -> None:
        """Keep what goes into the last layer of a whole call, (batch, channels, height, width)."""
        self._features = features

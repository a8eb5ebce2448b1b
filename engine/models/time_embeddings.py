"""Time embeddings for all steps of a run, which a network makes at once instead of anew at every step.

What a block makes of the timestep hangs on nothing else but what is told beside the prompt: sizes, class, guidance. So
one product of each block serves all steps. Its weights are read once, and a GPU, which needs less time for such small
operations than it takes to ask for them, is asked for 56 fewer at each step of Stable Diffusion 1.5. A pipeline makes
one `TimeEmbeddings` when a run begins and says at every call of the network which step it is; nothing is left on the
network itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.models.exact import Win, is_on
from engine.models.unchanged import Seen, weights_of

# Steps whose embeddings are in memory at a time: a run may have a thousand. They always begin at a multiple, so that a
# run that goes on from its middle computes with the very numbers of one that was never left.
STEPS = 64


class TimeEmbeddings:
    """What a network made of the `timesteps` (steps,) of a run, for some steps around the present one.

    It is made again as soon as something else is told beside the prompt, or weights have changed. With gradients
    nothing is kept.
    """

    def __init__(self, timesteps: Tensor) -> None:
        self.timesteps = timesteps
        self._kept: _Steps | None = None

    def at(self, index: int) -> StepTime:
        """The step number `index`."""
        return StepTime(self, index)

    def embed(
        self, index: int, layers: Sequence[nn.Module], told: Sequence[Tensor | None], batch: int, make: _Make
    ) -> StepEmbedding:
        """Return what `StepTime.embed` does."""
        first, place = index - index % STEPS, index % STEPS
        kept, weights = self._kept, tuple(weights_of(*layers))
        if kept is None or kept.first != first or not kept.weights.are_still(weights) or not kept.was_told(told):
            made = make(self.timesteps[first : first + STEPS])
            kept = self._kept = _Steps(first, made, Seen(weights), Seen(told))
        return StepEmbedding(kept, place, batch)


@dataclass(frozen=True, eq=False)
class StepTime:
    """Which step of a run a call of a network is."""

    run: TimeEmbeddings
    index: int

    def embed(
        self, layers: Sequence[nn.Module], told: Sequence[Tensor | None], batch: int, make: _Make
    ) -> StepEmbedding | None:
        """Return this step's embedding for `batch` rows; None where the network is to embed it alone, as ever.

        `make` turns timesteps (steps,) into embeddings (steps, batch or 1, channels), with the weights of `layers`,
        with `told`, and with nothing else.
        """
        if not is_on(Win.TIME_EMBEDDINGS) or torch.is_grad_enabled():
            return None
        # Inference tensors count no writes.
        if any(tensor is not None and tensor.is_inference() for tensor in told):
            return None
        return self.run.embed(self.index, layers, told, batch, make)


_Make = Callable[[Tensor], Tensor]


class _Steps:
    """The embeddings (steps, rows, channels) of the steps from number `first` on, and what blocks made of them."""

    def __init__(self, first: int, embeddings: Tensor, weights: Seen, told: Seen) -> None:
        self.first, self.embeddings, self.weights = first, embeddings, weights
        self._told = told
        self._made: dict[nn.Module, tuple[Seen, tuple[Tensor, ...]]] = {}

    def was_told(self, told: Sequence[Tensor | None]) -> bool:
        """Whether `told` is what these were made of; on a CPU, by the numbers: elsewhere that would be waited for."""
        before = self._told.tensors
        return len(told) == len(before) and self._told.unwritten() and all(map(_is_same, before, told))

    def projected(self, place: int, layer: nn.Module, make: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what `make`, which uses the weights of `layer`, makes of the embedding: (rows, channels, 1, 1)."""
        weights = tuple(weights_of(layer))
        kept = self._made.get(layer)
        if kept is None or not kept[0].are_still(weights):
            of_all = make(self.embeddings.flatten(0, 1)).unflatten(0, self.embeddings.shape[:2])[..., None, None]
            kept = self._made[layer] = Seen(weights), of_all.unbind()
        return kept[1][place]


class StepEmbedding:
    """The time embedding of one step, of which blocks ask for what they made of it before.

    Attributes:
        rows: the embedding itself, (batch, channels).
    """

    def __init__(self, steps: _Steps, place: int, batch: int) -> None:
        self._steps, self._place = steps, place
        self.rows = steps.embeddings[place].expand(batch, -1)

    def projected(self, layer: nn.Module, make: Callable[[Tensor], Tensor]) -> Tensor:
        """Return `make` of it, (rows or 1, channels, 1, 1)."""
        return self._steps.projected(self._place, layer, make)


Embedding = Tensor | StepEmbedding


def rows_of(temb: Embedding) -> Tensor:
    """Return the embedding itself, (batch, channels)."""
    return temb if isinstance(temb, Tensor) else temb.rows


def projected(temb: Embedding, layer: nn.Module, make: Callable[[Tensor], Tensor]) -> Tensor:
    """Return `make(temb)`, which uses the weights of `layer` and nothing else, as (batch or 1, channels, 1, 1)."""
    return make(temb)[:, :, None, None] if isinstance(temb, Tensor) else temb.projected(layer, make)


def _is_same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None or one is other:
        return one is other
    alike = (one.device, one.dtype, one.shape) == (other.device, other.dtype, other.shape)
    return alike and one.device.type == "cpu" and torch.equal(one, other)

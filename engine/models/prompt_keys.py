"""Keys and values of the prompt, which cross-attention makes once for a run instead of once for every step.

The prompt's tokens are the same at all steps, so that what `to_k` and `to_v` make of them is, too. A pipeline makes one
`PromptKeys` when a run begins and gives it to every call of the network; nothing is left on the network itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from engine.models.exact import Win, is_on

KeysAndValues = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class _Kept:
    """What one attention made, and of what: the very tensors, and how often each had been written to."""

    tokens: Tensor
    weights: tuple[Tensor, ...]
    versions: tuple[int, ...]
    made: KeysAndValues

    def holds_for(self, tokens: Tensor, weights: tuple[Tensor, ...]) -> bool:
        same = self.tokens is tokens and len(self.weights) == len(weights)
        return same and all(map(_is, self.weights, weights)) and self.versions == _versions(tokens, weights)


class PromptKeys:
    """What the cross-attentions of a network made of the prompt in the steps before.

    It is made again as soon as the prompt's tensor is another one (prompts that change from step to step, guidance that
    is switched off), or was written to, or an adapter has changed the weights. With gradients nothing is kept.
    """

    def __init__(self) -> None:
        self._kept: dict[nn.Module, _Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of all keys and values."""
        return sum(tensor.nbytes for kept in self._kept.values() for tensor in kept.made)

    def get(
        self, layers: tuple[nn.Module, ...], tokens: Tensor, make: Callable[[Tensor], KeysAndValues]
    ) -> KeysAndValues:
        """Return `make(tokens)`, which uses the weights of `layers` and nothing else, or what it returned before."""
        if not is_on(Win.PROMPT_KEYS) or torch.is_grad_enabled() or tokens.is_inference():
            return make(tokens)
        weights = tuple(chain.from_iterable(chain(layer.parameters(), layer.buffers()) for layer in layers))
        kept = self._kept.get(layers[0])
        if kept is None or not kept.holds_for(tokens, weights):
            kept = _Kept(tokens, weights, _versions(tokens, weights), make(tokens))
            self._kept[layers[0]] = kept
        return kept.made


def _versions(tokens: Tensor, weights: tuple[Tensor, ...]) -> tuple[int, ...]:
    # Inference tensors count no writes; weights that are such are replaced, not written to.
    return (tokens._version, *(0 if weight.is_inference() else weight._version for weight in weights))


def _is(one: Tensor, other: Tensor) -> bool:
    return one is other

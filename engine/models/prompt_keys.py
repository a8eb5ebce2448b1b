"""Keys and values of the prompt, which cross-attention makes once for a run instead of once for every step.

The prompt's tokens are the same at all steps, so that what `to_k` and `to_v` make of them is, too. A pipeline makes one
`PromptKeys` when a run begins and gives it to every call of the network; nothing is left on the network itself.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.models.exact import Win, is_on
from engine.models.unchanged import Seen, weights_of

KeysAndValues = tuple[Tensor, Tensor]


class PromptKeys:
    """What the cross-attentions of a network made of the prompt in the steps before.

    It is made again as soon as the prompt's tensor is another one (prompts that change from step to step, guidance that
    is switched off), or was written to, or an adapter has changed the weights. With gradients nothing is kept.
    """

    def __init__(self) -> None:
        self._kept: dict[nn.Module, tuple[Seen, KeysAndValues]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of all keys and values."""
        return sum(tensor.nbytes for _, made in self._kept.values() for tensor in made)

    def get(
        self, layers: tuple[nn.Module, ...], tokens: Tensor, make: Callable[[Tensor], KeysAndValues]
    ) -> KeysAndValues:
        """Return `make(tokens)`, which uses the weights of `layers` and nothing else, or what it returned before."""
        if not is_on(Win.PROMPT_KEYS) or torch.is_grad_enabled() or tokens.is_inference():
            return make(tokens)
        used = (tokens, *weights_of(*layers))
        kept = self._kept.get(layers[0])
        if kept is None or not kept[0].are_still(used):
            kept = Seen(used), make(tokens)
            self._kept[layers[0]] = kept
        return kept[1]

"""Token merging: self-attention over a picture's tokens without those that look like others.

One token of every square of two by two is a destination; of the others, those that are most like a destination are
averaged into it before the attention and get its result afterwards. Bolya & Hoffman, "Token Merging for Fast Stable
Diffusion", arXiv:2303.17604, section 4. Tokens are (batch, tokens, channels).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

# Which token of a square is the destination is drawn by chance (section 4.1), but always alike: a seed means a picture.
SEED = 0


class TokenMerging:
    """Which tokens of an image of `size` (height, width) are merged: the share `ratio` of all, by their likeness."""

    def __init__(self, tokens: Tensor, size: tuple[int, int], ratio: float) -> None:
        self._sources, self._destinations = _places(size, tokens.device)
        count = min(int(tokens.shape[1] * ratio), len(self._sources))
        unit = tokens / tokens.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        likeness = unit[:, self._sources] @ unit[:, self._destinations].transpose(1, 2)
        best, goals = likeness.max(dim=-1)
        order = best.argsort(dim=-1, descending=True)
        self._merged, self._kept = order[:, :count], order[:, count:]
        self._goals = goals.gather(1, self._merged)

    def merge(self, tokens: Tensor) -> Tensor:
        """Return the tokens that are left: the unlike ones, then the destinations, which are means now."""
        sources, destinations = tokens[:, self._sources], tokens[:, self._destinations]
        width = tokens.shape[-1]
        merged = destinations.scatter_reduce(1, _wide(self._goals, width), _pick(sources, self._merged), "mean")
        return torch.cat([_pick(sources, self._kept), merged], dim=1)

    def split(self, tokens: Tensor) -> Tensor:
        """Return one token for each of those before `merge`, in their places."""
        width = tokens.shape[-1]
        kept, destinations = tokens.split([self._kept.shape[1], len(self._destinations)], dim=1)
        whole = tokens.new_empty(len(tokens), len(self._sources) + len(self._destinations), width)
        whole[:, self._destinations] = destinations
        whole.scatter_(1, _wide(self._sources[self._kept], width), kept)
        return whole.scatter_(1, _wide(self._sources[self._merged], width), _pick(destinations, self._goals))


@lru_cache(maxsize=4)  # all calls of a run ask for the same, and a copy to a GPU would wait for what it has to do
@torch.inference_mode(False)  # so that a later call may have gradients
def _places(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return where sources and destinations lie, row by row."""
    is_destination = _destinations(size)
    return (~is_destination).nonzero()[:, 0].to(device), is_destination.nonzero()[:, 0].to(device)


def _destinations(size: tuple[int, int]) -> Tensor:
    """Return which tokens, row by row, are destinations: one in each square; a last odd row or column has none."""
    height, width = size[0] // 2, size[1] // 2
    generator = torch.Generator().manual_seed(SEED)
    which = torch.randint(4, (height, width), generator=generator)
    chosen = torch.zeros(size, dtype=torch.bool)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    chosen[2 * rows + which // 2, 2 * columns + which % 2] = True
    return chosen.flatten()


def _pick(tokens: Tensor, places: Tensor) -> Tensor:
    return tokens.gather(1, _wide(places, tokens.shape[-1]))


def _wide(places: Tensor, channels: int) -> Tensor:
    return places.unsqueeze(-1).expand(-1, -1, channels)

"""Points a denoiser's cross-attentions at the states in which an aligned text encoder foretells blocks of latents.

`text_alignment` leaves one state for each block of the latents at the end of the padded prompt. A denoiser finds them
by itself, but late: what a query should look for is known only once keys and values mean something, and the other way
round. All three are linear maps of what is there already, so that least squares gives them at once:

- queries: a denoiser knows where in the picture a feature is (its convolutions pad with zeros), so which block it
  belongs to can be read from it;
- keys: which block a state stands for can be read from the state, for each place adds an embedding of its own;
- values: the latents of the block can be read from its state, as in the alignment itself.

Queries and keys meet in one random orthonormal code for each block. The first head of each cross-attention gets them;
the output of that head begins at zero, so that nothing is disturbed and everything is learned from the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import ConfigError
from engine.models.attention import Attention
from engine.training.text_alignment import to_blocks

# How far the score of a position's own block lies above those of the others: a softmax over e^8 to 1.
SCORE = 8.0
RIDGE = 1e-3  # of the features' mean variance, added to the diagonal


@dataclass(frozen=True)
class Examples:
    """What the maps are fitted to.

    Attributes:
        latents: (images, channels, side, side), clean.
        texts: their text embeddings (images, tokens, width).
        denoise: runs the denoiser on noised latents of the rows that it is given, for what its layers see.
        side: blocks along each side of the latents.
    """

    latents: Tensor
    texts: Tensor
    denoise: Callable[[slice], object]
    side: int


@torch.no_grad()
def attend_to_blocks(model: nn.Module, examples: Examples, generator: torch.Generator, batch: int = 64) -> list[float]:
    """Fit and set the first head of every cross-attention of `model`.

    Returns, for each in the order in which they run, the share of its attention that then goes to the right block.
    Attentions that see a picture which cannot be cut so stay as they are. Raises `ConfigError` where the latents cannot
    be, or where there are more blocks than states.
    """
    blocks, states = examples.side**2, examples.texts.shape[1]
    if examples.latents.shape[-1] % examples.side:
        raise ConfigError(
            f"blocks cannot be {examples.side}: it must divide the latents' side of {examples.latents.shape[-1]}."
        )
    if blocks >= states:
        raise ConfigError(f"blocks cannot be {examples.side}: its square must be less than the text's {states} states.")
    # Nothing here has a bias, so nothing is centred but the targets.
    names = torch.zeros(states, blocks)
    names[-blocks:] = torch.eye(blocks)
    keys = least_squares(examples.texts, names.expand(len(examples.texts), -1, -1))
    latents = to_blocks(examples.latents, examples.side)
    values = least_squares(examples.texts[:, -blocks:], latents - latents.mean((0, 1)))
    shares: list[float] = []
    for attention in _in_order(model, examples, batch):
        # One after another: what the later ones see depends on the earlier ones.
        seen = _seen_by(attention, examples, batch)
        where = block_of_positions(seen.shape[1], examples.side)
        if where is None:
            continue
        targets = functional.one_hot(where, blocks).to(seen.dtype) - 1 / blocks
        queries = least_squares(seen, targets.expand(len(seen), -1, -1))
        _set_first_head(attention, seen, where, Maps(queries, keys, values), generator)
        shares.append(_share(attention, seen, examples.texts, where))
    return shares


@dataclass(frozen=True)
class Maps:
    """Of a feature of the denoiser, (features, blocks), and of a text state: (width, blocks) and (width, values)."""

    queries: Tensor
    keys: Tensor
    values: Tensor


def least_squares(inputs: Tensor, targets: Tensor) -> Tensor:
    """Return the map (features, values) from `inputs` (..., features) to `targets` (..., values)."""
    x, y = inputs.flatten(0, -2).double(), targets.flatten(0, -2).double()
    square = x.T @ x
    spread = (x - x.mean(0)).square().sum(0).mean()
    square.diagonal().add_(RIDGE * spread + 1e-9 * square.diagonal().mean())
    return torch.linalg.solve(square, x.T @ y).to(inputs.dtype)


def block_of_positions(positions: int, side: int) -> Tensor | None:
    """Return the block of each of `positions` of a square feature map, row by row; None where blocks do not fit."""
    width = round(positions**0.5)
    if width**2 != positions or width % side:
        return None
    place = torch.arange(width) // (width // side)
    return (place.unsqueeze(1) * side + place).flatten()


def _set_first_head(attention: Attention, seen: Tensor, where: Tensor, maps: Maps, generator: torch.Generator) -> None:
    width = attention.to_q.out_features // attention.heads
    head = slice(0, width)
    codes = nn.init.orthogonal_(torch.empty(width, maps.keys.shape[1]), generator=generator)
    own = (seen @ maps.queries).gather(2, where.expand(len(seen), -1).unsqueeze(2)).mean()
    gain = SCORE * width**0.5 / own
    attention.to_q.weight[head] = codes @ maps.queries.T * gain**0.5
    attention.to_k.weight[head] = codes @ maps.keys.T * gain**0.5
    # In the basis of what varies most, should a head be narrower than a block.
    left, strength, _ = torch.linalg.svd(maps.values, full_matrices=False)
    kept = min(width, len(strength))
    attention.to_v.weight[head][:kept] = (left * strength)[:, :kept].T
    cast("nn.Linear", attention.to_out[0]).weight[:, head] = 0.0


def _share(attention: Attention, seen: Tensor, texts: Tensor, where: Tensor) -> float:
    width = attention.to_q.out_features // attention.heads
    scores = (seen @ attention.to_q.weight[:width].T) @ (texts @ attention.to_k.weight[:width].T).mT
    state = texts.shape[1] - (int(where.max()) + 1) + where
    return float((scores / width**0.5).softmax(-1).gather(2, state.expand(len(seen), -1).unsqueeze(2)).mean())


def _in_order(model: nn.Module, examples: Examples, batch: int) -> Sequence[Attention]:
    """The cross-attentions of `model` in the order in which they run."""
    found: list[Attention] = []
    width = examples.texts.shape[-1]
    candidates = [m for m in model.modules() if isinstance(m, Attention) and m.to_k.in_features == width]
    hooks = [m.register_forward_pre_hook(lambda *_, met=m: found.append(met)) for m in candidates]
    examples.denoise(slice(0, batch))
    for hook in hooks:
        hook.remove()
    return found


def _seen_by(attention: Attention, examples: Examples, batch: int) -> Tensor:
    """What the queries of `attention` are made from, (images, positions, channels)."""
    seen: list[Tensor] = []
    hook = attention.to_q.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    for start in range(0, len(examples.latents), batch):
        examples.denoise(slice(start, start + batch))
    hook.remove()
    return torch.cat(seen)

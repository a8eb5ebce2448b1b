"""The forms of adapters: what each adds to a weight at strength 1, from the tensors that a file holds for one module.

W is the weight (out, in) or (out, in, kernel, kernel), r a rank. Strengths scale the change, so that half a strength
is half of it, whatever the form.

- LoRA (https://arxiv.org/abs/2106.09685) and LoCon: (alpha / r) up down; with a core `mid` (r, r, kernel, kernel) for
  convolutions: sum over p, q of up[o, p] mid[p, q, h, w] down[q, i].
- LoHa (https://arxiv.org/abs/2108.06098): (alpha / r) (w1_a w1_b) * (w2_a w2_b), each with a core for convolutions.
- LoKr (https://arxiv.org/abs/2309.14859): (alpha / r) w1 (x) w2, Kronecker's product; each may be a product itself.
- DoRA (https://arxiv.org/abs/2402.09353): m (W + D) / ||W + D|| - W, D the change of one of the above; the norm is that
  of rows or columns, after the shape of m.
- OFT (https://arxiv.org/abs/2306.07280): R^T W - W, R block-diagonal of (I + Q) (I - Q)^-1 for skew-symmetric Q, whose
  norm is at most alpha times the number of outputs. BOFT (https://arxiv.org/abs/2311.06243): several such factors,
  between which rows are shuffled. PEFT and OneTrainer turn the inputs, W R^T - W, and keep the upper triangle of Q; R
  is the beginning of a series, I + 2 Q + 2 Q^2 + 2 Q^3 + Q^4.
- Full and norm differences are added as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import WeightsMismatch


@dataclass(frozen=True)
class Change:
    """What the file `path` holds for one module.

    Attributes:
        path: the file.
        tensors: by what they are (`engine.loading.adapters.names`).
        keys: their names in the file, for messages.
        scale: a scale that stands elsewhere (metadata of PEFT), in place of alpha / r.
        cayley_terms: terms of the series that PEFT's OFT takes for the rotation, 0 for the rotation itself.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    keys: Mapping[str, str]
    scale: float | None = None
    cayley_terms: int = 5

    def has(self, *roles: str) -> bool:
        """Whether all of `roles` are there."""
        return all(role in self.tensors for role in roles)

    def __getitem__(self, role: str) -> Tensor:
        return self.tensors[role]

    def wrong(self, role: str, reason: str) -> WeightsMismatch:
        """The error for the tensor that plays `role`."""
        return WeightsMismatch(f"{self.path}: {self.keys[role]} {list(self[role].shape)} {reason}")

    def with_tensor(self, role: str, tensor: Tensor) -> Change:
        """Return it with another tensor for `role`."""
        return replace(self, tensors={**self.tensors, role: tensor})

    def to(self, device: torch.device, dtype: torch.dtype) -> Change:
        """Return it with all tensors on `device` in precision `dtype`."""
        tensors = {role: tensor.to(device=device, dtype=dtype) for role, tensor in self.tensors.items()}
        return replace(self, tensors=tensors)


# For each form the roles that it cannot do without; the first whose roles are all there counts.
_NEEDED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("lora", ("down", "up")),
    ("loha", ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")),
    ("lokr", ("lokr_w1", "lokr_w2")),
    ("lokr", ("lokr_w1", "lokr_w2_a", "lokr_w2_b")),
    ("lokr", ("lokr_w1_a", "lokr_w1_b", "lokr_w2")),
    ("lokr", ("lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b")),
    ("oft", ("oft_blocks",)),
    ("oft of inputs", ("oft_R",)),
    ("diff", ("diff",)),
    ("bias", ("diff_b",)),
)
_USED: Mapping[str, frozenset[str]] = {
    "lora": frozenset({"down", "up", "mid", "alpha", "scalar", "magnitude", "row_magnitude", "up_bias", "diff_b"}),
    "loha": frozenset(
        {
            "hada_w1_a",
            "hada_w1_b",
            "hada_w2_a",
            "hada_w2_b",
            "hada_t1",
            "hada_t2",
            "alpha",
            "scalar",
            "magnitude",
            "row_magnitude",
        }
        | {"diff_b"}
    ),
    "lokr": frozenset(
        {"lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2", "alpha", "scalar"}
        | {"magnitude", "row_magnitude", "diff_b"}
    ),
    "oft": frozenset({"oft_blocks", "alpha", "rescale", "diff_b"}),
    "oft of inputs": frozenset({"oft_R", "alpha", "magnitude", "row_magnitude", "diff_b"}),
    "diff": frozenset({"diff", "diff_b", "alpha"}),
    "bias": frozenset({"diff_b", "alpha"}),
}


def form_of(roles: frozenset[str]) -> tuple[str, frozenset[str]] | None:
    """Return the form that tensors of these `roles` make, and those of them that it uses; None if they make none."""
    for form, needed in _NEEDED:
        if roles.issuperset(needed):
            return form, roles & _USED[form]
    return None


def weight_change(change: Change, form: str, weight: Tensor) -> Tensor | None:
    """Return what `change` adds to `weight` at strength 1, in its shape; None if it leaves the weight alone.

    Raises `WeightsMismatch` with file and key for tensors that do not fit each other or the weight.
    """
    if form == "bias":
        return None
    if form == "oft":
        return _oft(change, weight)
    if form == "diff":
        return _fitted(change, "diff", change["diff"], weight)
    if form == "oft of inputs":
        added = _oft_of_inputs(change, weight)
    else:
        added, role = {"lora": _lora, "loha": _loha, "lokr": _lokr}[form](change)
        if change.has("scalar"):
            added = added * change["scalar"]
        added = _fitted(change, role, added, weight)
    # PEFT's lengths are those of rows; others say by their shape whether they are of rows or columns.
    for lengths in ("row_magnitude", "magnitude"):
        if change.has(lengths):
            return _dora(change, lengths, added, weight)
    return added


def bias_change(change: Change, bias: Tensor) -> Tensor | None:
    """Return what `change` adds to `bias` at strength 1; None if it leaves the bias alone."""
    if change.has("diff_b"):
        return _fitted(change, "diff_b", change["diff_b"], bias)
    if change.has("up_bias"):
        return _fitted(change, "up_bias", change["up_bias"], bias) * _scale(change, change["down"].shape[0])
    return None


# ---------------------------------------------------------------------------------------------------- products


def _lora(change: Change) -> tuple[Tensor, str]:
    up, down = change["up"], change["down"]
    # The scale goes to the small factor, not to the large product: one pass over the memory less.
    scaled = change.with_tensor("up", up * _scale(change, down.shape[0]))
    added = _core(scaled, "mid", "up", "down") if change.has("mid") else _product(scaled, "up", "down")
    return added, "up" if up.ndim < down.ndim else "down"


def _loha(change: Change) -> tuple[Tensor, str]:
    halves: list[Tensor] = []
    for half in ("1", "2"):
        outer, inner, core = f"hada_w{half}_a", f"hada_w{half}_b", f"hada_t{half}"
        if change.has(core):
            halves.append(_core(change, core, outer, inner, transposed=True))
        else:
            halves.append(_product(change, outer, inner))
    if halves[0].shape != halves[1].shape:
        raise change.wrong("hada_w2_a", f"does not fit {change.keys['hada_w1_a']}; the file is damaged.")
    return halves[0] * halves[1] * _scale(change, change["hada_w1_b"].shape[0]), "hada_w1_b"


def _lokr(change: Change) -> tuple[Tensor, str]:
    rank: int | None = None
    if change.has("lokr_w1"):
        first = change["lokr_w1"]
    else:
        first, rank = _product(change, "lokr_w1_a", "lokr_w1_b"), change["lokr_w1_b"].shape[0]
    if change.has("lokr_w2"):
        second = change["lokr_w2"]
    else:
        rank = change["lokr_w2_b"].shape[0]
        if change.has("lokr_t2"):
            second = _core(change, "lokr_t2", "lokr_w2_a", "lokr_w2_b", transposed=True)
        else:
            second = _product(change, "lokr_w2_a", "lokr_w2_b")
    if second.ndim == 4 and first.ndim == 2:
        first = first[:, :, None, None]
    # Two whole factors have no rank, and alpha has no meaning for them.
    scale = _scale(change, rank) if rank is not None else change.scale or 1.0
    return torch.kron(first, second) * scale, "lokr_w1" if change.has("lokr_w1") else "lokr_w1_a"


def _product(change: Change, outer: str, inner: str) -> Tensor:
    """Return outer (out, r, ...) times inner (r, in, ...), with the kernel of inner."""
    left, right = change[outer], change[inner]
    if left.ndim < 2 or right.ndim < 2 or left[0].numel() != right.shape[0]:
        raise change.wrong(outer, f"cannot be multiplied by {change.keys[inner]} {list(right.shape)}; it is damaged.")
    return (left.flatten(1) @ right.flatten(1)).unflatten(1, right.shape[1:])


def _core(change: Change, core: str, outer: str, inner: str, *, transposed: bool = False) -> Tensor:
    """Return the sum over p, q of outer[o, p] core[p, q, h, w] inner[q, i]; `transposed` has outer as (p, o)."""
    middle, left, right = change[core], change[outer], change[inner]
    fits = middle.ndim == 4 and left.ndim >= 2 and right.ndim >= 2
    if fits:
        left, right = left.flatten(1), right.flatten(1)
        left = left.T if transposed else left
        fits = left.shape[1] == middle.shape[0] and right.shape[0] == middle.shape[1]
    if not fits:
        raise change.wrong(core, f"does not fit between {change.keys[outer]} and {change.keys[inner]}; it is damaged.")
    return torch.einsum("pqhw,op,qi->oihw", middle, left, right).contiguous()


def _scale(change: Change, rank: int) -> Tensor | float:
    """Return alpha / r, or 1 where the file has no alpha."""
    if change.has("alpha"):
        return change["alpha"].reshape(-1)[0] / rank
    return 1.0 if change.scale is None else change.scale


def _fitted(change: Change, role: str, added: Tensor, weight: Tensor) -> Tensor:
    """Return `added` in the shape of `weight`."""
    if added.shape == weight.shape:
        return added
    # Linear layers and convolutions of one pixel are the same; checkpoints have either.
    if added.numel() == weight.numel() and added.shape[0] == weight.shape[0]:
        return added.reshape(weight.shape)
    # An inpainting or instruction model sees more channels than the model that the adapter was made for.
    if added.ndim == weight.ndim == 4 and added.shape[0] == weight.shape[0] and added.shape[2:] == weight.shape[2:]:
        more = weight.shape[1] - added.shape[1]
        if added.shape[1] == 4 and more > 0:
            return torch.nn.functional.pad(added, (0, 0, 0, 0, 0, more))
    raise change.wrong(
        role,
        f"makes a change of the shape {list(added.shape)}, but the weight of this model is {list(weight.shape)}; the "
        "adapter was made for another kind of model.",
    )


def _dora(change: Change, role: str, added: Tensor, weight: Tensor) -> Tensor:
    magnitude, changed = change[role], weight + added
    kept = 0 if role == "row_magnitude" or magnitude.shape[0] == weight.shape[0] else 1
    if weight.ndim <= kept or magnitude.numel() != weight.shape[kept]:
        raise change.wrong(role, f"has no number for each row or column of {list(weight.shape)}; it is damaged.")
    others = [dim for dim in range(weight.ndim) if dim != kept]
    norm = changed.square().sum(dim=others, keepdim=True).sqrt()
    shape = [weight.shape[dim] if dim == kept else 1 for dim in range(weight.ndim)]
    return changed * (magnitude.reshape(shape) / norm.clamp_min(torch.finfo(norm.dtype).tiny)) - weight


# ---------------------------------------------------------------------------------------------------- rotations


def _oft(change: Change, weight: Tensor) -> Tensor:
    blocks = change["oft_blocks"]
    if blocks.ndim not in (3, 4) or blocks.shape[-1] != blocks.shape[-2]:
        raise change.wrong("oft_blocks", "is no stack of square blocks; it is damaged.")
    if blocks.shape[-3] * blocks.shape[-1] != weight.shape[0]:
        raise change.wrong(
            "oft_blocks",
            f"turns {blocks.shape[-3] * blocks.shape[-1]} outputs, but the weight of this model is "
            f"{list(weight.shape)}; the adapter was made for another kind of model.",
        )
    rotations = _rotations(change, blocks, weight.shape[0])
    turned = _turned(rotations, weight) if blocks.ndim == 3 else _butterfly(rotations, weight)
    if change.has("rescale"):
        rescale = change["rescale"]
        if rescale.numel() != weight.shape[0]:
            raise change.wrong("rescale", f"has no number for each row of {list(weight.shape)}; it is damaged.")
        turned = turned * rescale.reshape(-1, *[1] * (weight.ndim - 1))
    return turned - weight


def _oft_of_inputs(change: Change, weight: Tensor) -> Tensor:
    triangles, flat = change["oft_R"], weight.flatten(1)
    size = (1 + math.isqrt(1 + 8 * triangles.shape[-1])) // 2
    inputs = flat.shape[1]
    if triangles.ndim != 2 or size * (size - 1) // 2 != triangles.shape[1]:
        raise change.wrong("oft_R", "is no stack of triangles; it is damaged.")
    if size * len(triangles) != inputs and (len(triangles) != 1 or inputs % size):
        raise change.wrong(
            "oft_R",
            f"turns {size * len(triangles)} inputs, but the weight of this model is {list(weight.shape)}; the adapter "
            "was made for another kind of model.",
        )
    rotations = _series(_skew(triangles, size), change.cayley_terms).expand(inputs // size, size, size)
    turned = torch.einsum("onm,nkm->onk", flat.unflatten(1, (-1, size)), rotations)
    return turned.flatten(1).reshape(weight.shape) - weight


def _skew(triangles: Tensor, size: int) -> Tensor:
    """Return the skew-symmetric matrices with these upper triangles."""
    skew = triangles.new_zeros(len(triangles), size, size)
    rows, columns = torch.triu_indices(size, size, 1)
    skew[:, rows, columns] = triangles
    return skew - skew.transpose(1, 2)


def _series(skew: Tensor, terms: int) -> Tensor:
    identity = torch.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
    if not terms:
        return torch.linalg.solve(identity + skew, identity - skew, left=False)
    rotations, power = identity.expand_as(skew), identity.expand_as(skew)
    for order in range(1, terms):
        power = power @ skew
        rotations = rotations + (1 if order == terms - 1 and order > 1 else 2) * power
    return rotations


def _rotations(change: Change, blocks: Tensor, outputs: int) -> Tensor:
    """Return (I + Q) (I - Q)^-1, Q the skew-symmetric part of `blocks`, whose norm the file may bound."""
    skew = blocks - blocks.transpose(-1, -2)
    bound = float(change["alpha"].reshape(-1)[0]) * outputs if change.has("alpha") else 0.0
    norm = float(skew.norm())
    if 0 < bound < norm:
        skew = skew * (bound / norm)
    identity = torch.eye(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)
    return torch.linalg.solve(identity - skew, identity + skew, left=False)


def _turned(rotations: Tensor, weight: Tensor) -> Tensor:
    count, size = rotations.shape[:2]
    return torch.einsum("knm,kn...->km...", rotations, weight.unflatten(0, (count, size))).flatten(0, 1)


def _butterfly(rotations: Tensor, weight: Tensor) -> Tensor:
    """Apply each factor to rows that are shuffled so that at factor i rows 2^i half-blocks apart meet in a block."""
    size = rotations.shape[-1]
    for index, factor in enumerate(rotations):
        stride = 2**index * (size // 2)
        rows = weight.unflatten(0, (-1, 2, stride)).transpose(1, 2).flatten(0, 2).unflatten(0, (-1, size))
        rows = torch.einsum("bij,bj...->bi...", factor, rows).flatten(0, 1)
        weight = rows.unflatten(0, (-1, stride, 2)).transpose(1, 2).flatten(0, 2)
    return weight

"""Layers whose weights stay packed as the file has them and are unpacked for each use.

A model then takes the room of its file, and more time a step.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from engine.models.linear import linear
from engine.weights import Entry
from engine.weights.quantised import dequantise
from engine.weights.reading import load_tensor, map_file, scale_of, view_of


class QuantisedLinear(nn.Module):
    """A linear layer over packed weights.

    Attributes:
        packed: the bytes as in the file: blocks of a GGUF quantisation (uint8), or 8-bit floats.
        quantisation: the name of the packing, "" for 8-bit floats.
        scale: what 8-bit floats are multiplied by, or None.
        in_features, out_features, bias: as of `nn.Linear`.
    """

    packed: Tensor
    scale: Tensor | None

    def __init__(self, packed: Tensor, entry: Entry, scale: Tensor | None, bias: Tensor | None) -> None:
        super().__init__()
        self.quantisation = entry.quantisation
        self.out_features, self.in_features = entry.shape
        self.register_buffer("packed", packed, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.bias = bias

    @property
    def weight(self) -> Tensor:
        """The unpacked matrix (out_features, in_features), made anew at each access, in the precision of the bias."""
        return self.unpacked(torch.float32 if self.bias is None else self.bias.dtype)

    def unpacked(self, dtype: torch.dtype) -> Tensor:
        """The matrix in `dtype`."""
        if self.quantisation:
            return dequantise(self.packed, self.quantisation, (self.out_features, self.in_features), dtype)
        weight = self.packed.to(dtype)
        return weight if self.scale is None else weight * self.scale.to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return linear(x, self.unpacked(x.dtype), bias)

    def _apply(self, fn: object, recurse: bool = True) -> QuantisedLinear:
        # Moves between devices; a change of precision leaves what is packed as it is.
        packed = self.packed
        super()._apply(fn, recurse)  # pyright: ignore[reportArgumentType]
        if self.packed.dtype != packed.dtype:
            self.packed = packed.to(self.packed.device)
        return self


def is_packed(entry: Entry) -> bool:
    """Whether the entry's numbers are packed into eight bits or less each."""
    return bool(entry.quantisation) or (entry.dtype.is_floating_point and entry.dtype.itemsize == 1)


def keep_packed(module: nn.Module, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Put `QuantisedLinear` in the place of linear layers of the meta `module` whose weights are packed.

    Returns the entries that are left to fill the module with.
    """
    left = dict(entries)
    storages: dict[object, torch.UntypedStorage] = {}
    for name, layer in list(module.named_modules()):
        entry = entries.get(f"{name}.weight")
        if not isinstance(layer, nn.Linear) or entry is None or not is_packed(entry) or entry.transposed:
            continue
        if entry.path not in storages:
            storages[entry.path] = map_file(entry.path)
        shape = (entry.end - entry.start,) if entry.quantisation else entry.shape
        packed = view_of(storages[entry.path], Entry(entry.path, entry.key, entry.dtype, shape, entry.start, entry.end))
        scale = None if entry.scale is None else scale_of(entry, load_tensor(entry.scale, torch.float32))
        parent, _, last = name.rpartition(".")
        setattr(module.get_submodule(parent), last, QuantisedLinear(packed, entry, scale, layer.bias))
        del left[f"{name}.weight"]
    return left

"""Adapters on a loaded pipeline: merged into its weights, and taken out again without a trace.

A changed weight is a new tensor in the module's place; the original one is kept aside untouched and put back. So
nothing drifts, however often adapters come and go, and nothing is read again. On a processor the original is a view of
the mapped file, which costs nothing; that of another device waits in the processor's memory. What is kept lies on the
part itself (`UNet.adapter_originals`), so that pipelines which share a part agree about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from engine.errors import InvalidValue
from engine.loading.adapters.files import AdapterFile, Placed, Unplaced, read_adapter
from engine.loading.adapters.forms import bias_change, weight_change
from engine.loading.adapters.names import UNET, Names, collect_names
from engine.loading.quantised import QuantisedLinear
from engine.models.float8 import Float8Conv2d, Float8Linear
from engine.models.layout import lay_out

PARTS = ("unet", "text_encoder", "text_encoder_2")
# Layers whose weights are kept in a few bits.
Packed = QuantisedLinear | Float8Linear | Float8Conv2d
# A module and the name of what was changed in it (a parameter, or a packed layer) -> the original.
Originals = dict[tuple[nn.Module, str], nn.Parameter | Packed]
# Where they wait.
ASIDE = torch.device("cpu")


@dataclass(frozen=True)
class AdapterUse:
    """An adapter file, and how strongly it acts on the UNet and on the text encoders (1 is as it was trained)."""

    path: Path
    unet: float = 1.0
    text_encoder: float = 1.0

    def strength(self, part: str) -> float:
        """Return the strength for `part` of a pipeline."""
        return self.unet if part == UNET else self.text_encoder


@dataclass(frozen=True)
class _Applied:
    """What is applied to a part, and which keys found no place."""

    uses: tuple[AdapterUse, ...] = ()
    report: tuple[Unplaced, ...] = ()


class AdapterStack:
    """The adapters of a pipeline. Any number of stacks may be made for one pipeline; they see the same adapters."""

    def __init__(self, pipeline: Any) -> None:
        self._parts: dict[str, nn.Module] = {
            name: part for name in PARTS if isinstance(part := getattr(pipeline, name, None), nn.Module)
        }
        if not self._parts:
            raise InvalidValue(f"{type(pipeline).__name__} has neither UNet nor text encoder, so no adapter fits it.")
        self._names: Names | None = None
        self._files: dict[tuple[Path, int, int], AdapterFile] = {}

    @property
    def uses(self) -> tuple[AdapterUse, ...]:
        """The adapters that are applied now."""
        return self._applied().uses

    @property
    def report(self) -> tuple[Unplaced, ...]:
        """The keys of their files that found no place in this pipeline, each with the reason."""
        return self._applied().report

    def _applied(self) -> _Applied:
        return next(iter(self._parts.values())).__dict__.get("adapters_applied", _Applied())

    @torch.no_grad()
    def set(self, uses: Iterable[AdapterUse]) -> None:
        """Apply exactly `uses`, in place of what was applied before.

        Each adapter's change is computed from the original weights, so their order does not matter. After an error no
        adapter is applied.

        Raises:
            MissingFile, BadFile: a file is missing, damaged, or no adapter.
            WeightsMismatch: a file's tensors do not fit each other or this model; file and key are named.
        """
        wanted = tuple(uses)
        stamps = [_stamp(use.path) for use in wanted]
        key = tuple((stamp, use.unet, use.text_encoder) for use, stamp in zip(wanted, stamps, strict=True))
        if all(getattr(part, "adapter_key", ()) == key for part in self._parts.values()):
            return
        self.clear()
        names = self._known_names()
        files = [
            self._files.get(stamp) or read_adapter(use.path, names) for use, stamp in zip(wanted, stamps, strict=True)
        ]
        self._files = dict(zip(stamps, files, strict=True))
        try:
            self._merge(wanted, files)
        except BaseException:
            self.clear()
            raise
        applied = _Applied(wanted, tuple(entry for file in files for entry in (*file.unplaced, *self._lost(file))))
        for part in self._parts.values():
            _note(part, key, applied)

    def clear(self) -> None:
        """Put the very original weights back."""
        for part in self._parts.values():
            clear_part(part)

    def _lost(self, file: AdapterFile) -> Iterable[Unplaced]:
        """Yield the changes of biases that the modules do not have."""
        for placed in file.placed:
            module = self._parts[placed.target.part].get_submodule(placed.target.module)
            for role in ("diff_b", "up_bias"):
                if placed.change.has(role) and getattr(module, "bias", None) is None:
                    yield Unplaced(file.path, placed.change.keys[role], "this model's module has no bias")

    def _known_names(self) -> Names:
        if self._names is None:
            self._names = collect_names({name: _weight_names(part) for name, part in self._parts.items()})
        return self._names

    def _merge(self, uses: Sequence[AdapterUse], files: Sequence[AdapterFile]) -> None:
        by_module: dict[tuple[str, str], list[tuple[Placed, float]]] = {}
        for use, file in zip(uses, files, strict=True):
            for placed in file.placed:
                strength = use.strength(placed.target.part)
                if strength != 0:
                    by_module.setdefault(placed.target, []).append((placed, strength))
        for (part_name, module_name), changes in by_module.items():
            part = self._parts[part_name]
            module = part.get_submodule(module_name)
            packed = module if isinstance(module, Packed) else None
            if packed is not None:
                module = _unpack(part, module_name, packed)
            for name in ("weight", "bias"):
                original = getattr(module, name, None)
                if isinstance(original, nn.Parameter) and (merged := _merged(original, name, changes)) is not None:
                    if packed is None:  # else that is what is put back
                        _originals(part)[module, name] = _moved(original, ASIDE, original.dtype)
                    setattr(module, name, merged)
        for part_name in {part_name for part_name, _ in by_module}:
            lay_out(self._parts[part_name])


def clear_part(part: nn.Module) -> None:
    """Put the very original weights of one part back."""
    originals = _originals(part)
    for (module, name), original in reversed(originals.items()):
        setattr(module, name, _followed(original, getattr(module, name)))
    if originals:
        originals.clear()
        lay_out(part)
    _note(part, (), _Applied())


def _weight_names(part: nn.Module) -> list[str]:
    plain = [name for name, _ in part.named_parameters() if name.endswith(".weight")]
    return plain + [f"{name}.weight" for name, module in part.named_modules() if isinstance(module, Packed)]


def _note(part: nn.Module, key: tuple[Any, ...], applied: _Applied) -> None:
    """Say on the part itself what is applied to it; `adapter_key` is part of the key of cached prompts."""
    cast("Any", part).adapter_key = key
    part.__dict__["adapters_applied"] = applied


def _originals(part: nn.Module) -> Originals:
    found = part.__dict__.get("adapter_originals")
    if found is None:
        found = part.__dict__["adapter_originals"] = Originals()
    return cast("Originals", found)


def _stamp(path: Path) -> tuple[Path, int, int]:
    """Return what tells the file from a later one in its place."""
    try:
        status = path.stat()
    except OSError:
        return path, 0, 0  # reading it gives the error
    return path.resolve(), status.st_mtime_ns, status.st_size


def _unpack(part: nn.Module, name: str, packed: Packed) -> nn.Module:
    """Put a plain layer in the place of a packed one, whose few bits cannot hold a small change.

    They share the bias, so that it stays where it is.
    """
    dtype = cast("Any", part).dtype
    layer = _plain_linear(packed, dtype) if isinstance(packed, QuantisedLinear) else packed.plain(dtype)
    parent, _, last = name.rpartition(".")
    owner = part.get_submodule(parent)
    _originals(part)[owner, last] = packed
    setattr(owner, last, layer)
    for buffer_name, buffer in packed.named_buffers():
        setattr(packed, buffer_name, buffer.to(ASIDE))
    return layer


def _plain_linear(packed: QuantisedLinear, dtype: torch.dtype) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False, device="meta")
    layer.in_features, layer.out_features = packed.in_features, packed.out_features
    layer.weight, layer.bias = nn.Parameter(packed.unpacked(dtype), requires_grad=False), packed.bias  # pyright: ignore[reportAttributeAccessIssue]
    return layer


def _followed(original: nn.Parameter | Packed, merged: Any) -> nn.Parameter | Packed:
    """Return `original` where the pipeline is now: it may have been moved while an adapter was on."""
    if isinstance(original, Packed):
        return original.to(merged.weight.device)
    return _moved(original, merged.device, merged.dtype)


def _moved(parameter: nn.Parameter, device: torch.device, dtype: torch.dtype) -> nn.Parameter:
    """Return `parameter` itself where nothing changes, else another one: modules may share it that keep theirs."""
    if (parameter.device, parameter.dtype) == (device, dtype):
        return parameter
    return nn.Parameter(parameter.detach().to(device=device, dtype=dtype), requires_grad=parameter.requires_grad)


def _merged(original: nn.Parameter, name: str, changes: Sequence[tuple[Placed, float]]) -> nn.Parameter | None:
    """Return the sum of a parameter, the `name` of its module, and its changes, where it lies; None without any."""
    working = _working_dtype(original)
    base = _unpacked(original.detach()).to(working)
    merged: Tensor | None = None
    for placed, strength in changes:
        change = placed.change.to(original.device, working)
        added = weight_change(change, placed.form, base) if name == "weight" else bias_change(change, base)
        if added is not None:
            merged = base.add(added, alpha=strength) if merged is None else merged.add_(added, alpha=strength)
    return None if merged is None else nn.Parameter(merged.to(original.dtype), requires_grad=original.requires_grad)


def _unpacked(weight: Tensor) -> Tensor:
    """Return a weight of torchao as a plain tensor; any other as it is."""
    return cast("Any", weight).dequantize() if hasattr(weight, "__tensor_flatten__") else weight


def _working_dtype(parameter: Tensor) -> torch.dtype:
    """Return the precision to compute in: double, so that the sum is rounded once; single where there is no double."""
    return torch.float32 if parameter.device.type == "mps" else torch.float64

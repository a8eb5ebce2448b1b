"""Reads adapter files: what they hold for each module of a pipeline, and what cannot be placed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from engine.errors import BadFile
from engine.formats.read import read_header
from engine.loading.adapters.forms import Change, form_of
from engine.loading.adapters.names import Names, Target, split_key
from engine.loading.tensors import read_tensors
from engine.loading.textual_inversion import BUNDLE, is_bundled

# Where Diffusers keeps the settings of a file's adapters, and PEFT those of a folder's.
DIFFUSERS_METADATA, PEFT_CONFIG = "lora_adapter_metadata", "adapter_config.json"


# The factors whose first axis is the rank.
_RANK_OF = {"lora": ("down",), "loha": ("hada_w1_b",), "lokr": ("lokr_w2_b", "lokr_w1_b")}
# Part of the pipeline -> its settings.
Settings = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Unplaced:
    """A key of an adapter file that changes nothing, and why."""

    path: Path
    key: str
    reason: str


@dataclass(frozen=True)
class Placed:
    """The change of one module, its form, and the module."""

    target: Target
    form: str
    change: Change


@dataclass(frozen=True)
class AdapterFile:
    """An adapter: its changes, and the keys without a place."""

    path: Path
    placed: tuple[Placed, ...]
    unplaced: tuple[Unplaced, ...]


def read_adapter(path: Path, names: Names) -> AdapterFile:
    """Read the adapter `path` for a pipeline whose modules have `names`.

    Raises:
        MissingFile, BadFile: the file is missing, damaged, carries code, or holds nothing of an adapter.
    """
    header = read_header(path)
    groups: dict[Target, dict[str, str]] = {}
    unplaced: list[Unplaced] = []
    known = False
    for key in header.tensors:
        if key.startswith(BUNDLE):
            known = True  # a word that the file brings; prompts are encoded with it
            if not is_bundled(key):
                unplaced.append(Unplaced(path, key, "vectors for what a text encoder gives are not supported"))
            continue
        split = split_key(key)
        if split is None:
            unplaced.append(Unplaced(path, key, "its end is of no known form"))
            continue
        known = True
        target = next((found for found in map(names.find, split[0]) if found is not None), None)
        if target is None:
            unplaced.append(Unplaced(path, key, "this model has no such module"))
        elif split[1] in groups.setdefault(target, {}):
            unplaced.append(Unplaced(path, key, f"{groups[target][split[1]]} says the same"))
        else:
            groups[target][split[1]] = key
    if not known:
        raise BadFile(f"{path} is no adapter: none of its keys is of a known form; choose a LoRA file.")
    tensors = read_tensors(path, [key for group in groups.values() for key in group.values()])
    scales = _scales(path, header.metadata)
    placed: list[Placed] = []
    for target, keys in groups.items():
        entry = _place(path, target, keys, tensors, scales)
        if isinstance(entry, Placed):
            placed.append(entry)
        unused = [role for role in keys if not isinstance(entry, Placed) or role not in entry.change.keys]
        unplaced += [Unplaced(path, keys[role], _why_unused(role, keys)) for role in unused]
    return AdapterFile(path, tuple(placed), tuple(unplaced))


def _place(
    path: Path,
    target: Target,
    keys: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    settings: Settings,
) -> Placed | None:
    found = form_of(frozenset(keys))
    if found is None:
        return None
    form, used = found
    own = {role: key for role, key in keys.items() if role in used}
    change = Change(path, {role: tensors[key] for role, key in own.items()}, own)
    if form in _RANK_OF and not change.has("alpha"):
        rank = next((change[role].shape[0] for role in _RANK_OF[form] if change.has(role)), None)
        change = Change(path, change.tensors, own, _scale_of(target, rank, settings))
    if form == "oft of inputs":
        change = replace(change, cayley_terms=_cayley_terms(settings.get(target.part, settings.get("", {}))))
    return Placed(target, form, change)


def _cayley_terms(own: dict[str, Any]) -> int:
    return int(own.get("num_cayley_neumann_terms", 5)) if own.get("use_cayley_neumann", True) else 0


def _why_unused(role: str, keys: Mapping[str, str]) -> str:
    partners = {"down": "up", "up": "down", "hada_w1_a": "the other factors", "lokr_w1": "the second factor"}
    if role in partners and partners[role] not in keys:
        return f"it needs {partners[role]}, which the file lacks"
    return "the other tensors of its module make no known form with it"


# ---------------------------------------------------------------------------------------------------- settings of PEFT


def _scales(path: Path, metadata: Mapping[str, str]) -> Settings:
    """Return PEFT's settings of the adapters for each part ("" for all): they stand beside the tensors."""
    text = metadata.get(DIFFUSERS_METADATA)
    if text is not None:
        settings: Settings = {}
        for name, value in _object(path, text).items():
            part, _, field = name.partition(".")
            settings.setdefault(part, {})[field] = value
        return settings
    config = path.parent / PEFT_CONFIG
    if path.stem == "adapter_model" and config.is_file():
        return {"": _object(config, config.read_text(encoding="utf-8"))}
    return {}


def _object(path: Path, text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise BadFile(f"{path}: the settings of the adapter are no JSON ({error}); download it again.") from error
    if not isinstance(content, dict):
        raise BadFile(f"{path}: the settings of the adapter are no JSON object; download it again.")
    return cast("dict[str, Any]", content)


def _scale_of(target: Target, rank: int | None, settings: Settings) -> float | None:
    own = settings.get(target.part, settings.get("", {}))
    alpha = _matching(own.get("alpha_pattern"), target.module, own.get("lora_alpha", own.get("alpha")))
    rank = rank or own.get("r")
    if alpha is None or not rank:
        return None
    return float(alpha) / (rank**0.5 if own.get("use_rslora") else rank)


def _matching(patterns: Any, module: str, default: Any) -> Any:
    """Return the entry of `patterns` whose name is the module's, or ends it, as PEFT chooses."""
    for name, value in cast("dict[str, Any]", patterns or {}).items():
        if module == name or module.endswith(f".{name}") or fnmatch(module, name):
            return value
    return default

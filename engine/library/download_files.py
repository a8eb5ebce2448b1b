"""Which files of a repository are needed: one variant, one format, nothing twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from engine.errors import InvalidValue, UnknownName

# Formats of weights, the one to be had first: safetensors carry no code and are mapped.
_FORMATS = (".safetensors", ".bin")
_SINGLE = (".safetensors", ".gguf", ".ckpt", ".pt", ".pth")
_SMALL = (".json", ".txt", ".model", ".spm", ".jinja")
_ROOT = re.compile(r"(model_index\.json|sfumato\.json|readme\.md|licen[cs]e[^/]*|notice[^/]*)", re.IGNORECASE)
# Parts that Sfumato loads only when asked, or never.
_LEFT_OUT = frozenset({"safety_checker"})
_OTHER_RUNTIMES = ("flax_", "tf_", "openvino_", "rust_", "onnx")
_NETWORK = "diffusion_pytorch_model"
_LORA = "pytorch_lora_weights.safetensors"
_WEIGHTS = re.compile(
    r"(?P<base>[\w-]+?)(?:\.(?P<variant>[\w-]+?))?(?P<shard>-\d{5}-of-\d{5})?(?P<ending>\.safetensors|\.bin)"
    r"(?P<index>\.index(?:\.(?P<late>[\w-]+))?\.json)?"
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files to fetch, whether they make one folder, and the variants that there are."""

    names: tuple[str, ...]
    as_folder: bool
    variant: str
    variants: tuple[str, ...]


def choose_files(
    repository: str, names: Iterable[str], index: Mapping[str, Any] | None, file: str, variant: str
) -> Chosen:
    """Choose among the files `names` of a repository whose `model_index.json` is `index` (None if it has none).

    Raises:
        UnknownName: the file or variant asked for is not there, or which one is meant is open.
        InvalidValue: the repository holds no model.
    """
    names = [name for name in names if is_safe(name)]
    if file:
        if file not in names:
            near = ", ".join(name for name in names if name.endswith(_SINGLE)) or "none that can be used"
            raise UnknownName(f"The repository {repository} has no file {file!r}; it has {near}.")
        return Chosen((file,), False, "", ())
    if index is not None:
        return _pipeline(repository, names, index, variant)
    if "config.json" in names and any(name.startswith(_NETWORK) for name in names):
        weights, variants = _weights(names, "", variant)
        _check_variant(repository, variant, variants)
        small = [name for name in names if name == "config.json" or _ROOT.fullmatch(name)]
        return Chosen(tuple([*small, *weights]), True, variant, variants)
    single = [name for name in names if name.endswith(_SINGLE) and not name.startswith(_OTHER_RUNTIMES)]
    single = [name for name in single if PurePosixPath(name).name == _LORA] or single
    if not single:
        raise InvalidValue(f"The repository {repository} holds no model that can be used; choose another one.")
    if len(single) > 1:
        raise UnknownName(
            f"The repository {repository} holds {len(single)} models; name one as {repository}:FILE, "
            f"where FILE is {', '.join(single[:12])}{' or another' if len(single) > 12 else ''}."
        )
    return Chosen((single[0],), False, "", ())


def is_safe(name: str) -> bool:
    """Whether a file of this name stays inside the folder it is put in."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name and name != ""


def _pipeline(repository: str, names: list[str], index: Mapping[str, Any], variant: str) -> Chosen:
    chosen = [name for name in names if _ROOT.fullmatch(name)]
    variants: dict[str, None] = {}
    for part, entry in index.items():
        if part.startswith("_") or not isinstance(entry, list) or None in entry or part in _LEFT_OUT:
            continue
        below = [name for name in names if name.startswith(f"{part}/") and name.count("/") == 1]
        weights, there = _weights(below, f"{part}/", variant)
        variants |= dict.fromkeys(there)
        small = (name for name in below if name.endswith(_SMALL) and not name.endswith(".index.json"))
        chosen += [*(name for name in small if ".index." not in name), *weights]
    _check_variant(repository, variant, tuple(variants))
    return Chosen(tuple(dict.fromkeys(chosen)), True, variant, tuple(variants))


def _check_variant(repository: str, variant: str, variants: tuple[str, ...]) -> None:
    if variant and variant not in variants:
        there = ", ".join(name or "the plain one" for name in variants) or "none"
        raise UnknownName(f"The repository {repository} has no variant {variant!r}; it has {there}.")


def _weights(names: Iterable[str], folder: str, variant: str) -> tuple[list[str], tuple[str, ...]]:
    """The weights of one part in the best format and `variant`, else the plain ones, else the first variant."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        own = name.removeprefix(folder)
        match = _WEIGHTS.fullmatch(own)
        if match is None or own.startswith(_OTHER_RUNTIMES) or "/" in own:
            continue
        found = match["variant"] or match["late"] or ""
        groups.setdefault((found, match["ending"]), []).append(name)
    variants = tuple(dict.fromkeys(found for found, _ in groups))
    for wanted in (variant, "", *sorted(variants)):
        for ending in _FORMATS:
            if (wanted, ending) in groups:
                return _without_whole_copies(groups[wanted, ending]), variants
    return [], variants


def _without_whole_copies(names: list[str]) -> list[str]:
    """Shards with their index where there are shards, else the whole files (of several networks the known name)."""
    shards = [name for name in names if re.search(r"-\d{5}-of-\d{5}\.", name)]
    if shards:
        return [*shards, *(name for name in names if name.endswith(".json"))]
    whole = [name for name in names if not name.endswith(".json")]
    known = [name for name in whole if PurePosixPath(name).name.startswith((_NETWORK, "model.", "pytorch_model"))]
    return known or whole

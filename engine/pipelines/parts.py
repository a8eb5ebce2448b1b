"""The parts of a pipeline on disk: which class a `model_index.json` names, and how it is loaded and named again.

An entry is `"unet": ["diffusers", "UNet2DConditionModel"]`: a library and a class. Classes of ours are read and
written under the library names `diffusers` and `transformers`, so that folders go both ways. Nothing is imported but
this package and, for encoders that are not ours, transformers.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError

from engine._exports import MODELS, PIPELINES, SCHEDULERS
from engine.errors import BadFile, ConfigError, KnownError, MissingDependency, MissingFile, MissingVariant, UnknownName
from engine.models.base import ModelMixin

INDEX_NAME = "model_index.json"
# Parts that belong to one family are published under the name of its pipeline module.
PIPELINE_MODULES = frozenset({"stable_diffusion"})
FROM_DIFFUSERS: Mapping[str, str] = {**SCHEDULERS, **MODELS}
FROM_TRANSFORMERS: Mapping[str, str] = {
    "CLIPTextModel": "engine.models.clip_text",
    "CLIPTextModelWithProjection": "engine.models.clip_text",
    "CLIPTokenizer": "engine.prompts.tokenizer",
    "CLIPTokenizerFast": "engine.prompts.tokenizer",
}


@dataclass(frozen=True)
class LoadOptions:
    """How weights are loaded: precision (float32 if None), which variant of the files, and of which format."""

    dtype: torch.dtype | None = None
    variant: str | None = None
    use_safetensors: bool | None = None


def pipeline_class(name: Any, index: Path) -> type:
    """Return the pipeline class that `_class_name` of the file `index` names."""
    classes = [each for each in PIPELINES if each != "DiffusionPipeline" and not each.startswith("AutoPipeline")]
    if name not in classes:
        known = ", ".join(sorted(classes))
        raise UnknownName(f"{index}: there is no pipeline {name!r} here; this version has {known}.")
    return getattr(importlib.import_module(PIPELINES[name]), name)


def load_part(folder: Path, name: str, entry: Any, options: LoadOptions) -> Any:
    """Return the part `name` of the pipeline in `folder`, which its index describes by `entry`; None for null."""
    library, class_name = _checked_entry(folder / INDEX_NAME, name, entry)
    if library is None:
        return None
    cls = _part_class(folder / INDEX_NAME, name, library, class_name)
    path = folder / name
    if not path.is_dir():
        raise MissingFile(f"The folder {path}, which {INDEX_NAME} names, is missing; download the model again.")
    if issubclass(cls, ModelMixin):
        variant = _present(path, options.variant)
        return cls.from_pretrained(path, dtype=options.dtype, variant=variant, use_safetensors=options.use_safetensors)
    return cls.from_pretrained(path) if cls.__module__.startswith("engine.") else _foreign(cls, path, options)


def _checked_entry(index: Path, name: str, entry: Any) -> tuple[str | None, str]:
    shape = cast("list[Any]", entry) if isinstance(entry, list) else []
    if shape == [None, None]:
        return None, ""
    if len(shape) == 2 and all(isinstance(item, str) for item in shape):
        return shape[0], shape[1]
    raise ConfigError(f'{index}: {name} cannot be {entry!r}; it must be a pair such as ["diffusers", "AutoencoderKL"].')


def _part_class(index: Path, name: str, library: str, class_name: str) -> type:
    if library == "transformers":
        if class_name in FROM_TRANSFORMERS:
            own = class_name.removesuffix("Fast")
            return getattr(importlib.import_module(FROM_TRANSFORMERS[class_name]), own)
        return _transformers_class(index, name, class_name)
    if library != "diffusers" and library not in PIPELINE_MODULES:
        raise ConfigError(
            f"{index}: {name} comes from the library {library!r}, whose code would be run; only diffusers and "
            f"transformers are read. Load the part yourself and pass {name}=..."
        )
    if class_name not in FROM_DIFFUSERS:
        raise UnknownName(
            f"{index}: {name} is a {class_name}, which this version does not have; pass {name}=... with a part of "
            "your own, or choose another model."
        )
    return getattr(importlib.import_module(FROM_DIFFUSERS[class_name]), class_name)


def _transformers_class(index: Path, name: str, class_name: str) -> type:
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise MissingDependency(
            f"{index}: {name} is a {class_name} of transformers, which is not installed; run pip install transformers."
        ) from error
    found = getattr(transformers, class_name, None)
    if found is None and class_name.endswith("FeatureExtractor"):
        # What prepares pictures had this name before, and published folders still have it.
        newer = class_name.removesuffix("FeatureExtractor") + "ImageProcessor"
        found = getattr(transformers, f"{newer}Pil", None) or getattr(transformers, newer, None)
    if not isinstance(found, type) or not hasattr(found, "from_pretrained"):
        raise UnknownName(f"{index}: {name} is a {class_name}, which transformers {transformers.__version__} lacks.")
    return found


def _foreign(cls: Any, path: Path, options: LoadOptions) -> Any:
    """Load a class of transformers, from the folder alone and without any code in it."""
    choices: dict[str, Any] = {"local_files_only": True}
    if torch.nn.Module in cls.__mro__:
        variant = _present(path, options.variant)
        choices |= {"dtype": options.dtype or torch.float32, "variant": variant}
        choices["use_safetensors"] = options.use_safetensors
    try:
        return cls.from_pretrained(str(path), **choices)
    except KnownError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise BadFile(f"{path} cannot be loaded as {cls.__name__} ({error}); download the model again.") from error


def _present(path: Path, variant: str | None) -> str | None:
    """Return `variant` if the part in `path` has it; where one part has no such files its plain ones are meant."""
    if variant is None or next(path.glob(f"*.{variant}[.-]*"), None) is not None:
        return variant
    return None


def check_variant(folder: Path, variant: str | None) -> None:
    """Raise `MissingVariant` if no part of the pipeline in `folder` has files of `variant`."""
    if variant is not None and next(folder.glob(f"*/*.{variant}[.-]*"), None) is None:
        raise MissingVariant(f"{folder} holds no files of the variant {variant!r}; leave the variant out.")


def entry_of(name: str, part: Any) -> list[str | None]:
    """Return how an index names `part`: library and class."""
    if part is None:
        return [None, None]
    class_name, library = type(part).__name__, type(part).__module__.split(".")[0]
    if library == "engine":
        return ["transformers" if class_name in FROM_TRANSFORMERS else "diffusers", class_name]
    if library in ("diffusers", "transformers"):
        return [library, class_name]
    raise UnknownName(f"{name} is a {class_name} of {library}, which no pipeline could load again; it cannot be saved.")

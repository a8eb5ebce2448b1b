"""Networks out of one file: a checkpoint of the original layout, a bare U-Net, a VAE, a text encoder.

The file's header says which family it is (`detect`), the shipped configuration and the shapes say how its networks are
made, and the key maps say where their tensors lie. Pickled files are converted first.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import nn

from engine.errors import InvalidValue, MissingFile, UnknownName, WeightsMismatch
from engine.files import read_json
from engine.formats.header import Header
from engine.loading import layouts, shapes
from engine.loading.configurations import check_prediction, family_configuration
from engine.loading.detection import Detected, as_said, detect_header, own_texts
from engine.loading.header_facts import text_encoders
from engine.loading.own_configuration import Texts, json_of, unpacked
from engine.loading.quantised import is_packed, keep_packed
from engine.loading.user_type import UserType, read_user_type
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.base import ModelMixin
from engine.models.clip_text import CLIPTextModel, CLIPTextModelWithProjection
from engine.models.clip_text import text_config as text_part
from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.weights import Entry, build_on_meta, fill_module, read_file
from engine.weights.entries import entries_of

CLASSES: Mapping[str, type[ModelMixin]] = {
    "UNet2DConditionModel": UNet2DConditionModel,
    "AutoencoderKL": AutoencoderKL,
    "CLIPTextModel": CLIPTextModel,
    "CLIPTextModelWithProjection": CLIPTextModelWithProjection,
}
_PART_CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
Model = TypeVar("Model", bound=ModelMixin)


@dataclass(frozen=True)
class FileOptions:
    """What the user says of a file, against what is detected, and how it is loaded.

    Attributes:
        family, variant, prediction: the type, in words of `engine.loading.configurations`; None leaves it to detection.
        config: a folder in the layout of Diffusers whose configurations are used as they are.
        dtype: precision; float32 if None.
        keep_packed: leave weights of GGUF and of 8-bit floats packed, to be unpacked for each use.
    """

    family: str | None = None
    variant: str | None = None
    prediction: str | None = None
    config: Path | None = None
    dtype: torch.dtype | None = None
    keep_packed: bool | None = None


class ModelFile:
    """One file of weights, taken apart into its networks.

    Attributes:
        path: the file that was asked for; `header.path` is its conversion if it is a pickle.
        detected: what it is, with the user's word for family, variant and prediction.
        configuration: of the family, see `family_configuration`.
        said_prediction: what the user says that the model predicts, "" where the file's own word counts.
        own: the configurations that the header brings, None if it brings none or the user says another type.
    """

    def __init__(self, path: Path, options: FileOptions = FileOptions()) -> None:  # noqa: B008 - frozen
        self.path, self.options = path, options
        self.header: Header = read_file(path)
        found = as_said(detect_header(self.header), read_user_type(path))
        given = UserType(options.family, options.variant, options.prediction)
        self.detected: Detected = replace(as_said(found, given), path=path)
        self._check(found)
        self.said_prediction = options.prediction or read_user_type(path).prediction or ""
        self.own: Texts | None = own_texts(self.header, self.detected) if options.config is None else None

    def _check(self, found: Detected) -> None:
        check_prediction(self.options.prediction or "")
        if found.kind in ("lora", "embedding", "controlnet", "helper"):
            raise InvalidValue(f"{self.path} cannot be loaded as a model. {found.reason}")
        if not found.supported and not self.options.family and self.options.config is None:
            raise UnknownName(f"{self.path} cannot be loaded. {found.reason}")

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """Of the family, variant and prediction."""
        found = self.detected
        return family_configuration(found.family or "stable-diffusion", found.variant, found.prediction)

    @contextmanager
    def config_folder(self) -> Generator[Path | None]:
        """The folder whose configurations belong to the file: the user's, or one with those that its header brings."""
        if self.own is None:
            yield self.options.config
            return
        with unpacked(self.own) as folder:
            yield folder

    def _config_of(self, part: str) -> dict[str, Any] | None:
        """What the user's folder, or the header, says of one network."""
        folder = self.options.config
        if folder is not None:
            return read_json((folder / part if (folder / part).is_dir() else folder) / "config.json")
        return None if self.own is None else json_of(self.own, f"{part}/config.json") or None

    def settle_prediction(self, prediction: str) -> None:
        """Take the model to predict this, which its file did not say."""
        self.detected = replace(self.detected, prediction=prediction)
        self.__dict__.pop("configuration", None)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The tensors of the file by their own names, scales attached."""
        return layouts.with_scales(entries_of(self.header))

    def part_names(self) -> tuple[str, ...]:
        """Which networks the file has, in words of `model_index.json`."""
        names = ["unet"] if self.part_entries("unet") else []
        names += ["vae"] if self.part_entries("vae") else []
        return (*names, *self._encoders)

    @cached_property
    def _encoders(self) -> dict[str, tuple[str, str]]:
        """Name of each text encoder in the pipeline -> prefix and layout in the file."""
        found = list(text_encoders(self.header.tensors).items())
        if self.detected.family == "stable-diffusion-xl-refiner" and len(found) == 1:
            return {"text_encoder_2": found[0]}
        return dict(zip(("text_encoder", "text_encoder_2"), found, strict=False))

    def part_entries(self, part: str) -> dict[str, Entry]:
        """The tensors of one network under the names of its class; empty if the file has none of it."""
        if part == "unet":
            return layouts.unet_entries(self.entries)
        if part == "vae":
            return layouts.vae_entries(self.entries)
        if part not in self._encoders:
            return {}
        prefix, layout = self._encoders[part]
        entries = layouts.text_entries(self.entries, prefix, layout)
        if self.detected.family == "stable-diffusion-2" and layout == "open_clip":
            if layouts.is_open_clip_original(self.header, prefix):
                entries = layouts.without_last_layer(entries)
            entries.pop("text_projection.weight", None)
        return entries

    def part_config(self, part: str, entries: Mapping[str, Entry]) -> tuple[type[ModelMixin], dict[str, Any]]:
        """Class and configuration of one network."""
        config = self._config_of(part)
        if config is not None:
            return self._class(part, config), text_part(config)
        base = self.configuration.get(part)
        if base is None:
            raise MissingFile(f"A model of the family {self.detected.label} has no {part}.")
        sizes = {name: entry.shape for name, entry in entries.items()}
        if part == "unet":
            return self._class(part, base), shapes.unet_config(base, sizes, self._pooled)
        if part == "vae":
            return self._class(part, base), shapes.vae_config(base, sizes)
        return self._class(part, base), shapes.text_config(base, sizes)

    @property
    def _pooled(self) -> int | None:
        """Width of the pooled prompt of XL."""
        entry = self.part_entries("text_encoder_2").get("text_projection.weight")
        return None if entry is None else entry.shape[0]

    def _class(self, part: str, config: Mapping[str, Any]) -> type[ModelMixin]:
        name = (
            config.get("_class_name") or next(iter(config.get("architectures") or ()), None) or _PART_CLASSES.get(part)
        )
        if name not in CLASSES:
            raise UnknownName(f"{part} of {self.path} is a {name}, which cannot be loaded from one file.")
        return CLASSES[str(name)]

    def load(self, part: str) -> ModelMixin:
        """One network of the file, on the CPU and in eval mode.

        Raises `MissingFile` if the file has none of it, and `WeightsMismatch` with the key that does not fit.
        """
        entries = self.part_entries(part)
        if not entries:
            raise MissingFile(f"{self.path} holds no {part}; load it from another file and pass {part}=...")
        try:
            cls, config = self.part_config(part, entries)
            model = build_on_meta(lambda: cls.from_config(config))
        except (KeyError, IndexError, ZeroDivisionError) as error:
            # Shapes are asked for tensors that every network of the kind has.
            raise WeightsMismatch(f"{self.path} lacks tensors of its {part} ({error}); download it again.") from error
        dtype = self.options.dtype or torch.float32
        entries = fitted(model, model.rename_entries(entries))
        keep = self.options.keep_packed
        if keep or (keep is None and any(entry.quantisation for entry in entries.values())):
            entries = keep_packed(model, entries)
        fill_module(model, entries, dtype)
        return model.eval()

    def is_packed(self) -> bool:
        """Whether weights of the file are packed into eight bits or less."""
        return any(is_packed(entry) for entry in self.entries.values())


def fitted(model: nn.Module, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries in the shapes of `model` where only lengths of 1 differ: convolutions over one pixel are layers."""
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    fits: dict[str, Entry] = {}
    for name, entry in entries.items():
        shape = wanted.get(name, entry.shape)
        same = [n for n in shape if n != 1] == [n for n in entry.shape if n != 1]
        fits[name] = replace(entry, shape=shape) if same and shape != entry.shape else entry
    return fits


def load_model(path: Path | str, part: str, **options: Any) -> ModelMixin:
    """One network (`unet`, `vae`, `text_encoder`, `text_encoder_2`) of the file `path`; options as of `FileOptions`."""
    return ModelFile(Path(path), FileOptions(**options)).load(part)


def load_network(path: Path, cls: type[Model], config: Path | None = None, dtype: torch.dtype | None = None) -> Model:
    """The network of the class `cls` in the file `path`; `config` is a folder with its `config.json`.

    Raises `UnknownName` for a class that is not loaded from one file, and else as `ModelFile`.
    """
    if cls.__name__ not in CLASSES:
        raise UnknownName(f"A {cls.__name__} is not loaded from one file; choose one of {', '.join(CLASSES)}.")
    file = ModelFile(path, FileOptions(config=config, dtype=dtype))
    own = [part for part, name in _PART_CLASSES.items() if name == cls.__name__]
    names = own or ["text_encoder", "text_encoder_2"]
    for name in names:
        entries = file.part_entries(name)
        if entries and (len(names) == 1 or file.part_config(name, entries)[0] is cls):
            return cast("Model", file.load(name))
    raise MissingFile(f"{path} holds no {cls.__name__}; choose another file.")

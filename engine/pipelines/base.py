"""`DiffusionPipeline`: what every pipeline has beside its loop: parts, folders, devices, progress, callbacks."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, cast

import torch
from torch import Tensor, nn

from engine.config import FORMAT_VERSION, Config
from engine.errors import ConfigError, InvalidValue, MissingFile
from engine.files import read_json, write_json
from engine.output import Output
from engine.pipelines.parts import INDEX_NAME, LoadOptions, check_variant, entry_of, load_part, pipeline_class
from engine.pipelines.step import Step

logger = logging.getLogger(__name__)

Callback = Callable[[Any, int, Tensor, dict[str, Any]], Mapping[str, Any]]
OlderCallback = Callable[[int, Tensor, Tensor], None]
Result = TypeVar("Result")


@dataclass
class ImagePipelineOutput(Output):
    """What a pipeline returns.

    Attributes:
        images: PIL images (a list), an array NHWC or a tensor NCHW in [0, 1], or latents.
    """

    images: Any


class DiffusionPipeline:
    """Base of all pipelines.

    A subclass names its parts as arguments of `__init__` and hands them to `register_modules`; arguments that are no
    parts go to `register_values`. Each part is an attribute and can be assigned.

    Attributes:
        optional_parts: parts that a folder may give as null.
        only_if_asked: parts that are loaded only with `requires_safety_checker=True` or when passed.
        _callback_tensor_inputs: what `callback_on_step_end_tensor_inputs` may name.
    """

    optional_parts: ClassVar[frozenset[str]] = frozenset()
    only_if_asked: ClassVar[frozenset[str]] = frozenset()
    _callback_tensor_inputs: ClassVar[Sequence[str]] = ("latents",)

    _part_names: tuple[str, ...] = ()
    _values: Mapping[str, Any] = {}
    _interrupt = False
    _show_progress = True
    _progress_label = ""

    # ------------------------------------------------------------------------------------------------ parts

    def register_modules(self, **parts: Any) -> None:
        """Keep each of `parts` as an attribute that is saved and loaded under its name."""
        self._part_names += tuple(name for name in parts if name not in self._part_names)
        for name, part in parts.items():
            setattr(self, name, part)

    def register_values(self, **values: Any) -> None:
        """Keep settings that are no parts; they stand in `config` and in the index file."""
        self._values = {**self._values, **values}

    @property
    def components(self) -> dict[str, Any]:
        """The parts by name, None where one is left out; another pipeline can be made of them."""
        return {name: getattr(self, name) for name in self._part_names}

    @property
    def config(self) -> Config:
        """What the index file says: library and class of each part, and the settings that are no parts."""
        entries = {name: entry_of(name, part) for name, part in self.components.items()}
        names = {"_class_name": type(self).__name__, "_diffusers_version": FORMAT_VERSION}
        return Config({**names, **entries, **self._values})

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **changes: Any) -> Self:
        """Make a pipeline of this class with the parts of another one, and `changes`; nothing is copied."""
        wanted = cls._arguments()
        given = {**pipeline.components, **pipeline._values}
        return cls(**({name: part for name, part in given.items() if name in wanted} | cls._known(changes)))

    @classmethod
    def _arguments(cls) -> Mapping[str, inspect.Parameter]:
        return _arguments_of(cls)

    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name in given:
            if name not in cls._arguments():
                raise ConfigError(f"{cls.__name__} has no part {name!r}; it has {', '.join(cls._arguments())}.")
        return given

    def _require(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) is None:
                raise InvalidValue(f"this {type(self).__name__} has no {name}; load it, or assign pipe.{name}.")

    # ------------------------------------------------------------------------------------------------ folders

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        dtype: torch.dtype | None = None,
        torch_dtype: torch.dtype | None = None,
        variant: str | None = None,
        use_safetensors: bool | None = None,
        low_cpu_mem_usage: bool = True,
        **given: Any,
    ) -> Self:
        """Load the pipeline in `folder`: as this class, or from `DiffusionPipeline` as the class that it names.

        `dtype` (or `torch_dtype`, its older name) is float32 unless given; `variant` picks files such as
        `diffusion_pytorch_model.fp16.safetensors` where a part has them. Parts passed by name are used as they are,
        None included. `use_safetensors` is as for models. `low_cpu_mem_usage` is there because guides say it: weights
        are always read straight into place. Raises a `KnownError` that names file, key and remedy for
        whatever is missing, damaged, unknown or foreign.
        """
        path = Path(folder)
        if not path.is_dir():
            raise MissingFile(f"{folder} is not a folder; a pipeline is loaded from a local folder with {INDEX_NAME}.")
        index = read_json(path / INDEX_NAME)
        named = pipeline_class(index.get("_class_name"), path / INDEX_NAME)
        target = cast("type[Self]", named) if cls is DiffusionPipeline else cls
        check_variant(path, variant)
        return target._assemble(
            path, index, LoadOptions(dtype or torch_dtype, variant, use_safetensors), target._known(given)
        )

    @classmethod
    def from_single_file(cls, path: str | Path, torch_dtype: torch.dtype | None = None, **options: Any) -> Self:
        """Load the pipeline in one file, of any known format: see `engine.loading.load_pipeline` for the options."""
        from engine.pipelines.single_file import load_pipeline  # above this module

        options["dtype"] = options.get("dtype") or torch_dtype
        options.pop("local_files_only", None)  # of guides; nothing is ever downloaded here
        return cast("Self", load_pipeline(path, cls=None if cls is DiffusionPipeline else cls, **options))

    @classmethod
    def _assemble(cls, folder: Path, index: dict[str, Any], options: LoadOptions, given: dict[str, Any]) -> Self:
        asked = any(given.get(name) for name in ("requires_safety_checker", "safety_checker"))
        values = dict(given)
        for name, parameter in cls._arguments().items():
            if name in given or name == "requires_safety_checker" or (name in cls.only_if_asked and not asked):
                continue
            entry = index.get(name)
            required = parameter.default is parameter.empty
            if required and name not in index:
                raise ConfigError(
                    f"{folder / INDEX_NAME} names no {name}, which {cls.__name__} needs; pass {name}=..., or choose "
                    "another model."
                )
            if required or isinstance(entry, list):
                values[name] = load_part(folder, name, entry, options)
                if values[name] is None and required and name not in cls.optional_parts:
                    raise ConfigError(
                        f"{folder / INDEX_NAME}: {name} is null, but {cls.__name__} needs it; pass {name}=..."
                    )
            elif name in index:
                values[name] = entry
        unused = sorted(name for name in index if name not in cls._arguments() and not name.startswith("_"))
        if unused:
            logger.info("%s does not use %s of %s", cls.__name__, ", ".join(unused), folder)
        return cls(**values)

    def save_pretrained(
        self,
        folder: str | Path,
        safe_serialization: bool = True,
        variant: str | None = None,
        max_shard_size: int | str = "10GB",
    ) -> None:
        """Write every part into its own folder in `folder`, then `model_index.json`, as Diffusers reads them."""
        path = Path(folder)
        how = {"safe_serialization": safe_serialization, "variant": variant, "max_shard_size": max_shard_size}
        # First, so that a part which cannot be named is found before anything is written.
        index = dict(self.config)
        for name, part in self.components.items():
            if isinstance(part, nn.Module):
                cast("Any", part).save_pretrained(path / name, **how)
            elif part is not None:
                part.save_pretrained(path / name)
        write_json(path / INDEX_NAME, index)

    # ------------------------------------------------------------------------------------------------ devices

    def _modules(self) -> Iterator[nn.Module]:
        return (part for part in self.components.values() if isinstance(part, nn.Module))

    def _parameters(self) -> Iterator[nn.Parameter]:
        return (parameter for module in self._modules() for parameter in module.parameters())

    def to(self, *targets: str | torch.device | torch.dtype, device: Any = None, dtype: Any = None) -> Self:
        """Move every network to a device, a precision or both, as `torch.nn.Module.to`; returns the pipeline."""
        for target in targets:
            if isinstance(target, torch.dtype):
                dtype = target
            else:
                device = target
        for module in self._modules():
            module.to(device=device, dtype=dtype)
        return self

    @property
    def device(self) -> torch.device:
        """The device on which the networks work: those that wait for their turn, elsewhere or nowhere, do not count."""
        first = (next(module.parameters(), None) for module in self._modules())
        devices = [parameter.device for parameter in first if parameter is not None and not parameter.is_meta]
        return min(devices, key=lambda device: device.type == "cpu", default=torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the first network."""
        return next((parameter.dtype for parameter in self._parameters()), torch.float32)

    def enable_attention_slicing(self, slice_size: str | int | None = "auto") -> None:
        """Compute attention in slices: less memory, more time. "auto" halves the heads, "max" takes one by one."""
        for module in self._modules():
            if (set_slice := getattr(module, "set_attention_slice", None)) is not None:
                set_slice(slice_size)

    def disable_attention_slicing(self) -> None:
        """Compute attention at once again."""
        self.enable_attention_slicing(None)

    def enable_vae_slicing(self) -> None:
        """Encode and decode batches image by image: less memory, the same pictures."""
        self._vae("slicing").enable_slicing()

    def disable_vae_slicing(self) -> None:
        """Encode and decode batches at once again."""
        self._vae("slicing").disable_slicing()

    def enable_vae_tiling(self) -> None:
        """Encode and decode large pictures in overlapping tiles: less memory, slightly different pictures."""
        self._vae("tiling").enable_tiling()

    def disable_vae_tiling(self) -> None:
        """Encode and decode large pictures at once again."""
        self._vae("tiling").disable_tiling()

    def _vae(self, switch: str) -> Any:
        vae = self.components.get("vae")
        if not hasattr(vae, f"enable_{switch}"):
            raise InvalidValue(f"{type(self).__name__} has no autoencoder with {switch}; leave the switch alone.")
        return vae

    # ------------------------------------------------------------------------------------------------ running

    def set_progress_bar_config(self, *, disable: bool = False, desc: str = "", **_appearance: Any) -> None:
        """Say whether `__call__` shows its progress (on a terminal only) and under which label.

        Other options of guides describe the look of another library's bar and have no meaning here.
        """
        self._show_progress = not disable
        self._progress_label = desc

    def _check_callback(self, names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in self._callback_tensor_inputs]
        if unknown:
            allowed = ", ".join(self._callback_tensor_inputs)
            raise InvalidValue(
                f"callback_on_step_end_tensor_inputs cannot have {unknown[0]!r}; this pipeline offers {allowed}."
            )

    def _drain(
        self,
        steps: Generator[Step, None, Result],
        callback: Callback | None = None,
        tensor_names: Sequence[str] = ("latents",),
    ) -> Result:
        """Run `steps` to the end and return their result, with progress and the callback of guides."""
        with self._progress() as show:
            while True:
                try:
                    step = next(steps)
                except StopIteration as end:
                    return end.value
                if callback is not None:
                    self._call_back(callback, step, tensor_names)
                show(step)

    def _call_back(self, callback: Callback, step: Step, tensor_names: Sequence[str]) -> None:
        tensors = step.tensors()
        changed = callback(self, step.index, step.timestep, {name: tensors[name] for name in tensor_names})
        if not isinstance(cast("Any", changed), Mapping):
            raise InvalidValue(f"callback_on_step_end returned {changed!r}; it must return a dict of tensors.")
        for name, tensor in changed.items():
            if name == "latents":
                step.latents = tensor
            elif name in step.conditioning:
                step.conditioning[name] = tensor
            else:
                raise InvalidValue(f"callback_on_step_end returned {name!r}; it may return {', '.join(tensors)}.")

    @contextmanager
    def _progress(self) -> Generator[Callable[[Step], None]]:
        """Give a function that shows a step: on a terminal a bar, elsewhere nothing."""
        if not self._show_progress or not sys.stderr.isatty():
            yield lambda _step: None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task(self._progress_label)
            yield lambda step: progress.update(task, completed=step.index + 1, total=step.total)


@functools.cache
def _arguments_of(cls: type) -> Mapping[str, inspect.Parameter]:
    return {name: entry for name, entry in inspect.signature(cls).parameters.items() if name != "self"}


def from_older(callback: OlderCallback, every: int, other: Callback | None = None) -> Callback:
    """Return `callback` (index, timestep, latents), to be called at `every` so many steps, in the form of today.

    Raises `InvalidValue` where there is another one already.
    """
    if other is not None:
        raise InvalidValue("callback and callback_on_step_end cannot both be given; choose the second.")
    if every < 1:
        raise InvalidValue(f"callback_steps cannot be {every}; give a whole number from 1 up.")

    def adapted(_pipeline: Any, index: int, timestep: Tensor, tensors: dict[str, Any]) -> Mapping[str, Any]:
        if index % every == 0:
            callback(index, timestep, tensors["latents"])
        return {}

    return adapted

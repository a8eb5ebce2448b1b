"""The loaded model of a runner: loading it, telling whether it serves a request, giving its memory back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from engine.catalog import ModelInfo
from engine.errors import BugError, MissingFile
from engine.files import read_json
from engine.heap import return_memory, tensors_apart, trim_heap
from engine.memory import PLANS, MemoryPlan, group_of, stored_precision
from engine.messages import GenerateRequest
from engine.metadata.fingerprint import fingerprint
from engine.switches import OFF, PACKED, Precisions, Switches
from engine.warmup import import_torch

if TYPE_CHECKING:
    import torch

    from engine.backends.parts import Computed
    from engine.prompts.cache import PromptCache
    from engine.run_preview import Previews
    from engine.run_residency import Residency
    from engine.run_switches import FinalDecoder

# So much may be freed between two chances for the window's thread to run.
FREED_AT_ONCE = 16 * 2**20


@dataclass(frozen=True)
class ModelKey:
    """What has to be the same for a loaded model to serve another request."""

    model: Path
    fingerprint: str
    vae: Path | None
    vae_fingerprint: str
    device: str
    dtype: str
    precisions: Precisions
    backend: str = "torch"

    @classmethod
    def of(cls, info: ModelInfo, device: str, dtype: str, vae: str = "", switches: Switches = OFF) -> ModelKey:
        """The key of the model that a request with these values needs; `MissingFile` for a VAE that is not there."""
        from engine.device import resolve_device, resolve_precision

        path = Path(vae).expanduser() if vae else None
        if path is not None and not path.exists():
            raise MissingFile(f"The VAE {path} does not exist; choose another one, or the model's own.")
        # Another back end than torch has no device to choose.
        where = resolve_device("cpu" if device == "auto" and switches.backend != "torch" else device)
        switches.check_backend(str(where))
        precision = resolve_precision(dtype, where, lambda: stored_precision(str(info.folder)))
        return cls(
            model=info.folder,
            fingerprint=fingerprint(info.folder),
            vae=path,
            vae_fingerprint="" if path is None else fingerprint(path),
            device=str(where),
            dtype=precision,
            precisions=Precisions.of(precision, switches),
            backend=switches.backend,
        )


@dataclass
class Loaded:
    """A pipeline ready to run; `scheduler_config` is the one it came with, from which every scheduler is made."""

    key: ModelKey
    info: ModelInfo
    device: torch.device
    pipeline: Any
    scheduler_config: Any
    previews: Previews
    prompts: PromptCache
    residency: Residency
    final: FinalDecoder
    hashes: dict[tuple[Path, int, int], str] = field(default_factory=dict[tuple[Path, int, int], str])

    @property
    def modules(self) -> list[torch.nn.Module]:
        """The networks of the pipeline."""
        import torch

        return [part for part in self.pipeline.components.values() if isinstance(part, torch.nn.Module)]


def _no_look() -> None:
    pass


def load(info: ModelInfo, key: ModelKey, plan: MemoryPlan = PLANS[0], look: Callable[[], None] = _no_look) -> Loaded:
    """Load the model of `key`; under a plan in which its parts take turns, never two of them at once.

    For another back end than torch the networks are exported where that was not done before, which takes minutes: what
    `look` raises meanwhile ends it.

    Raises:
        KnownError: a file is missing, damaged or of an unknown kind, or does not fit.
    """
    import_torch()
    import torch

    from engine.device import resolve_device, resolve_dtype
    from engine.prompts.cache import PromptCache
    from engine.run_residency import Residency
    from engine.run_switches import FinalDecoder

    device, dtype = resolve_device(key.device), resolve_dtype(key.dtype)
    parts: dict[str, Any] = {}
    if key.backend != "torch":
        from engine.backends.parts import Backend

        backend = Backend(key.backend, key.dtype)
        # One after the other, each let go of before the next: only what is compiled stays.
        parts = {name: backend.part(name, read_part(key, torch.float32, name), look) for name in part_names(key)}
    elif plan.in_turn and device.type == "cpu":
        parts = {name: _outline(key, name) for name in part_names(key)}
    elif any(precision != key.dtype for precision in key.precisions):
        names = [name for name in part_names(key) if _precision(key, name) != key.dtype]
        parts = {name: read_kept(key, name) for name in names}
    pipeline = _load_pipeline(key, dtype, parts)
    for name, part in pipeline.components.items():
        # Under a plan in which parts take turns, those come when it is theirs; small ones have none.
        if isinstance(part, torch.nn.Module) and not (plan.in_turn and group_of(name)):
            part.to(device)
    return Loaded(
        key=key,
        info=info,
        device=device,
        pipeline=pipeline,
        scheduler_config=pipeline.scheduler.config,
        previews=_previews(info, key, pipeline.vae.config),
        prompts=PromptCache(),
        final=FinalDecoder(),
        residency=Residency(pipeline, device, lambda name: read_kept(key, name)),
    )


def _previews(info: ModelInfo, key: ModelKey, config: Mapping[str, Any]) -> Previews:
    import torch

    from engine.run_preview import Previews

    own = info.folder / "vae" if key.vae is None else key.vae
    folder = own if own.is_dir() else None
    digest = key.vae_fingerprint or (key.fingerprint if folder is None else fingerprint(folder))
    return Previews(folder, digest, config, lambda: read_part(key, torch.float32, "vae"), key.model, info.family.name)


@tensors_apart()
def _load_pipeline(key: ModelKey, dtype: torch.dtype, parts: dict[str, Any]) -> Any:
    if key.model.is_dir() and key.vae is None:
        from engine.pipelines.base import DiffusionPipeline

        return DiffusionPipeline.from_pretrained(key.model, torch_dtype=dtype, **parts)
    from engine import loading

    if "vae" in parts or key.vae is None:
        return loading.load_pipeline(key.model, dtype=dtype, **parts)
    return loading.load_pipeline(key.model, dtype=dtype, vae=key.vae, **parts)


def part_names(key: ModelKey) -> list[str]:
    """The names of the networks that can be read on their own."""
    if key.model.is_dir():
        from engine.pipelines.parts import INDEX_NAME

        index = read_json(key.model / INDEX_NAME)
        found = [name for name, entry in index.items() if isinstance(entry, list) and entry != [None, None]]
    else:
        from engine.loading.single_file import ModelFile

        found = list(ModelFile(key.model).part_names())
    return [name for name in found if group_of(name) is not None]


@tensors_apart()
def read_part(key: ModelKey, dtype: torch.dtype, name: str) -> torch.nn.Module:
    """Read the network `name` of the model of `key` from its files, onto the CPU."""
    import torch

    from engine import loading
    from engine.loading.single_file import FileOptions, ModelFile

    part: Any
    if name == "vae" and key.vae is not None:
        part = loading.load_vae(key.vae, dtype)
    elif key.model.is_dir():
        from engine.pipelines.parts import INDEX_NAME, LoadOptions, load_part

        part = load_part(key.model, name, read_json(key.model / INDEX_NAME).get(name), LoadOptions(dtype))
    else:
        part = ModelFile(key.model, FileOptions(dtype=dtype)).load(name)
    if not isinstance(part, torch.nn.Module):
        raise BugError(f"{name} of {key.model} is no network")
    return part


@tensors_apart()
def read_kept(key: ModelKey, name: str) -> torch.nn.Module:
    """Read the network `name` of the model of `key` as it is kept: in the precision of its kind."""
    from engine.run_precision import read_in

    return read_in(
        _precision(key, name), lambda dtype: read_part(key, dtype, name), lambda: stored_precision(str(key.model))
    )


def _outline(key: ModelKey, name: str) -> torch.nn.Module:
    """The network `name` as it is kept, without its weights: what is not packed is not even read for it."""
    from engine.device import resolve_dtype
    from engine.run_residency import empty

    precision = _precision(key, name)
    if precision in PACKED:
        part = empty(read_kept(key, name))
        trim_heap()
        return part
    # As it lies in the file, so that it is mapped and not converted.
    part = read_part(key, resolve_dtype(stored_precision(str(key.model))), name)
    return empty(part).to(resolve_dtype(precision))


def _precision(key: ModelKey, name: str) -> str:
    group = group_of(name)
    return key.dtype if group is None else getattr(key.precisions, group)


def part_bytes(loaded: Loaded) -> tuple[tuple[str, int], ...]:
    """The bytes that each network of `loaded` holds now, by its name."""
    import torch

    from engine.run_precision import held_bytes

    parts = loaded.pipeline.components.items()
    return tuple((name, held_bytes(part)) for name, part in parts if isinstance(part, torch.nn.Module))


def key_of(info: ModelInfo, request: GenerateRequest) -> ModelKey:
    """The key of the model that `request` needs."""
    return ModelKey.of(info, request.device, request.dtype, request.vae, request.switches)


# ---------------------------------------------------------------------------------------------------- memory


def free(loaded: Loaded) -> None:
    """Let go of every weight of a model that is no longer used, and return the memory to the system.

    Piece by piece: two gigabytes given back at once hold up every other thread for 50 ms.
    """
    from engine.models.compilation import undo_compiling
    from engine.models.cuda_graph import undo_recording

    loaded.prompts.clear()
    undo_recording(loaded.pipeline.unet)
    undo_compiling(loaded.pipeline.unet)
    for module in loaded.modules:
        module.__dict__.pop("adapter_originals", None)
        if loaded.key.backend != "torch":
            cast("Computed", module).release()
        _free_weights(module)
    loaded.residency.end()
    loaded.pipeline = None
    return_memory()


def _free_weights(module: torch.nn.Module) -> None:
    freed = 0
    for part in module.modules():
        for table in (part._parameters, part._buffers):  # pyright: ignore[reportPrivateUsage]
            for name in list(table):
                tensor = table.pop(name)
                freed += 0 if tensor is None else tensor.nbytes
                del tensor
                if freed >= FREED_AT_ONCE:
                    freed = 0
                    time.sleep(0)  # lets another thread have the interpreter


def free_frames(trace: TracebackType | None) -> None:
    """Let go of what the frames of an exception hold, frame by frame; those that still run are left alone."""
    while trace is not None:
        try:
            trace.tb_frame.clear()
        except RuntimeError:
            pass  # it still runs
        time.sleep(0)
        trace = trace.tb_next


def networks(parts: Iterable[Any]) -> list[torch.nn.Module]:
    """Those of `parts` that are networks."""
    import torch

    return [part for part in parts if isinstance(part, torch.nn.Module)]

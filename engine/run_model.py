"""The loaded model of a runner: loading it, telling whether it serves a request, giving its memory back."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from engine.catalog import ModelInfo
from engine.errors import MissingFile
from engine.messages import Bitmap, GenerateRequest
from engine.metadata.fingerprint import fingerprint
from engine.warmup import import_torch

if TYPE_CHECKING:
    import torch

    from engine.prompts.cache import PromptCache

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

    @classmethod
    def of(cls, info: ModelInfo, device: str, dtype: str, vae: str = "") -> ModelKey:
        """The key of the model that a request with these values needs; `MissingFile` for a VAE that is not there."""
        from engine.device import resolve_device

        path = Path(vae).expanduser() if vae else None
        if path is not None and not path.exists():
            raise MissingFile(f"The VAE {path} does not exist; choose another one, or the model's own.")
        return cls(
            model=info.folder,
            fingerprint=fingerprint(info.folder),
            vae=path,
            vae_fingerprint="" if path is None else fingerprint(path),
            device=str(resolve_device(device)),
            dtype=dtype,
        )


@dataclass
class Loaded:
    """A pipeline ready to run; `scheduler_config` is the one it came with, from which every scheduler is made."""

    key: ModelKey
    info: ModelInfo
    device: torch.device
    pipeline: Any
    scheduler_config: Any
    preview: Callable[[torch.Tensor], Bitmap]
    prompts: PromptCache
    hashes: dict[tuple[Path, int, int], str] = field(default_factory=dict[tuple[Path, int, int], str])

    @property
    def modules(self) -> list[torch.nn.Module]:
        """The networks of the pipeline."""
        import torch

        return [part for part in self.pipeline.components.values() if isinstance(part, torch.nn.Module)]


def load(info: ModelInfo, key: ModelKey) -> Loaded:
    """Load the model of `key`.

    Raises:
        KnownError: a file is missing, damaged or of an unknown kind, or does not fit.
    """
    import_torch()
    from engine.device import resolve_device, resolve_dtype
    from engine.preview import load_preview
    from engine.prompts.cache import PromptCache

    device = resolve_device(key.device)
    pipeline: Any = _load_pipeline(key, resolve_dtype(key.dtype)).to(device)
    own_vae = info.folder / "vae" if key.vae is None else key.vae
    return Loaded(
        key=key,
        info=info,
        device=device,
        pipeline=pipeline,
        scheduler_config=pipeline.scheduler.config,
        preview=load_preview(own_vae if own_vae.is_dir() else None, pipeline.vae),
        prompts=PromptCache(),
    )


def _load_pipeline(key: ModelKey, dtype: torch.dtype) -> Any:
    if key.model.is_dir() and key.vae is None:
        from engine.pipelines.base import DiffusionPipeline

        return DiffusionPipeline.from_pretrained(key.model, torch_dtype=dtype)
    from engine import loading

    return loading.load_pipeline(key.model, dtype=dtype, vae=key.vae)


def key_of(info: ModelInfo, request: GenerateRequest) -> ModelKey:
    """The key of the model that `request` needs."""
    return ModelKey.of(info, request.device, request.dtype, request.vae)


# ---------------------------------------------------------------------------------------------------- memory


def free(loaded: Loaded) -> None:
    """Let go of every weight of a model that is no longer used, and return the memory to the system.

    Piece by piece: two gigabytes given back at once hold up every other thread for 50 ms.
    """
    loaded.prompts.clear()
    for module in loaded.modules:
        module.__dict__.pop("adapter_originals", None)
        _free_weights(module)
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


def return_memory() -> None:
    """Give what was freed back to the system."""
    if gc.isenabled():
        # A window switches it off: its own objects may not end in this thread.
        gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        # glibc keeps freed memory for later; a foreign call, so that other threads run meanwhile.
        libc.malloc_trim(0)


def networks(parts: Iterable[Any]) -> list[torch.nn.Module]:
    """Those of `parts` that are networks."""
    import torch

    return [part for part in parts if isinstance(part, torch.nn.Module)]

"""Which memory plan a job has, how a pipeline is set to it, and how the lack of memory is told from other errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.catalog import model_folder
from engine.errors import KnownError, OutOfMemory
from engine.memory import (
    GRAPHS,
    MODES,
    PLACES,
    PLANS,
    TILE,
    MemoryEstimate,
    MemoryPlan,
    cheapest,
    estimate,
    halvings_before,
    rounding_as,
    rows_of,
    size_of,
    stored_precision,
)
from engine.messages import GenerateRequest
from engine.run_kernels import block_numbers, residual_kernels

if TYPE_CHECKING:
    import torch

# What is left to the rest of the machine, and to what an estimate cannot know.
SHARE = 0.9
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a job would take, for whoever is about to start it.

    Attributes:
        plan: the way in which it would be made.
        needed, available: bytes, under this plan and on its device.
        estimate: the parts of it.
        device, dtype: what the request's own words for them mean.
    """

    plan: MemoryPlan
    needed: int
    available: int
    estimate: MemoryEstimate
    device: str
    dtype: str

    @property
    def fits(self) -> bool:
        """Whether the memory suffices, as far as can be told."""
        return self.needed <= self.available


def outlook(request: GenerateRequest, mode: str) -> Outlook:
    """What `request` would take in the memory mode `mode` now; what this process holds already counts as available.

    A plan that the request names makes it one of the same pixels, as far as the memory allows.

    Raises:
        KnownError: the model is missing or damaged, or the device is not there.
    """
    from engine.device import resolve_device, resolve_precision

    device = resolve_device(request.device)
    dtype = resolve_precision(request.dtype, device, lambda: stored_precision(request.model))
    computed = _computed(dtype, request.switches.backend)
    need = estimate(replace(request, dtype=computed), _widened(device, request))
    if request.switches.backend == "openvino" and computed == "float32":
        need = replace(need, terms=_terms_of_kernels(request))
    if device.type == "cuda":
        # Of the memory of the card.
        streamed = _streamed_bytes(request, need.weights["denoiser"])
        need = replace(need, runtime=0, streamed=streamed, graphs=_graphs(request) * need.denoising)
    available = available_bytes(device)
    names = {plan.name: plan for plan in PLANS}
    plan = cheapest(need, available) if mode == "auto" else names[MODES[mode]]
    if request.memory_plan:
        plan = rounding_as(request.memory_plan, plan)
    return Outlook(plan, need.under(plan), available, need, str(device), dtype)


def _computed(dtype: str, backend: str) -> str:
    """The precision that a model asked for in `dtype` is in; OpenVINO takes float32 where the processor lacks it."""
    if backend != "openvino":
        return dtype
    from engine.backends.openvino_session import computes_in
    from engine.backends.packages import check_installed

    check_installed(backend)
    return computes_in(dtype)


def _terms_of_kernels(request: GenerateRequest) -> int:
    """The bytes that OpenVINO's faster convolutions take beyond those of their kernels."""
    from engine.backends.openvino_winograd import added_bytes, form_for

    location, (width, height) = model_folder(request.model), size_of(request)
    first, added = halvings_before(location), 0
    for level, channels in residual_kernels(location):
        size = [-(-side // 2 ** (first + level)) for side in (height, width)]
        added += added_bytes(channels, form_for(rows_of(request), size, channels))
    return added


def _streamed_bytes(request: GenerateRequest, weights: int) -> int:
    """The bytes of `weights`, the denoiser's, that are on a GPU at a time while its blocks come one by one."""
    if request.switches.unet_precision == "int8":
        return weights  # torchao's tensors stay where they are
    sizes = block_numbers(model_folder(request.model))
    whole = sum(sizes.values())
    if not whole:
        return weights
    between = sizes.pop("", 0)
    return int(weights * (between + PLACES * max(sizes.values(), default=0)) / whole)


def _graphs(request: GenerateRequest) -> int:
    """How many graphs of steps on a GPU are kept: one for each size, with guidance and without."""
    if not request.switches.makes_graphs:
        return 0
    sizes = 2 if request.hires_scale > 1 else 1
    in_between = (request.switches.guidance_from, request.switches.guidance_until) != (0, 1)
    return min(sizes * (2 if in_between and request.guidance_scale > 1 else 1), GRAPHS)


def _widened(device: torch.device, request: GenerateRequest) -> tuple[str, ...]:
    """The precisions whose layers compute in float32 on `device`, as far as torch computes."""
    import torch

    from engine.models.arithmetic import is_quick

    if device.type != "cpu" or request.switches.backend != "torch":
        return ()
    return tuple(name for name in ("bfloat16", "float16") if not is_quick(getattr(torch, name)))


def available_bytes(device: torch.device) -> int:
    """Memory of `device` that this process can have, what it holds of it now included; a container's limit counts."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * SHARE) + torch.cuda.memory_reserved(device)
    import psutil

    info: Any = psutil.Process().memory_info()
    # Files that are mapped are not lost to others; on Windows `private` says the same.
    held = info.private if hasattr(info, "private") else info.rss - getattr(info, "shared", 0)
    return int(min((psutil.virtual_memory().available, *_container_limit())) * SHARE) + held


def _container_limit(folder: Path = _CGROUP) -> tuple[int, ...]:
    """What the container's limit leaves, as a tuple of one; of none where there is no limit."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return ()
    # What is cached of files is given up when memory is needed.
    files = sum(int(line.split()[1]) for line in lines if line.split()[0] == "inactive_file")
    return () if limit == "max" else (max(int(limit) - used + files, 0),)


def apply_plan(pipeline: Any, plan: MemoryPlan) -> None:
    """Set the switches of `pipeline` as `plan` says; parts without such a switch are left alone."""
    vae = pipeline.components.get("vae")
    way = "enable" if plan.tiled else "disable"
    for switch in ("slicing", "tiling"):
        if hasattr(vae, f"{way}_{switch}"):
            getattr(vae, f"{way}_{switch}")()
    if plan.tiled and hasattr(vae, "tile_latent_min_size"):
        # Its own tiles are as large as its pictures were, from 128 to 1024 pixels: too few to see, or too many to fit.
        vae.tile_sample_min_size = TILE
        vae.tile_latent_min_size = TILE // 2 ** (len(vae.config.block_out_channels) - 1)
    pipeline.enable_attention_slicing("max" if plan.attention_in_pieces else None)
    for part in pipeline.components.values():
        if hasattr(part, "set_faster_convolutions"):
            part.set_faster_convolutions(not plan.attention_in_pieces)  # their kernels take more memory


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that memory did not suffice."""
    if isinstance(error, KnownError):
        return isinstance(error, OutOfMemory)
    # On a CPU torch raises a bare RuntimeError, and a GPU's libraries have words of their own: they are the only sign.
    words = (
        "out of memory",
        "not enough memory",
        "can't allocate memory",
        "can't start new thread",
        "cublas_status_alloc_failed",
        "cudnn_status_alloc_failed",
        "unable to find an engine to execute this computation",  # cuDNN, where none has room to work in
    )
    told = isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    return isinstance(error, MemoryError) or told


def is_device_lost(error: BaseException) -> bool:
    """Whether `error` means that the device no longer answers: its model must be loaded again."""
    words = ("device-side assert", "device lost", "unspecified launch failure", "illegal memory access", "gpu is lost")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)

"""Turn a request into events: load the model, run the pipeline step by step, write each picture.

No Qt here: the command line iterates `run` itself, the window's engine thread does it for the window.
"""

from __future__ import annotations

import gc
import logging
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import engine
from engine.catalog import ModelInfo, model_folder, read_model, scheduler_entry
from engine.errors import (
    BadFile,
    Cancelled,
    ConfigError,
    DeviceUnavailable,
    InvalidValue,
    KnownError,
    MissingFile,
    OutOfMemory,
    WeightsMismatch,
)
from engine.messages import (
    Bitmap,
    EngineSettings,
    Event,
    GenerateRequest,
    ImageDone,
    JobCancelled,
    JobDone,
    JobFailed,
    JobStarted,
    ModelLoaded,
    ModelLoading,
    Recipe,
    StepDone,
)
from engine.metadata import encode_png
from engine.metadata.fingerprint import fingerprint
from engine.pictures import check_target, picture_path, write_picture
from engine.warmup import import_torch

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from engine.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from engine.pipelines.step import Step

log = logging.getLogger(__name__)

THUMBNAIL_SIDE = 256
_WRONG_INPUT = (InvalidValue, MissingFile, BadFile, ConfigError, WeightsMismatch, DeviceUnavailable)


@dataclass
class _Loaded:
    """A pipeline ready to run; `scheduler_config` is the one it came with, from which every scheduler is made."""

    info: ModelInfo
    fingerprint: str
    device: torch.device
    dtype: str
    pipeline: StableDiffusionPipeline
    scheduler_config: dict[str, Any]
    preview: Callable[[torch.Tensor], Bitmap]


class Runner:
    """Runs one job at a time and keeps the loaded pipeline for the next one."""

    def __init__(self) -> None:
        self._loaded: _Loaded | None = None
        self._settings = EngineSettings()

    @property
    def model(self) -> str | None:
        """Where the loaded model lies; None if there is none."""
        return None if self._loaded is None else str(self._loaded.info.folder)

    def configure(self, settings: EngineSettings) -> None:
        """Take other folders and limits."""
        self._settings = settings

    def run(self, request: GenerateRequest, cancel: threading.Event | None = None) -> Iterator[Event]:
        """Do `request` and yield what happens; set `cancel`, from any thread, to leave it within an operation.

        Errors become the last event, `JobFailed`; nothing but misuse of the iterator raises. Every picture that an
        `ImageDone` announced is complete on the disk, and nothing else is left behind.
        """
        began = perf_counter()
        last: Event
        try:
            yield JobStarted(job_id=request.job_id, count=request.count, steps=request.steps)
            yield from self._pictures(request, cancel or threading.Event())
            last = JobDone(job_id=request.job_id, seconds=perf_counter() - began)
        except Cancelled:
            last = JobCancelled(job_id=request.job_id)
        except Exception as error:  # the border between the engine and its users: any error ends one job only
            last = _failure(request.job_id, error)
        # Outside the handlers, so that no traceback keeps the job's tensors while the event is looked at.
        yield last

    def warm_up(self, model: str, device: str, dtype: str) -> None:
        """Load the model at `model` ahead of its first job; where that fails, the job will say why."""
        info = read_model(model_folder(model))
        self._load(info, device, dtype)

    def release(self) -> None:
        """Let go of the loaded model and return its memory."""
        self._loaded = None
        gc.collect()

    def _pictures(self, request: GenerateRequest, cancel: threading.Event) -> Iterator[Event]:
        now = datetime.now()
        info = read_model(model_folder(request.model))
        info.check_size(request.width, request.height)
        info.check_scheduler(request.scheduler, request.sigma_schedule)
        targets = [picture_path(request, image, now) for image in range(request.count)]
        for target in targets:
            check_target(target, request.on_existing)
        loaded = self._fitting(info, request)
        if loaded is None:
            yield ModelLoading(job_id=request.job_id, model=str(info.folder))
            began = perf_counter()
            loaded = self._load(info, request.device, request.dtype)
            yield ModelLoaded(
                job_id=request.job_id,
                model=str(info.folder),
                device=str(loaded.device),
                dtype=loaded.dtype,
                seconds=perf_counter() - began,
            )
        self._set_scheduler(loaded, request)
        for image, target in enumerate(targets):
            began = perf_counter()
            picture = yield from _denoise(loaded, request, image, cancel)
            recipe = _recipe(loaded, request, image)
            path = write_picture(target, encode_png(picture, recipe), request.on_existing)
            yield ImageDone(
                job_id=request.job_id,
                image=image,
                path=str(path),
                thumbnail=_thumbnail(picture),
                recipe=recipe,
                seconds=perf_counter() - began,
            )

    def _fitting(self, info: ModelInfo, request: GenerateRequest) -> _Loaded | None:
        """What is loaded, if it serves the request."""
        from engine.device import resolve_device

        loaded = self._loaded
        if loaded is None or loaded.info != info or loaded.fingerprint != fingerprint(info.folder):
            return None
        same = loaded.dtype == request.dtype and loaded.device == resolve_device(request.device)
        return loaded if same else None

    def _load(self, info: ModelInfo, device_name: str, dtype: str) -> _Loaded:
        self.release()  # before, not after: two models at once may not fit
        import_torch()
        from engine.device import resolve_device, resolve_dtype
        from engine.pipelines.base import DiffusionPipeline
        from engine.preview import load_preview

        device = resolve_device(device_name)
        loaded = DiffusionPipeline.from_pretrained(info.folder, torch_dtype=resolve_dtype(dtype))
        # Of the catalogue's families there is one so far.
        pipeline = cast("StableDiffusionPipeline", loaded.to(device))
        self._loaded = _Loaded(
            info=info,
            fingerprint=fingerprint(info.folder),
            device=device,
            dtype=dtype,
            pipeline=pipeline,
            scheduler_config=pipeline.scheduler.config,
            preview=load_preview(info.folder / "vae", pipeline.vae),
        )
        return self._loaded

    def _set_scheduler(self, loaded: _Loaded, request: GenerateRequest) -> None:
        from engine import schedulers

        entry = scheduler_entry(request.scheduler)
        changes = entry.config_changes(request.sigma_schedule)
        scheduler_class = getattr(schedulers, entry.class_name)
        loaded.pipeline.scheduler = scheduler_class.from_config(loaded.scheduler_config, **changes)


def run(request: GenerateRequest, cancel: threading.Event | None = None) -> Iterator[Event]:
    """Do one job with a runner of its own; see `Runner.run`."""
    return Runner().run(request, cancel)


def _denoise(
    loaded: _Loaded, request: GenerateRequest, image: int, cancel: threading.Event
) -> Generator[Event, None, Image]:
    """Make picture `image` of the job, yielding its steps; returns it."""
    import torch

    from engine.cancel import cancellable

    steps = loaded.pipeline.steps(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt or None,
        height=request.height,
        width=request.width,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        guidance_rescale=request.guidance_rescale,
        clip_skip=request.clip_skip,
        generator=torch.Generator("cpu").manual_seed(request.seed + image),
        output_type="pil",
    )
    modules = [part for part in loaded.pipeline.components.values() if isinstance(part, torch.nn.Module)]
    with cancellable(modules, cancel), closing(steps):
        while True:
            if cancel.is_set():
                raise Cancelled
            began = perf_counter()
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value.images[0]
            seconds = perf_counter() - began
            yield StepDone(
                job_id=request.job_id,
                image=image,
                index=step.index,
                total=step.total,
                timestep=float(step.timestep),
                seconds=seconds,
                preview=loaded.preview(_clean(step)) if request.previews else None,
            )


def _clean(step: Step) -> torch.Tensor:
    """What the model takes the finished picture to be; PNDM does not say, and its samples come close to it."""
    return step.latents if step.pred_original_sample is None else step.pred_original_sample


def _recipe(loaded: _Loaded, request: GenerateRequest, image: int) -> Recipe:
    import torch

    return Recipe(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        model=loaded.info.location,
        model_name=loaded.info.name,
        model_fingerprint=loaded.fingerprint,
        scheduler=request.scheduler,
        sigma_schedule=request.sigma_schedule,
        steps=request.steps,
        guidance_scale=request.guidance_scale,
        guidance_rescale=request.guidance_rescale,
        seed=request.seed + image,
        width=request.width,
        height=request.height,
        clip_skip=request.clip_skip,
        device=loaded.device.type,
        dtype=loaded.dtype,
        program=f"Sfumato {engine.__version__} with torch {torch.__version__}",
    )


def _thumbnail(picture: Image) -> Bitmap:
    small = picture.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return Bitmap(small.width, small.height, small.tobytes())


def _failure(job_id: str, error: Exception) -> JobFailed:
    if _is_out_of_memory(error):
        error = OutOfMemory("There is not enough memory for this picture; choose a smaller size or a lower precision.")
    if isinstance(error, KnownError):
        return JobFailed.known(job_id, error, wrong_input=isinstance(error, _WRONG_INPUT))
    log.error("a job failed", exc_info=error)
    report = "".join(traceback.format_exception(error))
    return JobFailed(job_id=job_id, kind=type(error).__name__, message=str(error) or repr(error), report=report)


def _is_out_of_memory(error: Exception) -> bool:
    # On a CPU torch raises a bare RuntimeError; its words are the only sign.
    words = ("out of memory", "not enough memory", "can't allocate memory")
    told = isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    return isinstance(error, MemoryError) or (told and not isinstance(error, KnownError))

"""Turn a request into events: load the model, run the pipeline step by step, write each picture.

No Qt here: the command line iterates `run` itself, the window's engine thread does it for the window.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import threading
import traceback
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import engine
from engine.catalog import ModelInfo
from engine.errors import (
    BadFile,
    BugError,
    Cancelled,
    ConfigError,
    DeviceUnavailable,
    InvalidValue,
    KnownError,
    MissingFile,
    OutOfMemory,
    WeightsMismatch,
)
from engine.heap import return_memory
from engine.memory import TILE, MemoryPlan, next_plan
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
    Notice,
    Recipe,
)
from engine.metadata import encode_png
from engine.pictures import check_target, picture_path, write_picture
from engine.queries import model_info
from engine.run_memory import is_device_lost, is_out_of_memory, outlook
from engine.run_model import Loaded, ModelKey, free, free_frames, key_of, load, part_bytes
from engine.switches import OFF, Switches
from engine.warmup import import_torch

if TYPE_CHECKING:
    from PIL.Image import Image

    from engine.run_picture import Job, Making
    from engine.run_prompt import Prompted

log = logging.getLogger(__name__)

THUMBNAIL_SIDE = 256
NO_MEMORY = "There is not enough memory for this picture; choose a smaller size or a lower precision."
DEVICE_LOST = "The device stopped answering: the model is loaded again for one more try."
_WRONG_INPUT = (InvalidValue, MissingFile, BadFile, ConfigError, WeightsMismatch, DeviceUnavailable)


class Runner:
    """Runs one job at a time and keeps the loaded pipeline for the next one."""

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self._loaded: Loaded | None = None
        self._settings = settings or EngineSettings()

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
        except Cancelled as cancelled:
            free_frames(cancelled.__traceback__)
            last = JobCancelled(job_id=request.job_id)
        except Exception as error:  # the border between the engine and its users: any error ends one job only
            last = _failure(request.job_id, error)
        # Outside the handlers, so that no traceback keeps the job's tensors while the event is looked at.
        yield last

    def warm_up(self, model: str, device: str, dtype: str, switches: Switches = OFF) -> None:
        """Load the model at `model` ahead of its first job.

        Not for another back end than torch: exporting may take minutes, and belongs to a job that can be cancelled.

        Raises:
            KnownError: it cannot be loaded.
        """
        import_torch()
        if switches.backend != "torch":
            return
        info = model_info(model)
        key = ModelKey.of(info, device, dtype, switches=switches)
        if self._loaded is None or self._loaded.key != key:
            self.release()
            first = _first_request(info, device, dtype, switches)
            self._loaded = load(info, key, outlook(first, self._settings.memory_mode).plan)

    def release(self) -> None:
        """Let go of the loaded model and return its memory."""
        if self._loaded is not None:
            loaded, self._loaded = self._loaded, None
            free(loaded)

    def _pictures(self, request: GenerateRequest, cancel: threading.Event) -> Iterator[Event]:
        now = datetime.now()
        info = model_info(request.model)
        info.check_size(request.width, request.height)
        info.check_scheduler(request.scheduler, request.sigma_schedule)
        targets = [picture_path(request, image, now) for image in range(request.count)]
        for target in targets:
            check_target(target, request.on_existing)
        job = yield from self._begin(info, request, cancel)
        for image, target in enumerate(targets):
            job = yield from self._picture(job, image, target)

    def _begin(self, info: ModelInfo, request: GenerateRequest, cancel: threading.Event) -> Generator[Event, None, Job]:
        """Choose the memory plan of the job, and have its model loaded."""
        import_torch()
        from engine.run_picture import Job

        plan = outlook(request, self._settings.memory_mode).plan
        loaded = yield from self._model(info, request, plan, cancel)
        notice = loaded.previews.begin(self._settings, loaded.device) if request.previews else ""
        if notice:
            yield Notice(job_id=request.job_id, message=notice)
        return Job(loaded, request, cancel, self._settings, plan)

    def _model(
        self, info: ModelInfo, request: GenerateRequest, plan: MemoryPlan, cancel: threading.Event
    ) -> Generator[Event, None, Loaded]:
        """The model that the request needs, loaded now unless it is there."""
        key = key_of(info, request)
        if self._loaded is not None and self._loaded.key == key and self._loaded.info == info:
            return self._loaded
        yield ModelLoading(job_id=request.job_id, model=str(info.folder))
        began = perf_counter()
        self.release()  # before, not after: two models at once may not fit
        self._loaded = loaded = load(info, key, plan, lambda: _leave_if(cancel))
        yield ModelLoaded(
            job_id=request.job_id,
            model=str(info.folder),
            device=key.device,
            dtype=key.dtype,
            seconds=perf_counter() - began,
            held=part_bytes(loaded),
        )
        if key.backend == "openvino":
            from engine.backends.openvino_session import computes_in

            if computes_in(key.dtype) != key.dtype:
                message = f"In {key.dtype} this processor is no faster: OpenVINO computes in float32."
                yield Notice(job_id=request.job_id, message=message)
        return loaded

    def _picture(self, job: Job, image: int, target: Path) -> Generator[Event, None, Job]:
        """Make a picture; where memory fails, again with the next cheaper plan, and where the device does, once more.

        Returns the job as it goes on: with a plan that needed less, it keeps to that.
        """
        from engine.run_picture import Making

        began, making, lost = perf_counter(), Making(image), False
        while True:
            try:
                done = yield from _written(job, making, target, began)
            except (RuntimeError, MemoryError) as error:
                again = _next_try(job, making, error, lost)
                log.warning("a picture failed and is tried again", exc_info=error)
                free_frames(error.__traceback__)
            else:
                yield done
                return job
            if again is None:
                lost = True
                yield Notice(job_id=job.request.job_id, message=DEVICE_LOST)
                self.release()
                making, job = Making(image), (yield from self._begin(job.loaded.info, job.request, job.cancel))
            else:
                yield Notice(job_id=job.request.job_id, message=again.words)
                job = replace(job, plan=again, frugal=True)
            return_memory()


def _leave_if(cancel: threading.Event) -> None:
    if cancel.is_set():
        raise Cancelled


def run(
    request: GenerateRequest, cancel: threading.Event | None = None, settings: EngineSettings | None = None
) -> Iterator[Event]:
    """Do one job with a runner of its own; see `Runner.run`."""
    return Runner(settings).run(request, cancel)


def _written(job: Job, making: Making, target: Path, began: float) -> Generator[Event, None, ImageDone]:
    """Make a picture and write it; returns what is then to be told."""
    with closing(making.attempt(job)) as events:
        picture = yield from events
    recipe = make_recipe(job, making)
    path = write_picture(target, encode_png(picture, recipe), job.request.on_existing)
    return ImageDone(
        job_id=job.request.job_id,
        image=making.image,
        path=str(path),
        thumbnail=_thumbnail(picture),
        recipe=recipe,
        seconds=perf_counter() - began,
    )


def _first_request(info: ModelInfo, device: str, dtype: str, switches: Switches) -> GenerateRequest:
    """A request as most of those that a model gets."""
    return GenerateRequest(
        prompt="",
        model=str(info.folder),
        scheduler=info.scheduler,
        steps=info.steps,
        guidance_scale=info.guidance_scale,
        seed=0,
        width=info.width,
        height=info.height,
        folder="",
        device=device,
        dtype=dtype,
        switches=switches,
    )


def _next_try(job: Job, making: Making, error: Exception, lost: bool) -> MemoryPlan | None:
    """The plan of the next try after `error`, None for the same one with the model loaded anew; else raises it."""
    if is_device_lost(error) and not lost:
        return None
    if is_out_of_memory(error):
        need = outlook(job.request, "fast").estimate
        plan = next_plan(need, job.plan, making.phase)
        if plan is not None:
            return plan
    raise error


def make_recipe(job: Job, making: Making) -> Recipe:
    """What made a picture of the job, which is done."""
    import torch

    loaded, request, prompted = job.loaded, job.request, making.prompted
    if prompted is None:
        raise BugError("a picture that nothing was read for")
    return Recipe(
        prompt=prompted.prompt,
        negative_prompt=prompted.negative,
        model=loaded.info.location,
        model_name=loaded.info.name,
        model_fingerprint=loaded.key.fingerprint,
        scheduler=request.scheduler,
        sigma_schedule=request.sigma_schedule,
        steps=request.steps,
        guidance_scale=request.guidance_scale,
        guidance_rescale=request.guidance_rescale,
        seed=request.seed + making.image,
        width=request.width,
        height=request.height,
        clip_skip=request.clip_skip,
        device=loaded.device.type,
        dtype=loaded.key.dtype,
        program=f"Sfumato {engine.__version__} with {_library(loaded.key.backend, torch.__version__)}",
        extras=tuple(_extras(job, prompted)),
    )


def _library(backend: str, torch: str) -> str:
    """What computed a picture, with its version."""
    if backend == "torch":
        return f"torch {torch}"
    package = {"openvino": "openvino", "onnx": "onnxruntime"}[backend]
    return f"{package} {importlib.metadata.version(package)}"


def _extras(job: Job, prompted: Prompted) -> Iterator[tuple[str, str]]:
    """What only some pictures have, under the names of the request's fields."""
    loaded, request = job.loaded, job.request
    if request.prompt_syntax != "a1111":
        yield "prompt_syntax", request.prompt_syntax
    if prompted.prompt != request.prompt:
        yield "prompt_template", request.prompt
    if prompted.negative != request.negative_prompt:
        yield "negative_prompt_template", request.negative_prompt
    if prompted.adapters:
        yield "adapters", prompted.adapters
    if request.vae:
        yield "vae", request.vae
        yield "vae_fingerprint", loaded.key.vae_fingerprint
    if request.init_image:
        yield "init_image", request.init_image
        yield "strength", str(request.strength)
    if request.mask_image:
        yield "mask_image", request.mask_image
    if request.hires_scale > 1:
        for name in ("hires_scale", "hires_steps", "hires_strength"):
            yield name, str(getattr(request, name))
    tiled = job.plan.tiled and max(request.width, request.height) * request.hires_scale > TILE
    if tiled or job.plan.attention_in_pieces:
        yield "memory_plan", job.plan.name  # both change some of the last bits of a picture
    if request.switches != OFF:
        yield "switches", json.dumps(request.switches.to_json())
    if request.start is not None:
        yield "start", json.dumps({"record": request.start.record, "step": request.start.step})


def _thumbnail(picture: Image) -> Bitmap:
    small = picture.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return Bitmap(small.width, small.height, small.tobytes())


def _failure(job_id: str, error: Exception) -> JobFailed:
    if is_out_of_memory(error):
        error = OutOfMemory(NO_MEMORY)
    elif is_device_lost(error):
        # CUDA keeps to the first such error until the process ends.
        told = str(error).splitlines()[0]
        error = DeviceUnavailable(
            f"The device no longer answers ({told}); close Sfumato and start it again. The queue is kept."
        )
    if isinstance(error, KnownError):
        return JobFailed.known(job_id, error, wrong_input=isinstance(error, _WRONG_INPUT))
    log.error("a job failed", exc_info=error)
    report = "".join(traceback.format_exception(error))
    return JobFailed(job_id=job_id, kind=type(error).__name__, message=str(error) or repr(error), report=report)

"""Turn a request into events: load the model, run the pipeline step by step, write each picture.

No Qt here: the command line iterates `run` itself, the window's engine thread does it for the window.
"""

from __future__ import annotations

import json
import logging
import threading
import traceback
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING

import engine
from engine.catalog import ModelInfo
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
    Notice,
    Recipe,
)
from engine.metadata import encode_png
from engine.pictures import check_target, picture_path, write_picture
from engine.queries import model_info
from engine.run_memory import PLANS, apply_plan, is_device_lost, is_out_of_memory
from engine.run_model import Loaded, ModelKey, free, free_frames, key_of, load, return_memory
from engine.warmup import import_torch

if TYPE_CHECKING:
    from PIL.Image import Image

    from engine.run_picture import Job
    from engine.run_prompt import Prompted

log = logging.getLogger(__name__)

THUMBNAIL_SIDE = 256
NO_MEMORY = "There is not enough memory for this picture; choose a smaller size or a lower precision."
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

    def warm_up(self, model: str, device: str, dtype: str) -> None:
        """Load the model at `model` ahead of its first job.

        Raises:
            KnownError: it cannot be loaded.
        """
        import_torch()
        info = model_info(model)
        key = ModelKey.of(info, device, dtype)
        if self._loaded is None or self._loaded.key != key:
            self.release()
            self._loaded = load(info, key)

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
        loaded = yield from self._model(info, request)
        for image, target in enumerate(targets):
            began = perf_counter()
            picture, prompted = yield from self._picture(loaded, request, image, cancel)
            loaded = self._loaded or loaded
            recipe = make_recipe(loaded, request, image, prompted)
            path = write_picture(target, encode_png(picture, recipe), request.on_existing)
            yield ImageDone(
                job_id=request.job_id,
                image=image,
                path=str(path),
                thumbnail=_thumbnail(picture),
                recipe=recipe,
                seconds=perf_counter() - began,
            )

    def _model(self, info: ModelInfo, request: GenerateRequest) -> Generator[Event, None, Loaded]:
        """The model that the request needs, loaded now unless it is there."""
        import_torch()
        key = key_of(info, request)
        if self._loaded is not None and self._loaded.key == key and self._loaded.info == info:
            return self._loaded
        yield ModelLoading(job_id=request.job_id, model=str(info.folder))
        began = perf_counter()
        self.release()  # before, not after: two models at once may not fit
        self._loaded = loaded = load(info, key)
        yield ModelLoaded(
            job_id=request.job_id,
            model=str(info.folder),
            device=key.device,
            dtype=key.dtype,
            seconds=perf_counter() - began,
        )
        return loaded

    def _picture(
        self, loaded: Loaded, request: GenerateRequest, image: int, cancel: threading.Event
    ) -> Generator[Event, None, tuple[Image, Prompted]]:
        """Make a picture; where memory or device fail, once more with the next cheaper plan."""
        from engine.run_picture import Job

        try:
            return (yield from _attempt(Job(loaded, request, cancel, self._settings), image, level=0))
        except (RuntimeError, MemoryError) as error:
            if is_device_lost(error):
                notice = "The device stopped answering: the model is loaded again for one more try."
            elif is_out_of_memory(error):
                notice = PLANS[1].words
            else:
                raise
            log.warning("a picture failed and is tried again", exc_info=error)
            lost = is_device_lost(error)
            free_frames(error.__traceback__)
        yield Notice(job_id=request.job_id, message=notice)
        if lost:
            self.release()
            loaded = yield from self._model(model_info(request.model), request)
        return (yield from _attempt(Job(loaded, request, cancel, self._settings), image, level=0 if lost else 1))


def run(
    request: GenerateRequest, cancel: threading.Event | None = None, settings: EngineSettings | None = None
) -> Iterator[Event]:
    """Do one job with a runner of its own; see `Runner.run`."""
    return Runner(settings).run(request, cancel)


def _attempt(job: Job, image: int, level: int) -> Generator[Event, None, tuple[Image, Prompted]]:
    from engine.run_picture import make_picture

    apply_plan(job.loaded.pipeline, PLANS[level])
    if level:
        return_memory()
    with closing(make_picture(job, image)) as events:
        return (yield from events)


def make_recipe(loaded: Loaded, request: GenerateRequest, image: int, prompted: Prompted) -> Recipe:
    """What made picture `image` of the job."""
    import torch

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
        seed=request.seed + image,
        width=request.width,
        height=request.height,
        clip_skip=request.clip_skip,
        device=loaded.device.type,
        dtype=loaded.key.dtype,
        program=f"Sfumato {engine.__version__} with torch {torch.__version__}",
        extras=tuple(_extras(loaded, request, prompted)),
    )


def _extras(loaded: Loaded, request: GenerateRequest, prompted: Prompted) -> Iterator[tuple[str, str]]:
    """What only some pictures have, under the names of the request's fields."""
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
    if request.start is not None:
        yield "start", json.dumps({"record": request.start.record, "step": request.start.step})


def _thumbnail(picture: Image) -> Bitmap:
    small = picture.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return Bitmap(small.width, small.height, small.tobytes())


def _failure(job_id: str, error: Exception) -> JobFailed:
    if is_out_of_memory(error):
        error = OutOfMemory(NO_MEMORY)
    if isinstance(error, KnownError):
        return JobFailed.known(job_id, error, wrong_input=isinstance(error, _WRONG_INPUT))
    log.error("a job failed", exc_info=error)
    report = "".join(traceback.format_exception(error))
    return JobFailed(job_id=job_id, kind=type(error).__name__, message=str(error) or repr(error), report=report)

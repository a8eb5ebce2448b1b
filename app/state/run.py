"""The job that runs, as the canvas shows it: phase, step, preview, speed, time left, and how pictures formed."""

from __future__ import annotations

import logging
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from PySide6.QtCore import QObject, Signal

from app.services.step_store import KeptSteps, StepStore
from app.state.formed import Forming, PictureMemory, steps_to_keep, with_steps
from app.state.picture import Picture, request_of
from engine.errors import KnownError
from engine.messages import (
    Bitmap,
    BranchPoint,
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
    StepDone,
)

if TYPE_CHECKING:
    from app.state.ports import Engine
    from app.state.queue import QueueState

log = logging.getLogger(__name__)

T = TypeVar("T")
Phase = Literal["idle", "starting", "loading", "encoding", "denoising", "decoding", "done", "cancelled", "failed"]
WORKING: tuple[Phase, ...] = ("starting", "loading", "encoding", "denoising", "decoding")

SPEED_STEPS = 8


class RunState(QObject):
    """What the engine does at this moment, and the picture that the canvas shows.

    Signals:
        phase_changed(str): one of `Phase`.
        progress_changed(): step, speed or time left have other values.
        preview_changed(object): the newest `Bitmap` of the picture that forms.
        picture_changed(object): the `Picture` on the canvas is another one, or None.
        message_changed(str): what the engine says about the job: a notice, or why it failed; "" when that is over.
        following_changed(bool): whether the canvas shows what the engine makes.
        problem(str): a sentence for the user about something that did not work.
    """

    phase_changed = Signal(str)
    progress_changed = Signal()
    preview_changed = Signal(object)
    picture_changed = Signal(object)
    message_changed = Signal(str)
    following_changed = Signal(bool)
    problem = Signal(str)

    def __init__(
        self, client: Engine, queue: QueueState, parent: QObject | None = None, *, folder: Path | None = None
    ) -> None:
        """The run of `client`; finished pictures come from `queue`, to which new jobs go.

        `folder` is for masks and pasted pictures; None is a folder of this start of the program alone.
        """
        super().__init__(parent)
        self._folder = folder
        self._queue = queue
        self._client = client
        self._phase: Phase = "idle"
        self._job_id = ""
        self._request: GenerateRequest | None = None
        self._image = 0
        self._step = 0
        self._total = 0
        self._speeds: deque[float] = deque(maxlen=SPEED_STEPS)
        self._after_steps = 0.0
        self._preview: Bitmap | None = None
        self._message = ""
        self._forming = Forming()
        self._steps = None if folder is None else StepStore(folder / "steps")
        self._finished: dict[str, Picture] = {}
        self._formed: deque[str] = deque(maxlen=16)
        self._memory = PictureMemory()
        self._picture: Picture | None = None
        self._newest: Picture | None = None
        self._following = True
        self._connect()

    # ------------------------------------------------------------------------------------------------ what is there

    @property
    def phase(self) -> Phase:
        """What the engine does."""
        return self._phase

    @property
    def working(self) -> bool:
        """Whether a job is under way."""
        return self._phase in WORKING

    @property
    def job_id(self) -> str:
        """The id of the job under way or last ended."""
        return self._job_id

    @property
    def request(self) -> GenerateRequest | None:
        """The request under way or last ended."""
        return self._request

    @property
    def image(self) -> int:
        """The picture of the job that forms, from 0."""
        return self._image

    @property
    def count(self) -> int:
        """How many pictures the job makes."""
        return self._request.count if self._request else 1

    @property
    def step(self) -> int:
        """Steps done of the picture that forms."""
        return self._step

    @property
    def total(self) -> int:
        """Steps of the picture that forms."""
        return self._total

    @property
    def preview(self) -> Bitmap | None:
        """The predicted clean image of the last step, None between jobs."""
        return self._preview

    @property
    def message(self) -> str:
        """What the engine says about the job, or ""."""
        return self._message

    @property
    def picture(self) -> Picture | None:
        """The finished picture on the canvas."""
        return self._picture

    @property
    def seconds_per_step(self) -> float | None:
        """The median of the last steps; None before the first."""
        from statistics import median  # brings fractions and decimals, which no start needs

        return median(self._speeds) if self._speeds else None

    @property
    def fraction(self) -> float:
        """How far the job is, from 0 to 1."""
        if not self._total:
            return 0.0
        return min((self._image + self._step / self._total) / self.count, 1.0)

    @property
    def seconds_left(self) -> float | None:
        """The time that the rest of the job takes at this speed; None before the first step."""
        speed = self.seconds_per_step
        if speed is None or not self.working:
            return None
        pictures = self.count - self._image
        steps = (self._total - self._step) + (pictures - 1) * self._total
        return steps * speed + pictures * self._after_steps

    # ------------------------------------------------------------------------------------------------ what users do

    def cancel(self) -> None:
        """Leave the job under way, also one that the engine has not taken up yet."""
        job = self._queue.running
        if job is not None:
            self._queue.cancel(job.id)

    def show(self, path: str, recipe: Recipe | None = None) -> None:
        """Put a picture file on the canvas, with its steps where they are still known.

        While a job runs the canvas stays with it until `follow`.
        """
        if self._picture is None or path != self._picture.path:
            self._set_following(not self.working)
        known = self._memory.get(path)
        self._set_picture(known or Picture(path, recipe or Recipe()))
        store = self._steps
        if known is None and store is not None:
            self.in_background("steps of a picture", lambda: store.get(path), lambda kept: self._remembered(path, kept))

    @property
    def following(self) -> bool:
        """Whether the canvas shows what the engine makes, and not a picture that was chosen meanwhile."""
        return self._following

    def follow(self) -> None:
        """Show what the engine makes again."""
        self._set_following(True)
        if not self.working and self._newest is not None:
            self._set_picture(self._newest)

    def clear(self) -> None:
        """Empty the canvas."""
        self._set_picture(None)

    @property
    def folder(self) -> Path:
        """Where masks and pasted pictures go."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sfumato-"))
        return self._folder

    def in_background(
        self,
        kind: str,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[], None] | None = None,
    ) -> None:
        """Do `work` in the pool and hand its result to `done` here; what goes wrong becomes a `problem`.

        `failed` is then called too.
        """

        def told(error: Exception) -> None:
            self.tell(error)
            if failed is not None:
                failed()

        self._client.query(kind, work, done, told)

    def tell(self, error: Exception) -> None:
        """Say what went wrong in a sentence for the user; the log has the rest."""
        if not isinstance(error, KnownError):
            log.error("something on the canvas did not work", exc_info=error)
        self.problem.emit(str(error) if isinstance(error, KnownError) else f"{type(error).__name__}: {error}")

    def enqueue(self, request: GenerateRequest) -> str:
        """Put a job into the queue; returns its id."""
        return self._queue.add(request)

    def branch(self, index: int, **changes: Any) -> str:
        """Start again from the stored state after step `index` of the shown picture, with other values of the request.

        Returns the job's id. Raises `LookupError` where the picture's steps are not known.
        """
        picture = self._picture
        if picture is None or picture.request is None:
            raise LookupError("no picture whose steps are known is on the canvas")
        if index not in picture.records:
            raise LookupError(f"no record of step {index} is kept")
        start = BranchPoint(record=picture.records[index], step=index)
        return self.enqueue(replace(picture.request, **(changes | {"start": start, "job_id": ""})))

    def vary(self, like: GenerateRequest, count: int = 4, strength: float = 0.4) -> str | None:
        """Make `count` pictures that are like the shown one: image to image, each with another seed.

        `like` says how, for a picture of which it is not known what made it.
        """
        picture = self._picture
        if picture is None:
            return None
        request = picture.request or request_of(picture.recipe, like)
        seed = (request.seed + 1) % (2**63)
        changes = {"init_image": picture.path, "mask_image": "", "strength": strength, "seed": seed, "count": count}
        return self.enqueue(replace(request, **changes, start=None))

    def enlarge(self, like: GenerateRequest, scale: float = 2.0, strength: float = 0.5) -> str | None:
        """Make the shown picture again with a second pass at a larger size; `like` as in `vary`."""
        picture = self._picture
        if picture is None:
            return None
        request = picture.request or request_of(picture.recipe, like)
        return self.enqueue(replace(request, hires_scale=scale, hires_strength=strength, start=None))

    # ------------------------------------------------------------------------------------------------ engine's events

    def _connect(self) -> None:
        client = self._client
        client.job_started.connect(self._job_started)
        client.job_loading.connect(self._loading)
        client.job_loaded.connect(self._loaded)
        client.step_done.connect(self._step_done)
        client.image_done.connect(self._image_done)
        client.job_done.connect(self._ended)
        client.job_cancelled.connect(self._ended)
        client.job_failed.connect(self._ended)
        client.notice.connect(self._noticed)
        self._queue.picture_ready.connect(self._picture_ready)
        self._queue.running_changed.connect(self._submitted)

    def _noticed(self, event: Notice) -> None:
        self._set_message(event.message)

    def _submitted(self, running: bool) -> None:
        """A job is on its way to the engine, which may still have its libraries to load."""
        job = self._queue.running
        if running and job is not None:
            self._begin(job.id, job.request.steps)

    def _job_started(self, event: JobStarted) -> None:
        self._begin(event.job_id, event.steps)

    def _begin(self, job_id: str, steps: int) -> None:
        job = self._queue.job(job_id)
        self._job_id = job_id
        self._request = job.to_run() if job else None
        self._image, self._step, self._total = 0, 0, steps
        self._speeds.clear()
        self._forming = Forming()
        self._set_message("")
        self._set_preview(None)
        self._set_phase("starting")
        self.progress_changed.emit()

    def _loading(self, _event: ModelLoading) -> None:
        self._set_phase("loading")

    def _loaded(self, _event: ModelLoaded) -> None:
        self._set_phase("encoding")

    def _step_done(self, event: StepDone) -> None:
        if event.job_id != self._job_id:
            return
        self._image, self._step, self._total = event.image, event.index + 1, event.total
        self._speeds.append(event.seconds)
        self._forming.add(event)
        if event.preview is not None:
            self._set_preview(event.preview)
        self._set_phase("decoding" if self._step == self._total else "denoising")
        self.progress_changed.emit()

    def _image_done(self, event: ImageDone) -> None:
        if event.job_id != self._job_id or event.path in self._formed:
            return
        self._after_steps = max(event.seconds - self._forming.seconds, 0.0)
        request = self._request
        own = None if request is None else replace(request, seed=request.seed + event.image, count=1)
        self._formed.append(event.path)
        self._finished[event.path] = Picture(
            event.path,
            event.recipe,
            own,
            tuple(self._forming.steps),
            self._forming.records,
            self._total,
            event.thumbnail,
        )
        self._forming = Forming()
        if event.image + 1 < self.count:
            self._image, self._step = event.image + 1, 0
            self._set_phase("encoding")
        self.progress_changed.emit()

    def _picture_ready(self, event: ImageDone) -> None:
        # The queue hears of the picture first, and announces it at once where there is no row to wait for.
        self._image_done(event)
        picture = self._finished.pop(event.path, None) or Picture(event.path, event.recipe, thumbnail=event.thumbnail)
        self._memory.put(picture)
        self._keep_steps(picture)
        self._newest = picture
        if self._following:
            self._set_picture(picture)

    def _ended(self, event: JobDone | JobCancelled | JobFailed) -> None:
        if event.job_id != self._job_id:
            return
        self._forming = Forming()
        self._set_preview(None)
        if isinstance(event, JobFailed):
            self._set_message(event.message)
            self._set_phase("failed")
        else:
            self._set_phase("done" if isinstance(event, JobDone) else "cancelled")
        self.progress_changed.emit()

    def _keep_steps(self, picture: Picture) -> None:
        store, kept = self._steps, steps_to_keep(picture)
        if store is not None and kept is not None:
            put: Callable[[], None] = lambda: store.put(picture.path, kept)  # noqa: E731
            self.in_background(f"keep steps of {picture.path}", put, lambda _none: None)

    def _remembered(self, path: str, kept: KeptSteps | None) -> None:
        """The steps of the shown picture came from the disk."""
        shown = self._picture
        if kept is None or shown is None or shown.path != path:
            return
        if (picture := with_steps(shown, kept)) is not None:
            self._memory.put(picture)
            self._set_picture(picture)

    def _set_phase(self, phase: Phase) -> None:
        if phase != self._phase:
            self._phase = phase
            self.phase_changed.emit(phase)

    def _set_following(self, following: bool) -> None:
        if following != self._following:
            self._following = following
            self.following_changed.emit(following)

    def _set_preview(self, preview: Bitmap | None) -> None:
        self._preview = preview
        self.preview_changed.emit(preview)

    def _set_message(self, message: str) -> None:
        if message != self._message:
            self._message = message
            self.message_changed.emit(message)

    def _set_picture(self, picture: Picture | None) -> None:
        self._picture = picture
        self.picture_changed.emit(picture)

"""An engine that plays a script: the port of the client, without torch and without a thread.

A script is a function from a request to the events of its job; `play` gives them one by one, whenever the test says so,
or all at once with `automatic`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from engine.messages import (
    Bitmap,
    EngineReady,
    EngineSettings,
    Event,
    GenerateRequest,
    ImageDone,
    JobCancelled,
    JobDone,
    JobStarted,
    ModelReleased,
    Recipe,
    StepDone,
)
from engine.metadata import encode_png
from engine.switches import Switches

Script = Callable[[GenerateRequest], Iterable[Event]]


class FakeEngine:
    """Plays `script` for each job.

    Attributes:
        submitted: the requests, in their order.
        cancelled: ids of jobs that were cancelled.
        warmed: what `warm_up` was asked for.
        released, closed: how often that was asked for.
    """

    def __init__(self, script: Script | None = None, *, automatic: bool = True) -> None:
        self._script = script or a_whole_job
        self._automatic = automatic
        self._events: deque[Event] = deque()
        self._receive: Callable[[Event], None] = _nobody
        self.submitted: list[GenerateRequest] = []
        self.cancelled: list[str] = []
        self.warmed: list[tuple[str, str, str, Switches]] = []
        self.settings = EngineSettings()
        self.released = 0
        self.closed = 0

    # ------------------------------------------------------------------------------------------------ the port

    def start(self, receive: Callable[[Event], None]) -> None:
        self._receive = receive

    def configure(self, settings: EngineSettings) -> None:
        self.settings = settings

    def submit(self, request: GenerateRequest) -> None:
        self.submitted.append(request)
        self._events.extend(self._script(request))
        if self._automatic:
            self.play()

    def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)
        self._events = deque(event for event in self._events if event.job_id != job_id)
        self._events.append(JobCancelled(job_id=job_id))
        if self._automatic:
            self.play()

    def release(self) -> None:
        self.released += 1
        self._receive(ModelReleased(job_id="", model="sfumato-icons"))

    def warm_up(self, model: str, device: str, dtype: str, switches: Switches) -> None:
        self.warmed.append((model, device, dtype, switches))
        self._receive(EngineReady())

    def close(self) -> None:
        self.closed += 1

    # ------------------------------------------------------------------------------------------------ for the test

    @property
    def waiting(self) -> int:
        """Events that are not played yet."""
        return len(self._events)

    def play(self, count: int | None = None) -> None:
        """Give the next `count` events, or all."""
        for _ in range(len(self._events) if count is None else count):
            self._receive(self._events.popleft())

    def say(self, *events: Event) -> None:
        """Give `events` now, before those of the script."""
        for event in events:
            self._receive(event)


def a_whole_job(request: GenerateRequest) -> Iterable[Event]:
    """A job that goes well; its pictures are written, as files of one colour."""
    yield JobStarted(job_id=request.job_id, count=request.count, steps=request.steps)
    for image in range(request.count):
        for index in range(request.steps):
            yield a_step(request, index, image)
        yield a_picture(request, image)
    yield JobDone(job_id=request.job_id, seconds=1.0)


def a_step(request: GenerateRequest, index: int, image: int = 0, seconds: float = 0.25) -> StepDone:
    """Step `index` (from 0), with a preview that gets lighter from step to step."""
    shade = 255 * (index + 1) // request.steps
    return StepDone(
        job_id=request.job_id,
        image=image,
        index=index,
        total=request.steps,
        timestep=999.0 - index,
        seconds=seconds,
        preview=Bitmap(8, 8, bytes([shade, 40, 40] * 64)) if request.previews else None,
        record=f"{request.job_id}-{image}" if request.record else "",
    )


def a_picture(request: GenerateRequest, image: int = 0) -> ImageDone:
    """A finished picture, written into the request's folder."""
    seed = request.seed + image
    recipe = Recipe(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        model=request.model,
        scheduler=request.scheduler,
        steps=request.steps,
        guidance_scale=request.guidance_scale,
        seed=seed,
        width=request.width,
        height=request.height,
    )
    path = Path(request.folder) / f"{request.job_id or 'picture'}-{seed}.png"
    path.write_bytes(encode_png(Image.new("RGB", (request.width, request.height), "#208040"), recipe))
    return ImageDone(
        job_id=request.job_id,
        image=image,
        path=str(path),
        thumbnail=Bitmap(4, 4, bytes([32, 128, 64] * 16)),
        recipe=recipe,
        seconds=1.25,
    )


def _nobody(event: Event) -> None:
    raise RuntimeError(f"nobody takes {event}")

"""An engine that does what a test tells it: the signals of the client, emitted by hand, in any order and number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from PySide6.QtCore import QObject, QTimer, Signal

from engine.messages import (
    Bitmap,
    GenerateRequest,
    ImageDone,
    JobCancelled,
    JobDone,
    JobFailed,
    JobStarted,
    Recipe,
    StepDone,
)
from engine.metadata import encode_png


def make_request(prompt: str = "a red apple", **changes: Any) -> GenerateRequest:
    """A request that fits the embedded model."""
    values: dict[str, Any] = {
        "prompt": prompt,
        "model": "sfumato-icons",
        "scheduler": "ddim",
        "steps": 4,
        "guidance_scale": 3.0,
        "seed": 7,
        "width": 64,
        "height": 64,
        "folder": "/pictures",
        "record": True,
    }
    return GenerateRequest(**(values | changes))


class HandDrivenClient(QObject):
    """Stands where the engine's client stands; `started`, `step`, `picture`, `done` and the like say what happens."""

    job_started = Signal(object)
    job_loading = Signal(object)
    job_loaded = Signal(object)
    step_done = Signal(object)
    image_done = Signal(object)
    job_done = Signal(object)
    job_cancelled = Signal(object)
    job_failed = Signal(object)
    notice = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[GenerateRequest] = []

    @property
    def job(self) -> str:
        """The id of the job submitted last."""
        return self.submitted[-1].job_id

    def submit(self, request: GenerateRequest) -> None:
        self.submitted.append(request)

    def cancel(self, job_id: str) -> None:
        self.job_cancelled.emit(JobCancelled(job_id=job_id))

    def query(
        self,
        _kind: str,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - as the pool does
            if failed is not None:
                problem = error
                QTimer.singleShot(0, lambda: failed(problem))
        else:
            QTimer.singleShot(0, lambda: done(result))

    def started(self) -> None:
        request = self.submitted[-1]
        self.job_started.emit(JobStarted(job_id=request.job_id, count=request.count, steps=request.steps))

    def step(self, index: int, image: int = 0, seconds: float = 0.25) -> None:
        request = self.submitted[-1]
        shade = 255 * (index + 1) // request.steps
        self.step_done.emit(
            StepDone(
                job_id=request.job_id,
                image=image,
                index=index,
                total=request.steps,
                timestep=999.0 - index,
                seconds=seconds,
                preview=Bitmap(8, 8, bytes([shade, 40, 40] * 64)),
                record=f"{request.job_id}/{image}" if request.record else "",
            )
        )

    def picture(self, path: Path, image: int = 0) -> None:
        request = self.submitted[-1]
        recipe = Recipe(prompt=request.prompt, seed=request.seed + image, steps=request.steps)
        path.write_bytes(encode_png(Image.new("RGB", (request.width, request.height), "#208040"), recipe))
        self.image_done.emit(
            ImageDone(
                job_id=request.job_id,
                image=image,
                path=str(path),
                thumbnail=Bitmap(4, 4, bytes([32, 128, 64] * 16)),
                recipe=recipe,
                seconds=1.25,
            )
        )

    def done(self) -> None:
        self.job_done.emit(JobDone(job_id=self.job, seconds=1.0))

    def failed(self, message: str = "There is not enough memory; choose a smaller size.") -> None:
        self.job_failed.emit(JobFailed(job_id=self.job, kind="OutOfMemory", message=message))

    def whole_job(self, folder: Path) -> Iterator[Path]:
        """Play the submitted job to its end; yields each picture's path."""
        request = self.submitted[-1]
        self.started()
        for image in range(request.count):
            for index in range(request.steps):
                self.step(index, image)
            path = folder / f"{request.job_id}-{request.seed + image}.png"
            self.picture(path, image)
            yield path
        self.done()

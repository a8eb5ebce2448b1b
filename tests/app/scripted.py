"""An engine that does what a test tells it, event by event, behind the real client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from app.engine_client import EngineClient
from engine.messages import (
    Bitmap,
    Event,
    GenerateRequest,
    ImageDone,
    JobDone,
    JobFailed,
    JobStarted,
    Recipe,
    StepDone,
)
from engine.metadata import encode_png
from tests.app.fake_engine import FakeEngine


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


class HandDrivenClient(EngineClient):
    """The engine's client on an engine that does nothing by itself; `started`, `step`, `picture` and so on drive it.

    What is said has arrived when the method returns.
    """

    def __init__(self) -> None:
        self.engine = FakeEngine(lambda _request: (), automatic=False)
        super().__init__(self.engine)

    @property
    def submitted(self) -> list[GenerateRequest]:
        """The requests, in their order."""
        return self.engine.submitted

    @property
    def job(self) -> str:
        """The id of the job submitted last."""
        return self.submitted[-1].job_id

    def say(self, event: Event) -> None:
        """Let the engine say `event`, and take it in at once instead of with the next batch."""
        self.engine.say(event)
        self._deliver()

    def started(self) -> None:
        request = self.submitted[-1]
        self.say(JobStarted(job_id=request.job_id, count=request.count, steps=request.steps))

    def step(self, index: int, image: int = 0, seconds: float = 0.25) -> None:
        request = self.submitted[-1]
        shade = 255 * (index + 1) // request.steps
        self.say(
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
        self.say(
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
        self.say(JobDone(job_id=self.job, seconds=1.0))

    def failed(self, message: str = "There is not enough memory; choose a smaller size.") -> None:
        self.say(JobFailed(job_id=self.job, kind="OutOfMemory", message=message))

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

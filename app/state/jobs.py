"""What becomes of a job: its progress, its next round, how it is after it ended. Values and functions, no Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.services.queue_store import Job
from engine.catalog import LIMITS
from engine.messages import Bitmap, JobCancelled, JobDone, JobFailed


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the running job is: pictures done, and the step of the one that forms."""

    image: int = 0
    count: int = 1
    step: int = 0
    total: int = 0
    preview: Bitmap | None = None

    @property
    def fraction(self) -> float:
        """From 0 to 1, over all pictures of the job."""
        return (self.image + (self.step / self.total if self.total else 0.0)) / max(self.count, 1)


@dataclass(frozen=True, slots=True)
class Removed:
    """What an undo brings back: jobs as they were, and the order they stood in."""

    jobs: tuple[Job, ...]
    order: tuple[str, ...]


def next_round(job: Job) -> Job:
    """The job with the seeds that follow, ready to run; seeds begin again where numbers end."""
    request = job.request
    seed = request.seed + request.count
    if seed + request.count - 1 > LIMITS["seed"].maximum:
        seed = 0
    return replace(
        job, request=replace(request, seed=seed), status="waiting", made=0, rounds=job.rounds + 1, message=""
    )


def after(job: Job, event: JobDone | JobCancelled | JobFailed) -> Job:
    """The job as it is after `event` ended it."""
    match event:
        case JobDone():
            return replace(job, status="done", message="")
        case JobCancelled():
            return replace(job, status="cancelled", forever=False)
        case JobFailed():
            return replace(job, status="failed", message=event.message, report=event.report)


def small(bitmap: Bitmap, side: int = 64) -> Bitmap:
    """Every n-th pixel of the picture, so that a job's row stays small: at most `side` wide and high."""
    every = max(-(-max(bitmap.width, bitmap.height) // side), 1)
    if every == 1:
        return bitmap
    row = bitmap.width * 3
    width = -(-bitmap.width // every)
    lines: list[bytes] = []
    for y in range(0, bitmap.height, every):
        line = bitmap.pixels[y * row : (y + 1) * row]
        lines.append(b"".join(line[x * 3 : x * 3 + 3] for x in range(0, bitmap.width, every)))
    return Bitmap(width, len(lines), b"".join(lines))

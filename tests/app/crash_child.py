"""A program with a busy queue and the real engine, told what to do by its arguments, that is killed from outside.

It prints a line for each promise: `restored ID STATUS`, `stored ID`, `ended ID STATUS`, `ready PATH`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QTimer

from app.engine_client import EngineClient, engine_thread
from app.state.gallery import GalleryState
from app.state.queue import QueueState
from engine.catalog import EMBEDDED_MODEL
from tests.app.scripted import make_request

WAITING = 5


def say(*words: str) -> None:
    print(*words, flush=True)


def main(data: Path, pictures: Path) -> None:
    """Keep a queue busy until the process is killed."""
    app = QCoreApplication([])
    gallery = GalleryState(data / "gallery.sqlite3", pictures, data / "thumbnails", watch=False)
    client = EngineClient(engine_thread())
    queue = QueueState(client, data / "queue.sqlite3", gallery)
    seeds = iter(range(sum(1 for _ in pictures.iterdir()) * 100, 2**31))

    def fill() -> None:
        if len(queue.with_status("waiting")) < WAITING:
            seed = next(seeds)
            queue.add(make_request(f"icon {seed}", seed=seed, steps=2, width=128, height=128, count=1 + seed % 3,
                                   folder=str(pictures), record=False, model=EMBEDDED_MODEL))  # fmt: skip

    def restored() -> None:
        for job in queue.jobs:
            say("restored", job.id, job.status)
        say("ready-to-work")
        queue.retry([job.id for job in queue.with_status("interrupted")])
        timer.start()

    def changed(job_id: str) -> None:
        job = queue.job(job_id)
        if job is not None and job.status in {"done", "failed"}:
            say("ended", job_id, job.status, job.message)

    timer = QTimer()
    timer.setInterval(5)
    timer.timeout.connect(fill)
    queue.job_stored.connect(lambda id: say("stored", id))
    queue.picture_ready.connect(lambda picture: say("ready", picture.path))
    queue.problem.connect(lambda text: say("problem", text))
    gallery.problem.connect(lambda text: say("problem", text))
    queue.job_changed.connect(changed)
    queue.restored.connect(restored)
    app.exec()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""The queue of jobs: their order, and which one the engine gets next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QUuid, Signal

from app.services.queue_store import UNFINISHED, Job, JobStatus, SavedQueue
from app.state.jobs import Progress, Removed, after, next_round, small
from app.state.ports import Engine, Gallery
from app.state.queue_keeper import QueueKeeper
from engine.messages import (
    GenerateRequest,
    ImageDone,
    JobCancelled,
    JobDone,
    JobFailed,
    JobStarted,
    StepDone,
)

# Ended jobs stay in the list until the program is left; more than these would only make it slow.
ENDED_KEPT = 200
UNDO_KEPT = 20
EACH_LIMIT = 500


class QueueState(QObject):
    """All jobs, in the order in which they run; submits the next one to the engine when one ends.

    A job counts as kept once `job_stored` names it. A picture is announced by `picture_ready` once its file and its row
    in the gallery exist.

    Signals:
        jobs_changed: jobs were added, removed or moved.
        job_changed(str): the job with this id, or its progress, has other values.
        job_stored(str): the job is on the disk and survives a crash.
        picture_ready(ImageDone): a picture is finished, as a file and in the gallery.
        paused_changed(bool), undo_changed(bool): whether the queue is paused; whether something can be undone.
        problem(object): a known error, or what says a sentence.
        restored(): the jobs of the last time are there.
        drained(int): nothing is left to do, after so many pictures.
    """

    jobs_changed = Signal()
    job_changed = Signal(str)
    job_stored = Signal(str)
    picture_ready = Signal(object)
    paused_changed = Signal(bool)
    undo_changed = Signal(bool)
    running_changed = Signal(bool)
    problem = Signal(object)
    restored = Signal()
    drained = Signal(int)

    def __init__(
        self, client: Engine, file: Path | None, gallery: Gallery | None = None, parent: QObject | None = None
    ) -> None:
        """A queue on `client`, kept in `file` (None: in memory only), whose pictures go to `gallery`."""
        super().__init__(parent)
        self._client = client
        self._gallery = gallery
        self._jobs: dict[str, Job] = {}
        self._running = ""
        self._bases: dict[str, int] = {}
        self._progress = Progress()
        self._unannounced: dict[str, ImageDone] = {}
        self._ending: Job | None = None
        self._paused = False
        self._closed = False
        self._loaded = file is None
        self._held: set[str] = set()
        self._undo: list[Removed] = []
        self._pictures = 0
        self._keeper = QueueKeeper(file, self)
        self._keeper.stored.connect(self.job_stored)
        self._keeper.problem.connect(self.problem.emit)
        self._connect()
        self._keeper.load(self._restore, self._begin_without_file)

    # ------------------------------------------------------------------------------------------------ what is there

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Every job in the list, in order."""
        return tuple(self._jobs.values())

    def job(self, job_id: str) -> Job | None:
        """The job with this id, or None."""
        return self._jobs.get(job_id)

    def index(self, job_id: str) -> int:
        """The place of the job in the list; -1 if it is not there."""
        return next((index for index, id in enumerate(self._jobs) if id == job_id), -1)

    def with_status(self, *statuses: JobStatus) -> tuple[Job, ...]:
        """The jobs in one of these states, in order."""
        return tuple(job for job in self._jobs.values() if job.status in statuses)

    @property
    def running(self) -> Job | None:
        """The job that the engine works on, or None."""
        return self._jobs.get(self._running)

    @property
    def progress(self) -> Progress:
        """How far the running job is."""
        return self._progress

    @property
    def paused(self) -> bool:
        """Whether the next job waits for `resume`; the running one goes on."""
        return self._paused

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would bring something back."""
        return bool(self._undo)

    # ------------------------------------------------------------------------------------------------ what users do

    def add(self, request: GenerateRequest, *, forever: bool = False) -> str:
        """Put a job at the end of the queue and return its id; it starts at once where nothing else waits."""
        return self.add_all([request], forever=forever)[0]

    def add_all(self, requests: Iterable[GenerateRequest], *, forever: bool = False) -> list[str]:
        """Put a job for each request at the end of the queue, in one write; returns their ids."""
        jobs = [
            Job(
                id=QUuid.createUuid().toString(QUuid.StringFormat.Id128),
                request=replace(request, job_id=""),
                forever=forever,
            )
            for request in requests
        ]
        for job in jobs:
            self._jobs[job.id] = job
        self._save(*jobs)
        self.jobs_changed.emit()
        self._advance()
        return [job.id for job in jobs]

    def add_each(self, request: GenerateRequest, wildcards: Path) -> None:
        """Put a job into the queue for each text that the prompt's choices and wildcards can give.

        The texts are found in the pool; `EACH_LIMIT` of them at most, which is said where there are more.
        """

        def found(prompts: list[str]) -> None:
            if len(prompts) > EACH_LIMIT:
                self.problem.emit(
                    lambda: self.tr(
                        "The prompt has more than %n choices; the first ones were put into the queue.", "", EACH_LIMIT
                    )
                )
            # Curly brackets that were meant as such stay so when the engine reads the prompt again.
            texts = [text.replace("{", "\\{").replace("}", "\\}") for text in prompts[:EACH_LIMIT]]
            self.add_all([replace(request, prompt=text) for text in texts])

        def failed(error: Exception) -> None:
            self.problem.emit(str(error))

        self._client.every_prompt(request.prompt, wildcards, EACH_LIMIT + 1, found, failed)

    def pause(self) -> None:
        """Start no further job; the running one is finished."""
        self._set_paused(True)

    def resume(self) -> None:
        """Go on with the next job."""
        self._set_paused(False)
        self._advance()

    def cancel(self, job_id: str) -> None:
        """Leave the job: the engine drops a running one at once, a waiting one will not start."""
        job = self._jobs.get(job_id)
        if job is None or job.status not in UNFINISHED:
            return
        if job_id == self._running:
            # No new round, whatever the engine still had time to finish.
            self._jobs[job_id] = replace(job, forever=False)
            self._client.cancel(job_id)
        else:
            self._remember([job])
            self._change(replace(job, status="cancelled", forever=False))
            self._trim()

    def cancel_all(self) -> None:
        """Leave every job that is not finished; one undo brings the waiting ones back."""
        waiting = self.with_status("waiting", "interrupted")
        if waiting:
            self._remember(waiting)
        for job in waiting:
            self._jobs[job.id] = replace(job, status="cancelled", forever=False)
        self._save(*(self._jobs[job.id] for job in waiting))
        self.jobs_changed.emit()
        if self._running:
            self.cancel(self._running)

    def remove(self, ids: Iterable[str]) -> None:
        """Take jobs off the list; a running one is left first. Can be undone."""
        jobs = [job for id in ids if (job := self._jobs.get(id)) is not None]
        for job in jobs:
            if job.id == self._running:
                self.cancel(job.id)
        jobs = [job for job in jobs if job.id != self._running]
        if not jobs:
            return
        self._remember(jobs)
        self._forget([job.id for job in jobs])

    def clear_ended(self) -> None:
        """Take every job off the list that is done, failed or cancelled. Can be undone."""
        self.remove([job.id for job in self.with_status("done", "failed", "cancelled")])

    def undo(self) -> None:
        """Bring back what the last cancel, removal or clearing took away."""
        if not self._undo:
            return
        past = self._undo.pop()
        for job in past.jobs:
            self._jobs[job.id] = job
        places = {id: place for place, id in enumerate(past.order)}
        # What was added since stays behind what was there before.
        self._jobs = dict(sorted(self._jobs.items(), key=lambda item: places.get(item[0], len(places))))
        self._save(*past.jobs, order=True)
        self.undo_changed.emit(self.can_undo)
        self.jobs_changed.emit()
        self._advance()

    def move(self, ids: Sequence[str], before: str | None) -> None:
        """Put jobs, in the order given, before another one, or last with None.

        A running job keeps its place; what is dropped before it comes right after it.
        """
        moving = [id for id in ids if id in self._jobs and self._jobs[id].status in {"waiting", "interrupted"}]
        if not moving or before in moving:
            return
        rest = [id for id in self._jobs if id not in moving]
        place = rest.index(before) if before in rest else len(rest)
        if self._running in rest:
            place = max(place, rest.index(self._running) + 1)
        order = rest[:place] + moving + rest[place:]
        self._jobs = {id: self._jobs[id] for id in order}
        self._save(order=True)
        self.jobs_changed.emit()

    def edit(self, job_id: str, request: GenerateRequest) -> bool:
        """Give a job that has not begun another request; false where it has begun meanwhile and stays as it was."""
        job = self._jobs.get(job_id)
        if job is None or job.status == "running":
            return False
        self._change(replace(job, request=replace(request, job_id=""), made=0))
        return True

    def hold(self, job_id: str, held: bool = True) -> None:
        """Keep a waiting job from starting while the user edits it, or let it go again."""
        if held:
            self._held.add(job_id)
        else:
            self._held.discard(job_id)
            self._advance()

    def set_forever(self, job_id: str, forever: bool) -> None:
        """Start the job anew with the next seeds each time it ends, or stop doing so after this round."""
        if (job := self._jobs.get(job_id)) is not None:
            self._change(replace(job, forever=forever))

    def duplicate(self, ids: Iterable[str]) -> list[str]:
        """Put the same jobs once more at the end of the queue; returns the new ids."""
        return self.add_all([self._jobs[id].request for id in ids if id in self._jobs])

    def retry(self, ids: Iterable[str] | None = None) -> None:
        """Let failed, cancelled or interrupted jobs run again where they stand; None means all failed ones.

        Pictures that a job has made already are not made again.
        """
        chosen = [job.id for job in self.with_status("failed")] if ids is None else list(ids)
        again = [self._jobs[id] for id in chosen if id in self._jobs]
        again = [job for job in again if job.status in {"failed", "cancelled", "interrupted"}]
        for job in again:
            ready = job if job.left > 0 else next_round(job)
            self._jobs[job.id] = replace(ready, status="waiting", message="", report="")
        self._save(*(self._jobs[job.id] for job in again))
        self.jobs_changed.emit()
        self._advance()

    def close(self) -> None:
        """Write what is still to be written and let go of the file; the running job will be offered again.

        Called before the engine is closed: what its end does to the running job is no wish of the user.
        """
        self._closed = True
        self._keeper.close()

    # ------------------------------------------------------------------------------------------------ running jobs

    def _connect(self) -> None:
        client = self._client
        client.job_started.connect(self._started)
        client.step_done.connect(self._stepped)
        client.image_done.connect(self._pictured)
        for signal in (client.job_done, client.job_cancelled, client.job_failed):
            signal.connect(self._ended)
        if self._gallery is not None:
            self._gallery.added.connect(self._announce)

    def _advance(self) -> None:
        """Give the engine the next job, if it is idle and the queue is not paused."""
        if self._running or self._paused or self._closed or not self._loaded:
            return
        job = next((job for job in self.with_status("waiting") if job.id not in self._held), None)
        if job is None:
            if self._pictures and not self.with_status("waiting"):
                pictures, self._pictures = self._pictures, 0
                self.drained.emit(pictures)
            return
        self._running = job.id
        self._bases[job.id] = job.made
        self._progress = Progress(image=job.made, count=job.request.count, total=job.request.steps)
        self._change(replace(job, status="running"))
        self.running_changed.emit(True)
        self._client.submit(job.to_run())

    def _started(self, event: JobStarted) -> None:
        if event.job_id == self._running:
            self.job_changed.emit(event.job_id)

    def _stepped(self, event: StepDone) -> None:
        job = self._jobs.get(event.job_id)
        if job is None or event.job_id != self._running:
            return
        self._progress = Progress(
            self._bases[job.id] + event.image, job.request.count, event.index + 1, event.total, event.preview
        )
        self.job_changed.emit(event.job_id)

    def _pictured(self, event: ImageDone) -> None:
        """A file is complete: count it, and let the gallery make its row before anybody hears of it."""
        job = self._jobs.get(event.job_id)
        if job is not None:
            # Also of a job that was cancelled while its picture was being written.
            made = self._bases.get(job.id, 0) + event.image + 1
            if job.id == self._running:
                self._progress = Progress(made, job.request.count, 0, job.request.steps)
            self._change(replace(job, made=made, picture=event.path, thumbnail=small(event.thumbnail)))
        self._unannounced[event.path] = event
        if self._gallery is None:
            self._announce(event)
        else:
            self._gallery.add(event)

    def _announce(self, event: ImageDone) -> None:
        if self._unannounced.pop(event.path, None) is None:
            return
        self._pictures += 1
        self.picture_ready.emit(event)

    def _ended(self, event: JobDone | JobCancelled | JobFailed) -> None:
        if self._closed or event.job_id != self._running:
            return
        job = self._jobs.get(event.job_id)
        self._running, self._progress = "", Progress()
        if job is not None and job.forever and isinstance(event, JobDone):
            self._again(job)
        elif job is not None:
            self._change(after(job, event))
        self._trim()
        self.running_changed.emit(False)
        self._advance()

    def _again(self, job: Job) -> None:
        """Put the job at the end once more, with the seeds that follow, so that others get their turn between."""
        again = next_round(job)
        self._jobs.pop(job.id)
        self._jobs[job.id] = again
        self._save(again, order=True)
        self.jobs_changed.emit()

    # ------------------------------------------------------------------------------------------------ keeping them

    def _restore(self, saved: SavedQueue) -> None:
        """Put the jobs of the last time before those that were added while the file was read."""
        self._jobs = {job.id: job for job in saved.jobs} | self._jobs
        self._loaded = True
        if saved.paused:
            self._paused = True
            self.paused_changed.emit(True)
        for text in saved.problems:
            self.problem.emit(text)
        self.jobs_changed.emit()
        self.restored.emit()
        self._advance()

    def _begin_without_file(self) -> None:
        self._loaded = True
        self.restored.emit()
        self._advance()

    def _change(self, job: Job) -> None:
        self._jobs[job.id] = job
        self._save(job)
        self.job_changed.emit(job.id)

    def _save(self, *jobs: Job, order: bool = False) -> None:
        self._keeper.put(jobs, self._jobs, order=order)

    def _forget(self, ids: list[str]) -> None:
        for id in ids:
            self._jobs.pop(id, None)
            self._held.discard(id)
        self._keeper.forget(ids)
        self.jobs_changed.emit()

    def _trim(self) -> None:
        ended = self.with_status("done", "cancelled")
        if len(ended) > ENDED_KEPT:
            self._forget([job.id for job in ended[: len(ended) - ENDED_KEPT]])

    def _remember(self, jobs: Iterable[Job]) -> None:
        self._undo.append(Removed(tuple(jobs), tuple(self._jobs)))
        del self._undo[:-UNDO_KEPT]
        self.undo_changed.emit(True)

    def _set_paused(self, paused: bool) -> None:
        if paused == self._paused:
            return
        self._paused = paused
        self._keeper.set_paused(paused)
        self.paused_changed.emit(paused)

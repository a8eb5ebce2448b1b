"""The engine's thread: an inbox of jobs, one after the other; the only file of the engine that knows Qt.

Events go to the function that `start` is given, in this thread; the window's client hands them over to its own.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from PySide6.QtCore import QThread

from engine.errors import KnownError
from engine.heap import trim_heap
from engine.messages import EngineReady, EngineSettings, Event, GenerateRequest, JobCancelled, JobFailed, ModelReleased
from engine.switches import OFF, Switches
from engine.warmup import import_torch

if TYPE_CHECKING:
    from engine.runner import Runner

log = logging.getLogger(__name__)

Receive = Callable[[Event], None]
# Models can ask for a deep stack (recursion over blocks) and BLAS libraries for more than a thread's usual 512 KB.
STACK_BYTES = 16 * 2**20
CLOSING_SECONDS = 20.0


@dataclass(frozen=True)
class _Job:
    request: GenerateRequest
    cancel: threading.Event


@dataclass(frozen=True)
class _WarmUp:
    model: str
    device: str
    dtype: str
    switches: Switches


@dataclass(frozen=True)
class _Release:
    pass


_Task = _Job | _WarmUp | _Release


class EngineThread(QThread):
    """Runs jobs in the order in which they came; any error ends one job, never the thread.

    All methods may be called from any thread and none waits, `close` excepted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("engine")
        self.setStackSize(STACK_BYTES)
        self._receive: Receive = _nobody
        self._wake = threading.Condition()
        self._inbox: deque[_Task] = deque()
        self._running: _Job | None = None
        self._settings = EngineSettings()
        self._closing = False
        self._runner: Runner | None = None
        self._last_work = monotonic()

    # ------------------------------------------------------------------------------------------------ from outside

    def start(self, receive: Receive, priority: QThread.Priority = QThread.Priority.InheritPriority) -> None:  # type: ignore[override]
        """Begin; `receive` is called with every event, in the engine's thread."""
        self._receive = receive
        super().start(priority)

    def configure(self, settings: EngineSettings) -> None:
        """Take other folders and limits, from the next job on."""
        with self._wake:
            self._settings = settings
            self._wake.notify()

    def submit(self, request: GenerateRequest) -> None:
        """Put a job behind the others."""
        self._put(_Job(request, threading.Event()))

    def cancel(self, job_id: str) -> None:
        """Leave a job, running or waiting; its `JobCancelled` follows."""
        with self._wake:
            for task in (self._running, *self._inbox):
                if isinstance(task, _Job) and task.request.job_id == job_id:
                    task.cancel.set()

    def release(self) -> None:
        """Let go of the loaded model when the jobs before this are done."""
        self._put(_Release())

    def warm_up(self, model: str = "", device: str = "cpu", dtype: str = "float32", switches: Switches = OFF) -> None:
        """Load the libraries and, unless a job waits by then, the model at `model`."""
        self._put(_WarmUp(model, device, dtype, switches))

    def close(self) -> None:
        """Cancel everything and wait until the thread has ended, at most `CLOSING_SECONDS`."""
        with self._wake:
            self._closing = True
            self._inbox.clear()
            if self._running is not None:
                self._running.cancel.set()
            self._wake.notify()
        if self.isRunning() and not self.wait(int(CLOSING_SECONDS * 1000)):
            log.error("the engine did not stop within %s s", CLOSING_SECONDS)

    # ------------------------------------------------------------------------------------------------ the thread

    def run(self) -> None:
        """The thread's main loop."""
        while (task := self._next()) is not None:
            try:
                self._do(task)
            except Exception as error:  # noqa: BLE001 - the border of the thread: an error ends one job only
                self._failed(task, error)
            # Pictures of many jobs leave holes in the heap: a window would grow by 0.1 MB a picture.
            trim_heap()
            self._last_work = monotonic()
            with self._wake:
                self._running = None
        self._release()

    def _put(self, task: _Task) -> None:
        with self._wake:
            if not self._closing:
                self._inbox.append(task)
                self._wake.notify()

    def _next(self) -> _Task | None:
        """Wait for a task; None when the thread is to end, a release when the engine was idle for long."""
        with self._wake:
            while not self._inbox and not self._closing:
                left = self._idle_left()
                if left is not None and left <= 0:
                    return _Release()
                self._wake.wait(left)
            if self._closing:
                return None
            task = self._inbox.popleft()
            self._running = task if isinstance(task, _Job) else None
            return task

    def _idle_left(self) -> float | None:
        if not self._settings.idle_seconds or self._runner is None or self._runner.model is None:
            return None
        return self._last_work + self._settings.idle_seconds - monotonic()

    def _do(self, task: _Task) -> None:
        match task:
            case _Job(request, cancel):
                self._run_job(request, cancel)
            case _WarmUp():
                self._warm_up(task)
            case _Release():
                self._release()

    def _run_job(self, request: GenerateRequest, cancel: threading.Event) -> None:
        if cancel.is_set():
            self._receive(JobCancelled(job_id=request.job_id))
            return
        self._make_ready()
        runner = self._the_runner()
        for event in runner.run(request, cancel):
            self._receive(event)

    def _warm_up(self, task: _WarmUp) -> None:
        self._make_ready()
        with self._wake:
            busy = bool(self._inbox) or self._closing
        if task.model and not busy:
            self._the_runner().warm_up(task.model, task.device, task.dtype, task.switches)

    def _make_ready(self) -> None:
        if self._runner is None:
            import_torch()
            self._the_runner()
            self._receive(EngineReady())

    def _the_runner(self) -> Runner:
        if self._runner is None:
            from engine.runner import Runner

            self._runner = Runner()
        self._runner.configure(self._settings)
        return self._runner

    def _release(self) -> None:
        if self._runner is not None and (model := self._runner.model) is not None:
            self._runner.release()
            self._receive(ModelReleased(job_id="", model=model))

    def _failed(self, task: _Task, error: Exception) -> None:
        if isinstance(task, _WarmUp) and isinstance(error, KnownError):
            log.info("the model is not loaded ahead of its first job: %s", error)
            return
        log.error("the engine met an error that no job expects", exc_info=error)
        if isinstance(task, _Job):
            report = "".join(traceback.format_exception(error))
            message = str(error) or repr(error)
            self._receive(
                JobFailed(job_id=task.request.job_id, kind=type(error).__name__, message=message, report=report)
            )


def _nobody(event: Event) -> None:
    log.warning("nobody takes %s", event)

"""The one door to the engine: requests go in, frozen events come out as typed signals, questions go to a small pool."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from app.services.background import Background
from engine.messages import (
    EngineReady,
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
    ModelReleased,
    Notice,
    StepDone,
)
from engine.switches import OFF, Switches

if TYPE_CHECKING:
    from engine.catalog import ModelInfo
    from engine.library import LibraryService
    from engine.library_messages import LibraryEvent
    from engine.queries import Schedule, TokenCount
    from engine.run_memory import Outlook

T = TypeVar("T")
Failed = Callable[[Exception], None] | None
# Steps reach the window in batches at most this often; the newest preview of a batch is what is painted.
MILLISECONDS = 33


class EnginePort(Protocol):
    """What the client needs of an engine: `engine.worker.EngineThread`, or a scripted one in tests.

    `start` is told whom to give the events; it is called from any thread. No method may wait.
    """

    def start(self, receive: Callable[[Event], None]) -> None: ...
    def configure(self, settings: EngineSettings) -> None: ...
    def submit(self, request: GenerateRequest) -> None: ...
    def cancel(self, job_id: str) -> None: ...
    def release(self) -> None: ...
    def warm_up(self, model: str, device: str, dtype: str, switches: Switches) -> None: ...
    def close(self) -> None: ...


class EngineClient(QObject):
    """The window's side of the engine.

    Signals:
        job_started, job_loading, job_loaded, step_done, image_done, job_done, job_cancelled, job_failed, notice,
        model_released: the event of that name in `engine.messages`.
        engine_ready(): the engine's libraries are loaded.
        configured(): the engine was told other settings.
        busy_changed(bool): whether the engine is at work; after a cancel it is until the engine has really stopped.
    """

    job_started = Signal(object)
    job_loading = Signal(object)
    job_loaded = Signal(object)
    step_done = Signal(object)
    image_done = Signal(object)
    job_done = Signal(object)
    job_cancelled = Signal(object)
    job_failed = Signal(object)
    notice = Signal(object)
    model_released = Signal(object)
    engine_ready = Signal()
    configured = Signal()
    busy_changed = Signal(bool)

    # Without arguments: Python objects that travel in a signal from another thread have crashed PySide 6.11.
    _arrived = Signal()
    _answered = Signal()

    def __init__(self, engine: EnginePort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self._settings = EngineSettings()
        self._lock = threading.Lock()
        self._outbox: deque[Event] = deque()
        self._answers: deque[Callable[[], None]] = deque()
        self._jobs: set[str] = set()
        self._cancelled: set[str] = set()
        self._ready = False
        self._busy = False
        self._held: tuple[tuple[str, int], ...] = ()
        self._closed = False
        self._delivered = 0.0
        self._waiting: dict[str, Callable[[], None]] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._deliver)
        self._arrived.connect(self._look, Qt.ConnectionType.QueuedConnection)
        self._answered.connect(self._call, Qt.ConnectionType.QueuedConnection)
        self.background = Background(self._answer)
        engine.start(self._receive)

    # ------------------------------------------------------------------------------------------------ requests

    @property
    def ready(self) -> bool:
        """Whether the engine's libraries are loaded."""
        return self._ready

    @property
    def held(self) -> tuple[tuple[str, int], ...]:
        """The bytes that the parts of the loaded model hold, by name; nothing while none is loaded."""
        return self._held

    @property
    def busy(self) -> bool:
        """Whether the engine is at work."""
        return self._busy

    def configure(self, settings: EngineSettings) -> None:
        """Tell the engine its folders and limits."""
        self._settings = settings
        self._engine.configure(settings)
        self.configured.emit()

    def submit(self, request: GenerateRequest) -> None:
        """Put a job behind those that the engine has."""
        self._jobs.add(request.job_id)
        self._cancelled.discard(request.job_id)
        self._show_busy()
        self._engine.submit(request)

    def cancel(self, job_id: str) -> None:
        """Leave a job. `job_cancelled` follows at once, not when the engine has stopped."""
        self._deliver()
        if job_id in self._jobs and job_id not in self._cancelled:
            self._cancelled.add(job_id)
            self._engine.cancel(job_id)
            self.job_cancelled.emit(JobCancelled(job_id=job_id))

    def release(self) -> None:
        """Let go of the loaded model once no job needs it."""
        self._engine.release()

    def warm_up(self, model: str = "", device: str = "cpu", dtype: str = "float32", switches: Switches = OFF) -> None:
        """Load the engine's libraries, then the model at `model`, unless a job comes first."""
        self._engine.warm_up(model, device, dtype, switches)

    def close(self) -> None:
        """Cancel what runs, end the engine and the pool; no signal comes afterwards."""
        if self._closed:
            return
        self._closed = True
        self._timer.stop()
        self._engine.close()
        self.background.close()

    # ------------------------------------------------------------------------------------------------ questions

    def query(self, kind: str, work: Callable[[], T], done: Callable[[T], None], failed: Failed = None) -> None:
        """Do `work` in the pool and call `done`, here, with its result; of one `kind` only the newest is answered."""
        self.background.run(kind, work, done, failed)

    def when_ready(self, kind: str, work: Callable[[], T], done: Callable[[T], None], failed: Failed = None) -> None:
        """As `query`, but for work that needs the engine's libraries: it waits until they are loaded."""
        if self._ready:
            self.query(kind, work, done, failed)
        else:
            self._waiting[kind] = lambda: self.query(kind, work, done, failed)

    def count_tokens(self, model: str, text: str, done: Callable[[TokenCount], None], failed: Failed = None) -> None:
        """Count the tokens of a prompt as the model at `model` reads it, and find where its chunks end."""

        def count() -> TokenCount:
            from engine.queries import count_tokens

            return count_tokens(model, text)

        self.query("count_tokens", count, done, failed or _nothing)

    def schedule(self, request: GenerateRequest, done: Callable[[Schedule], None], failed: Failed = None) -> None:
        """Find the noise levels and timesteps of exactly the run that `request` would start."""

        def find() -> Schedule:
            from engine.queries import schedule_of

            return schedule_of(request)

        self.when_ready("schedule", find, done, failed or _nothing)

    def memory_plan(self, request: GenerateRequest, done: Callable[[Outlook], None], failed: Failed = None) -> None:
        """Find how `request` would be made with the memory there is, and how much it takes."""
        mode = self._settings.memory_mode

        def find() -> Outlook:
            from engine.run_memory import outlook

            return outlook(request, mode)

        self.when_ready("memory_plan", find, done, failed or _nothing)

    def model_info(self, location: str, done: Callable[[ModelInfo], None], failed: Failed = None) -> None:
        """Read what the model at `location`, a folder or a file, says about itself."""

        def read() -> ModelInfo:
            from engine.queries import model_info

            return model_info(location)

        self.query("model_info", read, done, failed or _nothing)

    def wildcards(self, folder: Path, done: Callable[[list[str]], None], failed: Failed = None) -> None:
        """List the names that `__name__` in a prompt can have."""

        def read() -> list[str]:
            from engine.prompts import wildcard_names

            return wildcard_names(folder)

        self.query("wildcards", read, done, failed or _nothing)

    def every_prompt(
        self, template: str, folder: Path, limit: int, done: Callable[[list[str]], None], failed: Failed = None
    ) -> None:
        """List all texts that a prompt with choices and wildcards can give, `limit` of them at most."""

        def read() -> list[str]:
            from engine.prompts import expand_all

            return expand_all(template, folder, limit)

        self.query("every_prompt", read, done, failed or _nothing)

    def open_library(
        self,
        database: Path,
        models: Path,
        *,
        tell: Callable[[LibraryEvent], None],
        changed: Callable[[], None],
        network_off: Callable[[], bool],
    ) -> LibraryService:
        """The model library; its methods are work for `query`, `tell` and `changed` are called in other threads."""
        from engine.warmup import LOADER

        with LOADER:
            from engine.library import LibraryService

        return LibraryService(database, models, tell=tell, changed=changed, network_off=network_off)

    def devices(self, done: Callable[[list[tuple[str, str]]], None], failed: Failed = None) -> None:
        """Find the devices that can make pictures: what requests call them, and what users do."""

        def find() -> list[tuple[str, str]]:
            from engine.device import found_devices

            return found_devices()

        self.when_ready("devices", find, done, failed)

    # ------------------------------------------------------------------------------------------------ events

    def _answer(self, call: Callable[[], None]) -> None:
        if not self._closed:
            self._answers.append(call)
            self._answered.emit()

    def _call(self) -> None:
        self._answers.popleft()()

    def _receive(self, event: Event) -> None:
        """Take an event, in the engine's thread."""
        with self._lock:
            first = not self._outbox
            self._outbox.append(event)
            urgent = not isinstance(event, StepDone)
        if (first or urgent) and not self._closed:
            self._arrived.emit()

    def _look(self) -> None:
        with self._lock:
            only_steps = all(isinstance(event, StepDone) for event in self._outbox)
        wait = MILLISECONDS - (perf_counter() - self._delivered) * 1000
        if not only_steps or wait <= 0:
            self._deliver()
        elif not self._timer.isActive():
            self._timer.start(int(wait) + 1)

    def _deliver(self) -> None:
        if self._closed:
            return
        with self._lock:
            events = list(self._outbox)
            self._outbox.clear()
        if events:
            self._delivered = perf_counter()
        for event in events:
            self._emit(event)

    def _emit(self, event: Event) -> None:
        ends = isinstance(event, JobDone | JobCancelled | JobFailed)
        if ends:
            self._jobs.discard(event.job_id)
        told = event.job_id in self._cancelled
        if told and ends:
            self._cancelled.discard(event.job_id)
        # The window knows that the job is cancelled; a picture that was finished all the same is not lost.
        if not told or isinstance(event, ImageDone):
            self._signal(event)
        if ends:
            self._show_busy()

    def _signal(self, event: Event) -> None:
        match event:
            case JobStarted():
                self.job_started.emit(event)
            case ModelLoading():
                self.job_loading.emit(event)
            case ModelLoaded():
                self._held = event.held
                self.job_loaded.emit(event)
            case StepDone():
                self.step_done.emit(event)
            case ImageDone():
                self.image_done.emit(event)
            case JobDone():
                self.job_done.emit(event)
            case JobCancelled():
                self.job_cancelled.emit(event)
            case JobFailed():
                self.job_failed.emit(event)
            case Notice():
                self.notice.emit(event)
            case ModelReleased():
                self._held = ()
                self.model_released.emit(event)
            case EngineReady():
                self._engine_ready()
            case _:
                raise TypeError(f"the client has no signal for {event!r}")

    def _engine_ready(self) -> None:
        self._ready = True
        waiting, self._waiting = self._waiting, {}
        for ask in waiting.values():
            ask()
        self.engine_ready.emit()

    def _show_busy(self) -> None:
        busy = bool(self._jobs)
        if busy != self._busy:
            self._busy = busy
            self.busy_changed.emit(busy)


def loads_libraries() -> bool:
    """Whether the engine's libraries are being imported at this moment."""
    from engine.warmup import is_importing

    return is_importing()


def engine_thread() -> EnginePort:
    """The engine as a thread of this process."""
    from engine.worker import EngineThread

    return EngineThread()


def _nothing(_error: Exception) -> None:
    """A question that has no answer now: the panel that holds the wrong value says so itself."""

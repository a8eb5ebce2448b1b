"""Ctrl+C: a job is asked to stop, which it does within one operation; before it runs, the program just ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from engine.messages import Event, JobStarted, ModelLoaded, ModelLoading, StepDone

# A launcher such as torchrun passes on a Ctrl+C that the terminal has sent to its processes already.
ONE_PRESS_SECONDS = 0.5


class Interrupt:
    """`cancel` is set by the first Ctrl+C; the second one, or the first where nothing looks at it, raises."""

    def __init__(self, *, watched: bool) -> None:
        self.cancel = threading.Event()
        self._watched = watched
        self._pressed = float("-inf")

    def notice(self, event: Event) -> None:
        """Follow the job: loading a model cannot look at `cancel`, but nothing is lost by leaving it anywhere."""
        if isinstance(event, JobStarted | ModelLoading):
            self._watched = False
        elif isinstance(event, ModelLoaded | StepDone):
            self._watched = True

    def handle(self, _signal: int, _frame: FrameType | None) -> None:
        """The signal handler."""
        now = time.monotonic()
        again = self.cancel.is_set() and now - self._pressed > ONE_PRESS_SECONDS
        if not self.cancel.is_set():
            self._pressed = now
        self.cancel.set()
        if again or not self._watched:
            raise KeyboardInterrupt


@contextmanager
def cancel_on_interrupt(*, watched: bool = False) -> Generator[Interrupt]:
    """Handle Ctrl+C inside the block, which looks at `cancel` from the start if `watched`; only the main thread can."""
    interrupt = Interrupt(watched=watched)
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = signal.signal(signal.SIGINT, interrupt.handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)

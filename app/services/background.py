"""A small pool of threads for work that is no widget's: of each kind only the newest answer counts. No Qt here."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")
Answer = Callable[[Callable[[], None]], None]
THREADS = 2


@dataclass(frozen=True)
class _Task:
    kind: str
    number: int
    latest: bool
    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None] | None


class Background:
    """Does pieces of work in `threads` threads.

    `answer` is given a function to call where the askers live: for the window, a signal that crosses to its thread.
    Threads begin with the first piece of work.
    """

    def __init__(self, answer: Answer, threads: int = THREADS) -> None:
        self._answer = answer
        self._count = threads
        self._threads: list[threading.Thread] = []
        self._tasks: deque[_Task] = deque()
        self._newest: dict[str, int] = {}
        self._number = 0
        self._wake = threading.Condition()
        self._closing = False

    def run(
        self,
        kind: str,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None] | None = None,
        *,
        latest: bool = True,
    ) -> None:
        """Do `work`, then answer with `done` and its result, or with `failed` and the error.

        With `latest`, work of the same `kind` that has not begun is left out, and an answer that a newer question
        overtook is dropped. An error that nobody takes is logged.
        """
        with self._wake:
            if self._closing:
                return
            self._number += 1
            task = _Task(kind, self._number, latest, work, done, failed)
            if latest:
                self._newest[kind] = task.number
                self._tasks = deque(waiting for waiting in self._tasks if not (waiting.latest and waiting.kind == kind))
            self._tasks.append(task)
            self._begin_thread()
            self._wake.notify()

    def close(self, seconds: float = 5.0) -> None:
        """Leave what has not begun, and wait `seconds` at most for what has; nothing is answered any more."""
        with self._wake:
            self._closing = True
            self._tasks.clear()
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(seconds)

    def _begin_thread(self) -> None:
        if len(self._threads) < self._count:
            number = len(self._threads) + 1
            # A daemon: a long piece of work must not keep the closed program alive.
            thread = threading.Thread(target=self._run, name=f"background {number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._tasks and not self._closing:
                    self._wake.wait()
                if self._closing:
                    return
                task = self._tasks.popleft()
            self._do(task)

    def _do(self, task: _Task) -> None:
        try:
            result = task.work()
        except Exception as error:  # noqa: BLE001 - the border of the thread: an error goes to who asked
            self._send(task, lambda problem=error: self._report(task, problem))
        else:
            self._send(task, lambda: task.done(result))

    def _send(self, task: _Task, call: Callable[[], None]) -> None:
        def deliver() -> None:
            overtaken = task.latest and self._newest.get(task.kind) != task.number
            if not (overtaken or self._closing):
                call()

        if not self._closing:
            self._answer(deliver)

    def _report(self, task: _Task, error: Exception) -> None:
        if task.failed is not None:
            task.failed(error)
        else:
            log.error("a question of the kind %s failed", task.kind, exc_info=error)

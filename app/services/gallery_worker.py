"""Threads that do one kind of the gallery's work each: reading, writing, thumbnails. No Qt here."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from engine.errors import KnownError

log = logging.getLogger(__name__)

T = TypeVar("T")
Context = TypeVar("Context")
Answer = Callable[[Callable[[], None]], None]


class Worker(Generic[Context]):
    """A thread with a `Context` of its own (a database, a cache) that does pieces of work on it, one after the other.

    `answer` is given a function to call where the asker lives: for the window, a signal that crosses to its thread.
    `make` is called in the thread, again for each piece of work as long as it fails.
    """

    def __init__(self, name: str, make: Callable[[], Context], answer: Answer) -> None:
        self._make = make
        self._answer = answer
        self._context: Context | None = None
        self._tasks: deque[tuple[str, Callable[[Context], Any], Callable[[Any], None], Callable[[str], None]]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def do(
        self,
        work: Callable[[Context], T],
        done: Callable[[T], None],
        failed: Callable[[str], None],
        *,
        kind: str = "",
        newest: bool = False,
        first: bool = False,
    ) -> None:
        """Do `work`, then answer with `done` and its result, or with `failed` and a sentence.

        `newest` replaces what of its `kind` has not begun yet. `first` goes before what waits.
        """
        with self._wake:
            if newest:
                self._tasks = deque(task for task in self._tasks if task[0] != kind)
            task = (kind, work, done, failed)
            if first:
                self._tasks.appendleft(task)
            else:
                self._tasks.append(task)
            self._wake.notify()

    def close(self, seconds: float = 10.0) -> None:
        """Finish what was asked for and end the thread; waits `seconds` at most."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(seconds)

    def drop(self, kind: str) -> None:
        """Leave what was asked for under `kind` and has not begun."""
        with self._wake:
            self._tasks = deque(task for task in self._tasks if task[0] != kind)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._tasks and not self._closing:
                    self._wake.wait()
                if not self._tasks:
                    break
                _, work, done, failed = self._tasks.popleft()
            self._work(work, done, failed)
        if (close := getattr(self._context, "close", None)) is not None:
            close()

    def _work(self, work: Callable[[Context], Any], done: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        try:
            if self._context is None:
                self._context = self._make()
            result = work(self._context)
        except KnownError as error:
            message = str(error)
            log.warning("the gallery: %s", message)
            self._answer(lambda: failed(message))
        except Exception as error:  # the border of the thread: an error of ours must not end it
            log.exception("the gallery")
            message = f"The gallery met an error of the program ({type(error).__name__}: {error}); the log says more."
            self._answer(lambda: failed(message))
        else:
            self._answer(lambda: done(result))


def explained(path: Path, work: Callable[[Any], T]) -> Callable[[Any], T]:
    """`work` on a store, with what the world does to the database at `path` turned into known errors."""
    from engine.database import known_errors

    def wrapped(store: Any) -> T:
        with known_errors(path, "gallery"):
            return work(store)

    return wrapped

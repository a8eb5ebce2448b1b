"""A value that is written beside the window: always the newest, and none is lost where writing fails. No Qt here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(Generic[T]):
    """Keeps the newest value until `write` has taken it; `put` and `flush` may be called from any thread."""

    def __init__(self, write: Callable[[T], None]) -> None:
        self._write = write
        self._waiting: list[T] = []
        # The one who changes a value never waits for the disk.
        self._changing, self._writing = threading.Lock(), threading.Lock()

    def put(self, value: T) -> None:
        """Have `value` written by the next `flush`, in the place of what waits."""
        with self._changing:
            self._waiting = [value]

    def flush(self) -> None:
        """Write what waits; one call after another, so that a newer value is never followed by an older one.

        Raises whatever `write` raises; the value then waits for the next call, unless a newer one has come.
        """
        with self._writing:
            with self._changing:
                values, self._waiting = self._waiting, []
            for value in values:
                try:
                    self._write(value)
                except BaseException:
                    with self._changing:
                        self._waiting = self._waiting or [value]
                    raise

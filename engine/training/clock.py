"""The course of one stage: how far it is, when something is due, how long it still takes, how it ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from engine.training.config import StageSettings
from engine.training.events import StopReason

RECENT = 50  # steps over which the speed is measured


class Clock:
    """Counts steps and wall-clock seconds of a stage.

    Attributes:
        step: optimiser steps done.
        reason: why the stage ended; None while it goes on.
    """

    def __init__(
        self, settings: StageSettings, step: int = 0, seconds: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.step = step
        self.reason: StopReason | None = None
        self._settings = settings
        self._now = now
        self._started = now()
        self._begin = self._started - seconds
        self._ticks: deque[float] = deque([self._started], maxlen=RECENT + 1)
        self._last_due: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """Wall clock of the stage, that of its earlier parts included."""
        return self._now() - self._begin

    @property
    def fraction(self) -> float:
        """How much of the stage is done, from 0 to 1: by steps or by time, whichever is further."""
        by_steps = self.step / self._settings.steps
        limit = self._settings.max_minutes
        return min(1.0, max(by_steps, self.seconds / (60 * limit) if limit else 0.0))

    @property
    def seconds_per_step(self) -> float:
        """Mean over the latest steps; 0 before the first."""
        return (self._ticks[-1] - self._ticks[0]) / max(1, len(self._ticks) - 1)

    @property
    def seconds_left(self) -> float:
        """Expected seconds to the end of the stage."""
        by_steps = (self._settings.steps - self.step) * self.seconds_per_step
        limit = self._settings.max_minutes
        return max(0.0, min(by_steps, 60 * limit - self.seconds)) if limit else by_steps

    def tick(self) -> None:
        """One optimiser step was made."""
        self.step += 1
        self._ticks.append(self._now())

    def running(self) -> bool:
        """Return whether another step is to be made; sets `reason` when not."""
        if self.step >= self._settings.steps:
            self.reason = "steps"
        elif self.fraction >= 1:
            self.reason = "time"
        return self.reason is None

    def due(self, what: str, minutes: float) -> bool:
        """Return True when `minutes` have passed since it last did so for `what` (or since the start)."""
        now = self._now()
        due = now - self._last_due.get(what, self._started) >= 60 * minutes
        if due:
            self._last_due[what] = now
        return due

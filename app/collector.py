"""Garbage is collected in the window's thread alone: an object of Qt's has to end in the thread it lives in.

Python collects in whichever thread happens to make an object. Where that is the engine's or one of the pool's, a dead
cycle of widgets would be taken apart there, which Qt answers with a crash.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

from app.engine_client import loads_libraries

INTERVAL_MS = 500


class Collector(QObject):
    """Takes collecting over from Python between `start` and `stop`; belongs to the window's thread."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.collect)

    def start(self) -> None:
        """Stop Python's own collecting; to be called before other threads are started."""
        gc.disable()
        self._timer.start(INTERVAL_MS)

    def collect(self) -> None:
        """Collect the oldest generation whose count is past Python's own threshold.

        Not while the engine's libraries are imported: walking over what there is of them takes a tenth of a second.
        """
        if loads_libraries():
            return
        counts, thresholds = gc.get_count(), gc.get_threshold()
        for generation in (2, 1, 0):
            if counts[generation] > thresholds[generation]:
                gc.collect(generation)
                return

    def stop(self) -> None:
        """Give collecting back to Python."""
        self._timer.stop()
        gc.enable()

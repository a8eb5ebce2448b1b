"""Garbage ends in the window's thread, whichever thread left it."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

from app.collector import INTERVAL_MS, Collector


class Knot:
    """Something that only a collection can end; notes the thread it ends in."""

    def __init__(self, ends: list[threading.Thread]) -> None:
        self.itself = self
        weakref.finalize(self, lambda: ends.append(threading.current_thread()))


def test_what_a_thread_leaves_ends_in_the_window_s(qtbot: Any, collector: Collector) -> None:
    assert not gc.isenabled()
    ends: list[threading.Thread] = []
    # Any new object would set off a collection at once, were it left to Python.
    thresholds = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        thread = threading.Thread(target=lambda: [Knot(ends) for _ in range(100)])
        thread.start()
        thread.join()
        assert ends == []
        qtbot.waitUntil(lambda: len(ends) == 100, timeout=10 * INTERVAL_MS)
    finally:
        gc.set_threshold(*thresholds)
    assert set(ends) == {threading.main_thread()}


def test_nothing_is_collected_while_the_libraries_are_imported(
    qtbot: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[threading.Thread] = []
    importing = True
    monkeypatch.setattr("engine.warmup._importing.is_set", lambda: importing)
    for _ in range(gc.get_threshold()[0]):
        Knot(ends)
    collector.collect()
    qtbot.wait(3 * INTERVAL_MS)
    assert ends == []
    importing = False
    qtbot.waitUntil(lambda: len(ends) > 0, timeout=10 * INTERVAL_MS)


def test_python_collects_again_after_it_stopped(collector: Collector) -> None:
    collector.stop()
    assert gc.isenabled()
    collector.start()
    assert not gc.isenabled()

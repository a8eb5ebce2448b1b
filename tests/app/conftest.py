"""The window under test: on its own folders, and any message of Qt's or unexpected error fails."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QtMsgType
from PySide6.QtWidgets import QApplication

from app.application import Application, build
from app.collector import Collector
from tests.app.fake_engine import FakeEngine

# The offscreen platform says this of every window.
HARMLESS = ("This plugin does not support propagateSizeHints()", "This plugin does not support raise()")
BAD = {QtMsgType.QtWarningMsg, QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg}


@pytest.fixture(scope="module", autouse=True)
def collector(qapp: QApplication) -> Iterator[Collector]:
    """Collects garbage in the window's thread alone, as the program does."""
    made = Collector()
    made.start()
    yield made
    # What these tests left is not for the threads of later ones to find.
    gc.collect()
    made.stop()


@pytest.fixture(autouse=True)
def collected(collector: Collector) -> Iterator[None]:
    """Collect after each test: most never come to the event loop's timer."""
    yield
    collector.collect()


@pytest.fixture(autouse=True)
def no_messages_of_qt(qtlog: Any) -> Iterator[None]:
    """Fail a test during which Qt warned of something."""
    yield
    bad = [record.message for record in qtlog.records if record.type in BAD and record.message not in HARMLESS]
    assert bad == []


@pytest.fixture
def make_program(
    tmp_path: Path, qapp: QApplication, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., Application]]:
    """Builds programs on the folder of the test, closes them, and fails where one logged an unexpected error."""
    programs: list[Application] = []

    def make(engine: Any = None, folder: Path = tmp_path, *files: str) -> Application:
        settings = folder / "settings.json"
        if not settings.exists():
            settings.write_text('{"language": "en"}', encoding="utf-8")
        program = build(list(files), data_folder=folder, engine=engine)
        program.window.resize(1366, 768)
        program.show()
        programs.append(program)
        return program

    yield make
    for program in programs:
        program.close()
        program.languages.forget()
        program.window.close()
        program.window.deleteLater()
    unexpected = [
        record.getMessage()
        for record in caplog.records
        if record.name in {"app.application", "app.crashes"}
        and record.levelno >= logging.WARNING
        and not any(words in record.getMessage() for words in (*HARMLESS, "on purpose"))
    ]
    qapp.processEvents()
    assert unexpected == []


@pytest.fixture
def fake() -> FakeEngine:
    """An engine that does each job when the test says so."""
    return FakeEngine(automatic=False)


@pytest.fixture
def program(make_program: Callable[..., Application], fake: FakeEngine) -> Application:
    """A program on the scripted engine."""
    return make_program(fake)

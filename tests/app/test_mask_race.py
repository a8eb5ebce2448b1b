"""A press on Generate right after a stroke: the picture is made with that stroke, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from app.application import Application
from app.canvas.images import read_image
from app.panels.grid import GridPanel
from tests.app.fake_engine import FakeEngine

PATIENCE = 60_000


@pytest.fixture
def painting(program: Application, tmp_path: Path, qtbot: Any) -> Application:
    """A program with a start picture on the canvas and the brush in hand."""
    start = tmp_path / "start.png"
    Image.new("RGB", (64, 64), "#204080").save(start)
    qtbot.waitUntil(lambda: program.generation.info is not None)
    canvas = program.window.canvas
    canvas.use_as_start(str(start))
    # The first question that needs torch keeps the pool busy while that is imported.
    qtbot.waitUntil(lambda: canvas.start.picture is not None and canvas.view.picture is not None, timeout=PATIENCE)
    canvas.view.setFocus()
    QTest.keyClick(canvas.view, Qt.Key.Key_B)
    canvas.view.set_radius(3)
    return program


def stroke(program: Application, x: int, y: int) -> None:
    view = program.window.canvas.view
    at = QPoint(*(round(value) for value in view.viewport.to_window(x, y)))
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=at)


def keep_busy(program: Application) -> Callable[[], None]:
    """Fill the pool, so that what is asked of it now waits until the returned function is called."""
    go_on, busy = threading.Event(), threading.Barrier(3)

    def work() -> None:
        busy.wait(60)
        go_on.wait(60)

    for number in range(2):
        program.client.query(f"busy {number}", work, lambda _none: None)
    busy.wait(60)
    return go_on.set


def test_generate_waits_for_the_last_stroke(painting: Application, fake: FakeEngine, qtbot: Any) -> None:
    stroke(painting, 10, 10)
    qtbot.waitUntil(lambda: painting.generation.mask_image != "", timeout=PATIENCE)
    go_on = keep_busy(painting)
    stroke(painting, 50, 50)
    QTest.keyClick(painting.window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    stroke(painting, 30, 30)
    qtbot.wait(50)
    assert fake.submitted == []
    go_on()
    qtbot.waitUntil(lambda: len(fake.submitted) == 1, timeout=PATIENCE)
    mask = read_image(fake.submitted[0].mask_image)
    assert [mask.pixelColor(at, at).red() for at in (10, 30, 50, 20)] == [255, 255, 255, 0]


def test_a_stroke_that_cannot_be_kept_is_said_and_makes_no_picture(
    painting: Application, fake: FakeEngine, qtbot: Any
) -> None:
    folder = painting.run.folder
    folder.mkdir(parents=True, exist_ok=True)
    folder.rename(folder.with_name("gone"))
    folder.write_text("a file in the folder's place", encoding="utf-8")
    stroke(painting, 10, 10)
    QTest.keyClick(painting.window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: "cannot be written" in painting.window.banner.text, timeout=PATIENCE)
    assert fake.submitted == []
    assert painting.queue.jobs == ()


def test_a_grid_waits_for_the_last_stroke(painting: Application, fake: FakeEngine, qtbot: Any) -> None:
    panel = painting.window.panel("grid")
    assert isinstance(panel, GridPanel)
    panel.across.values.setText("1, 2")
    panel.down.values.setText("3")
    qtbot.waitUntil(panel.make.isEnabled)
    go_on = keep_busy(painting)
    stroke(painting, 10, 10)
    panel.make.click()
    qtbot.wait(50)
    assert fake.submitted == []
    go_on()
    qtbot.waitUntil(lambda: len(fake.submitted) == 1, timeout=PATIENCE)
    mask = read_image(fake.submitted[0].mask_image)
    assert mask.pixelColor(10, 10).red() == 255

"""The main job and a branch on the real engine with the embedded model, through the real widgets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from app.canvas.canvas import Canvas
from app.engine_client import EngineClient, engine_thread
from app.state.gallery import GalleryState
from app.state.generation import GenerationState
from app.state.queue import QueueState
from app.state.run import RunState
from engine.catalog import EMBEDDED_MODEL
from engine.messages import EngineSettings
from engine.metadata import read_recipe
from tests.app.scripted import make_request

WAIT = 120_000


class RealBench:
    """Canvas, queue and gallery on the real engine's thread."""

    def __init__(self, qtbot: Any, folder: Path) -> None:
        self.qtbot, self.pictures = qtbot, folder / "pictures"
        self.pictures.mkdir()
        self.client = EngineClient(engine_thread())
        self.client.configure(EngineSettings(records=str(folder / "records")))
        self.gallery = GalleryState(folder / "gallery.sqlite3", self.pictures, folder / "thumbnails", watch=False)
        self.queue = QueueState(self.client, folder / "queue.sqlite3", self.gallery)
        self.run = RunState(self.client, self.queue, folder=folder / "canvas")
        self.generation = GenerationState()
        self.canvas = Canvas(self.run, self.generation)
        qtbot.addWidget(self.canvas)
        self.canvas.resize(640, 640)
        self.canvas.show()
        self.ready: list[str] = []
        self.failures: list[str] = []
        self.queue.picture_ready.connect(lambda event: self.ready.append(event.path))
        self.client.job_failed.connect(lambda event: self.failures.append(event.message))

    def close(self) -> None:
        self.queue.close()
        self.client.close()
        self.gallery.close()

    def wait_for(self, pictures: int) -> str:
        """Wait until so many pictures are announced and the canvas shows the newest; returns its path."""
        self.qtbot.waitUntil(lambda: len(self.ready) >= pictures or bool(self.failures), timeout=WAIT)
        assert self.failures == []
        newest = self.ready[-1]

        def shown() -> bool:
            picture, full = self.run.picture, self.canvas.view.picture
            return picture is not None and picture.path == newest and full is not None and not self.run.working

        self.qtbot.waitUntil(shown, timeout=WAIT)
        return newest


@pytest.fixture
def real(qtbot: Any, tmp_path: Path) -> Iterator[RealBench]:
    bench = RealBench(qtbot, tmp_path)
    yield bench
    bench.close()


def pixels(path: str) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def test_a_picture_is_made_scrubbed_and_branched(real: RealBench) -> None:
    canvas = real.canvas
    values: dict[str, Any] = {"model": EMBEDDED_MODEL, "width": 128, "height": 128, "folder": str(real.pictures)}
    real.queue.add(make_request("a red apple, 3d icon", scheduler="dpmsolver++", steps=6, seed=3, **values))
    first = real.wait_for(1)
    recipe = read_recipe(Path(first))
    assert recipe is not None
    assert (recipe.prompt, recipe.seed, recipe.steps) == ("a red apple, 3d icon", 3, 6)
    assert (canvas.view.picture.width, canvas.view.picture.height) == (128, 128)  # type: ignore[union-attr]
    assert canvas.scrubber.maximum() == 6

    # Early steps look otherwise than the finished picture.
    finished = canvas.view.grab().toImage()
    at = QPoint(round(canvas.scrubber.position_of(2)), canvas.scrubber.height() // 2)
    QTest.mouseClick(canvas.scrubber, Qt.MouseButton.LeftButton, pos=at)
    assert canvas.view.grab().toImage() != finished

    QTest.mouseClick(canvas.branch_button, Qt.MouseButton.LeftButton)
    QTest.mouseClick(canvas.branch_bar.start, Qt.MouseButton.LeftButton)
    same = real.wait_for(2)
    assert ImageChops.difference(pixels(first), pixels(same)).getbbox() is None

    real.run.show(first)
    real.qtbot.waitUntil(lambda: real.run.picture is not None and real.run.picture.path == first, timeout=WAIT)
    QTest.mouseClick(canvas.scrubber, Qt.MouseButton.LeftButton, pos=at)
    canvas.branch_bar.prompt.setText("a green leaf, 3d icon")
    canvas.branch_bar.scheduler.setCurrentIndex(canvas.branch_bar.scheduler.findData("euler"))
    QTest.mouseClick(canvas.branch_bar.start, Qt.MouseButton.LeftButton)
    other = real.wait_for(3)
    assert ImageChops.difference(pixels(first), pixels(other)).getbbox() is not None
    assert {row for row in real.ready} == {first, same, other}


def test_a_vanished_folder_is_told_and_the_next_job_runs(real: RealBench, tmp_path: Path) -> None:
    values: dict[str, Any] = {"model": EMBEDDED_MODEL, "width": 128, "height": 128, "steps": 2}
    gone = real.queue.add(make_request("a", folder=str(tmp_path / "gone"), **values))
    real.queue.add(make_request("b", folder=str(real.pictures), **values))
    real.qtbot.waitUntil(lambda: len(real.ready) == 1, timeout=WAIT)
    job = real.queue.job(gone)
    assert job is not None
    assert job.status == "failed"
    assert str(tmp_path / "gone") in job.message
    assert len(real.failures) == 1

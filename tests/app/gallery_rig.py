"""A gallery with a few pictures on the disk, its panels beside it, and a trash of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from shiboken6 import delete, isValid

from app.panels.gallery import GalleryPanel
from app.services.gallery_records import GalleryFilter
from app.state.gallery import GalleryState
from app.state.generation import GenerationState
from app.state.queue import QueueState
from engine.messages import Recipe
from engine.metadata import encode_png
from tests.app.scripted import HandDrivenClient

PROMPTS = ("a red apple", "a green pear", "an apple tree in the snow", "Ein Äpfelchen", "红苹果", "")
HOUR = 3600


def write_picture(path: Path, prompt: str, colour: str = "red", **changes: Any) -> Path:
    """A picture file with a recipe inside."""
    values: dict[str, Any] = {
        "model": "sfumato-icons",
        "model_name": "Sfumato icons",
        "scheduler": "euler",
        "sigma_schedule": "default",
        "steps": 4,
        "guidance_scale": 3.0,
        "seed": 7,
        "width": 32,
        "height": 24,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(Image.new("RGB", (32, 24), colour), Recipe(prompt=prompt, **(values | changes))))
    return path


class Rig:
    """The gallery of the pictures in `folder`, with panels and a queue whose engine is driven by hand."""

    def __init__(self, qtbot: QtBot, root: Path, *, client: Any = None) -> None:
        self.qtbot = qtbot
        self.root = root
        self.folder = root / "pictures"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.client: Any = client or HandDrivenClient()
        self.problems: list[str] = []
        self.open()

    def open(self) -> None:
        """Start, and wait until the folder was looked through."""
        self.gallery = GalleryState(
            self.root / "data" / "gallery.sqlite3", self.folder, self.root / "thumbnails", watch=False
        )
        self.gallery.problem.connect(self.problems.append)
        self.generation = GenerationState()
        self.generation.folder = str(self.folder)
        self.queue = QueueState(self.client, None, self.gallery)
        self.panel = GalleryPanel(self.gallery, self.generation, self.queue)
        self.recipe = self.panel.recipe
        self.window = self.panel
        self.window.resize(440, 1000)
        self.window.show()
        self.window.activateWindow()  # keys that are shortcuts reach the active window only
        self.qtbot.waitUntil(self.window.isActiveWindow)
        self.scan()

    def scan(self) -> None:
        """Look through the folder and wait for the answer."""
        known = len(self.problems)
        found: list[object] = []
        self.gallery.scanned.connect(found.append)
        self.gallery.scan()
        self.qtbot.waitUntil(lambda: bool(found) or len(self.problems) > known or bool(self.gallery.trouble))
        self.settle()

    def settle(self) -> None:
        """Wait until all that was asked of the threads is done and shown."""
        for worker in ("writer", "reader", "files", "writer", "reader"):
            self.wait_for(worker)
        self.qtbot.waitUntil(lambda: self.gallery.whole or bool(self.gallery.trouble))

    def wait_for(self, worker: str) -> None:
        """Wait until the worker has done what it was asked before."""
        done: list[bool] = []
        ended = lambda *_: done.append(True)  # noqa: E731
        threads = self.gallery._threads  # pyright: ignore[reportPrivateUsage]
        getattr(threads, worker).do(lambda _context: None, ended, ended)
        self.qtbot.waitUntil(lambda: bool(done))

    def names(self) -> list[str]:
        """The names of the files that are shown, in order."""
        got: list[list[Any]] = []
        self.gallery.load(self.gallery.ids, got.append)
        self.qtbot.waitUntil(lambda: bool(got))
        return [picture.name for picture in got[0]]

    def show(self, **wanted: Any) -> list[str]:
        """Filter, and the names that are shown then."""
        self.gallery.set_filter(GalleryFilter(**wanted))
        self.settle()
        return self.names()

    def click(self, row: int, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Click on the picture in a row, and wait until it is known."""
        view = self.panel.view
        self.qtbot.waitUntil(lambda: self.panel.model.picture(row) is not None)
        place = view.visualRect(self.panel.model.index(row, 0)).center()
        self.qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, modifier, place)

    def key(self, key: Any, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key in the grid, and wait until what it does is done."""
        self.panel.view.setFocus()
        self.qtbot.keyClick(self.panel.view, key, modifier)
        self.settle()

    def close(self) -> None:
        """Leave, as the program does; what is left is not for the garbage collector, which runs in any thread."""
        self.queue.close()
        self.gallery.close()
        self.window.close()
        for thing in (self.window, self.queue, self.gallery, self.generation):
            delete(thing)


@pytest.fixture
def trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trash of the test's own: what the library noted of the user's at its import is set to another folder."""
    import send2trash.plat_other as system

    home = tmp_path / "home" / "Trash"
    monkeypatch.setenv("XDG_DATA_HOME", str(home.parent))
    monkeypatch.setattr(system, "HOMETRASH", str(home))
    monkeypatch.setattr(system, "HOMETRASH_B", os.fsencode(home))
    monkeypatch.setattr(system, "XDG_DATA_HOME", os.fsencode(home.parent))
    # Whatever disk the test runs on, its files belong to this trash.
    monkeypatch.setattr(system, "get_dev", lambda _path: 1)
    return home


@pytest.fixture
def rig(qtbot: QtBot, tmp_path: Path, trash: Path) -> Generator[Rig]:  # noqa: ARG001
    """Six pictures, the last one the newest; the fourth and fifth in other scripts, the sixth without a prompt."""
    folder = tmp_path / "pictures"
    for number, prompt in enumerate(PROMPTS):
        changes = {
            "seed": 100 + number,
            "scheduler": ("euler", "ddim")[number % 2],
            "model_name": ("A", "B")[number // 3],
        }
        path = write_picture(folder / f"{number}.png", prompt, f"#{number}0{number}080", **changes)
        os.utime(path, (1_700_000_000 + number * HOUR,) * 2)
    made = Rig(qtbot, tmp_path)
    yield made
    if isValid(made.gallery):
        made.close()


Make = Callable[..., Rig]

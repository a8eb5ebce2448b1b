"""Render every screen to PNG: `python tests/app/screens.py FOLDER [--size 1366x768] [--scale 2] [--only NAME]`.

Light, dark and high contrast, English and Arabic; empty, working, done and failed; settings, about, crash report. The
pictures are made by the real engine with the embedded model.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT_MS = 120_000


def main() -> int:
    arguments = _arguments()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("LANG", "C.UTF-8")
    os.environ["QT_SCALE_FACTOR"] = str(arguments.scale)
    sys.path.insert(0, str(ROOT))
    width, height = map(int, arguments.size.split("x"))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        Screens(arguments.folder, Path(data), (width, height), arguments.only).run()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="1366x768", help="of the window, in logical pixels")
    parser.add_argument("--scale", type=float, default=1.0, help="device pixels for each logical one")
    parser.add_argument("--only", default="", help="themes and languages such as dark-en,light-ar")
    return parser.parse_args()


class Screens:
    """One program, taken through its states once for each theme and language."""

    def __init__(self, folder: Path, data: Path, size: tuple[int, int], only: str) -> None:
        from app.application import build

        self.folder = folder
        self.size = size
        self.only = set(only.split(",")) if only else None
        self.program = build([], data_folder=data)
        self.program.settings.set("language", "en")
        self.program.window.resize(*size)
        self.program.show()

    def run(self) -> None:
        for language in ("en", "ar"):
            for theme in ("dark", "light", "contrast"):
                look = f"{theme}-{language}"
                if self.only is None or look in self.only:
                    self.take(theme, language)
        self.program.close()

    def take(self, theme: str, language: str) -> None:
        program, look = self.program, f"{theme}-{language}"
        program.settings.set("theme", theme)
        program.settings.set("language", language)
        self.wait(lambda: program.languages.code == language and program.generation.info is not None)
        program.run.clear()
        program.queue.clear_ended()
        program.generation.prompt = "a detective, 3d icon" if language == "en" else "a cactus, 3d icon"
        program.window.resize(*self.size)
        self.settle(400)
        self.save(program.window, f"{look}-1-empty")
        program.generation.count = 2
        program.generate()
        self.wait(lambda: program.run.step >= 8 or not program.run.working and program.run.picture is not None)
        self.settle(60)
        self.save(program.window, f"{look}-2-working")
        self.wait(lambda: program.run.phase in {"done", "failed"})
        self.settle(500)
        self.save(program.window, f"{look}-3-done")
        for number, panel in enumerate(("queue", "grid", "library")):
            program.window.show_panel(panel)
            self.settle(400)
            self.save(program.window, f"{look}-4{'abc'[number]}-{panel}")
        program.window.show_panel("gallery")
        self.fail(look)
        self.dialogs(look)

    def fail(self, look: str) -> None:
        program = self.program
        folder = program.generation.folder
        program.generation.folder = str(Path(folder) / "missing drive")
        program.generate()
        self.wait(lambda: program.run.phase == "failed")
        self.settle(300)
        self.save(program.window, f"{look}-5-failed")
        program.window.banner.clear()
        program.generation.folder = folder

    def dialogs(self, look: str) -> None:
        from app.dialogs.about import AboutDialog
        from app.dialogs.crash import CrashDialog
        from app.dialogs.settings import SettingsDialog

        program = self.program
        settings = SettingsDialog(program.settings, program.client, program.window.commands, program.window)
        settings.show()
        for page in ("look", "folders", "engine", "speed", "pictures", "network", "shortcuts"):
            settings.show_page(page)
            self.settle(150)
            self.save(settings, f"{look}-6-settings-{page}")
        settings.close()
        for name, dialog in (
            ("about", AboutDialog(program.window)),
            ("crash", CrashDialog("Traceback (most recent call last):\nZeroDivisionError: division by zero", "", None)),
        ):
            dialog.show()
            self.settle(150)
            self.save(dialog, f"{look}-7-{name}")
            dialog.close()

    # ------------------------------------------------------------------------------------------------ parts

    def save(self, widget: object, name: str) -> None:
        widget.grab().save(str(self.folder / f"{name}.png"))  # pyright: ignore[reportAttributeAccessIssue]

    def settle(self, milliseconds: int) -> None:
        from PySide6.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def wait(self, until: Callable[[], bool]) -> None:
        from PySide6.QtCore import QElapsedTimer

        clock = QElapsedTimer()
        clock.start()
        while not until():
            if clock.elapsed() > WAIT_MS:
                raise TimeoutError("a screen did not come about")
            self.settle(5)


if __name__ == "__main__":
    sys.exit(main())

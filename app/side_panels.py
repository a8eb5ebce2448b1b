"""The panels on the trailing side of the window: their names, and how each is made when it is first raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from app.application import Application
    from app.main_window import MainWindow


def side_panels(program: Application, window: MainWindow) -> list[tuple[str, str, Callable[[], QWidget]]]:
    """Name, title and maker of each panel that lies on the trailing side; the window calls a maker once."""
    return [
        ("gallery", QCoreApplication.translate("side_panels", "Gallery"), lambda: _gallery(program, window)),
        ("queue", QCoreApplication.translate("side_panels", "Queue"), lambda: _queue(program, window)),
        ("grid", QCoreApplication.translate("side_panels", "Grid"), lambda: _grid(program, window)),
        ("library", QCoreApplication.translate("side_panels", "Models"), lambda: _library(program, window)),
    ]


def _gallery(program: Application, window: MainWindow) -> QWidget:
    from app.panels.gallery import GalleryPanel

    return GalleryPanel(program.gallery, program.generation, program.queue, window)


def _queue(program: Application, window: MainWindow) -> QWidget:
    from app.panels.queue import QueuePanel

    panel = QueuePanel(program.queue, window)
    panel.show_wanted.connect(program.run.show)
    panel.generate_wanted.connect(program.generate)
    return panel


def _grid(program: Application, window: MainWindow) -> QWidget:
    from app.panels.grid import GridPanel

    panel = GridPanel(program.generation, program.queue, window, when_ready=window.canvas.start.when_sent)
    panel.show_wanted.connect(program.run.show)
    return panel


def _library(program: Application, window: MainWindow) -> QWidget:
    from app.panels.library import LibraryPanel

    panel = LibraryPanel(program.library, program.generation, window)
    panel.folder_wanted.connect(lambda: program.open_settings("folders"))
    return panel

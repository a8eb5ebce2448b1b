"""The panels on the trailing side of the window: their names, and how each is made when it is first raised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from app.application import Application
    from app.main_window import MainWindow

# Makes a panel in pieces, each short enough for one turn of the event loop: None after each, and the panel at last.
Maker = Iterator["QWidget | None"]


def side_panels(program: Application, window: MainWindow) -> list[tuple[str, str, Maker]]:
    """Name, title and maker of each panel that lies on the trailing side."""
    return [
        ("gallery", QCoreApplication.translate("side_panels", "Gallery"), _gallery(program, window)),
        ("queue", QCoreApplication.translate("side_panels", "Queue"), _queue(program, window)),
        ("grid", QCoreApplication.translate("side_panels", "Grid"), _grid(program, window)),
        ("library", QCoreApplication.translate("side_panels", "Models"), _library(program, window)),
    ]


def _gallery(program: Application, window: MainWindow) -> Maker:
    from app.panels.gallery import GalleryPanel

    yield GalleryPanel(program.gallery, program.generation, program.queue, window)


def _queue(program: Application, window: MainWindow) -> Maker:
    from app.panels.queue import QueuePanel

    panel = QueuePanel(program.queue, window)
    panel.show_wanted.connect(program.run.show)
    panel.generate_wanted.connect(program.generate)
    yield panel


def _grid(program: Application, window: MainWindow) -> Maker:
    from app.panels.grid import GridPanel

    panel = GridPanel(program.generation, program.queue, window, when_ready=window.canvas.start.when_sent)
    panel.show_wanted.connect(program.run.show)
    yield panel


def _library(program: Application, window: MainWindow) -> Maker:
    from app.panels.library import LibraryPanel
    from app.panels.library_details import LibraryDetails
    from app.panels.library_downloads import DownloadsPage

    yield None
    details = LibraryDetails(program.library, program.generation, window)
    yield None
    downloads = DownloadsPage(program.library, window)
    yield None
    panel = LibraryPanel(program.library, details, downloads, window)
    panel.folder_wanted.connect(lambda: program.open_settings("folders"))
    yield panel

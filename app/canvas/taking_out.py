"""The picture on its way out of the program: to the clipboard, into a file, dragged to another program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDrag, QGuiApplication, QImage, QPixmap
from PySide6.QtWidgets import QFileDialog, QWidget

from app.canvas.saving import save_as
from app.i18n import isolated
from app.widgets.alive import while_alive

if TYPE_CHECKING:
    from app.state.picture import Picture
    from app.state.run import RunState

DRAG_SIDE = 96


@dataclass(frozen=True, slots=True)
class Shown:
    """What is on the canvas: the finished picture, the pixels, and whether these are the file's and not a step's."""

    picture: Picture | None
    image: QImage | None
    finished: bool


class TakingOut(QObject):
    """Takes out what `shown` gives.

    Signals:
        said(str): a sentence about something that worked.
    """

    said = Signal(str)

    def __init__(self, run: RunState, shown: Callable[[], Shown], canvas: QWidget) -> None:
        super().__init__(canvas)
        self._run = run
        self._shown = shown
        self._canvas = canvas

    def copy(self) -> None:
        """Put the picture onto the clipboard, as pixels and as a file."""
        if (data := self._mime_data()) is not None:
            QGuiApplication.clipboard().setMimeData(data)
            self.said.emit(self.tr("The picture is on the clipboard."))

    def drag(self, source: QObject) -> None:
        """Begin to drag the picture away from `source`, as a file."""
        data, image = self._mime_data(), self._shown().image
        if data is None or image is None or self._shown().picture is None:
            return
        drag = QDrag(source)
        drag.setMimeData(data)
        small = image.scaled(
            QSize(DRAG_SIDE, DRAG_SIDE), Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        drag.setPixmap(QPixmap.fromImage(small))
        drag.exec(Qt.DropAction.CopyAction)

    def save(self, target: str, *, with_recipe: bool = True) -> None:
        """Save the picture as `target`, in the format of its ending, without holding the window up."""
        picture = self._shown().picture
        if picture is not None:
            saved: Callable[[str], None] = while_alive(self, self._saved)
            self._run.in_background(
                f"save {target}", lambda: save_as(picture.path, target, with_recipe=with_recipe), saved
            )

    def ask_where_to_save(self, *, with_recipe: bool = True) -> None:
        """Let the user choose a place and a format, then save."""
        picture = self._shown().picture
        if picture is None:
            return
        title = self.tr("Save the picture") if with_recipe else self.tr("Save the picture without its recipe")
        dialog = QFileDialog(self._canvas, title, picture.path)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([self.tr("PNG (*.png)"), self.tr("JPEG (*.jpg *.jpeg)"), self.tr("WebP (*.webp)")])
        dialog.setDefaultSuffix("png")
        suffixes = {0: "png", 1: "jpg", 2: "webp"}
        dialog.filterSelected.connect(
            lambda chosen: dialog.setDefaultSuffix(suffixes.get(dialog.nameFilters().index(chosen), "png"))
        )
        dialog.selectFile(Path(picture.path).stem)
        dialog.fileSelected.connect(lambda path: self.save(path, with_recipe=with_recipe))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _saved(self, path: str) -> None:
        self.said.emit(self.tr("Saved as {path}").format(path=isolated(path)))

    def _mime_data(self) -> QMimeData | None:
        shown = self._shown()
        if shown.image is None:
            return None
        data = QMimeData()
        data.setImageData(shown.image)
        if shown.picture is not None and shown.finished:
            data.setUrls([QUrl.fromLocalFile(shown.picture.path)])
        return data

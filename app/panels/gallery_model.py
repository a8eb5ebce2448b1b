"""The gallery's list as Qt models it: rows and small pictures are fetched when they are painted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRectF,
    Qt,
    QTimer,
    QUrl,
)
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPixmap
from shiboken6 import isValid

from app.services.gallery_records import Picture
from app.state.gallery import GalleryState
from engine.messages import Bitmap

Index = QModelIndex | QPersistentModelIndex
_PICTURES_KEPT = 4000
# Of all small forms, what is in sight aside: what has just left it comes back without the disk.
_PIXELS_KEPT = 2**20
_AT_ONCE = 2
# Of the corners. Pictures smaller than this are not blown up.
ROUND, _SMALLEST = 4.0, 64


class GalleryModel(QAbstractListModel):
    """The pictures of a `GalleryState`; `picture` and `pixmap` give None until they were fetched, and ask for it."""

    def __init__(self, gallery: GalleryState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._gallery = gallery
        self._count = len(gallery.ids)
        self._pictures: OrderedDict[int, Picture] = OrderedDict()
        self._pixmaps: OrderedDict[str, QPixmap] = OrderedDict()
        self._pixels = 0
        self._troubles: dict[str, str] = {}
        self._side, self._ratio = 128, 1.0
        self._room = _PIXELS_KEPT
        self._asked: set[str] = set()
        self._asked_rows: set[int] = set()
        self._wanted: dict[int, None] = {}
        self._wishes: dict[str, Picture] = {}
        self._fetch = QTimer(self, singleShot=True, interval=0)
        self._fetch.timeout.connect(self._fetch_wanted)
        gallery.reset.connect(self._reset)
        gallery.inserted.connect(self._inserted)
        gallery.removed.connect(self._removed)
        gallery.pictures_changed.connect(self._changed)

    # ------------------------------------------------------------------------------------------------ Qt asks

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else self._count

    def flags(self, index: Index) -> Qt.ItemFlag:
        flag = Qt.ItemFlag
        return flag.ItemIsEnabled | flag.ItemIsSelectable | flag.ItemIsDragEnabled | flag.ItemNeverHasChildren

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= self._count:
            return None
        picture = self.picture(index.row())
        if picture is None:
            return None
        if role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole}:
            return picture.prompt or picture.name
        if role == Qt.ItemDataRole.AccessibleDescriptionRole:
            return self.tr("%n star(s)", "", picture.stars)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._troubles.get(picture.fingerprint) or f"{picture.prompt[:280]}\n{picture.name}".strip()
        return None

    def mimeTypes(self) -> list[str]:  # noqa: N802
        return ["text/uri-list"]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:  # noqa: N802
        data = QMimeData()
        pictures = (self.picture(index.row()) for index in indexes)
        data.setUrls([QUrl.fromLocalFile(picture.path) for picture in pictures if picture is not None])
        return data

    def supportedDragActions(self) -> Qt.DropAction:  # noqa: N802
        return Qt.DropAction.CopyAction

    # ------------------------------------------------------------------------------------------------ what is known

    def id(self, row: int) -> int:
        """The id of the picture in this row."""
        return self._gallery.ids[row]

    def picture(self, row: int) -> Picture | None:
        """The picture in this row; None until it was fetched, which this asks for."""
        if row >= len(self._gallery.ids):
            return None  # asked while rows are being taken out
        id = self._gallery.ids[row]
        picture = self._pictures.get(id)
        if picture is None:
            self._wanted[id] = None
            if not self._fetch.isActive():
                self._fetch.start()
        return picture

    def pixmap(self, picture: Picture) -> QPixmap | None:
        """The small form of a picture; None until it was fetched, which this asks for."""
        key = picture.fingerprint
        pixmap = self._pixmaps.get(key)
        if pixmap is not None:
            self._pixmaps.move_to_end(key)
        elif key not in self._troubles:
            self._wishes[key] = picture
            if not self._fetch.isActive():
                self._fetch.start()
        return pixmap

    def trouble(self, picture: Picture) -> str:
        """Why there is no small form of a picture; "" where there is or will be one."""
        return self._troubles.get(picture.fingerprint, "")

    def set_side(self, side: int, ratio: float, in_sight: int) -> None:
        """How large the small forms are drawn, in pixels of the screen, of which `ratio` make one of the window.

        At most `in_sight` pixels of the screen show them.
        """
        self._room = _PIXELS_KEPT + 2 * in_sight
        if (side, ratio) != (self._side, self._ratio):
            self._side, self._ratio = side, ratio
            self._pixmaps.clear()
            self._pixels = 0

    def forget_wishes(self) -> None:
        """What was asked for is out of sight; what is still seen asks again as it is painted."""
        self._wanted.clear()
        self._wishes.clear()

    # ------------------------------------------------------------------------------------------------ fetching

    def _fetch_wanted(self) -> None:
        unknown = [id for id in self._wanted if id not in self._asked_rows]
        self._wanted.clear()
        if unknown:
            self._asked_rows.update(unknown)
            self._gallery.load(unknown, lambda pictures: self._rows_known(unknown, pictures))
        self._ask_for_pixmaps()

    def _ask_for_pixmaps(self) -> None:
        # Two at a time, so that what came into sight last never waits for what has left it.
        while self._wishes and len(self._asked) < _AT_ONCE:
            key = next(iter(self._wishes))
            picture = self._wishes.pop(key)
            if key not in self._asked and key not in self._pixmaps:
                self._asked.add(key)
                self._gallery.load_thumbnail(picture, self._known(picture), self._failed(picture))

    def _known(self, picture: Picture) -> Callable[[Bitmap], None]:
        return lambda bitmap: self._pixmap_known(picture, bitmap)

    def _failed(self, picture: Picture) -> Callable[[str], None]:
        return lambda message: self._pixmap_failed(picture, message)

    # The window may be made anew, in another language, while answers are on their way.

    def _rows_known(self, asked: list[int], pictures: list[Picture]) -> None:
        if not isValid(self):
            return
        self._asked_rows.difference_update(asked)
        for picture in pictures:
            self._pictures[picture.id] = picture
        while len(self._pictures) > _PICTURES_KEPT:
            self._pictures.popitem(last=False)
        self._redraw([picture.id for picture in pictures])

    def _pixmap_known(self, picture: Picture, bitmap: Bitmap) -> None:
        if not isValid(self):
            return
        self._asked.discard(picture.fingerprint)
        pixmap = _rounded(bitmap, self._side, self._ratio)
        self._pixmaps[picture.fingerprint] = pixmap
        self._pixels += pixmap.width() * pixmap.height()
        while self._pixels > self._room and len(self._pixmaps) > 1:
            _, old = self._pixmaps.popitem(last=False)
            self._pixels -= old.width() * old.height()
        self._ask_for_pixmaps()
        self._redraw([picture.id])

    def _pixmap_failed(self, picture: Picture, message: str) -> None:
        if not isValid(self):
            return
        self._asked.discard(picture.fingerprint)
        self._troubles[picture.fingerprint] = message
        if picture.width:
            self._gallery.look_for(picture)
        self._ask_for_pixmaps()
        self._redraw([picture.id])

    def _redraw(self, ids: Sequence[int]) -> None:
        rows = [row for id in ids if (row := self._gallery.row(id)) >= 0]
        if rows:
            self.dataChanged.emit(self.index(min(rows)), self.index(max(rows)))

    # ------------------------------------------------------------------------------------------------ changes

    def _reset(self) -> None:
        self.beginResetModel()
        self._count = len(self._gallery.ids)
        self._troubles.clear()
        self.endResetModel()

    def _inserted(self, first: int, last: int) -> None:
        self.beginInsertRows(QModelIndex(), first, last)
        self._count = len(self._gallery.ids)
        self.endInsertRows()

    def _removed(self, first: int, last: int) -> None:
        self.beginRemoveRows(QModelIndex(), first, last)
        self._count = len(self._gallery.ids)
        self.endRemoveRows()

    def _changed(self, ids: list[int]) -> None:
        for id in ids:
            self._pictures.pop(id, None)
        self._redraw(ids)


def _rounded(bitmap: Bitmap, side: int, ratio: float) -> QPixmap:
    """The picture as it is painted, at most `side` pixels of the screen wide and high, with its corners cut."""
    image = QImage(bitmap.pixels, bitmap.width, bitmap.height, 3 * bitmap.width, QImage.Format.Format_RGB888)
    if max(bitmap.width, bitmap.height) > side or max(bitmap.width, bitmap.height) > _SMALLEST * ratio:
        keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        image = image.scaled(side, side, keep, smooth)
    pixmap = QPixmap(image.size())
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    path = QPainterPath()
    path.addRoundedRect(QRectF(pixmap.rect()), ROUND * ratio, ROUND * ratio)
    painter.setClipPath(path)
    painter.drawImage(0, 0, image)
    painter.end()
    pixmap.setDevicePixelRatio(ratio)
    return pixmap

"""The gallery's list as Qt models it: rows and small pictures are fetched when they are painted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QPersistentModelIndex, Qt, QTimer, QUrl
from PySide6.QtGui import QImage, QPixmap

from app.services.gallery_records import Picture
from app.state.gallery import GalleryState
from engine.messages import Bitmap

Index = QModelIndex | QPersistentModelIndex
PictureRole, PixmapRole, TroubleRole = (Qt.ItemDataRole.UserRole + number for number in range(3))
_PICTURES_KEPT = 4000
_PIXELS_KEPT = 24 * 2**20


class GalleryModel(QAbstractListModel):
    """The pictures of a `GalleryState`. `PictureRole` and `PixmapRole` are None until they were fetched."""

    def __init__(self, gallery: GalleryState) -> None:
        super().__init__(gallery)
        self._gallery = gallery
        self._count = len(gallery.ids)
        self._pictures: OrderedDict[int, Picture] = OrderedDict()
        self._pixmaps: OrderedDict[str, QPixmap] = OrderedDict()
        self._pixels = 0
        self._troubles: dict[str, str] = {}
        self._side = 128
        self._asked: set[str] = set()
        self._asked_rows: set[int] = set()
        self._wanted: dict[int, None] = {}
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
        if role == PictureRole:
            return picture
        if picture is None:
            return None
        if role == PixmapRole:
            return self.pixmap(picture)
        if role == TroubleRole:
            return self._troubles.get(picture.fingerprint)
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
        if (pixmap := self._pixmaps.get(key)) is not None:
            self._pixmaps.move_to_end(key)
        elif key not in self._asked and key not in self._troubles:
            self._wanted[picture.id] = None
            if not self._fetch.isActive():
                self._fetch.start()
        return pixmap

    def set_side(self, side: int) -> None:
        """How large the small forms are drawn, in pixels of the screen; smaller ones take less memory."""
        if side != self._side:
            self._side = side
            self._pixmaps.clear()
            self._pixels = 0

    def forget_wishes(self) -> None:
        """What was asked for is out of sight; what is still seen asks again."""
        self._gallery.drop_thumbnails()
        self._asked.clear()

    # ------------------------------------------------------------------------------------------------ fetching

    def _fetch_wanted(self) -> None:
        wanted, self._wanted = list(self._wanted), {}
        unknown = [id for id in wanted if id not in self._pictures and id not in self._asked_rows]
        if unknown:
            self._asked_rows.update(unknown)
            self._gallery.load(unknown, lambda pictures: self._rows_known(unknown, pictures))
        # The last one asked for comes first, so the first on the screen is asked for last.
        for id in reversed(wanted):
            if (picture := self._pictures.get(id)) is not None and picture.fingerprint not in self._asked:
                self._ask_for_pixmap(picture)

    def _ask_for_pixmap(self, picture: Picture) -> None:
        self._asked.add(picture.fingerprint)
        self._gallery.load_thumbnail(
            picture,
            lambda bitmap: self._pixmap_known(picture, bitmap),
            lambda message: self._pixmap_failed(picture, message),
        )

    def _rows_known(self, asked: list[int], pictures: list[Picture]) -> None:
        self._asked_rows.difference_update(asked)
        for picture in pictures:
            self._pictures[picture.id] = picture
        while len(self._pictures) > _PICTURES_KEPT:
            self._pictures.popitem(last=False)
        self._redraw([picture.id for picture in pictures])

    def _pixmap_known(self, picture: Picture, bitmap: Bitmap) -> None:
        self._asked.discard(picture.fingerprint)
        row = 3 * bitmap.width
        image = QImage(bitmap.pixels, bitmap.width, bitmap.height, row, QImage.Format.Format_RGB888)
        if max(bitmap.width, bitmap.height) > self._side:
            image = image.scaled(
                self._side,
                self._side,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        pixmap = QPixmap.fromImage(image)
        self._pixmaps[picture.fingerprint] = pixmap
        self._pixels += pixmap.width() * pixmap.height()
        while self._pixels > _PIXELS_KEPT and len(self._pixmaps) > 1:
            _, old = self._pixmaps.popitem(last=False)
            self._pixels -= old.width() * old.height()
        self._redraw([picture.id])

    def _pixmap_failed(self, picture: Picture, message: str) -> None:
        self._asked.discard(picture.fingerprint)
        self._troubles[picture.fingerprint] = message
        if picture.width and "not there any more" in message:
            self._gallery.note_missing(picture)
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

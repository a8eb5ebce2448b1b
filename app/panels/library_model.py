"""The models of the library as a Qt model, and how one is drawn in the grid and in the list."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem
from shiboken6 import isValid

from app.panels.library_texts import kind_and_family, size_text
from app.state.library import LibraryState
from app.theme import BODY, GAP, SMALL, SPACE, current, icon
from engine.library_messages import ModelEntry

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
EntryRole, PixmapRole = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
CELL = QSize(112, 156)
ROW = 48
_ROUND = 6.0
KIND_ICONS = {
    "checkpoint": "box",
    "lora": "puzzle",
    "embedding": "quote",
    "vae": "aperture",
    "controlnet": "sliders-horizontal",
    "unet": "layers",
    "text_encoder": "message-square-text",
    "upscaler": "scaling",
    "helper": "package",
    "damaged": "triangle-alert",
}


class LibraryModel(QAbstractListModel):
    """The entries of a `LibraryState`; preview pictures are read when they are first asked for."""

    def __init__(self, library: LibraryState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._library = library
        self._entries: list[ModelEntry] = []
        self._pixmaps: dict[str, QPixmap | None] = {}
        library.entries_changed.connect(self._fill)
        self._fill()

    def rowCount(self, parent: Index = _ROOT) -> int:  # noqa: N802
        """How many models are shown."""
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The entry itself, its picture, or its name for those who read the screen aloud."""
        if not index.isValid() or index.row() >= len(self._entries):
            return None
        entry = self._entries[index.row()]
        if role == EntryRole:
            return entry
        if role == PixmapRole:
            return self._pixmap(entry)
        if role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole}:
            return f"{entry.title or entry.name}, {kind_and_family(entry.kind, entry.family)}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return entry.path
        return None

    def row_of(self, id: int) -> int:
        """The row of the model with this number, -1 if it is not shown."""
        return next((row for row, entry in enumerate(self._entries) if entry.id == id), -1)

    def _fill(self) -> None:
        self.beginResetModel()
        self._entries = list(self._library.entries)
        self.endResetModel()

    def _pixmap(self, entry: ModelEntry) -> QPixmap | None:
        if not entry.preview:
            return None
        if entry.preview not in self._pixmaps:
            self._pixmaps[entry.preview] = None
            self._library.preview(entry, self, lambda image: self._arrived(entry, image))
        return self._pixmaps[entry.preview]

    def _arrived(self, entry: ModelEntry, image: QImage) -> None:
        # The window may have been made anew, with another model, while the picture was read.
        if image.isNull() or not isValid(self):
            return
        self._pixmaps[entry.preview] = QPixmap.fromImage(image)
        row = self.row_of(entry.id)
        if row >= 0:
            self.dataChanged.emit(self.index(row), self.index(row), [PixmapRole])


class LibraryDelegate(QStyledItemDelegate):
    """Draws a model as a card with its picture (`grid`), or as a line."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.grid = True
        self.cell = CELL

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802, ARG002
        return self.cell if self.grid else QSize(0, ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        entry: ModelEntry | None = index.data(EntryRole)
        if entry is None:
            return
        rect: QRect = option.rect.adjusted(2, 2, -2, -2)  # pyright: ignore[reportAttributeAccessIssue]
        state: QStyle.StateFlag = option.state  # pyright: ignore[reportAttributeAccessIssue]
        mirrored = option.direction == Qt.LayoutDirection.RightToLeft  # pyright: ignore[reportAttributeAccessIssue]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        # The places are mirrored here; the painter shall not do it a second time.
        painter.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        theme = current()
        fill = theme.selection if chosen else theme.hover if state & QStyle.StateFlag.State_MouseOver else theme.card
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(fill))
        painter.drawRoundedRect(rect, _ROUND, _ROUND)
        if self.grid:
            _draw_card(painter, rect, entry, index.data(PixmapRole), chosen)
        else:
            _draw_line(painter, rect, entry, index.data(PixmapRole), chosen, mirrored)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.focus), 2.0))
            painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), _ROUND, _ROUND)
        painter.restore()


def _draw_card(painter: QPainter, rect: QRect, entry: ModelEntry, pixmap: QPixmap | None, chosen: bool) -> None:
    text = QRect(rect.left() + GAP, rect.bottom() - 40, rect.width() - 2 * GAP, 38)
    picture = QRect(rect.left(), rect.top(), rect.width(), rect.height() - 44)
    _draw_picture(painter, picture, entry, pixmap)
    _draw_texts(painter, text, entry, chosen, Qt.AlignmentFlag.AlignHCenter)


def _draw_line(
    painter: QPainter, rect: QRect, entry: ModelEntry, pixmap: QPixmap | None, chosen: bool, mirrored: bool
) -> None:
    side = rect.height() - SPACE
    picture = QRect(rect.left() + 2, rect.top() + 2, side, side)
    text = QRect(picture.right() + GAP, rect.top() + 3, rect.width() - side - 2 * GAP - 84, rect.height() - 6)
    size = QRect(rect.right() - 84, rect.top(), 76, rect.height())
    if mirrored:
        picture, text, size = (_mirror(part, rect) for part in (picture, text, size))
    _draw_picture(painter, picture, entry, pixmap)
    align = Qt.AlignmentFlag.AlignRight if mirrored else Qt.AlignmentFlag.AlignLeft
    _draw_texts(painter, text, entry, chosen, align)
    theme = current()
    painter.setPen(QColor(theme.on_selection if chosen else theme.muted))
    painter.setFont(_font(SMALL))
    trailing = Qt.AlignmentFlag.AlignLeft if mirrored else Qt.AlignmentFlag.AlignRight
    painter.drawText(size, trailing | Qt.AlignmentFlag.AlignVCenter, size_text(entry.size))


def _mirror(part: QRect, rect: QRect) -> QRect:
    return QRect(rect.left() + rect.right() - part.right(), part.top(), part.width(), part.height())


def _draw_picture(painter: QPainter, rect: QRect, entry: ModelEntry, pixmap: QPixmap | None) -> None:
    path = QPainterPath()
    path.addRoundedRect(QRectF(rect), _ROUND, _ROUND)
    painter.save()
    painter.setClipPath(path)
    theme = current()
    if pixmap is None:
        painter.fillPath(path, QColor(theme.field))
        side = min(rect.width(), rect.height()) // 3
        place = QRect(0, 0, side, side)
        place.moveCenter(rect.center())
        painter.setOpacity(0.6)
        icon(KIND_ICONS.get(entry.kind, "file")).paint(painter, place)
    else:
        size = pixmap.size().scaled(rect.size(), Qt.AspectRatioMode.KeepAspectRatioByExpanding)
        place = QRect(0, 0, size.width(), size.height())
        place.moveCenter(rect.center())
        painter.drawPixmap(place, pixmap)
    painter.restore()


def _draw_texts(painter: QPainter, rect: QRect, entry: ModelEntry, chosen: bool, align: Qt.AlignmentFlag) -> None:
    theme = current()
    for line, (text, size, colour) in enumerate(
        (
            (entry.title or entry.name, BODY, theme.text),
            (kind_and_family(entry.kind, entry.family), SMALL, theme.muted),
        )
    ):
        font = _font(size)
        painter.setFont(font)
        painter.setPen(QColor(theme.on_selection if chosen else colour))
        height = rect.height() // 2
        place = QRect(rect.left(), rect.top() + line * height, rect.width(), height)
        shown = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideMiddle, rect.width())
        painter.drawText(place, align | Qt.AlignmentFlag.AlignVCenter, shown)


def _font(size: int) -> QFont:
    font = QFont()
    font.setPixelSize(size)
    return font

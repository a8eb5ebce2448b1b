"""How one picture of the gallery is drawn: the picture, its stars, a ring where it is chosen."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.panels.gallery_model import PictureRole, PixmapRole, TroubleRole
from app.services.gallery_records import Picture
from app.theme import SPACE, current, icon

_ROUND = 4.0
_STAR = (
    [QPointF(x, y) for x, y in (
        (0, -1), (0.29, -0.4), (0.95, -0.31), (0.48, 0.15), (0.59, 0.81), (0, 0.5), (-0.59, 0.81), (-0.48, 0.15),
        (-0.95, -0.31), (-0.29, -0.4),
    )]
)  # fmt: skip


class PictureDelegate(QStyledItemDelegate):
    """Draws a cell of the grid; needs no widget a picture, so that a screenful costs a few milliseconds."""

    def sizeHint(  # noqa: N802
        self,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,  # noqa: ARG002
    ) -> QSize:
        return QSize(112, 112)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        rect: QRect = option.rect  # pyright: ignore[reportAttributeAccessIssue]
        state: QStyle.StateFlag = option.state  # pyright: ignore[reportAttributeAccessIssue]
        theme = current()
        picture: Picture | None = index.data(PictureRole)
        pixmap: QPixmap | None = index.data(PixmapRole) if picture is not None else None
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        hovered = bool(state & QStyle.StateFlag.State_MouseOver)
        if chosen or hovered or pixmap is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.selection if chosen else theme.hover))
            painter.drawRoundedRect(rect, _ROUND, _ROUND)
        inner = rect.adjusted(SPACE, SPACE, -SPACE, -SPACE) if chosen else rect
        if pixmap is not None:
            _draw_picture(painter, inner, pixmap)
        elif picture is not None and index.data(TroubleRole):
            side = min(inner.width() // 3, 32)
            place = QRect(0, 0, side, side)
            place.moveCenter(inner.center())
            icon("image-off").paint(painter, place)
        if picture is not None and picture.stars:
            _draw_stars(painter, inner, picture.stars)
        self._draw_ring(painter, rect, state, chosen)
        painter.restore()

    @staticmethod
    def _draw_ring(painter: QPainter, rect: QRect, state: QStyle.StateFlag, chosen: bool) -> None:
        focused = bool(state & QStyle.StateFlag.State_HasFocus)
        if not chosen and not focused:
            return
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(current().focus if focused else current().accent), 2.0))
        painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), _ROUND, _ROUND)


def _draw_picture(painter: QPainter, rect: QRect, pixmap: QPixmap) -> None:
    size = pixmap.size()
    if size.width() > rect.width() or size.height() > rect.height() or max(size.width(), size.height()) > 64:
        size.scale(rect.size(), Qt.AspectRatioMode.KeepAspectRatio)
    place = QRect(0, 0, size.width(), size.height())
    place.moveCenter(rect.center())
    path = QPainterPath()
    path.addRoundedRect(QRectF(place), _ROUND, _ROUND)
    painter.setClipPath(path)
    painter.drawPixmap(place, pixmap)
    painter.setClipping(False)


def _draw_stars(painter: QPainter, rect: QRect, stars: int) -> None:
    size, step = 4.0, 11.0
    width = stars * step + 4
    ground = QRectF(rect.left() + SPACE, rect.bottom() - 15 - SPACE + 1, width, 15)
    if painter.layoutDirection() == Qt.LayoutDirection.RightToLeft:
        ground.moveRight(rect.right() - SPACE)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(0, 0, 0, 150))
    painter.drawRoundedRect(ground, 7.5, 7.5)
    painter.setBrush(QColor("#ffd27a"))  # on the dark pill, whatever the theme
    for number in range(stars):
        centre = QPointF(ground.left() + 7.5 + number * step, ground.center().y() + 0.3)
        painter.drawPolygon(QPolygonF([centre + point * size for point in _STAR]))

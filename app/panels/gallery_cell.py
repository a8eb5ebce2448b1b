"""How one picture of the gallery is drawn: the picture, its stars, a ring where it is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap, QPolygonF

from app.panels.gallery_model import ROUND
from app.theme import SPACE, current, icon

_STAR = [
    QPointF(x, y) for x, y in (
        (0, -1), (0.29, -0.4), (0.95, -0.31), (0.48, 0.15), (0.59, 0.81), (0, 0.5), (-0.59, 0.81), (-0.48, 0.15),
        (-0.95, -0.31), (-0.29, -0.4),
    )
]  # fmt: skip
_STAR_SIZE, _STAR_STEP, _PILL = 4.0, 11.0, 15.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a cell shows besides its picture."""

    chosen: bool
    focused: bool
    hovered: bool
    broken: bool


class CellBrush:
    """Draws cells with `painter`. Every call into Qt lets other threads have Python meanwhile, so there are few."""

    def __init__(self, painter: QPainter, mirrored: bool) -> None:
        theme = current()
        self._painter = painter
        self._mirrored = mirrored
        self._plain, self._hover, self._chosen = (QColor(c) for c in (theme.card, theme.hover, theme.selection))
        self._ring, self._focus = QColor(theme.accent), QColor(theme.focus)

    def draw(self, rect: QRect, stars: int, pixmap: QPixmap | None, look: Look) -> None:
        """Draw one cell."""
        painter = self._painter
        if look.chosen or look.hovered or pixmap is None:
            self._round(rect, self._chosen if look.chosen else self._hover if look.hovered else self._plain)
        inner = rect.adjusted(SPACE, SPACE, -SPACE, -SPACE) if look.chosen else rect
        if pixmap is not None:
            # As large on a screen of a finer scale as on any: never in device pixels, which get smaller.
            size = pixmap.size()
            if size.width() > inner.width() or size.height() > inner.height():
                size.scale(inner.size(), Qt.AspectRatioMode.KeepAspectRatio)
            place = QRect(
                inner.x() + (inner.width() - size.width()) // 2,
                inner.y() + (inner.height() - size.height()) // 2,
                size.width(),
                size.height(),
            )
            painter.drawPixmap(place, pixmap)
        elif look.broken:
            side = min(inner.width() // 3, 32)
            place = QRect(0, 0, side, side)
            place.moveCenter(inner.center())
            icon("image-off").paint(painter, place)
        if stars:
            self._draw_stars(inner, stars)
        if look.chosen or look.focused:
            self._draw_ring(rect, look)

    def _round(self, rect: QRect, colour: QColor) -> None:
        painter = self._painter
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawRoundedRect(rect, ROUND, ROUND)

    def _draw_ring(self, rect: QRect, look: Look) -> None:
        painter = self._painter
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self._focus if look.focused else self._ring, 2.0))
        painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), ROUND, ROUND)

    def _draw_stars(self, rect: QRect, stars: int) -> None:
        width = stars * _STAR_STEP + 4
        left = rect.right() - SPACE - width if self._mirrored else rect.left() + SPACE
        ground = QRectF(left, rect.bottom() - _PILL - SPACE + 1, width, _PILL)
        painter = self._painter
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawRoundedRect(ground, _PILL / 2, _PILL / 2)
        painter.setBrush(QColor("#ffd27a"))  # on the dark pill, whatever the theme
        for number in range(stars):
            centre = QPointF(ground.left() + _PILL / 2 + number * _STAR_STEP, ground.center().y() + 0.3)
            painter.drawPolygon(QPolygonF([centre + point * _STAR_SIZE for point in _STAR]))

"""What is drawn over the picture: the line between before and after, tags, the grid of pixels, the brush."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen

from app.theme import GAP, SMALL

GRIP = 9.0
TAG_HEIGHT = 20.0


def paint_divider(painter: QPainter, x: float, target: QRectF, height: int) -> None:
    """Draw the line at `x` across the picture in `target`, with a grip that stays within the window's `height`."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for colour, width in ((QColor(0, 0, 0, 120), 3), (QColor("white"), 1)):
        painter.setPen(QPen(colour, width))
        painter.drawLine(QPointF(x, target.top()), QPointF(x, target.bottom()))
    middle = QPointF(x, max(min(target.center().y(), height - 2 * GRIP), 2 * GRIP))
    painter.setBrush(QColor("white"))
    painter.setPen(QPen(QColor(0, 0, 0, 120), 1))
    painter.drawEllipse(middle, GRIP, GRIP)
    painter.setPen(QPen(QColor(40, 40, 40), 1.5))
    for sign in (-1, 1):
        tip = middle + QPointF(5 * sign, 0)
        painter.drawLine(tip, tip + QPointF(-2.5 * sign, -2.5))
        painter.drawLine(tip, tip + QPointF(-2.5 * sign, 2.5))


def paint_tag(painter: QPainter, text: str, corner: QPointF, *, to_the_right: bool) -> None:
    """Draw a word on a dark plate whose upper corner is at `corner`; the plate lies to its right or left."""
    font = QFont(painter.font())
    font.setPixelSize(SMALL)
    painter.setFont(font)
    width = painter.fontMetrics().horizontalAdvance(text) + 2 * GAP
    box = QRectF(corner.x() if to_the_right else corner.x() - width, corner.y(), width, TAG_HEIGHT)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(0, 0, 0, 150))
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(QColor("white"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def paint_grid(painter: QPainter, target: QRectF, seen: QRectF, step: float) -> None:
    """Draw lines between single pixels, so faint that they do not change how the colours look.

    `target` is the whole picture, `seen` the part to draw, `step` the size of a pixel of the picture.
    """
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(QPen(QColor(128, 128, 128, 60), 0))
    for column in range(int((seen.left() - target.left()) / step), int((seen.right() - target.left()) / step) + 1):
        x = target.left() + column * step
        painter.drawLine(QPointF(x, seen.top()), QPointF(x, seen.bottom()))
    for row in range(int((seen.top() - target.top()) / step), int((seen.bottom() - target.top()) / step) + 1):
        y = target.top() + row * step
        painter.drawLine(QPointF(seen.left(), y), QPointF(seen.right(), y))


def paint_brush(painter: QPainter, at: QPointF, radius: float, erases: bool) -> None:
    """Draw the brush as two rings, so that one is seen on every picture; an eraser's is dashed."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in ((QColor(0, 0, 0, 160), 3.0), (QColor(255, 255, 255, 230), 1.2)):
        style = Qt.PenStyle.DashLine if erases and width < 2 else Qt.PenStyle.SolidLine
        painter.setPen(QPen(colour, width, style))
        painter.drawEllipse(at, radius, radius)

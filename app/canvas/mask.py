"""A mask painted over a picture: what is painted is made anew, the rest stays."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

UNDO_KEPT = 50


@dataclass(frozen=True, slots=True)
class _Patch:
    """A part of the mask as it was."""

    place: QPoint
    image: QImage


class Mask:
    """A mask of `width` x `height` pixels, painted with round strokes; each stroke can be undone and redone."""

    def __init__(self, width: int, height: int, colour: QColor | None = None) -> None:
        self._image = QImage(max(width, 1), max(height, 1), QImage.Format.Format_ARGB32_Premultiplied)
        self._image.fill(Qt.GlobalColor.transparent)
        self._colour = QColor(colour or "#ff5a36")
        self._undo: deque[_Patch] = deque(maxlen=UNDO_KEPT)
        self._redo: deque[_Patch] = deque(maxlen=UNDO_KEPT)
        self._before: QImage | None = None
        self._dirty = QRect()
        self._last = QPointF()

    @classmethod
    def from_grey(cls, grey: QImage) -> Mask:
        """The mask in a picture as `to_grey` gives it."""
        mask = cls(grey.width(), grey.height())
        alpha = grey.convertToFormat(QImage.Format.Format_Grayscale8)
        alpha.reinterpretAsFormat(QImage.Format.Format_Alpha8)
        painter = QPainter(mask._image)
        painter.fillRect(mask._image.rect(), mask._colour)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_DestinationIn)
        painter.drawImage(0, 0, alpha)
        painter.end()
        return mask

    @property
    def image(self) -> QImage:
        """The mask in its colour, transparent where nothing is painted."""
        return self._image

    @property
    def can_undo(self) -> bool:
        """Whether there is a stroke to undo."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone stroke."""
        return bool(self._redo)

    @property
    def empty(self) -> bool:
        """Whether nothing is painted."""
        small = self._image.convertToFormat(QImage.Format.Format_Alpha8)
        # Stripped, not looked through byte by byte: a large mask must not hold the window up.
        return not bytes(small.constBits()).strip(b"\0")

    def begin(self, at: QPointF, radius: float, *, erase: bool = False) -> QRect:
        """Begin a stroke at a point of the picture; returns the part that changed."""
        self._before = self._image.copy()
        self._dirty = QRect()
        self._last = at
        return self.draw_to(at, radius, erase=erase)

    def draw_to(self, at: QPointF, radius: float, *, erase: bool = False) -> QRect:
        """Go on with the stroke to a point; returns the part that changed."""
        if self._before is None:
            return QRect()
        painter = QPainter(self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        mode = QPainter.CompositionMode.CompositionMode_Clear
        painter.setCompositionMode(mode if erase else QPainter.CompositionMode.CompositionMode_SourceOver)
        pen = QPen(self._colour, radius * 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        # A line of no length is not drawn.
        end = at if at != self._last else at + QPointF(0.01, 0)
        painter.drawLine(self._last, end)
        painter.end()
        grown = radius + 2
        changed = QRectF(self._last, at).normalized().adjusted(-grown, -grown, grown, grown).toAlignedRect()
        changed = changed.intersected(self._image.rect())
        self._dirty = self._dirty.united(changed)
        self._last = at
        return changed

    def end(self) -> bool:
        """End the stroke; true where it changed anything."""
        before, self._before = self._before, None
        if before is None or self._dirty.isEmpty():
            return False
        self._undo.append(_Patch(self._dirty.topLeft(), before.copy(self._dirty)))
        self._redo.clear()
        return True

    def clear(self) -> bool:
        """Take everything away; can be undone. True where there was anything."""
        if self.empty:
            return False
        self._undo.append(_Patch(QPoint(0, 0), self._image.copy()))
        self._redo.clear()
        self._image.fill(Qt.GlobalColor.transparent)
        return True

    def invert(self) -> None:
        """Paint what is free and free what is painted; can be undone."""
        self._undo.append(_Patch(QPoint(0, 0), self._image.copy()))
        self._redo.clear()
        painter = QPainter(self._image)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceOut)
        painter.fillRect(self._image.rect(), self._colour)
        painter.end()

    def undo(self) -> bool:
        """Take the last stroke back; false where there is none."""
        return self._swap(self._undo, self._redo)

    def redo(self) -> bool:
        """Do the stroke again that was taken back; false where there is none."""
        return self._swap(self._redo, self._undo)

    def to_grey(self) -> QImage:
        """The mask as the engine takes it: white is made anew, black stays."""
        alpha = self._image.convertToFormat(QImage.Format.Format_Alpha8)
        alpha.reinterpretAsFormat(QImage.Format.Format_Grayscale8)
        return alpha

    def _swap(self, source: deque[_Patch], target: deque[_Patch]) -> bool:
        if not source:
            return False
        patch = source.pop()
        target.append(_Patch(patch.place, self._image.copy(QRect(patch.place, patch.image.size()))))
        painter = QPainter(self._image)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
        painter.drawImage(patch.place, patch.image)
        painter.end()
        return True

"""A small plot of noise over steps, drawn straight with QPainter: importing a plot library would stop the window."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import GAP, SMALL, SPACE, current

HEIGHT = 84


class NoiseCurve(QWidget):
    """The sigmas of a run from its first step to its last; time goes from left to right in every language."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sigmas: tuple[float, ...] = ()
        self._words = ""
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def sigmas(self) -> tuple[float, ...]:
        """What is plotted."""
        return self._sigmas

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(160, HEIGHT)

    def show_sigmas(self, sigmas: Sequence[float]) -> None:
        """Plot the noise level at each step; the last one is where the picture is clean."""
        self._sigmas, self._words = tuple(sigmas), ""
        first = self._sigmas[0] if self._sigmas else 0.0
        self.setAccessibleDescription(
            self.tr("Noise falls from {first} to {last} in {steps} steps.").format(
                first=f"{first:.3g}", last=f"{self._sigmas[-1] if self._sigmas else 0.0:.3g}", steps=len(self._sigmas)
            )
        )
        self.update()

    def show_words(self, words: str) -> None:
        """Say why there is no plot, or that it is coming."""
        self._words = words
        self._sigmas = ()
        self.setAccessibleDescription(words)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = self.font()
        font.setPixelSize(SMALL)
        painter.setFont(font)
        painter.setPen(QColor(theme.muted))
        area = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        if not self._sigmas:
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(area, flags.value, self._words)
            painter.end()
            return
        top, bottom = area.top() + SPACE, area.bottom() - SMALL - GAP
        painter.drawText(area.adjusted(0, 0, -SPACE, 0), _TOP_RIGHT.value, f"σ {self._sigmas[0]:.3g}")
        count = self.tr("%n step(s)", "", len(self._sigmas))
        painter.drawText(area, _BOTTOM_LEFT.value, count)
        painter.drawText(area.adjusted(0, 0, -SPACE, 0), _BOTTOM_RIGHT.value, f"{self._sigmas[-1]:.3g}")
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.drawLine(QPointF(area.left(), bottom), QPointF(area.right(), bottom))
        self._draw_curve(painter, QRectF(area.left() + SPACE, top, area.width() - 2 * SPACE, bottom - top))
        painter.end()

    def _draw_curve(self, painter: QPainter, area: QRectF) -> None:
        highest = max(self._sigmas) or 1.0
        last = max(len(self._sigmas) - 1, 1)
        points = [
            QPointF(area.left() + area.width() * index / last, area.bottom() - area.height() * sigma / highest)
            for index, sigma in enumerate(self._sigmas)
        ]
        line = QColor(current().muted)
        painter.setPen(QPen(line, 1.5))
        painter.drawPolyline(QPolygonF(points))
        if len(points) <= area.width() / 5:
            painter.setBrush(line)
            painter.setPen(Qt.PenStyle.NoPen)
            for point in points:
                painter.drawEllipse(point, 2, 2)


_ABSOLUTE = Qt.AlignmentFlag.AlignAbsolute
_TOP_RIGHT = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight | _ABSOLUTE
_BOTTOM_LEFT = Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft | _ABSOLUTE
_BOTTOM_RIGHT = Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignRight | _ABSOLUTE

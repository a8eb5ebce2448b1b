"""The step scrubber: drag back through how the picture formed. Time runs from left to right in every language."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QAbstractSlider, QSizePolicy, QWidget

from app.theme import current

INSET = 8.0
KNOB = 6.0
# Closer than this, single steps are not told apart any more and only the line is drawn.
DOTS_APART = 5.0


class StepScrubber(QAbstractSlider):
    """One dot for each step; the value is the number of steps done, from 0 to `maximum` (the finished picture).

    While a picture forms, the line fills and there is no knob. `marks` are the steps from which a branch can start.

    Signals:
        scrubbed(int): the user moved the knob to this many steps.
    """

    scrubbed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Steps of the picture"))
        self.setToolTip(self.tr("Drag back through how the picture formed. The arrow keys go step by step."))
        self.setMouseTracking(True)
        self.setRange(0, 0)
        self.setPageStep(5)
        self._marks: frozenset[int] = frozenset()
        self._live = False
        self._hover = -1
        self.actionTriggered.connect(self._act)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(240, 24)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(80, 24)

    @property
    def live(self) -> bool:
        """Whether a picture forms, so that the knob follows it."""
        return self._live

    def show_steps(self, total: int, done: int, *, live: bool, marks: frozenset[int] = frozenset()) -> None:
        """Show `done` of `total` steps."""
        self._live, self._marks = live, marks
        blocked = self.blockSignals(True)
        self.setRange(0, total)
        self.setValue(done)
        self.blockSignals(blocked)
        self.update()

    def position_of(self, step: int) -> float:
        """Where the dot of a step lies, in pixels from the left."""
        return INSET + (self.width() - 2 * INSET) * step / max(self.maximum(), 1)

    def step_at(self, x: float) -> int:
        """The step whose dot is nearest."""
        part = (x - INSET) / max(self.width() - 2 * INSET, 1.0)
        return min(max(round(part * self.maximum()), 0), self.maximum())

    # ------------------------------------------------------------------------------------------------ input

    def _act(self, _action: int) -> None:
        # The base class has put the new place into the slider's position, not yet into its value.
        self._go(self.sliderPosition())

    def _go(self, step: int) -> None:
        if self._live:
            self.setSliderPosition(self.value())
            return
        self.setValue(step)
        self.scrubbed.emit(self.value())
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if event.button() == Qt.MouseButton.LeftButton and not self._live:
            self.setSliderDown(True)
            self._go(self.step_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._hover = self.step_at(event.position().x())
        if self.isSliderDown():
            self._go(self._hover)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802, ARG002
        self.setSliderDown(False)
        self.update()

    def leaveEvent(self, event: object) -> None:  # noqa: N802
        self._hover = -1
        self.update()
        super().leaveEvent(event)  # pyright: ignore[reportArgumentType]

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        moves = {Qt.Key.Key_Left: -1, Qt.Key.Key_Down: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: 1}
        jumps = {Qt.Key.Key_PageUp: 5, Qt.Key.Key_PageDown: -5}
        key = Qt.Key(event.key()) if event.key() in {*moves, *jumps} else None
        if key is not None:
            # Left is earlier in every language: it is time, not text.
            step = self.value() + (moves | jumps)[key]
            self._go(min(max(step, 0), self.maximum()))
        elif event.key() == Qt.Key.Key_Home:
            self._go(0)
        elif event.key() == Qt.Key.Key_End:
            self._go(self.maximum())
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        if event.angleDelta().y():
            step = self.value() + (1 if event.angleDelta().y() > 0 else -1)
            self._go(min(max(step, 0), self.maximum()))
        event.accept()

    # ------------------------------------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002
        theme = current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        enabled = self.isEnabled() and self.maximum() > 0
        start, end, now = INSET, self.width() - INSET, self.position_of(self.value())
        painter.setPen(
            QPen(
                theme.color("border_strong" if enabled else "border"), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap
            )
        )
        painter.drawLine(QPointF(start, middle), QPointF(end, middle))
        if not enabled:
            return
        painter.setPen(QPen(theme.color("accent"), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(start, middle), QPointF(now, middle))
        apart = (end - start) / self.maximum()
        if apart >= DOTS_APART:
            for step in range(self.maximum() + 1):
                done = step <= self.value()
                kept = step in self._marks or self._live
                colour = theme.color("accent" if done else "border_strong")
                painter.setPen(QPen(colour, 1.5))
                painter.setBrush(colour if kept or done else theme.color("panel"))
                size = 3.0 if step in self._marks else 2.0
                painter.drawEllipse(QPointF(self.position_of(step), middle), size, size)
        if self._hover >= 0 and not self._live:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("muted"))
            painter.drawEllipse(QPointF(self.position_of(self._hover), middle), 4, 4)
        if not self._live:
            painter.setPen(QPen(theme.color("panel"), 2))
            painter.setBrush(theme.color("accent"))
            painter.drawEllipse(QPointF(now, middle), KNOB, KNOB)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("focus"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        painter.end()

"""A view onto something with pixels: how much of it is seen, at which scale, by wheel, touchpad, gesture and keys."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QNativeGestureEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from app.canvas.viewport import Viewport

PAN_STEP = 48
# One notch of a wheel is 120; four notches double the scale.
WHEEL_DOUBLES = 480.0


class ZoomView(QWidget):
    """Zooms and pans; what there is to see is painted by a class of its own that derives from this one.

    Signals:
        scale_changed(float): screen pixels for each pixel of the picture.
    """

    scale_changed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewport = Viewport()
        self._pointer: QPointF | None = None

    @property
    def viewport(self) -> Viewport:
        """Where the picture lies."""
        return self._viewport

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see, and so nothing to move."""
        return False

    def fit(self) -> None:
        """Show the whole picture."""
        self._set_viewport(self._viewport.fit())

    def actual_size(self) -> None:
        """One pixel of the screen for each of the picture."""
        self._set_viewport(self._viewport.zoomed(1.0))

    def zoom_in(self) -> None:
        """The next stop in."""
        self._set_viewport(self._viewport.stepped(1, self._under_pointer()))

    def zoom_out(self) -> None:
        """The next stop out."""
        self._set_viewport(self._viewport.stepped(-1, self._under_pointer()))

    def set_viewport(self, viewport: Viewport) -> None:
        """Show this part, of the same picture."""
        self._set_viewport(viewport)

    def _under_pointer(self) -> tuple[float, float] | None:
        if self._pointer is None or not self.underMouse():
            return None
        return self._pointer.x(), self._pointer.y()

    def _set_viewport(self, viewport: Viewport) -> None:
        changed = viewport.scale != self._viewport.scale
        self._viewport = viewport
        if changed:
            self.scale_changed.emit(viewport.scale)
        self.update()

    def _target(self) -> QRectF:
        left, top = self._viewport.origin
        return QRectF(
            left, top, self._viewport.width * self._viewport.logical, self._viewport.height * self._viewport.logical
        )

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        pixels, notches = event.pixelDelta(), event.angleDelta()
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        touchpad = not pixels.isNull() and event.phase() != Qt.ScrollPhase.NoScrollPhase
        if touchpad and not control:
            self._set_viewport(self._viewport.moved(pixels.x(), pixels.y()))
        elif shift and not control:
            self._set_viewport(self._viewport.moved(notches.y() or notches.x(), 0))
        elif notches.y():
            at = (event.position().x(), event.position().y())
            factor = 2.0 ** (notches.y() / WHEEL_DOUBLES)
            self._set_viewport(self._viewport.zoomed(self._viewport.scale * factor, at))
        event.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent):
            if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
                at = (event.position().x(), event.position().y())
                self._set_viewport(self._viewport.zoomed(self._viewport.scale * (1.0 + event.value()), at))
                return True
            if event.gestureType() == Qt.NativeGestureType.SmartZoomNativeGesture:
                self.fit() if not self._viewport.fitted else self.actual_size()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        key, far = event.key(), 4 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        moves = {
            Qt.Key.Key_Left: (PAN_STEP, 0),
            Qt.Key.Key_Right: (-PAN_STEP, 0),
            Qt.Key.Key_Up: (0, PAN_STEP),
            Qt.Key.Key_Down: (0, -PAN_STEP),
        }
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            super().keyPressEvent(event)
        elif key in moves and not self.empty:
            across, down = moves[Qt.Key(key)]
            self._set_viewport(self._viewport.moved(across * far, down * far))
        elif key in {Qt.Key.Key_Plus, Qt.Key.Key_Equal}:
            self.zoom_in()
        elif key in {Qt.Key.Key_Minus, Qt.Key.Key_Underscore}:
            self.zoom_out()
        elif key in {Qt.Key.Key_0, Qt.Key.Key_Home}:
            self.fit()
        elif key == Qt.Key.Key_1:
            self.actual_size()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        self._set_viewport(self._viewport.resized((self.width(), self.height()), self.devicePixelRatioF()))
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.DevicePixelRatioChange}:
            self._set_viewport(self._viewport.resized((self.width(), self.height()), self.devicePixelRatioF()))
        super().changeEvent(event)

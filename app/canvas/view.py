"""The window onto the picture: zoom, pan, the preview while it forms, before and after, and the brush of the mask.

Nothing here is mirrored in right-to-left languages: a picture is not text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QMimeData, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QDragEnterEvent,
    QDropEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from app.canvas.painting import paint_brush, paint_divider, paint_grid, paint_tag
from app.canvas.zoom_view import ZoomView
from app.theme import GAP, current

if TYPE_CHECKING:
    from app.canvas.images import Pyramid
    from app.canvas.mask import Mask

# From this many screen pixels for each of the picture's on, each is shown as a square of its own, unless the picture
# only fills the window.
SQUARES_FROM = 3.0
GRID_FROM = 12.0
COMPARE_REACH = 8.0
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class CanvasView(ZoomView):
    """Shows one picture, or the preview of one, at any scale.

    Signals:
        drag_wanted(): the user began to drag the picture out.
        menu_wanted(QPoint): a context menu is asked for, at this point of the screen.
        file_dropped(str), image_dropped(QImage): a picture came in from outside.
        stroke_ended(): a stroke of the mask is finished.
        compare_moved(float): the line between before and after is at this part of the picture's width.
        brush_changed(float): the radius of the brush, in pixels of the picture.
    """

    drag_wanted = Signal()
    menu_wanted = Signal(object)
    file_dropped = Signal(str)
    image_dropped = Signal(object)
    stroke_ended = Signal()
    compare_moved = Signal(float)
    brush_changed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("canvas")
        self.setAccessibleName(self.tr("Picture"))
        self.setAccessibleDescription(
            self.tr("Plus and minus zoom, 0 fits the picture, 1 shows its own size, the arrow keys move it.")
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 128)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._picture: Pyramid | None = None
        self._preview: QImage | None = None
        self._before: Pyramid | None = None
        self._comparing = False
        self._line = 0.5
        self._mask: Mask | None = None
        self._tool: str = ""
        self._radius = 24.0
        self._pressed: QPointF | None = None
        self._grip = ""
        self._space = False
        self._drop_over = False

    # ------------------------------------------------------------------------------------------------ what is shown

    @property
    def picture(self) -> Pyramid | None:
        """The finished picture, if one is shown."""
        return self._picture

    @property
    def preview(self) -> QImage | None:
        """The preview that lies over it, if one does."""
        return self._preview

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see."""
        return self._picture is None and self._preview is None

    def set_picture(self, picture: Pyramid | None) -> None:
        """Show a finished picture; one of the same size as before keeps zoom and place."""
        self._picture, self._preview = picture, None
        if picture is not None:
            self._set_viewport(self._viewport.of_picture(picture.width, picture.height))
        self.update()

    def set_preview(self, preview: QImage | None, width: int = 0, height: int = 0) -> None:
        """Lay a preview over what is shown, as a picture of `width` x `height`; None takes it away."""
        self._preview = preview
        if preview is not None:
            self._set_viewport(self._viewport.of_picture(width or preview.width(), height or preview.height()))
        elif self._picture is not None:
            self._set_viewport(self._viewport.of_picture(self._picture.width, self._picture.height))
        self.update()

    def set_before(self, before: Pyramid | None) -> None:
        """The picture on the left of the comparison."""
        self._before = before
        self.update()

    @property
    def comparing(self) -> bool:
        """Whether before and after are shown side by side of the line."""
        return self._comparing and self._before is not None

    def set_comparing(self, on: bool) -> None:
        """Show before and after, or the picture alone."""
        self._comparing = on
        self.update()

    @property
    def line(self) -> float:
        """Where the line between before and after is, as a part of the picture's width."""
        return self._line

    def set_line(self, part: float) -> None:
        """Move the line between before and after."""
        self._line = min(max(part, 0.0), 1.0)
        self.compare_moved.emit(self._line)
        self.update()

    @property
    def painted(self) -> Mask | None:
        """The mask that lies over the picture."""
        return self._mask

    def set_mask(self, mask: Mask | None) -> None:
        """Lay a mask over the picture."""
        self._mask = mask
        self.update()

    @property
    def tool(self) -> str:
        """ "brush", "eraser" or "" (the hand)."""
        return self._tool

    def set_tool(self, tool: str) -> None:
        """Paint with the left button, or pan with it."""
        self._tool = tool
        self._show_cursor()
        self.update()

    @property
    def radius(self) -> float:
        """The brush's radius in pixels of the picture."""
        return self._radius

    def set_radius(self, radius: float) -> None:
        """Change the brush's radius."""
        self._radius = min(max(radius, 0.5), 1024.0)
        self.brush_changed.emit(self._radius)
        self.update()

    # ------------------------------------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setClipRect(event.rect())
        theme = current()
        painter.fillRect(event.rect(), theme.color("canvas"))
        if not self.empty:
            target = self._target()
            self._paint_picture(painter, target)
            if self._comparing and self._before is not None:
                self._paint_before(painter, target, self._before)
            if self._mask is not None:
                painter.setOpacity(0.5)
                painter.drawImage(target, self._mask.image, QRectF(self._mask.image.rect()))
                painter.setOpacity(1.0)
            if self._viewport.scale >= GRID_FROM and not self._viewport.fitted and self._preview is None:
                paint_grid(painter, target, target.intersected(QRectF(event.rect())), self._viewport.logical)
            if self._tool and self._pointer is not None:
                paint_brush(painter, self._pointer, self._radius * self._viewport.logical, self._tool == "eraser")
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self._drop_over:
            painter.setPen(QPen(theme.color("accent"), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(5, 5, -5, -5), 8, 8)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("focus"), 1))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()

    def _paint_picture(self, painter: QPainter, target: QRectF) -> None:
        if self._preview is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(target, self._preview, QRectF(self._preview.rect()))
        elif self._picture is not None:
            self._draw(painter, target, self._picture)

    def _draw(self, painter: QPainter, target: QRectF, picture: Pyramid) -> None:
        # Over the width, so that a "before" of another size is laid over the same place.
        scale = target.width() * self._viewport.ratio / picture.width
        image = picture.level_for(scale)
        smooth = scale != 1.0 and (scale < SQUARES_FROM or self._viewport.fitted)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(target, image, QRectF(image.rect()))

    def _paint_before(self, painter: QPainter, target: QRectF, before: Pyramid) -> None:
        x = target.left() + target.width() * self._line
        painter.save()
        painter.setClipRect(QRectF(0, 0, x, self.height()), Qt.ClipOperation.IntersectClip)
        painter.fillRect(target, current().color("canvas"))
        self._draw(painter, target, before)
        painter.restore()
        paint_divider(painter, x, target, self.height())
        seen = target.intersected(QRectF(self.rect())).adjusted(GAP, GAP, -GAP, -GAP)
        paint_tag(painter, self.tr("Before"), seen.topLeft(), to_the_right=True)
        paint_tag(painter, self.tr("After"), seen.topRight(), to_the_right=False)

    # ------------------------------------------------------------------------------------------------ mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._pressed = event.position()
        left = event.button() == Qt.MouseButton.LeftButton
        if self.empty:
            return
        if left and self.comparing and abs(event.position().x() - self._line_x()) <= COMPARE_REACH:
            self._grip = "line"
        elif left and self._tool and self._mask is not None and not self._space:
            self._grip = "stroke"
            self._mask.begin(self._picture_point(event.position()), self._radius, erase=self._tool == "eraser")
            self.update()
        elif event.button() == Qt.MouseButton.MiddleButton or (left and (self._viewport.can_pan or self._space)):
            self._grip = "pan"
        elif left:
            self._grip = "drag"
        self._show_cursor()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        at = event.position()
        past, self._pointer = self._pressed, at
        if self._grip and past is not None:
            self._go_on(at, past)
        else:
            self._show_cursor()
        if self._tool:
            self.update()

    def _go_on(self, at: QPointF, past: QPointF) -> None:
        if self._grip == "pan":
            self._set_viewport(self._viewport.moved(at.x() - past.x(), at.y() - past.y()))
            self._pressed = at
        elif self._grip == "line":
            target = self._target()
            self.set_line((at.x() - target.left()) / max(target.width(), 1.0))
        elif self._grip == "stroke" and self._mask is not None:
            self._mask.draw_to(self._picture_point(at), self._radius, erase=self._tool == "eraser")
            self.update()
        elif self._grip == "drag" and (at - past).manhattanLength() >= QApplication.startDragDistance():
            self._grip = ""
            self.drag_wanted.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802, ARG002
        grip, self._grip, self._pressed = self._grip, "", None
        if grip == "stroke" and self._mask is not None and self._mask.end():
            self.stroke_ended.emit()
        self._show_cursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._tool or self.empty:
            return
        if self._viewport.fitted:
            self._set_viewport(self._viewport.zoomed(1.0, (event.position().x(), event.position().y())))
        else:
            self.fit()

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        self._pointer = None
        self.update()
        super().leaveEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802
        self.menu_wanted.emit(event.globalPos())

    def _picture_point(self, at: QPointF) -> QPointF:
        return QPointF(*self._viewport.to_picture(at.x(), at.y()))

    def _line_x(self) -> float:
        target = self._target()
        return target.left() + target.width() * self._line

    def _show_cursor(self) -> None:
        shape = Qt.CursorShape.ArrowCursor
        over_line = self._pointer is not None and abs(self._pointer.x() - self._line_x()) <= COMPARE_REACH
        if self._grip == "line" or (self.comparing and over_line):
            shape = Qt.CursorShape.SplitHCursor
        elif self._grip == "pan":
            shape = Qt.CursorShape.ClosedHandCursor
        elif self._tool and not self._space:
            shape = Qt.CursorShape.BlankCursor
        elif not self.empty and (self._space or self._viewport.can_pan):
            shape = Qt.CursorShape.OpenHandCursor
        self.setCursor(shape)

    # ------------------------------------------------------------------------------------------------ keys

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        key = event.key()
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            super().keyPressEvent(event)
        elif key in {Qt.Key.Key_BracketLeft, Qt.Key.Key_BracketRight} and self._tool:
            self.set_radius(self._radius * (1.2 if key == Qt.Key.Key_BracketRight else 1 / 1.2))
        elif key in {Qt.Key.Key_Comma, Qt.Key.Key_Period} and self.comparing:
            self.set_line(self._line + (0.05 if key == Qt.Key.Key_Period else -0.05))
        elif key == Qt.Key.Key_Space:
            self._space = True
            self._show_cursor()
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._space = False
            self._show_cursor()
        super().keyReleaseEvent(event)

    # ------------------------------------------------------------------------------------------------ what comes in

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        # Not the picture that is being dragged out of here.
        if event.source() is not self and takes(event.mimeData()):
            event.acceptProposedAction()
            self._drop_over = True
            self.update()

    def dragLeaveEvent(self, event: QEvent) -> None:  # noqa: N802
        self._drop_over = False
        self.update()
        super().dragLeaveEvent(event)  # pyright: ignore[reportArgumentType]

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self._drop_over = False
        self.update()
        self.take(event.mimeData())
        event.acceptProposedAction()

    def take(self, data: QMimeData) -> bool:
        """Take a picture out of what was dropped or pasted; false where there is none."""
        for url in data.urls():
            if url.isLocalFile() and url.toLocalFile().lower().endswith(PICTURE_SUFFIXES):
                self.file_dropped.emit(url.toLocalFile())
                return True
        if data.hasImage():
            image = QImage(data.imageData())
            if not image.isNull():
                self.image_dropped.emit(image)
                return True
        return False


def takes(data: QMimeData) -> bool:
    """Whether there is a picture in what is being dragged."""
    return data.hasImage() or any(
        url.isLocalFile() and url.toLocalFile().lower().endswith(PICTURE_SUFFIXES) for url in data.urls()
    )

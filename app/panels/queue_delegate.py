"""How a job of the queue is drawn: thumbnail, prompt, what it does, and a thin bar while it runs."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.error_texts import said_here
from app.icons import icon_pixmap
from app.panels.queue_model import JOB, PROGRESS, THUMBNAIL, QueueModel
from app.services.queue_store import Job, JobStatus
from app.theme import GAP, ICON, SMALL, SPACE, Theme, current

HEIGHT = 64
THUMB = 48
SEPARATOR = " · "
# Icon and colour of each state, so that it is told by more than colour.
MARKS: dict[JobStatus, tuple[str, str]] = {
    "waiting": ("clock", "muted"),
    "running": ("play", "accent"),
    "interrupted": ("circle-alert", "warning"),
    "failed": ("circle-x", "danger"),
    "cancelled": ("ban", "muted"),
    "done": ("circle-check", "success"),
}


class QueueDelegate(QStyledItemDelegate):
    """Draws the rows; mirrored as the language is read."""

    def __init__(self, model: QueueModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model
        self._parent = parent

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: N802, ARG002
        return QSize(160, HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        job: Job | None = index.data(JOB)
        if job is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme = current()
        frame: QRect = option.rect  # pyright: ignore[reportAttributeAccessIssue]
        state: QStyle.StateFlag = option.state  # pyright: ignore[reportAttributeAccessIssue]
        selected = bool(state & QStyle.StateFlag.State_Selected)
        self._paint_ground(painter, frame, state, theme)
        direction: Qt.LayoutDirection = option.direction  # pyright: ignore[reportAttributeAccessIssue]

        def placed(x: int, y: int, width: int, height: int) -> QRect:
            rect = QRect(frame.x() + x, frame.y() + y, width, height)
            return QStyle.visualRect(direction, frame, rect)

        top = (HEIGHT - THUMB) // 2
        self._paint_thumbnail(painter, QRectF(placed(GAP, top, THUMB, THUMB)), index, job, theme)
        start = GAP + THUMB + 3 * SPACE
        width = max(frame.width() - start - GAP - ICON - GAP, 20)
        text = theme.color("on_selection" if selected else "text")
        muted = theme.color("on_selection" if selected else "muted")
        self._paint_prompt(painter, placed(start, 10, width, 20), job, text, direction)
        self._paint_status(painter, placed(start, 30, width, 16), job, muted, direction)
        progress = index.data(PROGRESS)
        if progress is not None:
            self._paint_bar(painter, placed(start, 50, width, 4), progress.fraction, direction, theme)
        self._paint_mark(painter, placed(frame.width() - GAP - ICON, 12, ICON, ICON), job, theme)
        if job.forever:
            mark = icon_pixmap("infinity", ICON, muted.name(), self._ratio())
            painter.drawPixmap(placed(frame.width() - GAP - ICON, 36, ICON, ICON), mark)
        painter.restore()

    def _ratio(self) -> float:
        return self._parent.devicePixelRatioF()

    def _paint_ground(self, painter: QPainter, frame: QRect, state: QStyle.StateFlag, theme: Theme) -> None:
        box = QRectF(frame).adjusted(2, 1, -2, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        if state & QStyle.StateFlag.State_Selected:
            painter.setBrush(theme.color("selection"))
            painter.drawRoundedRect(box, 6, 6)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(theme.color("hover"))
            painter.drawRoundedRect(box, 6, 6)
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(theme.color("focus"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)

    def _paint_thumbnail(
        self, painter: QPainter, box: QRectF, index: QModelIndex | QPersistentModelIndex, job: Job, theme: Theme
    ) -> None:
        image = index.data(THUMBNAIL)
        path = QPainterPath()
        path.addRoundedRect(box, 4, 4)
        painter.save()
        painter.setClipPath(path)
        painter.fillRect(box, theme.color("hover"))
        if image is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            # Filled, the middle of the picture in a square.
            side = min(image.width(), image.height())
            source = QRectF((image.width() - side) / 2, (image.height() - side) / 2, side, side)
            painter.drawImage(box, image, source)
        else:
            name = "image-plus" if job.request.init_image else "image"
            mark = icon_pixmap(name, 20, theme.muted, self._ratio())
            painter.drawPixmap(int(box.center().x() - 10), int(box.center().y() - 10), mark)
        painter.restore()

    def _paint_prompt(
        self, painter: QPainter, box: QRect, job: Job, colour: QColor, direction: Qt.LayoutDirection
    ) -> None:
        font = QApplication.font()
        metrics = QFontMetrics(font)
        text = " ".join(job.request.prompt.split()) or self.tr("(no prompt)")
        painter.setFont(font)
        painter.setPen(colour)
        # The side follows the window, the letters the prompt's own direction.
        painter.setLayoutDirection(Qt.LayoutDirection.LayoutDirectionAuto)
        side = (
            Qt.AlignmentFlag.AlignRight if direction == Qt.LayoutDirection.RightToLeft else Qt.AlignmentFlag.AlignLeft
        )
        flags = side | Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignAbsolute
        painter.drawText(box, flags, metrics.elidedText(text, Qt.TextElideMode.ElideRight, box.width()))

    def _paint_status(
        self, painter: QPainter, box: QRect, job: Job, colour: QColor, direction: Qt.LayoutDirection
    ) -> None:
        font = QFont(QApplication.font())
        font.setPixelSize(SMALL)
        metrics = QFontMetrics(font)
        painter.setFont(font)
        painter.setPen(colour)
        side = (
            Qt.AlignmentFlag.AlignRight if direction == Qt.LayoutDirection.RightToLeft else Qt.AlignmentFlag.AlignLeft
        )
        flags = side | Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignAbsolute
        text = SEPARATOR.join(self.details(job))
        painter.setLayoutDirection(direction)
        painter.drawText(box, flags, metrics.elidedText(text, Qt.TextElideMode.ElideRight, box.width()))

    def details(self, job: Job) -> list[str]:
        """The words below the prompt: the state, then what tells jobs apart."""
        parts = [self._model.status_text(job)]
        if job.status == "failed" and job.message:
            return [*parts, said_here(job.message)]
        request = job.request
        if request.count > 1 and job.status == "waiting" and not job.made:
            parts.append(self.tr("%n picture(s)", "", request.count))
        elif request.count > 1:
            parts.append(self.tr("{made} of {count} pictures").format(made=job.made, count=request.count))
        if job.forever:
            parts.append(self.tr("round {number}").format(number=job.rounds + 1))
        # Left to right in every language, hence the isolates.
        parts.append(f"\u2066{request.width} × {request.height}\u2069")
        parts.append(self.tr("%n step(s)", "", request.steps))
        return parts

    def _paint_bar(
        self, painter: QPainter, box: QRect, fraction: float, direction: Qt.LayoutDirection, theme: Theme
    ) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("border_strong"))
        painter.drawRoundedRect(box, 2, 2)
        done = QRect(box)
        done.setWidth(max(round(box.width() * fraction), 4))
        painter.setBrush(theme.color("accent"))
        painter.drawRoundedRect(QStyle.visualRect(direction, box, done), 2, 2)

    def _paint_mark(self, painter: QPainter, box: QRect, job: Job, theme: Theme) -> None:
        name, token = MARKS[job.status]
        painter.drawPixmap(box, icon_pixmap(name, ICON, getattr(theme, token), self._ratio()))

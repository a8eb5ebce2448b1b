"""A grid of equal cells that knows where every picture lies without asking each one.

`QListView` lays its items out one by one, which takes 0.2 s for 100,000 of them at every resize and every page. Here
place and number follow from each other by a division; the rest of a list view stays: its selection, its keys, and what
a screen reader sees of it.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
)
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QRegion, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QWidget

from app.panels.gallery_cell import CellBrush, Look
from app.panels.gallery_model import GalleryModel, Index
from app.theme import SPACE

SIZES = (64, 88, 112, 144, 192, 256)


class GridView(QListView):
    """Shows a `GalleryModel` in cells of about `cell_size` pixels that fill the width."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._size = 112
        self._anchor = 0
        self._hovered = -1
        self._target: QModelIndex | None = None
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setDragEnabled(True)
        self.setMouseTracking(True)
        # The ring around the current picture shows where the keyboard is.
        self.setStyleSheet("QListView:focus { border: none; }")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        bar = self.verticalScrollBar()
        bar.valueChanged.connect(self._scrolled)
        # Its place is kept, so that cells do not move when it is needed; its handle shows only then.
        bar.rangeChanged.connect(lambda _lowest, highest: bar.setEnabled(highest > 0))

    # ------------------------------------------------------------------------------------------------ places

    @property
    def cell_size(self) -> int:
        """About how large a cell is."""
        return self._size

    def set_cell_size(self, size: int) -> None:
        """Make the cells about `size` pixels large; what was in the middle stays there."""
        if size != self._size:
            middle = self.indexAt(self.viewport().rect().center())
            self._size = size
            self.updateGeometries()
            if middle.isValid():
                self.scrollTo(middle, QAbstractItemView.ScrollHint.PositionAtCenter)
            self.viewport().update()

    @property
    def columns(self) -> int:
        """How many cells stand side by side."""
        return max(round((self.viewport().width() - SPACE) / (self._size + SPACE)), 1)

    @property
    def cell(self) -> int:
        """The side of a cell, so that the columns fill the width."""
        return max((self.viewport().width() - SPACE * (self.columns + 1)) // self.columns, 16)

    def _count(self) -> int:
        model: Any = self.model()  # None before one is set
        return 0 if model is None else model.rowCount()

    def _rect(self, row: int) -> QRect:
        line, column = divmod(row, self.columns)
        step = self.cell + SPACE
        left = SPACE + column * step
        if self.isRightToLeft():
            left = self.viewport().width() - left - self.cell
        return QRect(left, SPACE + line * step - self.verticalOffset(), self.cell, self.cell)

    def visible_rows(self) -> range:
        """The rows of which at least a part is on the screen."""
        step = self.cell + SPACE
        first = max(self.verticalOffset() - SPACE, 0) // step * self.columns
        last = (self.verticalOffset() + self.viewport().height()) // step * self.columns + self.columns
        return range(min(first, self._count()), min(last, self._count()))

    def visualRect(self, index: Index) -> QRect:  # noqa: N802
        return self._rect(index.row()) if index.isValid() else QRect()

    def indexAt(self, point: QPoint) -> QModelIndex:  # noqa: N802
        step = self.cell + SPACE
        across = self.viewport().width() - point.x() if self.isRightToLeft() else point.x()
        line, down = divmod(point.y() + self.verticalOffset() - SPACE, step)
        column, along = divmod(across - SPACE, step)
        row = line * self.columns + column
        inside = 0 <= column < self.columns and line >= 0 and max(down, along) < self.cell
        return self.model().index(row, 0) if inside and row < self._count() else QModelIndex()

    def verticalOffset(self) -> int:  # noqa: N802
        return self.verticalScrollBar().value()

    def horizontalOffset(self) -> int:  # noqa: N802
        return 0

    def isIndexHidden(self, index: Index) -> bool:  # noqa: N802, ARG002
        return False

    def scrollTo(  # noqa: N802
        self, index: Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        rect, height, bar = self.visualRect(index), self.viewport().height(), self.verticalScrollBar()
        if not index.isValid():
            return
        if hint == QAbstractItemView.ScrollHint.PositionAtCenter:
            bar.setValue(bar.value() + rect.center().y() - height // 2)
        elif rect.top() < SPACE or hint == QAbstractItemView.ScrollHint.PositionAtTop:
            bar.setValue(bar.value() + rect.top() - SPACE)
        elif rect.bottom() > height - SPACE:
            bar.setValue(bar.value() + rect.bottom() - height + SPACE)

    def doItemsLayout(self) -> None:  # noqa: N802
        self.updateGeometries()
        self.viewport().update()

    def updateGeometries(self) -> None:  # noqa: N802
        step = self.cell + SPACE
        lines = -(-self._count() // self.columns)
        bar = self.verticalScrollBar()
        bar.setRange(0, max(lines * step + SPACE - self.viewport().height(), 0))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(step // 2)
        if isinstance(model := self.model(), GalleryModel):
            ratio, view = self.devicePixelRatioF(), self.viewport()
            model.set_side(round(self.cell * ratio), ratio, round(view.width() * view.height() * ratio**2))

    def rowsInserted(self, parent: Index, start: int, end: int) -> None:  # noqa: N802, ARG002
        # Looking at older pictures is not disturbed by a new one at the front.
        before = self.visible_rows().start
        self.updateGeometries()
        if 0 <= start < before and self.verticalOffset() > self.cell:
            lines = -(-(end - start + 1) // self.columns)
            self.verticalScrollBar().setValue(self.verticalOffset() + lines * (self.cell + SPACE))
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        QAbstractItemView.resizeEvent(self, event)
        self.updateGeometries()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(3 * (self._size + SPACE) + 24, 4 * (self._size + SPACE))

    # ------------------------------------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        model = self.model()
        if not isinstance(model, GalleryModel):
            return
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        brush = CellBrush(painter, self.isRightToLeft())
        chosen = set(self._chosen_of(self.visible_rows()))
        focused = self.currentIndex().row() if self.hasFocus() else -1
        area, step, columns, cell = event.rect(), self.cell + SPACE, self.columns, self.cell
        offset, width, mirrored = self.verticalOffset(), self.viewport().width(), self.isRightToLeft()
        for row in self.visible_rows():
            line, column = divmod(row, columns)
            left, top = SPACE + column * step, SPACE + line * step - offset
            rect = QRect(width - left - cell if mirrored else left, top, cell, cell)
            if top <= area.bottom() and top + cell >= area.top():
                picture = model.picture(row)
                pixmap = None if picture is None else model.pixmap(picture)
                trouble = picture is not None and pixmap is None and bool(model.trouble(picture))
                look = Look(row in chosen, row == focused, row == self._hovered, trouble)
                brush.draw(rect, picture.stars if picture is not None else 0, pixmap, look)
        painter.end()

    def _chosen_of(self, rows: range) -> list[int]:
        """Which of these rows are selected: few ranges are looked at, not every row."""
        selection: Any = self.selectionModel().selection()
        found: list[int] = []
        for part in selection:
            found += range(max(part.top(), rows.start), min(part.bottom() + 1, rows.stop))
        return found

    def _scrolled(self) -> None:
        if isinstance(model := self.model(), GalleryModel):
            model.forget_wishes()
        self.viewport().update()

    def scrollContentsBy(self, dx: int, dy: int) -> None:  # noqa: N802, ARG002
        # Cells are cheap to paint; moving old pixels would need the layout that this view does without.
        self.viewport().update()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.step_size(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            super().wheelEvent(event)

    def step_size(self, steps: int) -> None:
        """Make the cells larger or smaller by so many steps."""
        nearest = min(range(len(SIZES)), key=lambda number: abs(SIZES[number] - self._size))
        self.set_cell_size(SIZES[min(max(nearest + steps, 0), len(SIZES) - 1)])

    # ------------------------------------------------------------------------------------------------ choosing

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        super().mouseMoveEvent(event)
        self._hover(self.indexAt(event.position().toPoint()).row())

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        super().leaveEvent(event)
        self._hover(-1)

    def _hover(self, row: int) -> None:
        if row != self._hovered:
            for changed in (row, self._hovered):
                if changed >= 0:
                    self.viewport().update(self._rect(changed))
            self._hovered = row

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._target = self.indexAt(event.position().toPoint())
        if not event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self._target.isValid():
            self._anchor = self._target.row()
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        super().keyPressEvent(event)
        if not event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self.currentIndex().isValid():
            self._anchor = self.currentIndex().row()

    def moveCursor(  # noqa: N802
        self,
        cursor_action: QAbstractItemView.CursorAction,
        modifiers: Qt.KeyboardModifier,  # noqa: ARG002
    ) -> QModelIndex:
        action, count = QAbstractItemView.CursorAction, self._count()
        if not count:
            return QModelIndex()
        row = max(self.currentIndex().row(), 0)
        page = max(self.viewport().height() // (self.cell + SPACE), 1) * self.columns
        back = -1 if not self.isRightToLeft() else 1
        moves = {
            action.MoveLeft: back,
            action.MoveRight: -back,
            action.MovePrevious: -1,
            action.MoveNext: 1,
            action.MoveUp: -self.columns if row >= self.columns else 0,
            action.MoveDown: self.columns if row + self.columns < count else 0,
            action.MovePageUp: -page,
            action.MovePageDown: page,
            action.MoveHome: -count,
            action.MoveEnd: count,
        }
        if not self.currentIndex().isValid():
            moves = {}
        self._target = self.model().index(min(max(row + moves.get(cursor_action, 0), 0), count - 1), 0)
        return self._target

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:  # noqa: N802
        if self.state() == QAbstractItemView.State.DragSelectingState:
            chosen = QItemSelection()
            for row in self.visible_rows():
                if self._rect(row).intersects(rect.normalized()):
                    chosen.select(self.model().index(row, 0), self.model().index(row, 0))
            self.selectionModel().select(chosen, command)
            return
        target = self._target if self._target is not None else QModelIndex()
        if not target.isValid():
            self.selectionModel().select(QModelIndex(), command)
            return
        alone = rect.width() <= 1 and rect.height() <= 1
        first, last = sorted((target.row(), target.row() if alone else min(self._anchor, self._count() - 1)))
        chosen = QItemSelection(self.model().index(first, 0), self.model().index(last, 0))
        self.selectionModel().select(chosen, command)

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:  # noqa: N802, ARG002
        return QRegion(self.viewport().rect())

    def chosen_rows(self) -> list[int]:
        """The rows that are selected, in order."""
        selection: Any = self.selectionModel().selection()
        return sorted(row for part in selection for row in range(part.top(), part.bottom() + 1))

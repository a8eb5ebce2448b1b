"""A row of widgets of which some go where there is no room, so that the window need not grow."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.theme import GAP


class FoldingRow(QWidget):
    """Widgets side by side; at its narrowest only those that nothing else stands for are left.

    Attributes:
        row: the layout that they are in.
        dispensable: those that go, the first one first; they are shown and hidden by this row alone.
    """

    def __init__(self, parent: QWidget, spacing: int = GAP) -> None:
        super().__init__(parent)
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.setSpacing(spacing)
        self.dispensable: Sequence[QWidget] = ()

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        # Something in the row needs another width than before.
        if event.type() == QEvent.Type.LayoutRequest:
            self._make_room()
        return done

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._make_room()

    def sizeHint(self) -> QSize:  # noqa: N802
        # With what is hidden now: it could not come back if nobody gave it room.
        return QSize(self._width_of(self._widgets()), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        kept = [widget for widget in self._widgets() if widget not in self.dispensable]
        return QSize(self._width_of(kept), super().minimumSizeHint().height())

    def _make_room(self) -> None:
        need, changed = self._width_of(self._widgets()), False
        for widget in self.dispensable:
            fits = need <= self.width()
            changed = changed or widget.isHidden() == fits
            widget.setVisible(fits)
            if not fits:
                need -= _least(widget) + self.row.spacing()
        if changed:
            # Within a resize nobody asks the layout again: what is shown only now would stay where it was made, and the
            # row as high as it was.
            self.row.activate()
            self.updateGeometry()

    def _widgets(self) -> list[QWidget]:
        items = (self.row.itemAt(number) for number in range(self.row.count()))
        return [widget for item in items if item is not None and (widget := item.widget()) is not None]

    def _width_of(self, widgets: Sequence[QWidget]) -> int:
        margins, gaps = self.row.contentsMargins(), self.row.spacing() * (len(widgets) - 1)
        return margins.left() + margins.right() + sum(map(_least, widgets)) + gaps


def _least(widget: QWidget) -> int:
    """As narrow as the layout may make it."""
    return widget.minimumWidth() or widget.minimumSizeHint().width()

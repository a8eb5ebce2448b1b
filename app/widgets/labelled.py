"""A choice with its name above it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from app.theme import SPACE, set_role


class QuietCombo(QComboBox):
    """A choice that the wheel passes over, so that a panel can scroll without changing anything."""

    def __init__(self, name: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(tip)
        self.setAccessibleName(name)
        self.setAccessibleDescription(tip)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        event.ignore()


def labelled(widget: QWidget, text: str = "") -> QWidget:
    """`widget` below its accessible name, or below `text`."""
    whole = QWidget()
    label = QLabel(text or widget.accessibleName(), whole)
    label.setBuddy(widget)
    label.setToolTip(widget.toolTip())
    set_role(label, "label")
    layout = QVBoxLayout(whole)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(SPACE // 2)
    layout.addWidget(label)
    layout.addWidget(widget)
    return whole

"""The title line of a dock: its name, and buttons that take it out of the window or close it."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from app.theme import MARGIN, SMALL, SPACE, icon, set_role


class DockTitle(QWidget):
    """Drawn by ourselves: Qt's own cuts letters that are taller than Latin ones."""

    def __init__(self, dock: QDockWidget) -> None:
        super().__init__(dock)
        self._label = QLabel(dock.windowTitle(), self)
        self._label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        set_role(self._label, "section")
        self.out = self._button("picture-in-picture-2", self.tr("Take this panel out of the window, or put it back"))
        self.out.clicked.connect(lambda: dock.setFloating(not dock.isFloating()))
        self.shut = self._button("x", self.tr("Close this panel; the View menu brings it back"))
        self.shut.clicked.connect(dock.close)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(MARGIN, SPACE, MARGIN, SPACE)
        layout.setSpacing(0)
        layout.addWidget(self._label, 1)
        layout.addWidget(self.out)
        layout.addWidget(self.shut)

    def _button(self, name: str, tip: str) -> QToolButton:
        button = QToolButton(self)
        set_role(button, "quiet")
        button.setIcon(icon(name))
        button.setIconSize(QSize(SMALL + 1, SMALL + 1))
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        return button

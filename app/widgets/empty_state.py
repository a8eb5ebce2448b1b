"""What a panel says where there is nothing to show yet."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon, QResizeEvent
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.theme import ICON_LARGE, MARGIN, SECTION, set_role


class EmptyState(QScrollArea):
    """An icon, a sentence and a button; where there is no room the icon goes, and at the last the rest scrolls.

    Attributes:
        icon, text, button: what it consists of.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.icon, self.text, self.button = QLabel(), QLabel(), QPushButton()
        for label in (self.icon, self.text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.text.setWordWrap(True)
        set_role(self.text, "empty")
        self._page = QWidget()
        self._page.setObjectName("scrolled")
        layout = QVBoxLayout(self._page)
        layout.setContentsMargins(SECTION, SECTION, SECTION, SECTION)
        layout.setSpacing(MARGIN)
        layout.addStretch(1)
        layout.addWidget(self.icon)
        layout.addWidget(self.text)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignCenter)
        layout.addStretch(2)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # The button is where the keyboard goes, and is scrolled to then.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(self._page)

    def say(self, icon: QIcon, text: str, button: str) -> None:
        """Show these; what the button does is the panel's."""
        self.icon.setPixmap(icon.pixmap(2 * ICON_LARGE, 2 * ICON_LARGE))
        self.text.setText(text)
        self.button.setText(button)
        self._make_room()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._make_room()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        # The hidden icon counts: the panels around must not move when it comes and goes.
        least = self._page.minimumSizeHint()
        return QSize(least.width(), self._with_icon(least.height()))

    def _make_room(self) -> None:
        self.icon.setVisible(self._with_icon(self._page.heightForWidth(self.width())) <= self.height())

    def _with_icon(self, height: int) -> int:
        """The `height` of the page with its icon, which may be hidden now."""
        return height + (self.icon.sizeHint().height() + MARGIN if self.icon.isHidden() else 0)

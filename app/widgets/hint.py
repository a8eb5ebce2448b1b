"""The quiet words below a control that say what it does."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from app.theme import set_role


class Hint(QLabel):
    """Small, quiet words that wrap. Not for a QFormLayout, which leaves room below words that wrap."""

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(text, parent)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeading)
        set_role(self, "hint")

"""A group of controls with a title line that folds it away."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QPushButton, QVBoxLayout, QWidget

from app.theme import GAP, MARGIN, SPACE, icon, set_role


class Card(QFrame):
    """A frame with a title that shows or hides what is in it.

    Signals:
        folded_changed(bool): it was folded or unfolded.
    """

    folded_changed = Signal(bool)

    def __init__(self, title: str, *, folded: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_role(self, "card")
        self._header = QPushButton(title, self)
        set_role(self._header, "fold")
        self._header.setCheckable(True)
        self._header.setChecked(not folded)
        self._header.setCursor(Qt.CursorShape.PointingHandCursor)
        self._header.toggled.connect(self._show_content)
        self._content = QWidget(self)
        self.body = QVBoxLayout(self._content)
        self.body.setContentsMargins(0, 0, 0, SPACE)
        self.body.setSpacing(GAP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, SPACE, MARGIN, SPACE)
        layout.setSpacing(SPACE)
        layout.addWidget(self._header, 0, Qt.AlignmentFlag.AlignLeading)
        layout.addWidget(self._content)
        self._show_content(not folded)

    @property
    def folded(self) -> bool:
        """Whether only the title is to be seen."""
        return not self._header.isChecked()

    def set_folded(self, folded: bool) -> None:
        """Show the title alone, or everything."""
        self._header.setChecked(not folded)

    def set_title(self, title: str) -> None:
        """What stands in the title line."""
        self._header.setText(title)

    def _show_content(self, shown: bool) -> None:
        self._content.setVisible(shown)
        self._header.setIcon(icon("chevron-down" if shown else "chevron-right"))
        self._header.setAccessibleDescription(
            self.tr("Shown; press to fold") if shown else self.tr("Folded; press to show")
        )
        self.folded_changed.emit(not shown)

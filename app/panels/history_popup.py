"""A list of prompts used before, with a search line."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from app.state.prompts import PromptsState
from app.theme import GAP, SPACE, icon, set_role

SHOWN = 100


class HistoryPopup(QFrame):
    """Opens below a button; a click or Enter takes a prompt.

    Signals:
        chosen(str, str): prompt and negative prompt.
    """

    chosen = Signal(str, str)

    def __init__(self, prompts: PromptsState, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._prompts = prompts
        set_role(self, "card")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.search = QLineEdit(self)
        self.search.setPlaceholderText(self.tr("Search prompts used before"))
        self.search.setAccessibleName(self.tr("Search prompts used before"))
        self.search.addAction(icon("search"), QLineEdit.ActionPosition.LeadingPosition)
        self.search.textChanged.connect(self._fill)
        self.search.returnPressed.connect(self._take_current)
        self.list = QListWidget(self)
        self.list.setAccessibleName(self.tr("Prompts used before"))
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.itemActivated.connect(self._take)
        self.list.itemClicked.connect(self._take)
        self._empty = QLabel(self.tr("Prompts appear here once you have made a picture with them."), self)
        self._empty.setWordWrap(True)
        set_role(self._empty, "empty")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GAP, GAP, GAP, GAP)
        layout.setSpacing(SPACE)
        layout.addWidget(self.search)
        layout.addWidget(self.list, 1)
        layout.addWidget(self._empty, 1)
        self._fill("")

    def open_below(self, widget: QWidget) -> None:
        """Show it below `widget`, within the screen."""
        self.resize(380, 320)
        place = widget.mapToGlobal(QPoint(0, widget.height() + SPACE))
        screen = widget.screen().availableGeometry()
        if self.layoutDirection() == Qt.LayoutDirection.RightToLeft:
            place.setX(place.x() + widget.width() - self.width())
        place.setX(min(max(place.x(), screen.left()), screen.right() - self.width()))
        place.setY(min(place.y(), screen.bottom() - self.height()))
        self.move(place)
        self.show()
        self.search.setFocus()

    def _fill(self, words: str) -> None:
        self.list.clear()
        for prompt, negative in self._prompts.search(words)[:SHOWN]:
            item = QListWidgetItem(" ".join(prompt.split()))
            item.setToolTip(prompt if not negative else f"{prompt}\n\n− {negative}")
            item.setData(Qt.ItemDataRole.UserRole, (prompt, negative))
            self.list.addItem(item)
        if self.list.count():
            self.list.setCurrentRow(0)
        nothing = not self._prompts.history
        self._empty.setVisible(nothing)
        self.list.setVisible(not nothing)

    def _take_current(self) -> None:
        if self.list.currentRow() >= 0:
            self._take(self.list.currentItem())

    def _take(self, item: QListWidgetItem) -> None:
        prompt, negative = item.data(Qt.ItemDataRole.UserRole)
        self.close()
        self.chosen.emit(prompt, negative)

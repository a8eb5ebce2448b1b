"""One line above the canvas for what went wrong or should be known, with the remedy as a button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from app.icons import icon_pixmap
from app.theme import GAP, ICON_LARGE, MARGIN, SPACE, current, icon, set_role

Kind = Literal["error", "warning", "info"]
_ICONS: dict[Kind, tuple[str, str]] = {
    "error": ("circle-alert", "danger"),
    "warning": ("triangle-alert", "warning"),
    "info": ("info", "muted"),
}


@dataclass(frozen=True, slots=True)
class Remedy:
    """A button of the banner: what it says and what it does."""

    label: str
    do: Callable[[], object]


class Banner(QFrame):
    """Shows one message at a time, the newest; `dismissed` when the user closed it.

    Signals:
        dismissed(): the user closed it.
        shown_changed(bool): it shows a message, or none any more.
    """

    dismissed = Signal()
    shown_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind: Kind = "info"
        self._mark = QLabel(self)
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._buttons: list[QPushButton] = []
        self._close = QToolButton(self)
        self._close.setIcon(icon("x"))
        self._close.setToolTip(self.tr("Close this message"))
        self._close.setAccessibleName(self.tr("Close this message"))
        self._close.clicked.connect(self._dismiss)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(MARGIN, GAP, GAP, GAP)
        self._layout.setSpacing(GAP)
        self._layout.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        self._layout.addWidget(self._text, 1)
        self._layout.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        self._layout.addSpacing(-SPACE)
        self.hide()

    @property
    def text(self) -> str:
        """The message shown, "" when none is."""
        return "" if self.isHidden() else self._text.text()

    @property
    def buttons(self) -> tuple[QPushButton, ...]:
        """The remedies on it."""
        return tuple(self._buttons)

    def show_message(self, text: str, kind: Kind = "error", remedies: Sequence[Remedy] = ()) -> None:
        """Show `text` with a button for each remedy; pressing one also closes the banner."""
        self._clear_buttons()
        self._kind = kind
        set_role(self, f"banner-{kind}")
        name, token = _ICONS[kind]
        self._mark.setPixmap(icon_pixmap(name, ICON_LARGE, getattr(current(), token), self.devicePixelRatioF()))
        self._text.setText(text)
        self.setAccessibleName(text)
        for remedy in remedies:
            self._add_button(remedy)
        self.show()
        self.shown_changed.emit(True)

    def clear(self) -> None:
        """Show nothing."""
        self.hide()
        self._clear_buttons()
        self.shown_changed.emit(False)

    def _add_button(self, remedy: Remedy) -> None:
        button = QPushButton(remedy.label, self)

        def act() -> None:
            self.clear()
            remedy.do()

        button.clicked.connect(act)
        self._buttons.append(button)
        self._layout.insertWidget(1 + len(self._buttons), button, 0, Qt.AlignmentFlag.AlignTop)

    def _clear_buttons(self) -> None:
        for button in self._buttons:
            self._layout.removeWidget(button)
            button.hide()
            button.deleteLater()
        self._buttons.clear()

    def _dismiss(self) -> None:
        self.clear()
        self.dismissed.emit()

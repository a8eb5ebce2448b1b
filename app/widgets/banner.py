"""One line above the canvas for what went wrong or should be known, with the remedy as a button.

Its words are made when they are shown, not when they are handed over: a message that stands, or that others cover, is
said in the language of the window, which may be another by then. What makes them outlives the window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from app.icons import icon_pixmap
from app.theme import GAP, ICON_LARGE, MARGIN, SPACE, current, icon, set_role

Kind = Literal["error", "warning", "info"]
Words = Callable[[], str]
KEPT = 20
# With less room than this beside its buttons, a sentence stands above them.
TEXT_WIDTH = 240
_ICONS: dict[Kind, tuple[str, str]] = {
    "error": ("circle-alert", "danger"),
    "warning": ("triangle-alert", "warning"),
    "info": ("info", "muted"),
}


@dataclass(frozen=True, slots=True)
class Remedy:
    """A button of the banner: what it says and what it does."""

    label: Words
    do: Callable[[], object]


@dataclass(frozen=True, slots=True)
class _Message:
    text: Words
    kind: Kind
    remedies: tuple[Remedy, ...]


class Banner(QFrame):
    """Shows one message at a time, the newest; warnings and errors that it covers come back when it is closed.

    Signals:
        dismissed(): the user closed it.
        shown_changed(bool): it shows a message, or none any more.
    """

    dismissed = Signal()
    shown_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._messages: list[_Message] = []
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
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._row.setSpacing(GAP)
        self._words = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._words.setSpacing(GAP)
        self._words.addWidget(self._text, 1)
        self._words.addLayout(self._row)
        self._layout.addLayout(self._words, 1)
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

    def show_message(self, text: Words, kind: Kind = "error", remedies: Sequence[Remedy] = ()) -> None:
        """Show `text` with a button for each remedy; pressing one also closes the message."""
        # A piece of news is old when another comes; what went wrong is not mended by that.
        said = text()
        self._messages = [old for old in self._messages if old.kind != "info" and old.text() != said][-KEPT:]
        self._messages.append(_Message(text, kind, tuple(remedies)))
        self._show_last()

    def clear(self) -> None:
        """Show nothing, and forget what was covered."""
        self._messages.clear()
        self._show_last()

    def go_on_from(self, other: Banner) -> None:
        """Show what `other` shows and covers; for a window that is made anew."""
        self._messages = list(other._messages)
        self._show_last()

    def _show_last(self) -> None:
        self._clear_buttons()
        if not self._messages:
            self.hide()
            self.shown_changed.emit(False)
            return
        message = self._messages[-1]
        set_role(self, f"banner-{message.kind}")
        name, token = _ICONS[message.kind]
        self._mark.setPixmap(icon_pixmap(name, ICON_LARGE, getattr(current(), token), self.devicePixelRatioF()))
        self._text.setText(message.text())
        self.setAccessibleName(self._text.text())
        for remedy in message.remedies:
            self._add_button(remedy)
        self._row.addStretch(0)
        self._make_room()
        self.show()
        self.shown_changed.emit(True)

    def _close_last(self) -> None:
        del self._messages[-1:]
        self._show_last()

    def _add_button(self, remedy: Remedy) -> None:
        button = QPushButton(remedy.label(), self)

        def act() -> None:
            self._close_last()
            remedy.do()

        button.clicked.connect(act)
        self._buttons.append(button)
        self._row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)

    def _clear_buttons(self) -> None:
        while self._row.takeAt(0) is not None:
            pass
        for button in self._buttons:
            button.hide()
            button.deleteLater()
        self._buttons.clear()

    def _beside(self) -> int:
        """The width of all but the sentence and the buttons."""
        return self._layout.sizeHint().width() - self._words.sizeHint().width()

    def _make_room(self) -> None:
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        room = self.width() - self._beside() - sum(button.sizeHint().width() + GAP for button in self._buttons)
        self._words.setDirection(down if room < TEXT_WIDTH else across)
        self._row.setDirection(down if room < 0 else across)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._make_room()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        widest = max((button.sizeHint().width() for button in self._buttons), default=0)
        return QSize(self._beside() + max(widest, TEXT_WIDTH // 2), super().minimumSizeHint().height())

    def _dismiss(self) -> None:
        self._close_last()
        self.dismissed.emit()

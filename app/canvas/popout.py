"""The picture in a window of its own, for a second screen."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.canvas.view import CanvasView


class PopOut(QWidget):
    """Shows what the canvas shows, with a zoom of its own. F11 fills the screen, Esc closes.

    Signals:
        closed(): the window is gone.
    """

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setWindowTitle(self.tr("Sfumato: the picture"))
        self.view = CanvasView(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        for keys, act in (("F11", self.toggle_full_screen), ("Esc", self.close)):
            QShortcut(QKeySequence(keys), self).activated.connect(act)
        self.resize(800, 800)

    def open_beside(self, window: QWidget) -> None:
        """Show it on another screen than `window` where there is one, and there on the whole screen."""
        here = window.screen()
        other = next((screen for screen in QGuiApplication.screens() if screen is not here), None)
        if other is not None:
            self.setGeometry(other.availableGeometry())
            self.showFullScreen()
        else:
            self.show()
        self.view.setFocus()

    def toggle_full_screen(self) -> None:
        """Fill the screen, or be a window again."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        self.closed.emit()
        super().closeEvent(event)

"""What the canvas says before there is a picture: one sentence, one button."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.canvas.buttons import label
from app.canvas.view import takes
from app.icons import icon_pixmap
from app.theme import GAP, SECTION, current, icon

SIDE = 48


class EmptyCanvas(QWidget):
    """An invitation to type a prompt, or to drop a picture to begin with.

    Signals:
        open_wanted(): choose a picture file to begin with.
        dropped(object): this `QMimeData` was dropped.
    """

    open_wanted = Signal()
    dropped = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("canvas")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAcceptDrops(True)
        # Behind a picture, which gives way to the bars, it must not keep the canvas high.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self._mark = QLabel(self)
        self._mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text = label(
            self, self.tr("Type what you want to see and press Generate, or begin with a picture of yours."), "empty"
        )
        text.setWordWrap(True)
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.button = QPushButton(icon("image-plus"), self.tr("Begin with a picture"), self)
        self.button.clicked.connect(self.open_wanted)
        layout = QVBoxLayout(self)
        layout.setSpacing(SECTION)
        layout.addStretch(2)
        layout.addWidget(self._mark)
        # Stretches beside it, not an alignment: an aligned label that wraps is given too little height.
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(text, 4)
        row.addStretch(1)
        layout.addLayout(row)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(3)
        layout.setContentsMargins(SECTION, GAP, SECTION, GAP)
        self._show_mark()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.StyleChange}:
            self._show_mark()
        super().changeEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if takes(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self.dropped.emit(event.mimeData())
        event.acceptProposedAction()

    def _show_mark(self) -> None:
        self._mark.setPixmap(icon_pixmap("aperture", SIDE, current().disabled, self.devicePixelRatioF()))

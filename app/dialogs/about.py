"""What the program is, whose work is in it, and under which licences."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from app.icons import icon_pixmap
from app.theme import GAP, SECTION, current, set_role


class AboutDialog(QDialog):
    """Name, version, licences."""

    def __init__(self, parent: QWidget | None = None) -> None:
        from engine import __version__

        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("About Sfumato"))
        mark = QLabel(self)
        mark.setPixmap(icon_pixmap("aperture", 48, current().accent, self.devicePixelRatioF()))
        title = QLabel(self.tr("Sfumato {version}").format(version=__version__), self)
        set_role(title, "title")
        # Qt would put Latin letters on the left whatever the language.
        side = Qt.AlignmentFlag.AlignRight if self.isRightToLeft() else Qt.AlignmentFlag.AlignLeft
        title.setAlignment(side | Qt.AlignmentFlag.AlignAbsolute)
        words = QLabel(
            self.tr(
                "A desktop studio for diffusion models: type a prompt, watch the noise become a picture, keep it, "
                "change it. Everything happens on this computer; nothing is sent anywhere."
            ),
            self,
        )
        words.setMinimumWidth(400)
        licences = QLabel(
            self.tr(
                "Licence: Apache 2.0. Icons: Lucide (ISC). Fonts: Noto Sans and Noto Sans Arabic (OFL 1.1). "
                "Window: Qt for Python (LGPL 3)."
            ),
            self,
        )
        set_role(licences, "hint")
        for text in (words, licences):
            text.setWordWrap(True)
            # Of plain text Qt draws a line from right to left too far left by the space that it ends in, and cuts it.
            text.setTextFormat(Qt.TextFormat.RichText)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SECTION, SECTION, SECTION, SECTION)
        layout.setSpacing(GAP)
        for widget in (mark, title, words, licences, buttons):
            layout.addWidget(widget)

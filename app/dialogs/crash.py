"""What is shown when the program itself failed: the report, a button that copies it, and the work goes on."""

from __future__ import annotations

import platform

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app.theme import GAP, MARGIN, set_role


class CrashDialog(QDialog):
    """One report; more errors while it is open are added to it."""

    def __init__(self, report: str, log_file: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._log_file = log_file
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Something went wrong in Sfumato"))
        self.resize(640, 400)
        title = QLabel(self.tr("Something went wrong in Sfumato"), self)
        set_role(title, "title")
        words = QLabel(
            self.tr(
                "This is an error of the program, not yours. Finished pictures and the queue are kept; you can go on. "
                "The report below helps to mend it; it holds no prompts unless an error names one."
            ),
            self,
        )
        words.setWordWrap(True)
        self.report = QPlainTextEdit(self)
        self.report.setReadOnly(True)
        self.report.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.report.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.report.setAccessibleName(self.tr("Report"))
        self.report.setPlainText(f"{_machine()}\n\n{report.strip()}\n")
        self.copy = QPushButton(self.tr("Copy the report"), self)
        self.copy.clicked.connect(self._copy)
        log = QPushButton(self.tr("Open the log file"), self)
        log.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(self._log_file)))
        self.go_on = QPushButton(self.tr("Go on"), self)
        set_role(self.go_on, "primary")
        self.go_on.setDefault(True)
        self.go_on.clicked.connect(self.accept)
        buttons = QHBoxLayout()
        buttons.addWidget(self.copy)
        buttons.addWidget(log)
        buttons.addStretch(1)
        buttons.addWidget(self.go_on)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(GAP)
        layout.addWidget(title)
        layout.addWidget(words)
        layout.addWidget(self.report, 1)
        layout.addLayout(buttons)

    def add(self, report: str) -> None:
        """Another error happened while this one was read."""
        self.report.appendPlainText(f"\n{report.strip()}\n")

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.report.toPlainText())
        self.copy.setText(self.tr("Copied"))


def _machine() -> str:
    from PySide6 import __version__ as qt

    from engine import __version__

    return f"Sfumato {__version__}, Python {platform.python_version()}, PySide6 {qt}, {platform.platform()}"

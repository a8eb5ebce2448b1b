"""The status bar: what the program is doing, how much waits, where pictures go, and whether the network is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton, QStatusBar, QWidget

from app.theme import set_role

if TYPE_CHECKING:
    from app.application import Application

SAID_MS = 6000


class StatusBar(QStatusBar):
    """Shows facts of an `Application`; `say` shows a sentence for a while."""

    def __init__(self, program: Application, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._program = program
        self.setSizeGripEnabled(False)
        self._state = QLabel(self)
        self._queue = QLabel(self)
        self._network = QLabel(self)
        self._folder = QPushButton(self)
        set_role(self._folder, "quiet-link")
        self._folder.setToolTip(self.tr("Open the folder that pictures go to"))
        self._folder.clicked.connect(program.open_folder)
        self.addWidget(self._state)
        self.addWidget(self._queue)
        self.addPermanentWidget(self._network)
        self.addPermanentWidget(self._folder)
        program.queue.jobs_changed.connect(self._show_queue)
        program.queue.job_changed.connect(self._job_changed)
        program.queue.paused_changed.connect(self._paused)
        program.run.phase_changed.connect(self._show_phase)
        program.settings.changed.connect(self._settings_changed)
        self._show_phase(program.run.phase)
        self._show_queue()
        self._settings_changed("")

    def say(self, sentence: str) -> None:
        """Show `sentence` for some seconds."""
        self.showMessage(sentence, SAID_MS)

    def _show_phase(self, phase: str) -> None:
        words = {
            "idle": self.tr("Ready"),
            "starting": self.tr("Starting …"),
            "loading": self.tr("Loading the model …"),
            "encoding": self.tr("Reading the prompt …"),
            "denoising": self.tr("Making the picture …"),
            "decoding": self.tr("Finishing the picture …"),
            "done": self.tr("Ready"),
            "cancelled": self.tr("Cancelled"),
            "failed": self.tr("Failed"),
        }
        self._state.setText(words.get(phase, ""))

    def _job_changed(self, _job_id: str) -> None:
        self._show_queue()

    def _paused(self, _paused: bool) -> None:
        self._show_queue()

    def _show_queue(self) -> None:
        waiting = len(self._program.queue.with_status("waiting"))
        words = self.tr("%n job(s) waiting", "", waiting) if waiting else ""
        if self._program.queue.paused:
            words = " · ".join(part for part in (self.tr("queue paused"), words) if part)
        self._queue.setText(words)

    def _settings_changed(self, name: str) -> None:
        if name in {"", "offline"}:
            offline = self._program.settings["offline"]
            self._network.setText(self.tr("Network off") if offline else "")
            self._network.setVisible(offline)
        if name in {"", "pictures_folder"}:
            folder = self._program.settings.pictures_folder
            # A path reads from left to right in every language.
            self._folder.setText(f"\u2066{folder}\u2069")
            self._folder.setLayoutDirection(Qt.LayoutDirection.LeftToRight)

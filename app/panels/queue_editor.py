"""A small dialog that changes a job which has not begun."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from app.error_texts import said_here
from app.services.queue_store import Job
from app.state.queue import QueueState
from app.theme import GAP, SECTION, SPACE, set_role
from app.widgets.number import NumberBox
from engine.catalog import LIMITS, SCHEDULERS, scheduler_entry
from engine.errors import KnownError


class QueueEditor(QDialog):
    """Prompt, scheduler, steps, guidance, seed and count of one job; it is held back while the dialog is open."""

    def __init__(self, queue: QueueState, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._job = job
        self.setWindowTitle(self.tr("Edit the job"))
        self.setModal(True)
        self.setMinimumWidth(420)
        request = job.request
        self.prompt = self._text(request.prompt, self.tr("Prompt"))
        self.negative = self._text(request.negative_prompt, self.tr("Negative prompt"))
        self.scheduler = QComboBox(self)
        self.scheduler.setAccessibleName(self.tr("Scheduler"))
        for entry in SCHEDULERS:
            self.scheduler.addItem(entry.label, entry.name)
        self.scheduler.setCurrentIndex(max(self.scheduler.findData(request.scheduler), 0))
        self.steps = self._number("steps", request.steps, self.tr("Steps"))
        self.guidance = self._number("guidance_scale", request.guidance_scale, self.tr("Guidance"), 1, 0.5)
        self.seed = self._number("seed", request.seed, self.tr("Seed"))
        self.count = self._number("count", request.count, self.tr("Pictures"))
        self.error = QLabel(self)
        self.error.setWordWrap(True)
        set_role(self.error, "error")
        self.error.hide()
        self.buttons = QDialogButtonBox(self)
        self.save = self.buttons.addButton(self.tr("Save"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.leave = self.buttons.addButton(self.tr("Leave it as it is"), QDialogButtonBox.ButtonRole.RejectRole)
        set_role(self.save, "primary")
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._arrange()
        queue.hold(job.id)
        self.finished.connect(self._let_go)

    def accept(self) -> None:
        """Take the values over; where one cannot be, say so and stay open."""
        try:
            request = replace(
                self._job.request,
                prompt=self.prompt.toPlainText(),
                negative_prompt=self.negative.toPlainText(),
                scheduler=self.scheduler.currentData(),
                sigma_schedule=self._sigma_schedule(),
                steps=int(self.steps.value),
                guidance_scale=float(self.guidance.value),
                seed=int(self.seed.value),
                count=int(self.count.value),
            )
        except KnownError as error:
            self._say(said_here(str(error)))
            return
        if request != self._job.request and not self._queue.edit(self._job.id, request):
            self._say(self.tr("The job has begun meanwhile and cannot be changed any more; duplicate it instead."))
            return
        super().accept()

    def _let_go(self) -> None:
        self._queue.hold(self._job.id, False)
        self.deleteLater()

    def _sigma_schedule(self) -> str:
        past = self._job.request.sigma_schedule
        return past if past in scheduler_entry(self.scheduler.currentData()).sigma_schedules else "default"

    def _say(self, text: str) -> None:
        self.error.setText(text)
        self.error.show()

    def _text(self, text: str, name: str) -> QPlainTextEdit:
        made = QPlainTextEdit(text, self)
        made.setAccessibleName(name)
        made.setTabChangesFocus(True)
        made.setFixedHeight(72)
        return made

    def _number(self, limit: str, value: float, name: str, decimals: int = 0, step: float = 1) -> NumberBox:
        made = NumberBox(LIMITS[limit], decimals=decimals, step=step, parent=self)
        made.setAccessibleName(name)
        made.set_value(value)
        return made

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SECTION, SECTION, SECTION, SECTION)
        layout.setSpacing(SPACE)
        for text, widget in ((self.tr("Prompt"), self.prompt), (self.tr("Negative prompt"), self.negative)):
            layout.addWidget(self._label(text, widget))
            layout.addWidget(widget)
        layout.addWidget(self._label(self.tr("Scheduler"), self.scheduler))
        layout.addWidget(self.scheduler)
        grid = QGridLayout()
        grid.setHorizontalSpacing(GAP)
        grid.setVerticalSpacing(SPACE)
        numbers = (
            (self.tr("Steps"), self.steps),
            (self.tr("Guidance"), self.guidance),
            (self.tr("Seed"), self.seed),
            (self.tr("Pictures"), self.count),
        )
        for column, (text, widget) in enumerate(numbers):
            grid.addWidget(self._label(text, widget), 0, column)
            grid.addWidget(widget, 1, column)
        # A seed may have twenty digits, the others have three or four.
        grid.setColumnStretch(2, 1)
        for number, digits in ((self.steps, 4), (self.guidance, 4), (self.seed, 20), (self.count, 3)):
            number.setMinimumWidth(self.fontMetrics().horizontalAdvance("0" * digits) + 12 * SPACE)
        layout.addLayout(grid)
        layout.addWidget(self.error)
        layout.addSpacing(GAP)
        layout.addWidget(self.buttons)

    def _label(self, text: str, buddy: QWidget) -> QLabel:
        made = QLabel(text, self)
        made.setBuddy(buddy)
        set_role(made, "label")
        return made

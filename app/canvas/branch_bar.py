"""The bar below the scrubber that starts a new picture from a step of the shown one, with other values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from app.canvas.buttons import label
from app.theme import GAP, MARGIN, SPACE, icon, set_role
from app.widgets.number import NumberBox
from engine.catalog import LIMITS, SCHEDULERS, scheduler_entry

if TYPE_CHECKING:
    from engine.messages import GenerateRequest


class BranchBar(QWidget):
    """Prompt, scheduler, guidance and seed of the branch, filled with what made the shown picture.

    Signals:
        branch_wanted(object): start the branch with these changed values of the request, by name.
    """

    branch_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._request: GenerateRequest | None = None
        self.prompt = QLineEdit(self)
        self.prompt.setAccessibleName(self.tr("Prompt of the branch"))
        self.prompt.setToolTip(self.tr("What the picture shall become from this step on."))
        self.scheduler = QComboBox(self)
        self.scheduler.setAccessibleName(self.tr("Scheduler of the branch"))
        self.scheduler.setToolTip(self.tr("Who takes the remaining steps."))
        for entry in SCHEDULERS:
            self.scheduler.addItem(entry.label, entry.name)
        # Long names must not make the canvas wide.
        self.scheduler.setMinimumContentsLength(10)
        self.scheduler.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.guidance = NumberBox(LIMITS["guidance_scale"], decimals=1, step=0.5, parent=self)
        self.guidance.setAccessibleName(self.tr("Guidance of the branch"))
        self.guidance.setToolTip(self.tr("How closely the remaining steps follow the prompt."))
        self.guidance.setFixedWidth(64)
        self.seed = NumberBox(LIMITS["seed"], parent=self)
        self.seed.setAccessibleName(self.tr("Seed of the branch"))
        self.seed.setToolTip(self.tr("Decides the noise that the remaining steps add, where the scheduler adds any."))
        self.seed.setFixedWidth(112)
        self.note = label(self, role="hint")
        self.note.setWordWrap(True)
        self.start = QPushButton(icon("git-branch"), self.tr("Branch from this step"), self)
        self.start.clicked.connect(lambda: self.branch_wanted.emit(self.changes()))
        self.prompt.returnPressed.connect(self.start.click)
        self.scheduler.currentIndexChanged.connect(self._show_note)
        self.prompt.textChanged.connect(self._show_note)
        for number in (self.guidance, self.seed):
            number.changed.connect(self._show_note)
        self._arrange()

    def show_request(self, request: GenerateRequest) -> None:
        """Fill the fields with what made the shown picture."""
        self._request = request
        self.prompt.setText(request.prompt)
        self.prompt.setCursorPosition(0)
        with QSignalBlocker(self.scheduler):
            self.scheduler.setCurrentIndex(max(self.scheduler.findData(request.scheduler), 0))
        self.guidance.set_value(request.guidance_scale)
        self.seed.set_value(request.seed)
        self._show_note()

    def changes(self) -> dict[str, Any]:
        """Those values of the request that differ from the shown picture's."""
        request = self._request
        if request is None:
            return {}
        values: dict[str, Any] = {
            "prompt": self.prompt.text(),
            "scheduler": self.scheduler.currentData(),
            "guidance_scale": float(self.guidance.value),
            "seed": int(self.seed.value),
        }
        changed = {name: value for name, value in values.items() if value != getattr(request, name)}
        if "scheduler" in changed:
            schedules = scheduler_entry(changed["scheduler"]).sigma_schedules
            if request.sigma_schedule not in schedules:
                changed["sigma_schedule"] = "default"
        return changed

    def _show_note(self) -> None:
        request = self._request
        other = request is not None and self.scheduler.currentData() != request.scheduler
        if other:
            words = self.tr("Another scheduler goes on at its noise level nearest to this step's.")
        elif self.changes():
            words = self.tr("The steps up to this one stay; the rest follow the new values.")
        else:
            words = self.tr("With nothing changed, the branch gives the same picture, pixel for pixel.")
        self.note.setText(words)

    def _arrange(self) -> None:
        first = QHBoxLayout()
        first.setSpacing(GAP)
        first.addWidget(self.prompt, 1)
        second = QHBoxLayout()
        second.setSpacing(GAP)
        second.addWidget(self.scheduler, 1)
        for text, widget in ((self.tr("Guidance"), self.guidance), (self.tr("Seed"), self.seed)):
            second.addWidget(label(self, text, "hint"))
            second.addWidget(widget)
        third = QHBoxLayout()
        third.setSpacing(GAP)
        third.addWidget(self.note, 1)
        third.addWidget(self.start, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, SPACE, MARGIN, GAP)
        layout.setSpacing(GAP)
        for row in (first, second, third):
            layout.addLayout(row)
        set_role(self, "bar")

"""The bar below the scrubber that starts a new picture from a step of the shown one, with other values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QComboBox, QLineEdit, QPushButton, QVBoxLayout, QWidget

from app.canvas.buttons import label
from app.theme import GAP, MARGIN, SPACE, icon, set_role
from app.widgets.folding_row import FoldingRow
from app.widgets.number import NumberBox
from engine.catalog import LIMITS, SCHEDULERS, scheduler_entry

if TYPE_CHECKING:
    from engine.messages import GenerateRequest

# With less room than this beside the button, the note would be a column of single words.
NOTE = 40 * SPACE


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
        self.guidance.setMinimumWidth(64)
        self.seed = NumberBox(LIMITS["seed"], parent=self)
        self.seed.setAccessibleName(self.tr("Seed of the branch"))
        self.seed.setToolTip(self.tr("Decides the noise that the remaining steps add, where the scheduler adds any."))
        self.seed.setMinimumWidth(112)
        self.note = label(self, role="hint")
        self.note.setWordWrap(True)
        self.note.setMinimumWidth(NOTE)
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
        # In a narrow window there is no room for the note.
        self.start.setToolTip(words)

    def _arrange(self) -> None:
        self._numbers, self._last = FoldingRow(self), FoldingRow(self)
        hints = [label(self._numbers, self.tr("Guidance")), label(self._numbers, self.tr("Seed"))]
        for hint, number in zip(hints, (self.guidance, self.seed), strict=True):
            self._numbers.row.addWidget(hint)
            self._numbers.row.addWidget(number, 1)
        self._numbers.dispensable = hints
        self._last.row.addWidget(self.note, 1)
        self._last.row.addWidget(self.start, 0, Qt.AlignmentFlag.AlignTop)
        self._last.dispensable = (self.note,)
        self._fields = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._fields.setSpacing(GAP)
        self._fields.addWidget(self.scheduler, 1)
        self._fields.addWidget(self._numbers)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, SPACE, MARGIN, GAP)
        layout.setSpacing(GAP)
        layout.addWidget(self.prompt)
        layout.addLayout(self._fields)
        layout.addWidget(self._last)
        set_role(self, "bar")

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        beside = 2 * MARGIN + self.scheduler.minimumSizeHint().width() + GAP + self._numbers.sizeHint().width()
        across, down = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
        self._fields.setDirection(across if self.width() >= beside else down)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        rows = (self.scheduler, self._numbers, self._last)
        widest = max(row.minimumSizeHint().width() for row in rows)
        return QSize(2 * MARGIN + widest, super().minimumSizeHint().height())

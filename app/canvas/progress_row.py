"""The line below the canvas: what happens now, how fast, how long still, and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.canvas.words import per_step, time_left
from app.error_texts import said_here
from app.theme import GAP, ICON, MARGIN, SPACE, icon, set_role
from app.widgets.elided import ElidedLabel
from app.widgets.progress_bar import ProgressBar

if TYPE_CHECKING:
    from app.state.run import RunState

SEPARATOR = " · "
BAR_STEPS = 1000


class ProgressRow(QWidget):
    """Shows the run's phase as a sentence, a thin bar, and Cancel while there is something to cancel."""

    def __init__(self, run: RunState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run = run
        self.text = ElidedLabel(self)
        self.text.setAccessibleName(self.tr("Progress"))
        self.bar = ProgressBar(self)
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Progress of the job"))
        self.cancel = QPushButton(icon("x"), self.tr("Cancel"), self)
        self.cancel.setIconSize(QSize(ICON, ICON))
        self.cancel.setToolTip(self.tr("Leave the picture that forms; finished ones stay. (Esc)"))
        self.cancel.clicked.connect(run.cancel)
        for widget in (self.cancel, self.bar):
            policy = widget.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            widget.setSizePolicy(policy)
        self.follow = QPushButton(self.tr("Show the picture that forms"), self)
        set_role(self.follow, "link")
        self.follow.clicked.connect(run.follow)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.text, 1)
        row.addWidget(self.follow)
        row.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, 0, MARGIN, GAP)
        layout.setSpacing(SPACE)
        layout.addWidget(self.bar)
        layout.addLayout(row)
        run.phase_changed.connect(self.show_run)
        run.progress_changed.connect(self.show_run)
        run.message_changed.connect(self.show_run)
        run.following_changed.connect(self.show_run)
        self.show_run()

    def show_run(self) -> None:
        """Show what the run says now."""
        run = self._run
        self.cancel.setVisible(run.working)
        self.bar.setVisible(run.working)
        self.follow.setVisible(run.working and not run.following)
        if run.working and run.phase in {"starting", "loading", "encoding"} and run.step == 0 and run.image == 0:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, BAR_STEPS)
            self.bar.setValue(round(run.fraction * BAR_STEPS))
        text = SEPARATOR.join(part for part in self._parts() if part)
        self.text.setText(text)
        self.text.setToolTip(text)

    def _parts(self) -> list[str]:
        run = self._run
        parts = [self._phase()]
        if run.working:
            if run.count > 1:
                parts.append(self.tr("picture {number} of {count}").format(number=run.image + 1, count=run.count))
            if run.seconds_per_step is not None:
                parts.append(per_step(run.seconds_per_step))
            left = run.seconds_left
            if left is not None:
                parts.append(time_left(left))
            if run.message:
                parts.append(said_here(run.message))
        return parts

    def _phase(self) -> str:
        run = self._run
        match run.phase:
            case "idle":
                return self.tr("Ready")
            case "starting":
                return self.tr("Starting")
            case "loading":
                return self.tr("Loading the model")
            case "encoding":
                return self.tr("Reading the prompt")
            case "denoising":
                return self.tr("Step {step} of {total}").format(step=run.step, total=run.total)
            case "decoding":
                return self.tr("Finishing the picture")
            case "done":
                return self.tr("Done")
            case "cancelled":
                return self.tr("Cancelled")
            case _:
                # Why is said once, by the banner.
                return self.tr("The picture could not be made")

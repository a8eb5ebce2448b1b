"""The grid maker: pictures over two settings at once, as one labelled sheet and as single pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.error_texts import said_here
from app.panels.gallery_filters import search_icon_button
from app.services.grid_axes import AxisValue, Cell, Setting, axis_values, cells
from app.state.generation import GenerationState
from app.state.grid import GridState
from app.state.queue import QueueState
from app.theme import GAP, MARGIN, SPACE, icon, set_role
from app.widgets.labelled import QuietCombo, labelled
from app.widgets.progress_bar import ProgressBar
from engine.catalog import SCHEDULERS
from engine.errors import InvalidValue, KnownError


class AxisEditor(QWidget):
    """One side of the grid: which setting, and its values.

    Signals:
        changed(): another setting or other values.
    """

    changed = Signal()

    def __init__(self, name: str, setting: Setting, generation: GenerationState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._generation = generation
        self.setting = QuietCombo(name, self.tr("Which setting differs along this side of the grid."))
        for label, value in (
            (self.tr("Nothing"), "nothing"),
            (self.tr("Prompt words"), "prompt"),
            (self.tr("Negative prompt words"), "negative"),
            (self.tr("Seed"), "seed"),
            (self.tr("Steps"), "steps"),
            (self.tr("Guidance"), "guidance"),
            (self.tr("Scheduler"), "scheduler"),
            (self.tr("Model"), "model"),
        ):
            self.setting.addItem(label, value)
        self.setting.setCurrentIndex(self.setting.findData(setting))
        self.values = QLineEdit()
        self.values.setAccessibleName(self.tr("Values: {side}").format(side=name))
        self.values.setClearButtonEnabled(True)
        self.values.setMaxLength(20_000)
        self.pick = search_icon_button("list-plus", self.tr("Add a scheduler to the values"))
        self.pick.setMenu(self._scheduler_menu())
        self.pick.setPopupMode(self.pick.ToolButtonPopupMode.InstantPopup)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.values, 1)
        row.addWidget(self.pick)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE)
        layout.addWidget(labelled(self.setting))
        layout.addLayout(row)
        self.setting.currentIndexChanged.connect(self._setting_changed)
        self.values.textChanged.connect(lambda _text: self.changed.emit())
        self._setting_changed()

    @property
    def chosen(self) -> Setting:
        """The setting that differs along this side."""
        return self.setting.currentData()

    def axis(self) -> list[AxisValue]:
        """The values of this side; `InvalidValue` where they cannot be."""
        return axis_values(self.chosen, self.values.text())

    def _scheduler_menu(self) -> QMenu:
        menu = QMenu(self)
        for entry in SCHEDULERS:
            if entry.task == "text to image":
                more = [entry.display_name(name) for name in entry.sigma_schedules if name in {"default", "karras"}]
                for label in more:
                    menu.addAction(label, lambda _checked=False, label=label: self._add(label))
        return menu

    def _add(self, value: str) -> None:
        text = self.values.text().strip().rstrip(",")
        self.values.setText(f"{text}, {value}" if text else value)

    def _setting_changed(self) -> None:
        examples: dict[Setting, str] = {
            "nothing": "",
            "prompt": self.tr("Words of the prompt, then what replaces them: apple, pear, plum"),
            "negative": self.tr("Words of the negative prompt, then what replaces them"),
            "seed": self.tr("Such as 1, 2, 42 or 1-4"),
            "steps": self.tr("Such as 5, 10, 20 or 10-30 (+5)"),
            "guidance": self.tr("Such as 3, 5, 7.5 or 1-10 [4]"),
            "scheduler": self.tr("Such as Euler, DPM++ 2M Karras"),
            "model": self.tr("Folders or files of models"),
        }
        setting = self.chosen
        self.values.setPlaceholderText(examples[setting])
        self.values.setToolTip(examples[setting])
        self.values.setEnabled(setting != "nothing")
        self.pick.setVisible(setting == "scheduler")
        self.changed.emit()


class GridPanel(QWidget):
    """Asks for the two sides, says how many pictures that makes, and puts them into the queue.

    Signals:
        show_wanted(str): the finished sheet at this path shall be shown.
    """

    show_wanted = Signal(str)

    def __init__(
        self,
        generation: GenerationState,
        queue: QueueState,
        parent: QWidget | None = None,
        *,
        when_ready: Callable[[Callable[[], None]], None] = lambda act: act(),
    ) -> None:
        """A panel on these states; `when_ready` calls back once the request holds all that was painted."""
        super().__init__(parent)
        self._when_ready = when_ready
        self._generation = generation
        self.grid = GridState.of(queue)
        self.across = AxisEditor(self.tr("Across"), "seed", generation)
        self.down = AxisEditor(self.tr("Down"), "guidance", generation)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setAccessibleName(self.tr("Size of the grid"))
        self.progress = ProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Progress of the grid"))
        self.make = QPushButton(icon("grid-3x3"), self.tr("Make grid"))
        self.make.setToolTip(self.tr("Puts all pictures into the queue and joins them in one sheet at the end."))
        self.swap = search_icon_button("arrow-up-down", self.tr("Swap across and down"))
        self.last = QPushButton(self.tr("Show the sheet"))
        set_role(self.last, "link")
        self._sheet = ""
        self._arrange()
        self._checking = QTimer(self, singleShot=True, interval=0)
        self._checking.timeout.connect(self._check)
        for signal in (self.across.changed, self.down.changed, generation.changed):
            signal.connect(self._check_soon)
        self.make.clicked.connect(self._pressed)
        self.swap.clicked.connect(self._swap)
        self.last.clicked.connect(lambda: self.show_wanted.emit(self._sheet))
        self.grid.changed.connect(self._progressed)
        self.grid.finished.connect(self._finished)
        self.grid.failed.connect(self._failed)
        self._progressed()
        self._check()

    def _arrange(self) -> None:
        foot = QHBoxLayout()
        foot.setSpacing(GAP)
        foot.addWidget(self.swap)
        foot.addWidget(self.last)
        foot.addStretch(1)
        foot.addWidget(self.make)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, GAP, MARGIN, MARGIN)
        layout.setSpacing(MARGIN)
        layout.addWidget(self.across)
        layout.addWidget(self.down)
        layout.addWidget(self.message)
        layout.addWidget(self.progress)
        layout.addLayout(foot)
        layout.addStretch(1)

    def cells(self) -> list[Cell]:
        """The pictures that would be made now; `InvalidValue` says what is wrong."""
        across, down = self.across.axis(), self.down.axis()
        if self.across.chosen == self.down.chosen == "nothing":
            raise InvalidValue(self.tr("Choose what differs along a side of the grid."))
        request = replace(self._generation.request(), record=False)
        return cells(request, across, down)

    def _swap(self) -> None:
        first, second = self.across, self.down
        kept = (first.setting.currentIndex(), first.values.text())
        first.setting.setCurrentIndex(second.setting.currentIndex())
        first.values.setText(second.values.text())
        second.setting.setCurrentIndex(kept[0])
        second.values.setText(kept[1])

    def _check_soon(self, _name: str = "") -> None:
        self._checking.start()

    def _check(self) -> None:
        """Say how many pictures there would be, or what is wrong with the values."""
        if self.grid.running:
            return
        typed = any(side.chosen != "nothing" and side.values.text().strip() for side in (self.across, self.down))
        try:
            count = len(self.cells())
        except KnownError as error:
            hint = self.tr("Type values for both sides, divided by commas.")
            self._say(said_here(str(error)) if typed else hint, "error" if typed else "hint")
            self.make.setEnabled(False)
            return
        self._say(self.tr("%n picture(s), and a sheet of them all.", "", count), "hint")
        self.make.setEnabled(True)

    def _pressed(self) -> None:
        if self.grid.running:
            self.grid.cancel()
        else:
            self._when_ready(self._make)

    def _make(self) -> None:
        if self.grid.running:
            return  # pressed twice while the mask was written
        try:
            made = self.cells()
        except KnownError as error:
            self._say(said_here(str(error)), "error")
            return
        columns = [value.label for value in self.across.axis()]
        rows = [value.label for value in self.down.axis()]
        self.grid.start(made, columns, rows)

    def _progressed(self) -> None:
        done, total = self.grid.progress
        running = self.grid.running
        self.progress.setVisible(running)
        self.progress.setRange(0, max(total, 1))
        self.progress.setValue(done)
        self.make.setText(self.tr("Cancel") if running else self.tr("Make grid"))
        self.make.setIcon(icon("x" if running else "grid-3x3"))
        self.last.setVisible(bool(self._sheet) and not running)
        if running:
            self.make.setEnabled(True)
            self._say(self.tr("{done} of {total} pictures made").format(done=done, total=total), "hint")

    def _finished(self, path: str) -> None:
        self._sheet = path
        self._progressed()
        self._check()
        self._say(self.tr("The sheet is saved as {name}.").format(name=Path(path).name), "hint")

    def _failed(self, message: str) -> None:
        self._check()
        self._say(message, "error")

    def _say(self, text: str, role: str) -> None:
        set_role(self.message, role)
        self.message.setText(text)

"""The seed: a number of up to twenty digits, with dice, lock and the last one again."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from app.theme import SPACE, icon, set_role
from app.widgets.number import NumberBox
from engine.catalog import LIMITS


class SeedField(QWidget):
    """Shows and changes a seed.

    Signals:
        changed(object): the user typed another seed.
        dice_wanted(): a new one by chance is wanted.
        last_wanted(): the seed of the last picture is wanted.
        locked_changed(bool): whether it stays for the next press.
    """

    changed = Signal(object)
    dice_wanted = Signal()
    last_wanted = Signal()
    locked_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = self.tr(
            "The number that the starting noise is drawn from. Same seed and same settings: the same picture again."
        )
        self.box = NumberBox(LIMITS["seed"], parent=self)
        self.box.setButtonSymbols(NumberBox.ButtonSymbols.NoButtons)
        self.box.setToolTip(tip)
        self.box.setAccessibleName(self.tr("Seed"))
        self.box.setAccessibleDescription(tip)
        self.box.setMinimumWidth(96)
        self.box.changed.connect(self.changed)
        label = QLabel(self.tr("Seed"), self)
        label.setBuddy(self.box)
        set_role(label, "label")
        self._error = QLabel(self)
        self._error.setWordWrap(True)
        set_role(self._error, "error")
        self._error.hide()
        self.box.problem_changed.connect(self._show_problem)
        self.dice = self._button("dices", self.tr("Draw a new seed by chance"))
        self.dice.clicked.connect(self.dice_wanted)
        self.lock = self._button("lock-open", self.tr("Keep this seed: every press makes the same picture"))
        self.lock.setCheckable(True)
        self.lock.toggled.connect(self._lock_toggled)
        self.last = self._button("history", self.tr("Take the seed of the last picture again"))
        self.last.clicked.connect(self.last_wanted)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.box, 1)
        for button in (self.dice, self.lock, self.last):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE // 2)
        layout.addWidget(label)
        layout.addLayout(row)
        layout.addWidget(self._error)

    def set_value(self, seed: int) -> None:
        """Show `seed`."""
        self.box.set_value(seed)

    def set_locked(self, locked: bool) -> None:
        """Show whether the seed stays."""
        self.lock.setChecked(locked)

    def _button(self, name: str, tip: str) -> QToolButton:
        button = QToolButton(self)
        button.setIcon(icon(name))
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        return button

    def _lock_toggled(self, locked: bool) -> None:
        self.lock.setIcon(icon("lock" if locked else "lock-open"))
        self.locked_changed.emit(locked)

    def _show_problem(self, problem: str) -> None:
        self._error.setText(problem)
        self._error.setVisible(bool(problem))

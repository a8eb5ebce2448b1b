"""A number to type, step or slide, with its name above and the reason below when it cannot be taken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QCoreApplication, QEvent, QLocale, QObject, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QMouseEvent, QValidator, QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from app.theme import GAP, SPACE, set_role
from engine.catalog import Limit


class NumberBox(QAbstractSpinBox):
    """A box for one number of any size; what cannot be taken stays readable until the box is left.

    Signals:
        changed(object): the user chose another value.
        problem_changed(str): why what is typed cannot be taken, "" when it can.
        reset_wanted(): it was double clicked beside the digits.
    """

    changed = Signal(object)
    problem_changed = Signal(str)

    def __init__(self, limit: Limit, *, decimals: int = 0, step: float = 1, parent: QWidget | None = None) -> None:
        """A box for values within `limit`, `decimals` of them shown, moved by `step`."""
        super().__init__(parent)
        self.limit = limit
        self.multiple = 1
        self._decimals = decimals
        self._step = step
        self._value: float = limit.minimum
        # What the box goes back to: the value before the typing began.
        self._settled: float = limit.minimum
        self._why: Callable[[], str] = str
        self._problem = ""
        # Digits of settings read the same everywhere, and from left to right.
        self.setLocale(QLocale.c())
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.lineEdit().setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setKeyboardTracking(True)
        self.lineEdit().textEdited.connect(self._typed)
        self.editingFinished.connect(self._left)

    @property
    def value(self) -> float:
        """The last value that could be taken."""
        return self._value

    @property
    def problem(self) -> str:
        """Why what is typed cannot be taken."""
        return self._problem

    @property
    def why(self) -> Callable[[], str]:
        """What says `problem` in the language that is spoken then, also when the box is gone."""
        return self._why

    def set_value(self, value: float) -> None:
        """Show `value`; nothing is emitted."""
        self._value = value
        if not self.lineEdit().isModified() or value != self._parsed():
            self._settled = value
        self._set_problem()
        if self._parsed() != value or not self.lineEdit().text():
            with QSignalBlocker(self.lineEdit()):
                self.lineEdit().setText(self._text(value))

    def stepBy(self, steps: int) -> None:  # noqa: N802
        """Go up or down; Qt calls it for arrows, keys and wheel."""
        stride = max(self._step, self.multiple)
        value = round(self._value + steps * stride, 6)
        if self.multiple > 1:
            value = round(value / self.multiple) * self.multiple
        value = min(max(value, self.limit.minimum), self.limit.maximum)
        self._take(int(value) if self.limit.whole else value)
        self.lineEdit().setText(self._text(self._value))
        self.selectAll()

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:  # noqa: N802
        flags = QAbstractSpinBox.StepEnabledFlag.StepNone
        if self._value > self.limit.minimum:
            flags |= QAbstractSpinBox.StepEnabledFlag.StepDownEnabled
        if self._value < self.limit.maximum:
            flags |= QAbstractSpinBox.StepEnabledFlag.StepUpEnabled
        return flags

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Let everything be typed: a reason is more help than a dead key."""
        return QValidator.State.Acceptable, text, position

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        # The panel scrolls; a value moves only in the box that has the focus.
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _typed(self, _text: str) -> None:
        value = self._parsed()
        if value is None:
            self._set_problem(partial(_no_number, self.limit))
        elif not self.limit.minimum <= value <= self.limit.maximum:
            self._set_problem(partial(_out_of_range, self.limit, value))
        elif self.multiple > 1 and value % self.multiple:
            self._set_problem(partial(_no_multiple, self.multiple, int(value)))
        else:
            self._set_problem()
            self._take(value)

    def _take(self, value: float) -> None:
        self._set_problem()
        if value != self._value:
            self._value = value
            self.changed.emit(value)

    def _left(self) -> None:
        # A part of what was typed may have fitted, such as 500 of 5000. The sentence stays: it says why the old value
        # is back.
        if self._problem and self._value != self._settled:
            self._value = self._settled
            self.changed.emit(self._value)
        self._settled = self._value
        self.lineEdit().setText(self._text(self._value))
        if self._problem:
            set_invalid(self, False)

    def _parsed(self) -> float | None:
        text = self.lineEdit().text().strip().replace(",", ".")
        try:
            return int(text) if self.limit.whole else float(text)
        except ValueError:
            return None

    def _text(self, value: float) -> str:
        return str(int(value)) if self.limit.whole else f"{value:.{self._decimals}f}"

    def _set_problem(self, why: Callable[[], str] = str) -> None:
        problem = why()
        if problem != self._problem:
            self._why, self._problem = why, problem
            set_invalid(self, bool(problem))
            self.problem_changed.emit(problem)


class NumberField(QWidget):
    """A number with its name above, a slider for the usual range, and the reason below when it cannot be taken.

    A double click on the name or the slider asks for the default.

    Signals:
        changed(object): the user chose another value.
        reset_wanted(): the default is wanted.
    """

    changed = Signal(object)
    reset_wanted = Signal()

    def __init__(
        self,
        label: str,
        limit: Limit,
        tip: str,
        *,
        decimals: int = 0,
        step: float = 1,
        slider: tuple[float, float] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        """A field named `label`, explained by `tip`; `slider` is the range that slides, None for a box alone."""
        super().__init__(parent)
        self._step = step
        self.box = NumberBox(limit, decimals=decimals, step=step, parent=self)
        self.box.setAccessibleName(label)
        self.box.setAccessibleDescription(tip)
        self.box.setFixedWidth(84 if slider else 96)
        self._label = QLabel(label, self)
        set_role(self._label, "label")
        self._label.setBuddy(self.box)
        self._error = QLabel(self)
        self._error.setWordWrap(True)
        set_role(self._error, "error")
        self._error.hide()
        self.slider = self._make_slider(slider, label, tip) if slider else None
        self.setToolTip(tip)
        self._arrange()
        self.box.changed.connect(self._chosen)
        self.box.problem_changed.connect(self._show_problem)
        self._label.installEventFilter(self)

    @property
    def value(self) -> float:
        """The value shown."""
        return self.box.value

    def set_value(self, value: float) -> None:
        """Show `value`; nothing is emitted."""
        self.box.set_value(value)
        self._slide(value)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.MouseButtonDblClick and isinstance(event, QMouseEvent):
            self.reset_wanted.emit()
            return True
        slider = self.slider
        if event.type() == QEvent.Type.Wheel and slider is not None and watched is slider and not slider.hasFocus():
            event.ignore()
            return True
        return super().eventFilter(watched, event)

    def _make_slider(self, range_: tuple[float, float], label: str, tip: str) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal, self)
        slider.setRange(round(range_[0] / self._step), round(range_[1] / self._step))
        slider.setPageStep(max((slider.maximum() - slider.minimum()) // 10, 1))
        slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        slider.setAccessibleName(label)
        slider.setAccessibleDescription(tip)
        slider.valueChanged.connect(self._slid)
        slider.installEventFilter(self)
        return slider

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE // 2)
        layout.addWidget(self._label)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        if self.slider is not None:
            row.addWidget(self.slider, 1)
            row.addWidget(self.box)
        else:
            self.box.setMaximumWidth(16777215)
            self.box.setMinimumWidth(56)
            row.addWidget(self.box, 1)
        layout.addLayout(row)
        layout.addWidget(self._error)

    def _slid(self, position: int) -> None:
        value = round(position * self._step, 6)
        value = int(value) if self.box.limit.whole else value
        self.box.set_value(value)
        self.changed.emit(value)

    def _chosen(self, value: float) -> None:
        self._slide(value)
        self.changed.emit(value)

    def _slide(self, value: float) -> None:
        if self.slider is not None:
            with QSignalBlocker(self.slider):
                self.slider.setValue(round(value / self._step))

    def _show_problem(self, problem: str) -> None:
        self._error.setText(problem)
        self._error.setVisible(bool(problem))


def set_invalid(widget: QWidget, invalid: bool) -> None:
    """Mark `widget` as holding something that cannot be taken, or as well again."""
    widget.setProperty("invalid", "true" if invalid else "false")
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def _no_number(limit: Limit) -> str:
    translate = QCoreApplication.translate
    if limit.whole:
        return translate("NumberBox", "This is no whole number; type digits only.")
    return translate("NumberBox", "This is no number; type digits and a point.")


def _out_of_range(limit: Limit, value: float) -> str:
    sentence = QCoreApplication.translate("NumberBox", "{value} is out of range; choose from {lowest} to {highest}.")
    typed, lowest, highest = (
        str(int(number)) if limit.whole else f"{number:g}" for number in (value, limit.minimum, limit.maximum)
    )
    return sentence.format(value=typed, lowest=lowest, highest=highest)


def _no_multiple(multiple: int, value: int) -> str:
    below = max(value // multiple, 1) * multiple
    return QCoreApplication.translate(
        "NumberBox", "{value} is no multiple of {multiple}; choose {below} or {above}."
    ).format(value=value, multiple=multiple, below=below, above=below + multiple)

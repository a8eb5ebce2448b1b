"""The bar over the canvas while a picture is the start of the next one: name, strength, and the mask's tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QSlider, QVBoxLayout, QWidget

from app.canvas.buttons import action, divider, label, tool_button
from app.theme import GAP, MARGIN, SPACE, set_role
from app.widgets.elided import ElidedLabel
from app.widgets.folding_row import FoldingRow
from app.widgets.number import NumberBox
from engine.catalog import Limit

if TYPE_CHECKING:
    from app.state.generation import GenerationState

# The slider of the brush is not linear: small sizes need the finer steps.
BRUSH_STEPS = 100
# The room that a slider needs to be of use, and a name to be recognized.
SHORT, NAME = 10 * SPACE, 16 * SPACE
STRENGTH = Limit("strength", 0.0, 1.0, whole=False)


class StartBar(QWidget):
    """Binds `init_image` and `strength` of the state, and offers brush, eraser, clear, undo.

    Signals:
        tool_chosen(str): "brush", "eraser" or "" for none.
        radius_chosen(float): the brush's radius in pixels of the picture.
        undo_wanted(), redo_wanted(), clear_wanted(), invert_wanted(): of the mask.
        remove_wanted(): the picture shall no longer be the start.
    """

    tool_chosen = Signal(str)
    radius_chosen = Signal(float)
    undo_wanted = Signal()
    redo_wanted = Signal()
    clear_wanted = Signal()
    invert_wanted = Signal()
    remove_wanted = Signal()

    def __init__(self, generation: GenerationState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._generation = generation
        self._name = ElidedLabel.of_file(self, "section")
        self._make_actions()
        self._make_strength()
        self._make_brush()
        self._arrange()
        generation.bind("init_image", self, self._show_name)
        generation.bind("strength", self, self._show_strength)
        self.set_tool("")

    @property
    def strength(self) -> QSlider:
        """The slider of the strength."""
        return self._strength

    def set_tool(self, tool: str) -> None:
        """Show which tool is in hand."""
        for made, name in ((self.brush, "brush"), (self.eraser, "eraser")):
            with QSignalBlocker(made):
                made.setChecked(tool == name)
        self._mask_tools.setVisible(bool(tool))

    def set_radius(self, radius: float) -> None:
        """Show the brush's radius."""
        with QSignalBlocker(self._size):
            self._size.setValue(round((radius / 256) ** 0.5 * BRUSH_STEPS))

    def set_can(self, *, undo: bool, redo: bool, painted: bool) -> None:
        """What the mask's buttons can do now."""
        self.undo.setEnabled(undo)
        self.redo.setEnabled(redo)
        self.clear.setEnabled(painted)

    def _make_actions(self) -> None:
        self.brush = action(
            self, "brush", self.tr("Brush"), self.tr("Paint over what shall be made anew."), keys="B", checkable=True
        )
        self.eraser = action(
            self, "eraser", self.tr("Eraser"), self.tr("Take paint off the mask."), keys="E", checkable=True
        )
        group = QActionGroup(self)
        group.setExclusionPolicy(QActionGroup.ExclusionPolicy.ExclusiveOptional)
        for made in (self.brush, self.eraser):
            group.addAction(made)
        self.brush.toggled.connect(self._tool_changed)
        self.eraser.toggled.connect(self._tool_changed)
        self.undo = action(self, "undo-2", self.tr("Undo stroke"), self.tr("Take the last stroke back."))
        self.redo = action(self, "redo-2", self.tr("Redo stroke"), self.tr("Paint the stroke again."))
        self.clear = action(self, "trash-2", self.tr("Clear mask"), self.tr("Take all paint away."))
        self.invert = action(
            self, "contrast", self.tr("Invert mask"), self.tr("Swap what is painted and what is free.")
        )
        self.remove = action(
            self, "x", self.tr("Remove the start picture"), self.tr("Make the next picture from the prompt alone.")
        )
        self.undo.triggered.connect(self.undo_wanted)
        self.redo.triggered.connect(self.redo_wanted)
        self.clear.triggered.connect(self.clear_wanted)
        self.invert.triggered.connect(self.invert_wanted)
        self.remove.triggered.connect(self.remove_wanted)

    def _make_strength(self) -> None:
        tip = self.tr("How much of the start picture is made anew: 0 keeps it, 1 ignores it.")
        self._strength = _YieldingSlider(120, self)
        self._strength.setRange(0, 100)
        self._box = NumberBox(STRENGTH, decimals=2, step=0.05, parent=self)
        self._box.setFixedWidth(64)
        for widget in (self._strength, self._box):
            widget.setToolTip(tip)
            widget.setAccessibleName(self.tr("Strength"))
            widget.setAccessibleDescription(tip)
        self._strength.valueChanged.connect(lambda value: self._generation.set("strength", value / 100))
        self._box.changed.connect(lambda value: self._generation.set("strength", float(value)))

    def _make_brush(self) -> None:
        self._mask_tools = FoldingRow(self)
        self._size = _YieldingSlider(96, self._mask_tools)
        self._size.setRange(1, BRUSH_STEPS)
        self._size.setToolTip(self.tr("The size of the brush; the keys [ and ] change it too."))
        self._size.setAccessibleName(self.tr("Size of the brush"))
        self._size.valueChanged.connect(lambda value: self.radius_chosen.emit((value / BRUSH_STEPS) ** 2 * 256))

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, SPACE, GAP, SPACE)
        layout.setSpacing(SPACE)
        layout.addWidget(self._first_row())
        layout.addWidget(self._mask_tools)
        self._arrange_mask_tools()
        set_role(self, "bar")

    def _first_row(self) -> FoldingRow:
        first = FoldingRow(self)
        start, strength = label(first, self.tr("Start from")), label(first, self.tr("Strength"))
        lines = [divider(first) for _ in range(2)]
        self._name.setMinimumWidth(NAME)
        first.row.addWidget(start)
        first.row.addWidget(self._name, 1)
        for widget in (strength, self._strength, self._box, lines[0]):
            first.row.addWidget(widget)
        for made in (self.brush, self.eraser):
            first.row.addWidget(tool_button(first, made))
        first.row.addWidget(lines[1])
        first.row.addWidget(tool_button(first, self.remove))
        # The picture itself is in view, so at the last its name can go, too.
        first.dispensable = (*lines, start, strength, self._name)
        return first

    def _arrange_mask_tools(self) -> None:
        tools = self._mask_tools
        words = label(tools, self.tr("Paint over what shall be made anew."))
        size = label(tools, self.tr("Size of the brush"))
        tools.row.addWidget(words, 1)
        tools.row.addWidget(size)
        tools.row.addWidget(self._size)
        for made in (self.undo, self.redo, self.invert, self.clear):
            tools.row.addWidget(tool_button(tools, made))
        tools.dispensable = (words, size)

    def _tool_changed(self) -> None:
        tool = "brush" if self.brush.isChecked() else "eraser" if self.eraser.isChecked() else ""
        self._mask_tools.setVisible(bool(tool))
        self.tool_chosen.emit(tool)

    def _show_name(self, path: str) -> None:
        self._name.setText(Path(path).name)
        self._name.setToolTip(path)

    def _show_strength(self, strength: float) -> None:
        with QSignalBlocker(self._strength):
            self._strength.setValue(round(strength * 100))
        self._box.set_value(strength)


class _YieldingSlider(QSlider):
    """Is of its usual width where there is room, and gives way down to `SHORT` before anything in its row goes."""

    def __init__(self, usual: int, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._usual = usual
        self.setMinimumWidth(SHORT)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(self._usual, super().sizeHint().height())

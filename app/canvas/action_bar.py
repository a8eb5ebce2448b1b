"""The row of quiet buttons over the picture: zoom, compare, go on from it, take it out of the program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QMouseEvent
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from app.canvas.buttons import action, divider, label, tool_button
from app.canvas.words import percent
from app.theme import GAP, ICON, MARGIN, SPACE, icon, set_role
from app.widgets.elided import ElidedLabel
from app.widgets.folding_row import FoldingRow

if TYPE_CHECKING:
    from app.canvas.images import Pyramid
    from app.state.picture import Picture


class DragHandle(QToolButton):
    """A grip that drags the picture out to another program.

    Signals:
        dragged(): the pointer left the button while it was pressed.
    """

    dragged = Signal()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self.isDown() and not self.rect().contains(event.position().toPoint()):
            self.setDown(False)
            self.dragged.emit()
        else:
            super().mouseMoveEvent(event)


class ActionBar(FoldingRow):
    """Actions on the shown picture; the canvas connects them.

    Signals:
        drag(): the picture is dragged out by its grip.
    """

    drag = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, SPACE)
        self._make_view_actions()
        self._make_picture_actions()
        self._make_out_actions()
        self.name = ElidedLabel.of_file(self)
        self.size_label = label(self, role="number")
        self.scale_label = label(self, role="number")
        self.scale_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.scale_label.setFixedWidth(self.fontMetrics().horizontalAdvance("0000 %"))
        self.handle = DragHandle(self)
        self.handle.setIcon(icon("grip-vertical"))
        self.handle.setIconSize(QSize(ICON, ICON))
        self.handle.setAutoRaise(True)
        self.handle.setToolTip(self.tr("Drag from here to put the picture into another program as a file."))
        self.handle.setAccessibleName(self.tr("Drag the picture out"))
        self.handle.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.handle.setCursor(Qt.CursorShape.OpenHandCursor)
        self.handle.dragged.connect(self.drag)
        self.more = QToolButton(self)
        self.more.setIcon(icon("ellipsis-vertical"))
        self.more.setIconSize(QSize(ICON, ICON))
        self.more.setAutoRaise(True)
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setToolTip(self.tr("Everything that can be done with the picture"))
        self.more.setAccessibleName(self.tr("More"))
        self.more.setMenu(self.menu(self.more))
        self._arrange()
        set_role(self, "bar")

    def show_scale(self, scale: float) -> None:
        """Show the zoom."""
        self.scale_label.setText(percent(scale))

    def show_picture(self, picture: Picture | None, full: Pyramid | None, *, working: bool) -> None:
        """Show the picture's name and size, and what can be done with it."""
        self.name.setText(Path(picture.path).name if picture else "")
        self.name.setToolTip(picture.path if picture else "")
        self.size_label.setText(f"{full.width} × {full.height}" if full else "")
        there = picture is not None and full is not None
        for made in (self.start, self.copy, self.save, self.save_bare):
            made.setEnabled(there)
        self.vary.setEnabled(there)
        self.enlarge.setEnabled(there)
        self.handle.setEnabled(there and not working)

    def menu(self, parent: QWidget) -> QMenu:
        """All actions as a menu."""
        menu = QMenu(parent)
        for group in (
            (self.start, self.vary, self.enlarge),
            (self.copy, self.save, self.save_bare),
            (self.fit, self.actual, self.compare, self.pop_out),
        ):
            menu.addActions(group)
            menu.addSeparator()
        return menu

    def _make_view_actions(self) -> None:
        self.fit = action(self, "expand", self.tr("Fit"), self.tr("Show the whole picture. (0)"))
        self.actual = action(
            self, "scan", self.tr("100 %"), self.tr("One pixel of the screen for each of the picture. (1)")
        )
        self.zoom_in = action(self, "zoom-in", self.tr("Zoom in"), self.tr("Come closer. (+)"))
        self.zoom_out = action(self, "zoom-out", self.tr("Zoom out"), self.tr("Go further away. (-)"))
        self.compare = action(
            self,
            "square-split-horizontal",
            self.tr("Compare"),
            self.tr("Show before and after, divided by a line that you drag."),
            checkable=True,
        )
        self.pop_out = action(
            self,
            "picture-in-picture-2",
            self.tr("Second window"),
            self.tr("Show the picture in a window of its own too, on the second screen where there is one."),
            checkable=True,
        )

    def _make_picture_actions(self) -> None:
        self.start = action(
            self, "image-plus", self.tr("Start from it"), self.tr("Make the next picture out of this one.")
        )
        self.vary = action(
            self, "shuffle", self.tr("Variations"), self.tr("Make four pictures that are like this one.")
        )
        self.enlarge = action(
            self, "scaling", self.tr("Second pass"), self.tr("Make it again at twice the size, with more detail.")
        )

    def _make_out_actions(self) -> None:
        self.copy = action(self, "copy", self.tr("Copy"), self.tr("Put the picture onto the clipboard."), keys="Ctrl+C")
        self.save = action(
            self, "save", self.tr("Save as…"), self.tr("Save as PNG, JPEG or WebP with the recipe inside."),
            keys="Ctrl+Shift+S",
        )  # fmt: skip
        self.save_bare = QAction(self.tr("Save without the recipe…"), self)
        self.save_bare.setToolTip(self.tr("Save the pixels alone: prompt, seed and model stay private."))

    def _arrange(self) -> None:
        layout = self.row
        layout.setContentsMargins(MARGIN, SPACE, GAP, SPACE)
        self.buttons: dict[str, QToolButton] = {}
        lines = [divider(self) for _ in range(3)]

        def add(name: str, of: QAction) -> None:
            self.buttons[name] = tool_button(self, of)
            layout.addWidget(self.buttons[name])

        layout.addWidget(self.name, 1)
        layout.addWidget(self.size_label)
        layout.addWidget(lines[0])
        add("start", self.start)
        add("vary", self.vary)
        add("enlarge", self.enlarge)
        layout.addWidget(lines[1])
        add("zoom out", self.zoom_out)
        layout.addWidget(self.scale_label)
        add("zoom in", self.zoom_in)
        add("fit", self.fit)
        add("actual size", self.actual)
        add("compare", self.compare)
        layout.addWidget(lines[2])
        add("copy", self.copy)
        add("save", self.save)
        add("pop out", self.pop_out)
        layout.addWidget(self.handle)
        layout.addWidget(self.more)
        # The menu has it too, or it is only to be read.
        names = ("pop out", "enlarge", "vary", "compare", "actual size", "copy", "save", "start")
        self.dispensable = [*lines, self.handle, self.size_label, *(self.buttons[name] for name in names)]

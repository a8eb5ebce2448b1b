"""The quiet buttons of the canvas's bars."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QIcon, QKeySequence
from PySide6.QtWidgets import QFrame, QLabel, QToolButton, QWidget

from app.theme import ICON, icon, set_role


def action(parent: QWidget, name: str, text: str, tip: str, *, keys: str = "", checkable: bool = False) -> QAction:
    """An action with an icon, a name and a sentence on what it does; `keys` work while the canvas has the focus."""
    made = QAction(icon(name), text, parent)
    made.setCheckable(checkable)
    if keys:
        made.setShortcut(QKeySequence(keys))
        made.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        native = QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)
        made.setToolTip(f"{tip} ({native})")
    else:
        made.setToolTip(tip)
    made.setStatusTip(tip)
    parent.addAction(made)
    return made


def tool_button(parent: QWidget, of: QAction) -> QToolButton:
    """A button for an action: its icon alone, its name for screen readers."""
    button = QToolButton(parent)
    button.setDefaultAction(of)
    button.setIconSize(QSize(ICON, ICON))
    button.setAutoRaise(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setAccessibleName(of.text())
    button.setAccessibleDescription(of.statusTip())
    return button


def plain_icon(name: str) -> QIcon:
    """The icon `name` in the theme's colours."""
    return icon(name)


def divider(parent: QWidget) -> QFrame:
    """A short upright line between groups of buttons."""
    line = QFrame(parent)
    line.setFixedSize(1, 16)
    set_role(line, "divider")
    line.setStyleSheet("background: palette(mid); border: none;")
    return line


def label(parent: QWidget, text: str = "", role: str = "hint") -> QLabel:
    """A label in one of the theme's roles."""
    made = QLabel(text, parent)
    made.setTextFormat(Qt.TextFormat.PlainText)
    set_role(made, role)
    return made

"""The one stylesheet of the window, filled from the tokens of a theme.

Sizes are multiples of the spacing unit. Leading and trailing sides are left to the layouts, so that right to
left needs no second sheet.
"""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.theme import Theme

_SHEET = Template("""
* { outline: none; }
QMainWindow, QMainWindow > QWidget#central { background: $window; }
QMainWindow::separator { background: $window; width: 5px; height: 5px; }
QMainWindow::separator:hover { background: $border_strong; }
QDialog, QMessageBox { background: $panel; }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
QToolTip { background: $card; color: $text; border: 1px solid $border_strong; padding: 4px 8px; }

QMenuBar { background: $window; color: $text; padding: 2px 4px; }
QMenuBar::item { padding: 4px 8px; border-radius: 4px; background: transparent; }
QMenuBar::item:selected, QMenuBar::item:pressed { background: $hover; }
QMenu { background: $card; color: $text; border: 1px solid $border; padding: 4px; }
QMenu::item { padding: 5px 24px 5px 12px; border-radius: 4px; }
QMenu::item:selected { background: $selection; color: $on_selection; }
QMenu::item:disabled { color: $disabled; }
QMenu::separator { height: 1px; background: $border; margin: 4px 8px; }
QMenu::icon { padding-left: 8px; padding-right: 4px; }

QDockWidget { color: $muted; font-size: 11px; font-weight: 600; }
QDockWidget::title { background: $panel; padding: 6px 12px; }
QDockWidget > QWidget { background: $panel; }
QTabBar { background: $window; qproperty-drawBase: 0; }
QTabBar::tab { background: transparent; color: $muted; padding: 6px 12px; border-bottom: 2px solid transparent; }
QTabBar::tab:hover { color: $text; background: $hover; }
QTabBar::tab:selected { color: $text; border-bottom: 2px solid $accent; }
QTabBar::tab:focus { background: $hover; }
QTabWidget::pane { border: none; border-top: 1px solid $border; }

QStatusBar { background: $window; color: $muted; font-size: 11px; }
QStatusBar::item { border: none; }
QStatusBar QLabel { color: $muted; font-size: 11px; padding: 0 4px; }
QStatusBar QPushButton { font-size: 11px; padding: 1px 8px; min-height: 16px; }

QScrollArea, QScrollArea > QWidget > QWidget#scrolled { background: transparent; border: none; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle { background: $border_strong; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 24px; }
QScrollBar::handle:horizontal { min-width: 24px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::handle:disabled { background: transparent; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QFrame[role="card"], QWidget[role="card"] { background: $card; border: 1px solid $border; border-radius: 6px; }
QFrame[role="separator"] { background: $border; border: none; max-height: 1px; }
QLabel { background: transparent; color: $text; }
QLabel:disabled { color: $disabled; }
QLabel[role="title"] { font-size: 15px; font-weight: 600; }
QLabel[role="section"] { font-size: 11px; font-weight: 600; color: $muted; }
QLabel[role="hint"], QLabel[role="label"] { font-size: 11px; color: $muted; }
QLabel[role="error"] { font-size: 11px; color: $danger; }
QLabel[role="warning"] { font-size: 11px; color: $warning; }
QLabel[role="number"] { font-size: 11px; color: $muted; }
QLabel[role="empty"] { color: $muted; font-size: 13px; }
QLabel[role="badge"] { font-size: 11px; color: $muted; background: $hover; border-radius: 4px; padding: 1px 6px; }

QPushButton, QToolButton {
    background: transparent; color: $text; border: 1px solid $border_strong; border-radius: 6px; padding: 4px 12px;
    min-height: 20px;
}
QPushButton:hover, QToolButton:hover { background: $hover; }
QPushButton:pressed, QToolButton:pressed { background: $pressed; }
QPushButton:disabled, QToolButton:disabled { color: $disabled; border-color: $border; }
QPushButton:focus, QToolButton:focus { border: 1px solid $focus; }
QPushButton[role="primary"] {
    background: $accent; color: $on_accent; border: 1px solid $accent; font-weight: 600; padding: 6px 16px;
    min-height: 28px;
}
QDialogButtonBox QPushButton[role="primary"] { padding: 4px 12px; min-height: 20px; }
QPushButton[role="primary"]:hover { background: $accent_hover; border-color: $accent_hover; }
QPushButton[role="primary"]:pressed { background: $accent_pressed; border-color: $accent_pressed; }
QPushButton[role="primary"]:focus { border: 2px solid $text; padding: 5px 15px; }
QPushButton[role="primary"]:disabled { background: $hover; color: $disabled; border-color: $border; }
QPushButton[role="cancel"] { border: 1px solid $border_strong; font-weight: 600; padding: 6px 16px; min-height: 28px; }
QPushButton[role="link"] { border: none; color: $link; padding: 2px 4px; min-height: 16px; }
QPushButton[role="link"]:hover { background: transparent; text-decoration: underline; }
QPushButton[role="link"]:focus { border: 1px solid $focus; }
QPushButton[role="quiet-link"] { border: none; color: $muted; padding: 2px 4px; min-height: 16px; }
QPushButton[role="quiet-link"]:hover { background: transparent; color: $text; text-decoration: underline; }
QPushButton[role="quiet-link"]:focus { border: 1px solid $focus; }
QPushButton[role="fold"] {
    border: none; background: transparent; font-size: 11px; font-weight: 600; color: $muted; padding: 4px 0;
    min-height: 24px;
}
QPushButton[role="fold"]:hover { color: $text; background: transparent; }
QPushButton[role="fold"]:focus { color: $text; border: none; text-decoration: underline; }
QToolButton { padding: 3px; min-height: 18px; min-width: 18px; border-color: transparent; }
QToolButton[autoRaise="true"]:disabled { border-color: transparent; }
QToolButton[role="quiet"] { padding: 2px; min-height: 14px; min-width: 14px; }
QToolButton:checked { background: $selection; color: $on_selection; }
QToolButton[role="field"] { border-color: $border_strong; background: $field; }
QToolButton[popupMode="1"] { padding-right: 16px; }
QToolButton::menu-button { border: none; width: 14px; }
QToolButton::menu-indicator { image: none; }
QToolButton[role="chip"], QPushButton[role="chip"] {
    background: $hover; border: 1px solid transparent; border-radius: 10px; padding: 1px 8px; font-size: 11px;
    min-height: 16px;
}
QToolButton[role="chip"]:hover, QPushButton[role="chip"]:hover { background: $pressed; }
QToolButton[role="chip"]:checked, QPushButton[role="chip"]:checked { background: $selection; color: $on_selection; }
QToolButton[role="chip"]:focus, QPushButton[role="chip"]:focus { border: 1px solid $focus; }

QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox, QComboBox, QKeySequenceEdit {
    background: $field; color: $text; border: 1px solid $border_strong; border-radius: 6px; padding: 3px 6px;
    selection-background-color: $selection; selection-color: $on_selection;
}
QLineEdit, QAbstractSpinBox, QComboBox { min-height: 20px; }
QAbstractSpinBox > QLineEdit { border: none; background: transparent; padding: 0; }
QLineEdit > QToolButton { padding: 0; min-height: 18px; min-width: 18px; border: none; }
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QAbstractSpinBox:focus, QComboBox:focus,
QComboBox:on { border: 1px solid $focus; }
QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled, QPlainTextEdit:disabled {
    color: $disabled; border-color: $border; background: $panel;
}
QLineEdit[invalid="true"], QPlainTextEdit[invalid="true"], QAbstractSpinBox[invalid="true"] {
    border: 1px solid $danger; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {
    border: none; width: 16px; background: transparent; border-radius: 3px;
}
QAbstractSpinBox::up-button:hover, QAbstractSpinBox::down-button:hover { background: $hover; }
QAbstractSpinBox::up-arrow { image: url(theme:chevron-up.svg); width: 10px; height: 10px; }
QAbstractSpinBox::down-arrow { image: url(theme:chevron-down.svg); width: 10px; height: 10px; }
QComboBox::drop-down, QDateEdit::drop-down { border: none; width: 20px; }
QComboBox::down-arrow, QDateEdit::down-arrow { image: url(theme:chevron-down.svg); width: 12px; height: 12px; }
QComboBox QAbstractItemView, QListView[role="popup"] {
    background: $card; color: $text; border: 1px solid $border_strong; padding: 4px; outline: none;
    selection-background-color: $selection; selection-color: $on_selection;
}

QSlider { min-height: 20px; }
QSlider::groove:horizontal { height: 4px; background: $border; border-radius: 2px; }
QSlider::${filled}-page:horizontal { background: $border_strong; border-radius: 2px; height: 4px; }
QSlider::handle:horizontal {
    background: $text; border: 2px solid $card; width: 10px; height: 10px; margin: -5px 0; border-radius: 7px;
}
QSlider::handle:horizontal:hover { background: $accent; }
QSlider::handle:horizontal:focus { background: $accent; border: 2px solid $focus; }
QSlider::handle:horizontal:disabled { background: $disabled; }

QCheckBox, QRadioButton { color: $text; spacing: 8px; background: transparent; }
QCheckBox:disabled, QRadioButton:disabled { color: $disabled; }
QCheckBox::indicator, QRadioButton::indicator, QAbstractItemView::indicator {
    width: 14px; height: 14px; border: 1px solid $border_strong; border-radius: 4px; background: $field;
}
QRadioButton::indicator { border-radius: 8px; }
QCheckBox::indicator:hover, QRadioButton::indicator:hover { border-color: $muted; }
QCheckBox::indicator:focus, QRadioButton::indicator:focus { border-color: $focus; }
QCheckBox:focus, QRadioButton:focus { text-decoration: underline; }
QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {
    background: $accent; border-color: $accent; image: url(theme:check.svg);
}
QRadioButton::indicator:checked { background: $accent; border-color: $accent; image: url(theme:dot.svg); }

QProgressBar {
    background: $border; border: none; border-radius: 2px; max-height: 4px; min-height: 4px; color: transparent;
}
QProgressBar::chunk { background: $accent; border-radius: 2px; }

QAbstractItemView { background: transparent; color: $text; border: none; alternate-background-color: $card; }
QListView[role="field"] { background: $field; border: 1px solid $border_strong; border-radius: 6px; }
QListView::item, QTreeView::item, QTableView::item { padding: 4px; border-radius: 4px; }
QListView::item:hover, QTreeView::item:hover { background: $hover; }
QListView::item:selected, QTreeView::item:selected, QTableView::item:selected {
    background: $selection; color: $on_selection;
}
QListView:focus, QTreeView:focus, QTableView:focus { border: 1px solid $focus; border-radius: 4px; }
QHeaderView::section {
    background: $panel; color: $muted; border: none; border-bottom: 1px solid $border; padding: 4px 8px;
}

QGroupBox { border: none; margin-top: 20px; font-weight: 600; }
QGroupBox::title { subcontrol-origin: margin; padding: 0; color: $muted; }
QSplitter::handle { background: $border; }

QFrame[role="banner-error"] { background: $danger_surface; border: 1px solid $danger; border-radius: 6px; }
QFrame[role="banner-warning"] { background: $warning_surface; border: 1px solid $warning; border-radius: 6px; }
QFrame[role="banner-info"] { background: $card; border: 1px solid $border_strong; border-radius: 6px; }
QWidget#canvas { background: $canvas; }
""")


_TALLER = """
QLabel[role="label"], QLabel[role="hint"], QLabel[role="section"], QLabel[role="error"] { min-height: 24px; }
QLabel[role="number"], QLabel[role="warning"] { min-height: 24px; }
QPushButton { min-height: 28px; }
"""


def stylesheet(theme: Theme, *, mirrored: bool = False) -> str:
    """The stylesheet of the whole program in the colours of `theme`; `mirrored` for right to left."""
    # Arabic letters need more height than the Latin ones that Qt measures first.
    taller = _TALLER if mirrored else ""
    return taller + _SHEET.substitute(theme.colours(), filled="add" if mirrored else "sub")

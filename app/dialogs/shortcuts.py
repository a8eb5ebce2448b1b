"""The page of the settings on which keys are changed."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.commands import Commands
from app.i18n import isolated
from app.theme import GAP, SECTION, set_role

PORTABLE = QKeySequence.SequenceFormat.PortableText
NATIVE = QKeySequence.SequenceFormat.NativeText


class ShortcutsPage(QWidget):
    """Every command with its keys; the chosen one gets others by pressing them."""

    def __init__(self, commands: Commands, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._commands = commands
        self.search = QLineEdit(self)
        self.search.setPlaceholderText(self.tr("Search commands"))
        self.search.setAccessibleName(self.tr("Search commands"))
        self.search.textChanged.connect(self._filter)
        self.list = QTreeWidget(self)
        self.list.setAccessibleName(self.tr("Commands and their keys"))
        self.list.setRootIsDecorated(False)
        self.list.setHeaderLabels([self.tr("Command"), self.tr("Keys")])
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.currentItemChanged.connect(lambda _now, _before: self._show_chosen())
        self.keys = QKeySequenceEdit(self)
        self.keys.setMaximumSequenceLength(1)
        self.keys.setClearButtonEnabled(True)
        self.keys.setAccessibleName(self.tr("New keys"))
        self.keys.editingFinished.connect(self._take)
        reset = QPushButton(self.tr("Its own keys"), self)
        reset.clicked.connect(self._reset)
        self.problem = QLabel(self)
        self.problem.setWordWrap(True)
        set_role(self.problem, "error")
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.keys, 1)
        row.addWidget(reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SECTION, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(self.search)
        layout.addWidget(self.list, 1)
        layout.addLayout(row)
        layout.addWidget(self.problem)
        self._fill()

    def _fill(self) -> None:
        self.list.clear()
        for command in self._commands:
            item = QTreeWidgetItem([_plain(command.action.text()), ""])
            item.setData(0, Qt.ItemDataRole.UserRole, command.id)
            item.setIcon(0, command.action.icon())
            self.list.addTopLevelItem(item)
            self._show_keys(item)
        self.list.setCurrentIndex(self.list.model().index(0, 0))

    def _show_keys(self, item: QTreeWidgetItem) -> None:
        keys = self._commands.keys_of(item.data(0, Qt.ItemDataRole.UserRole))
        item.setText(1, isolated(QKeySequence(keys[0]).toString(NATIVE)) if keys else "")

    def _chosen(self) -> str:
        items = self.list.selectedItems()
        return items[0].data(0, Qt.ItemDataRole.UserRole) if items else ""

    def _show_chosen(self) -> None:
        name = self._chosen()
        self.problem.setText("")
        keys = self._commands.keys_of(name) if name else ()
        self.keys.setKeySequence(QKeySequence(keys[0]) if keys else QKeySequence())

    def _take(self) -> None:
        name = self._chosen()
        if not name:
            return
        keys = self.keys.keySequence().toString(PORTABLE)
        holder = self._commands.holder_of(keys, name)
        if holder is not None:
            self.problem.setText(
                self.tr("{keys} belongs to “{command}” already; choose other keys, or change those first.").format(
                    keys=isolated(self.keys.keySequence().toString(NATIVE)), command=_plain(holder.action.text())
                )
            )
            return
        self.problem.setText("")
        self._commands.set_keys(name, keys)
        self._show_keys(self.list.selectedItems()[0])

    def _reset(self) -> None:
        name = self._chosen()
        if name:
            self._commands.set_keys(name, None)
            self._show_keys(self.list.selectedItems()[0])
            self._show_chosen()

    def _filter(self, words: str) -> None:
        for place in range(self.list.topLevelItemCount()):
            item = self.list.topLevelItem(place)
            if item is not None:
                item.setHidden(words.casefold() not in item.text(0).casefold())


def _plain(text: str) -> str:
    return text.replace("&", "").removesuffix(" …")

"""What can be done from menus and keys: each command has an id, and its keys can be changed in the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from app.state.settings import SettingsState
from app.theme import icon

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """An action with its id and the keys it has unless the user chose others."""

    id: str
    action: QAction
    keys: Keys


class Commands(QObject):
    """All commands of one window."""

    def __init__(self, settings: SettingsState, window: QWidget) -> None:
        super().__init__(window)
        self._settings = settings
        self._window = window
        self._commands: dict[str, Command] = {}
        settings.changed.connect(self._settings_changed)

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def __getitem__(self, name: str) -> QAction:
        return self._commands[name].action

    def add(
        self,
        name: str,
        text: str,
        do: Callable[[], object] | None,
        *keys: str,
        picture: str = "",
        everywhere: bool = False,
    ) -> QAction:
        """A command called `name` that shows `text`; `everywhere` lets its keys work in every window of the program."""
        action = QAction(text, self._window)
        if picture:
            action.setIcon(icon(picture))
        if do is not None:
            action.triggered.connect(lambda _checked=False: do())
        if everywhere:
            action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)
        self._commands[name] = Command(name, action, keys)
        self._window.addAction(action)
        self._bind(self._commands[name])
        return action

    def keys_of(self, name: str) -> Keys:
        """The keys that the command has now."""
        chosen = self._settings["shortcuts"].get(name)
        return self._commands[name].keys if chosen is None else (chosen,) if chosen else ()

    def holder_of(self, keys: str, but: str) -> Command | None:
        """Another command than `but` that `keys` belong to already."""
        wanted = QKeySequence(keys)
        if wanted.isEmpty():
            return None
        others = (command for command in self if command.id != but)
        return next(
            (command for command in others if any(QKeySequence(k) == wanted for k in self.keys_of(command.id))), None
        )

    def set_keys(self, name: str, keys: str | None) -> None:
        """Give the command other keys, "" for none, None for its own."""
        chosen = dict(self._settings["shortcuts"])
        chosen.pop(name, None)
        if keys is not None:
            chosen[name] = keys
        self._settings.set("shortcuts", chosen)

    def _bind(self, command: Command) -> None:
        command.action.setShortcuts([QKeySequence(keys) for keys in self.keys_of(command.id)])

    def _settings_changed(self, name: str) -> None:
        if name == "shortcuts":
            for command in self:
                self._bind(command)

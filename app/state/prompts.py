"""Prompts used before, and styles: what the prompt panel offers beside an empty box."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.services.history import HISTORY_KEPT, read_history, write_history
from app.services.paths import Paths
from app.services.styles import Style, read_styles, write_styles

log = logging.getLogger(__name__)

Pair = tuple[str, str]
Run = Callable[..., Any]


class PromptsState(QObject):
    """The history of prompts, newest first, and the user's styles; files are read and written in the background.

    Signals:
        history_changed(), styles_changed(): there are others.
        problem(str): why a file could not be read or written.
    """

    history_changed = Signal()
    styles_changed = Signal()
    problem = Signal(str)

    def __init__(self, paths: Paths | None, parent: QObject | None = None, run: Run | None = None) -> None:
        """Keep both below `paths`, in memory only without them; `run` is `Background.run`."""
        super().__init__(parent)
        self._paths = paths
        self._run = run
        self._history: list[Pair] = []
        self._styles: list[Style] = []
        if paths is not None and run is not None:
            run("history", lambda: read_history(paths.history), self._history_read, self._failed)
            run("styles", lambda: read_styles(paths.styles), self._styles_read, self._failed)

    @property
    def history(self) -> tuple[Pair, ...]:
        """Pairs of prompt and negative prompt, the newest first."""
        return tuple(self._history)

    @property
    def styles(self) -> tuple[Style, ...]:
        """The user's styles."""
        return tuple(self._styles)

    def remember(self, prompt: str, negative: str) -> None:
        """A picture was asked for with these prompts."""
        pair = (prompt, negative)
        if not prompt.strip() or self._history[:1] == [pair]:
            return
        self._history = [pair, *(old for old in self._history if old != pair)][:HISTORY_KEPT]
        self.history_changed.emit()
        self._write("history-write", lambda paths, history=tuple(self._history): write_history(paths.history, history))

    def search(self, words: str) -> list[Pair]:
        """Those of the history that hold all of `words`."""
        wanted = words.casefold().split()
        return [pair for pair in self._history if all(word in " ".join(pair).casefold() for word in wanted)]

    def keep_style(self, name: str, prompt: str, negative: str) -> None:
        """Keep a style; one of the same name is replaced."""
        self.add_styles([Style(name, prompt, negative)])

    def add_styles(self, styles: list[Style]) -> None:
        """Keep `styles`; those of the same names are replaced."""
        names = {style.name for style in styles}
        self._styles = [*(style for style in self._styles if style.name not in names), *styles]
        self.styles_changed.emit()
        self._write("styles-write", lambda paths, kept=tuple(self._styles): write_styles(paths.styles, kept))

    def _write(self, kind: str, work: Callable[[Paths], None]) -> None:
        paths = self._paths
        if paths is not None and self._run is not None:
            self._run(kind, lambda: work(paths), lambda _result: None, self._failed)

    def _history_read(self, history: list[Pair]) -> None:
        newer = self._history
        self._history = [*newer, *(pair for pair in history if pair not in newer)]
        self.history_changed.emit()

    def _styles_read(self, styles: list[Style]) -> None:
        names = {style.name for style in self._styles}
        self._styles = [*(style for style in styles if style.name not in names), *self._styles]
        self.styles_changed.emit()

    def _failed(self, error: Exception) -> None:
        self.problem.emit(str(error))

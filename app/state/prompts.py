"""Prompts used before, and styles: what the prompt panel offers beside an empty box."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.services.history import HISTORY_KEPT, read_history, write_history
from app.services.newest import Newest
from app.services.paths import Paths
from app.services.styles import Style, read_styles, write_styles
from engine.errors import KnownError

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
        self._read: set[str] = set()
        self._history_file: Newest[Sequence[Pair]] = Newest(self._write_history)
        self._styles_file: Newest[Sequence[Style]] = Newest(self._write_styles)
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
        self._save_history()

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
        self._save_styles()

    def flush(self) -> None:
        """Write now what the pool has not written yet; for the end of the program."""
        for file in (self._history_file, self._styles_file):
            try:
                file.flush()
            except KnownError as error:
                log.warning("prompts were not saved: %s", error)

    def _save(self, name: str, file: Newest[Any], value: Sequence[Any]) -> None:
        # What was not read, or cannot be, is not written over: it may be mended.
        if self._run is not None and name in self._read:
            file.put(tuple(value))
            self._run(f"{name}-write", file.flush, lambda _none: None, self._failed)

    def _save_history(self) -> None:
        self._save("history", self._history_file, self._history)

    def _save_styles(self) -> None:
        self._save("styles", self._styles_file, self._styles)

    def _history_read(self, history: list[Pair]) -> None:
        newer = self._history
        self._history = [*newer, *(pair for pair in history if pair not in newer)][:HISTORY_KEPT]
        self._read.add("history")
        self.history_changed.emit()
        if newer:
            self._save_history()

    def _styles_read(self, styles: list[Style]) -> None:
        newer, names = self._styles, {style.name for style in self._styles}
        self._styles = [*(style for style in styles if style.name not in names), *newer]
        self._read.add("styles")
        self.styles_changed.emit()
        if newer:
            self._save_styles()

    def _write_history(self, history: Sequence[Pair]) -> None:
        if self._paths is not None:
            with _said(self._paths.history):
                write_history(self._paths.history, history)

    def _write_styles(self, styles: Sequence[Style]) -> None:
        if self._paths is not None:
            with _said(self._paths.styles):
                write_styles(self._paths.styles, styles)

    def _failed(self, error: Exception) -> None:
        self.problem.emit(str(error))


@contextmanager
def _said(path: Path) -> Generator[None]:
    """Say in one sentence why the file at `path` cannot be written."""
    try:
        yield
    except OSError as error:
        raise KnownError(
            f"The file {path} cannot be written ({error.strerror}); check the folder and the disk."
        ) from error

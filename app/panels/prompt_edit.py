"""The box that a prompt is typed into: colours, weights by keys, names to complete, recipes that are pasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QStringListModel, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QSyntaxHighlighter,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextOption,
)
from PySide6.QtWidgets import QCompleter, QPlainTextEdit, QWidget

from app.panels.prompt_syntax import reweigh, spans
from app.theme import current, set_role
from engine.catalog import LIMITS

# What a paste may hold at most before it is taken for a mistake; a recipe is a few kilobytes.
PASTE_LIMIT = 200_000
_TOKENS = {"weight": "weight", "wildcard": "wildcard", "lora": "lora", "keyword": "link"}
_BEGINNINGS = (("<lora:", "lora"), ("<", "lora"), ("__", "wildcard"))


class PromptHighlighter(QSyntaxHighlighter):
    """Colours weights, wildcards and adapters; a faint line marks where a chunk of the text encoder ends."""

    def __init__(self, document: QTextDocument) -> None:
        super().__init__(document)
        self._ends: tuple[int, ...] = ()

    def set_chunk_ends(self, ends: Sequence[int]) -> None:
        """Mark the characters before these positions of the whole text as the last of a chunk."""
        if tuple(ends) != self._ends:
            self._ends = tuple(ends)
            self.rehighlight()

    def highlightBlock(self, text: str) -> None:  # noqa: N802
        theme = current()
        for span in spans(text):
            look = QTextCharFormat()
            look.setForeground(QColor(getattr(theme, _TOKENS[span.kind])))
            self.setFormat(span.start, span.length, look)
        begin = self.currentBlock().position()
        for end in self._ends:
            place = end - begin - 1
            if 0 <= place < len(text):
                look = self.format(place)
                look.setUnderlineColor(QColor(theme.accent))
                look.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
                self.setFormat(place, 1, look)


class PromptEdit(QPlainTextEdit):
    """A prompt.

    Signals:
        edited(str): the user changed the text.
        recipe_pasted(str): text was pasted that another program wrote beside a picture.
        refused(object): what says why a paste was not taken.
    """

    edited = Signal(str)
    recipe_pasted = Signal(str)
    refused = Signal(object)

    def __init__(self, name: str, placeholder: str, tip: str, lines: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: Mapping[str, Sequence[str]] = {}
        self._kind = ""
        self.setAccessibleName(name)
        self.setAccessibleDescription(tip)
        self.setPlaceholderText(placeholder)
        self.setToolTip(tip)
        self.setTabChangesFocus(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # The direction of each paragraph is that of its first letter, whatever the window's is.
        option = QTextOption()
        option.setTextDirection(Qt.LayoutDirection.LayoutDirectionAuto)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.document().setDefaultTextOption(option)
        self.document().setDocumentMargin(4)
        self.highlighter = PromptHighlighter(self.document())
        self._set_lines(lines)
        self._completer = QCompleter(QStringListModel(self), self)
        self._completer.setWidget(self)
        self._completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self._completer.setMaxVisibleItems(8)
        popup = self._completer.popup()
        assert popup is not None  # noqa: S101  the completer makes it on this call
        self._popup = popup
        set_role(popup, "popup")
        self._completer.activated.connect(self._complete)
        self.textChanged.connect(self._changed)

    def _set_lines(self, lines: int) -> None:
        height = self.fontMetrics().lineSpacing()
        self.setMinimumHeight(height * lines + 18)
        self.setMaximumHeight(height * lines * 3 + 18)

    def show_text(self, text: str) -> None:
        """Show `text`; the cursor and the undo history stay where the text is the same already."""
        if text != self.toPlainText():
            self.setPlainText(text)

    def set_names(self, names: Mapping[str, Sequence[str]]) -> None:
        """Offer these names: `lora`, `embedding` and `wildcard`."""
        self._names = names

    def weigh(self, up: bool) -> None:
        """Give the selection, or the word at the cursor, more or less weight."""
        cursor = self.textCursor()
        change = reweigh(self.toPlainText(), cursor.selectionStart(), cursor.selectionEnd(), up)
        if change is None:
            return
        cursor.setPosition(change.start)
        cursor.setPosition(change.end, QTextCursor.MoveMode.KeepAnchor)
        cursor.insertText(change.text)
        cursor.setPosition(change.select[0])
        cursor.setPosition(change.select[1], QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)

    # ------------------------------------------------------------------------------------------------ Qt's calls

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if control and event.key() in {Qt.Key.Key_Up, Qt.Key.Key_Down}:
            self.weigh(event.key() == Qt.Key.Key_Up)
            return
        if self._popup.isVisible() and event.key() in _POPUP_KEYS:
            event.ignore()  # the popup takes them
            return
        super().keyPressEvent(event)
        if event.text():
            self._offer()

    def insertFromMimeData(self, source: QMimeData) -> None:  # noqa: N802
        text = source.text()
        if len(text) > PASTE_LIMIT:
            self.refused.emit(partial(_too_long, len(text)))
            return
        if _looks_like_a_recipe(text):
            self.recipe_pasted.emit(text)
            return
        selected = len(self.textCursor().selectedText())
        if len(self.toPlainText()) - selected + len(text) > LIMITS["prompt"].maximum:
            self.refused.emit(partial(_too_long, len(text)))
            return
        super().insertFromMimeData(source)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._popup.hide()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.highlighter.rehighlight()

    # ------------------------------------------------------------------------------------------------ completing

    def _changed(self) -> None:
        self.edited.emit(self.toPlainText())

    def _started(self) -> tuple[str, str, int]:
        """What is being typed: its kind, its beginning, and where that begins."""
        cursor = self.textCursor()
        line = cursor.block().text()[: cursor.positionInBlock()]
        begin = cursor.block().position()
        for mark, kind in _BEGINNINGS:
            place = line.rfind(mark)
            typed = line[place + len(mark) :] if place >= 0 else ""
            if place >= 0 and not any(letter in typed for letter in ">:\n,()"):
                closed = kind == "wildcard" and line.count("__") % 2 == 0
                if not closed:
                    return kind, typed, begin + place
        word = line[max(line.rfind(mark) for mark in " ,(:[") + 1 :]
        return "embedding", word, begin + len(line) - len(word)

    def _offer(self) -> None:
        kind, typed, _ = self._started()
        names = self._names.get(kind, ())
        popup = self._popup
        if not names or (kind == "embedding" and len(typed) < 2):
            popup.hide()
            return
        self._kind = kind
        self._completer.setModel(QStringListModel(list(names), self._completer))
        self._completer.setCompletionPrefix(typed)
        if self._completer.completionCount() == 0 or typed in names:
            popup.hide()
            return
        popup.setCurrentIndex(self._completer.completionModel().index(0, 0))
        place = self.cursorRect()
        place.setWidth(max(popup.sizeHintForColumn(0) + 24, 160))
        self._completer.complete(place)

    def _complete(self, name: str) -> None:
        kind, _, begin = self._started()
        text = {"lora": f"<lora:{name}:1>", "wildcard": f"__{name}__"}.get(kind, name)
        cursor = self.textCursor()
        cursor.setPosition(begin, QTextCursor.MoveMode.KeepAnchor)
        cursor.insertText(text)
        self.setTextCursor(cursor)


_POPUP_KEYS = {Qt.Key.Key_Enter, Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Tab, Qt.Key.Key_Backtab}


def _looks_like_a_recipe(text: str) -> bool:
    """Whether `text` is settings that a program wrote, rather than a prompt."""
    start = text.lstrip()[:1]
    return ("Steps: " in text and "Seed: " in text) or (
        start == "{" and '"' in text and ":" in text and "\n" not in start
    )


def _too_long(length: int) -> str:
    return QCoreApplication.translate(
        "PromptEdit", "The pasted text has {length} characters; a prompt takes at most {most}, so paste less."
    ).format(length=f"{length:,}", most=f"{int(LIMITS['prompt'].maximum):,}")

"""The prompt panel: what the picture shall show, and the button that makes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.panels.history_popup import HistoryPopup
from app.panels.prompt_edit import PromptEdit
from app.state.generation import GenerationState
from app.state.prompts import PromptsState
from app.theme import GAP, SPACE, current, icon, set_role
from app.widgets.alive import while_alive
from app.widgets.number import NumberBox
from engine.catalog import LIMITS, Limit

COUNT_DELAY = 120


class PromptPanel(QWidget):
    """Binds the prompts, styles and count to the state.

    Signals:
        generate_wanted(), cancel_wanted(): the button was pressed.
        recipe_pasted(str): another program's recipe was pasted into a prompt.
        refused(object): what says why a paste was not taken.
        import_wanted(): styles of a file shall be added.
    """

    generate_wanted = Signal()
    cancel_wanted = Signal()
    recipe_pasted = Signal(str)
    refused = Signal(object)
    import_wanted = Signal()

    def __init__(
        self,
        generation: GenerationState,
        client: Any,
        prompts: PromptsState | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._generation = generation
        self._client = client
        self._prompts = prompts or PromptsState(None, self)
        self._running = False
        self._count_timer = QTimer(self)
        self._count_timer.setSingleShot(True)
        self._count_timer.setInterval(COUNT_DELAY)
        self._count_timer.timeout.connect(self._ask_for_tokens)
        self.prompt = self._edit(
            "prompt",
            self.tr("Prompt"),
            self.tr("What shall the picture show?"),
            self.tr(
                "What the picture shall show. (word:1.2) weighs a word, Ctrl+Up and Ctrl+Down do it for you; "
                "<lora:name:1> adds a LoRA, __name__ draws from a wildcard."
            ),
            lines=4,
        )
        self.negative = self._edit(
            "negative_prompt",
            self.tr("Negative prompt"),
            self.tr("What shall it not show?"),
            self.tr("What the picture shall keep away from. It needs a guidance above 1."),
            lines=2,
        )
        self._arrange()
        generation.changed.connect(self._state_changed)
        generation.info_changed.connect(self._info_changed)
        self._prompts.styles_changed.connect(self._fill_styles)
        self._fill_styles()
        self._show_negative(bool(generation.negative_prompt))
        self._count_timer.start()

    # ------------------------------------------------------------------------------------------------ building

    def _edit(self, name: str, label: str, placeholder: str, tip: str, *, lines: int) -> PromptEdit:
        edit = PromptEdit(label, placeholder, tip, lines, self)
        edit.edited.connect(lambda text: self._generation.set(name, text))
        edit.recipe_pasted.connect(self.recipe_pasted)
        edit.refused.connect(self.refused)
        self._generation.bind(name, self, edit.show_text)
        return edit

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GAP, 0, GAP, GAP)
        layout.setSpacing(GAP)
        layout.addWidget(self.prompt, 2)
        layout.addLayout(self._tools())
        layout.addWidget(self.negative, 1)
        layout.addLayout(self._generate_row())

    def _tools(self) -> QHBoxLayout:
        self.fold = QPushButton(self.tr("Negative"), self)
        self.fold.setCheckable(True)
        set_role(self.fold, "fold")
        self.fold.setToolTip(self.tr("Show or hide what the picture shall keep away from"))
        self.fold.toggled.connect(self._show_negative)
        self.styles = QToolButton(self)
        self.styles.setIcon(icon("palette"))
        self.styles.setToolTip(self.tr("Styles: fragments that are added to both prompts"))
        self.styles.setAccessibleName(self.tr("Styles"))
        self.styles.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._styles_menu = QMenu(self)
        self.styles.setMenu(self._styles_menu)
        self.history = QToolButton(self)
        self.history.setIcon(icon("history"))
        self.history.setToolTip(self.tr("Prompts used before"))
        self.history.setAccessibleName(self.tr("Prompts used before"))
        self.history.clicked.connect(self._show_history)
        self.tokens = QLabel(self)
        set_role(self.tokens, "number")
        self.tokens.setToolTip(
            self.tr("Tokens of the prompt, and how many fit into one chunk; a longer prompt is read in several chunks.")
        )
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.fold)
        row.addStretch(1)
        for widget in (self.tokens, self.styles, self.history):
            row.addWidget(widget)
        return row

    def _generate_row(self) -> QHBoxLayout:
        self.generate = QPushButton(self)
        self.generate.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.generate.clicked.connect(self._pressed)
        self.queue_more = QToolButton(self)
        self.queue_more.setIcon(icon("list-plus"))
        self.queue_more.setToolTip(self.tr("Put one more job into the queue (Ctrl+Enter)"))
        self.queue_more.setAccessibleName(self.tr("Put one more job into the queue"))
        self.queue_more.clicked.connect(self.generate_wanted)
        limit = LIMITS["count"]
        self.count = NumberBox(Limit(limit.name, limit.minimum, limit.maximum), parent=self)
        self.count.setFixedWidth(56)
        self.count.setToolTip(self.tr("How many pictures one press makes, each with the next seed"))
        self.count.setAccessibleName(self.tr("Number of pictures"))
        self.count.changed.connect(lambda value: self._generation.set("count", int(value)))
        self.count.problem_changed.connect(lambda problem: self.refused.emit(self.count.why) if problem else None)
        self._generation.bind("count", self, self.count.set_value)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.generate, 1)
        row.addWidget(self.queue_more)
        row.addWidget(self.count)
        self.set_running(False)
        return row

    # ------------------------------------------------------------------------------------------------ from outside

    def set_running(self, running: bool) -> None:
        """Show Cancel while a job runs, else Generate."""
        self._running = running
        words = self.tr("Cancel") if running else self.tr("Generate")
        self.generate.setText(f" {words}")  # a little room beside the icon
        self.generate.setAccessibleName(words)
        self.generate.setToolTip(
            self.tr("Leave the picture that is being made (Esc)")
            if running
            else self.tr("Make the picture (Ctrl+Enter)")
        )
        self.generate.setIcon(icon("x") if running else icon("sparkles", current().on_accent))
        set_role(self.generate, "cancel" if running else "primary")
        self.queue_more.setVisible(running)

    def set_names(self, names: Mapping[str, Sequence[str]]) -> None:
        """Names to complete: `lora`, `embedding` and `wildcard`."""
        self.prompt.set_names(names)
        self.negative.set_names(names)

    # ------------------------------------------------------------------------------------------------ inside

    def _pressed(self) -> None:
        (self.cancel_wanted if self._running else self.generate_wanted).emit()

    def _state_changed(self, name: str) -> None:
        if name in {"prompt", "negative_prompt", "model", "styles"}:
            self._count_timer.start()
        if name == "negative_prompt" and self._generation.negative_prompt:
            self._show_negative(True)
        if name == "styles":
            self._fill_styles()

    def _info_changed(self) -> None:
        self._count_timer.start()

    def _show_negative(self, shown: bool) -> None:
        self.negative.setVisible(shown)
        self.fold.setChecked(shown)
        self.fold.setIcon(icon("chevron-down" if shown else "chevron-right"))

    def _show_history(self) -> None:
        popup = HistoryPopup(self._prompts, self)
        popup.chosen.connect(self._take_from_history)
        popup.open_below(self.history)

    def _take_from_history(self, prompt: str, negative: str) -> None:
        self._generation.prompt, self._generation.negative_prompt = prompt, negative

    def _fill_styles(self) -> None:
        self._styles_menu.clear()
        self._generation.known_styles = {style.name: style for style in self._prompts.styles}
        chosen = self._generation.styles
        for style in self._prompts.styles:
            action = self._styles_menu.addAction(style.name)
            action.setCheckable(True)
            action.setChecked(style.name in chosen)
            action.toggled.connect(lambda on, name=style.name: self._toggle_style(name, on))
        if self._prompts.styles:
            self._styles_menu.addSeparator()
        keep = self._styles_menu.addAction(self.tr("Keep these prompts as a style …"))
        keep.triggered.connect(self._keep_style)
        load = self._styles_menu.addAction(self.tr("Import styles.csv …"))
        load.triggered.connect(self.import_wanted)
        self.styles.setText(str(len(chosen)) if chosen else "")

    def _toggle_style(self, name: str, on: bool) -> None:
        others = tuple(other for other in self._generation.styles if other != name)
        self._generation.styles = (*others, name) if on else others

    def _keep_style(self) -> None:
        from PySide6.QtWidgets import QInputDialog

        name, taken = QInputDialog.getText(self, self.tr("Keep as a style"), self.tr("Name of the style"))
        if taken and name.strip():
            self._prompts.keep_style(name.strip(), self._generation.prompt, self._generation.negative_prompt)

    # ------------------------------------------------------------------------------------------------ tokens

    def _ask_for_tokens(self) -> None:
        text = self._generation.prompt
        if not text.strip():
            self.tokens.setText("")
            self.prompt.highlighter.set_chunk_ends(())
            return
        self._client.count_tokens(self._generation.model, text, while_alive(self, self._tokens_known))

    def _tokens_known(self, counted: Any) -> None:
        self.tokens.setText(f"{counted.count}/{counted.limit}")
        self.prompt.highlighter.set_chunk_ends(counted.ends)

"""The recipe of the chosen picture, or of one dropped in, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from app.error_texts import said_here
from app.services.gallery_records import PICTURE_ENDINGS, Picture
from app.state.gallery import GalleryState
from app.state.gallery_replay import Comparison, Replay
from app.state.generation import GenerationState, What
from app.state.queue import QueueState
from app.theme import GAP, MARGIN, SPACE, icon, set_role
from engine.catalog import scheduler_entry
from engine.errors import UnknownName
from engine.messages import Recipe

_SHOWN_LETTERS = 4000


class RecipePanel(QWidget):
    """Shows what made a picture; "use" takes it over into the next request, "replay" makes the picture again."""

    def __init__(
        self, gallery: GalleryState, generation: GenerationState, queue: QueueState, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._gallery = gallery
        self._generation = generation
        self._recipe: Recipe | None = None
        self._path: Path | None = None
        self.replay = Replay.of(gallery, queue)
        self.title = self._text("title", wrap=False)
        self.prompt = self._text("")
        self.negative_label = self._text("section")
        self.negative_label.setText(self.tr("Not wanted"))
        self.negative = self._text("")
        self.facts = QFormLayout()
        self._values: list[QLabel] = []
        self.result = self._text("hint")
        self.result.setAccessibleName(self.tr("Result of the replay"))
        self.use, self.prompt_only, self.seed_only, self.replay_button = self._make_buttons()
        self._arrange()
        gallery.current_changed.connect(self._chosen)
        gallery.file_shown.connect(self._file_shown)
        self.setAcceptDrops(True)
        self.replay.changed.connect(self._replaying)
        self.replay.finished.connect(self._replayed)
        self.replay.failed.connect(self._say)
        self._show_nothing()

    # ------------------------------------------------------------------------------------------------ building

    def _text(self, role: str, *, wrap: bool = True) -> QLabel:
        label = QLabel()
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(wrap)
        label.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        if role:
            set_role(label, role)
        return label

    def _make_buttons(self) -> tuple[QPushButton, QToolButton, QToolButton, QPushButton]:
        use = QPushButton(self.tr("Use everything"))
        use.setToolTip(self.tr("Takes prompt, model, scheduler, seed, size and all other settings over."))
        use.clicked.connect(lambda: self._use("everything"))
        menu: list[QToolButton] = []
        choices: tuple[tuple[str, str, What], ...] = (
            (self.tr("Prompt only"), self.tr("Takes over what was wanted and what was not."), "prompt"),
            (
                self.tr("Seed only"),
                self.tr("Takes over the seed and locks it, so that the same noise is the start."),
                "seed",
            ),
        )
        for text, tip, what in choices:
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            set_role(button, "chip")
            button.clicked.connect(self._user(what))
            menu.append(button)
        replay = QPushButton(icon("repeat"), self.tr("Replay"))
        replay.setToolTip(self.tr("Makes this picture again and says how many pixels differ."))
        replay.clicked.connect(self._start_replay)
        return use, menu[0], menu[1], replay

    def _arrange(self) -> None:
        content = QWidget()
        self._body = QVBoxLayout(content)
        self._body.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        self._body.setSpacing(SPACE)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        for widget in (self.title, self.prompt, self.negative_label, self.negative):
            self._body.addWidget(widget)
        self.facts.setLabelAlignment(Qt.AlignmentFlag.AlignLeading)
        self.facts.setFormAlignment(Qt.AlignmentFlag.AlignLeading | Qt.AlignmentFlag.AlignTop)
        self.facts.setHorizontalSpacing(MARGIN)
        self.facts.setVerticalSpacing(2)
        self.facts.setContentsMargins(0, SPACE, 0, 0)
        self._body.addLayout(self.facts)
        self._body.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        self._area = area
        first, second = QHBoxLayout(), QHBoxLayout()
        first.setSpacing(GAP)
        first.addWidget(self.use, 1)
        first.addWidget(self.replay_button, 1)
        second.setSpacing(GAP)
        second.addWidget(self.prompt_only)
        second.addWidget(self.seed_only)
        second.addStretch(1)
        foot = QVBoxLayout()
        foot.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        foot.setSpacing(GAP)
        foot.addWidget(self.result)
        foot.addLayout(second)
        foot.addLayout(first)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(area, 1)
        layout.addLayout(foot)

    # ------------------------------------------------------------------------------------------------ showing

    @property
    def shown(self) -> Recipe | None:
        """The recipe that is shown."""
        return self._recipe

    def show_file(self, path: Path) -> None:
        """Show the recipe in a picture file of any program."""
        self._path = path
        self._gallery.read_file(path, lambda recipe: self._show(path, recipe), lambda text: self._trouble(path, text))

    def _file_shown(self, path: str) -> None:
        self.show_file(Path(path))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if pictures_in(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Show the recipe of a picture from another program."""
        paths = pictures_in(event.mimeData())
        if paths:
            event.acceptProposedAction()
            self._gallery.show_file(paths[0])

    def _chosen(self, picture: Picture | None) -> None:
        if picture is None:
            self._show_nothing()
            return
        path = Path(picture.path)
        if path == self._path and self._recipe is not None:
            return
        self._path = path
        if not picture.width:
            # The file could not be read when it was taken in; reading it again says why, or finds that it can be now.
            self._gallery.read_file(
                path, lambda recipe: self._show(path, recipe), lambda text: self._trouble(path, text)
            )
            return
        self._gallery.recipe(picture.id, lambda recipe: self._show(path, recipe))

    def _show(self, path: Path, recipe: Recipe | None) -> None:
        if not isValid(self) or path != self._path:
            return
        self._recipe = recipe
        self.title.setText(path.name)
        self.title.setToolTip(str(path))
        self.result.clear()
        if recipe is None:
            self.prompt.setText(self.tr("This picture does not say what made it."))
            set_role(self.prompt, "hint")
        else:
            set_role(self.prompt, "body")
            self.prompt.setText(_shortened(recipe.prompt) or self.tr("No prompt."))
        negative = "" if recipe is None else _shortened(recipe.negative_prompt)
        self.negative.setText(negative)
        self._show_facts([] if recipe is None else self._rows(recipe))
        self._refresh()

    def _show_nothing(self) -> None:
        self._path, self._recipe = None, None
        self.title.setText(self.tr("Recipe"))
        self.title.setToolTip("")
        set_role(self.prompt, "hint")
        self.prompt.setText(self.tr("Choose a picture, or drop one from another program here, to see what made it."))
        self.negative.clear()
        self.result.clear()
        self._show_facts([])
        self._refresh()

    def _trouble(self, path: Path, message: str) -> None:
        if not isValid(self) or path != self._path:
            return
        self._show_nothing()
        self._path = path
        self.title.setText(path.name)
        set_role(self.prompt, "error")
        self.prompt.setText(said_here(message))

    def _refresh(self) -> None:
        known = self._recipe is not None
        self.negative.setVisible(bool(self.negative.text()))
        self.negative_label.setVisible(bool(self.negative.text()))
        self.result.setVisible(bool(self.result.text()))
        self.use.setEnabled(known)
        self.prompt_only.setEnabled(known)
        self.seed_only.setEnabled(self._recipe is not None and self._recipe.seed is not None)
        self.replay_button.setEnabled(known and not self.replay.running)

    def _rows(self, recipe: Recipe) -> list[tuple[str, str]]:
        size = f"{recipe.width} × {recipe.height}" if recipe.width and recipe.height else ""
        rows = [
            (self.tr("Model"), recipe.model_name or recipe.model or ""),
            (self.tr("Scheduler"), _scheduler(recipe)),
            (self.tr("Steps"), _number(recipe.steps)),
            (self.tr("Guidance"), _number(recipe.guidance_scale)),
            (self.tr("Seed"), _number(recipe.seed)),
            (self.tr("Size"), size),
            (self.tr("Skipped layers"), _number(recipe.clip_skip)),
            *((self._label(key), value) for key, value in recipe.extras),
            (self.tr("Made by"), recipe.program or ""),
        ]
        return [(label, value) for label, value in rows if value]

    def _label(self, key: str) -> str:
        """What users call an extra that our own pictures keep under the name of a request's field."""
        known = {
            "prompt_syntax": self.tr("Syntax"),
            "prompt_template": self.tr("Template"),
            "negative_prompt_template": self.tr("Negative template"),
            "adapters": self.tr("Adapters"),
            "vae": self.tr("VAE"),
            "vae_fingerprint": self.tr("VAE version"),
            "init_image": self.tr("Start picture"),
            "strength": self.tr("Strength"),
            "mask_image": self.tr("Mask"),
            "hires_scale": self.tr("Second pass"),
            "hires_steps": self.tr("Its steps"),
            "hires_strength": self.tr("Its strength"),
            "switches": self.tr("Speed"),
            "memory_plan": self.tr("Memory"),
            "start": self.tr("Branch"),
        }
        return known.get(key, key)

    def _show_facts(self, rows: list[tuple[str, str]]) -> None:
        self._values.clear()
        while self.facts.rowCount():
            self.facts.removeRow(0)
        for label, value in rows[:60]:
            name, text = self._text("hint", wrap=False), self._text("")
            name.setText(label[:40])
            text.setText(value[:300])
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            self.facts.addRow(name, text)
            self._values.append(text)
        self._align()

    # ------------------------------------------------------------------------------------------------ using

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LayoutDirectionChange and hasattr(self, "_area"):
            self._align()

    def _align(self) -> None:
        """Let names and values begin where lines begin, whatever their letters; prompts follow their own direction."""
        side = Qt.AlignmentFlag.AlignRight if self.isRightToLeft() else Qt.AlignmentFlag.AlignLeft
        for label in (self.title, *self._values):
            label.setAlignment(side | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignTop)

    def _user(self, what: What) -> Callable[[], None]:
        return lambda: self._use(what)

    def _use(self, what: What) -> None:
        if self._recipe is None:
            return
        left = self._generation.apply(self._recipe, what)
        self._say(" ".join(map(said_here, left)))

    def _start_replay(self) -> None:
        if self._recipe is not None and self._path is not None:
            self.result.clear()
            self.replay.start(self._path, self._recipe, device=self._generation.device)
            self._refresh()

    def _say(self, text: str) -> None:
        self.result.setText(said_here(text))
        self._refresh()

    def _replaying(self, running: bool) -> None:
        if running:
            self.result.setText(self.tr("Making the picture again…"))
        self._refresh()

    def _replayed(self, path: str, comparison: Comparison) -> None:
        name = Path(path).name
        if comparison.differing:
            said = self.tr("{name}: {count} of {pixels} pixels differ.")
        else:
            said = self.tr("{name}: not one of {pixels} pixels differs.")
        self.result.setText(said.format(name=name, count=f"{comparison.differing:,}", pixels=f"{comparison.pixels:,}"))
        self._refresh()


def pictures_in(data: QMimeData) -> list[Path]:
    """The picture files that are dragged."""
    paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
    return [path for path in paths if path.suffix.lower() in PICTURE_ENDINGS]


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}…"


def _scheduler(recipe: Recipe) -> str:
    try:
        return scheduler_entry(recipe.scheduler or "").display_name(recipe.sigma_schedule or "default")
    except UnknownName:
        return recipe.scheduler or ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

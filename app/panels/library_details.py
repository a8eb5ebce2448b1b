"""All that is known of the chosen model, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QDateTime, QDir, QLocale, QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QImage, QPixmap
from PySide6.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from app.error_texts import said_here
from app.panels.library_texts import FAMILIES, family_label, kind_and_family, kind_label, lead, size_text
from app.state.generation import GenerationState
from app.state.library import LibraryState
from app.theme import GAP, MARGIN, SPACE, icon, set_role
from app.widgets.card import Card
from engine.library_messages import KINDS, ModelEntry

NOTES_DELAY = 600
PICTURE_SIDE = 96
MOST_TRIGGERS = 16
LONGEST_VALUE = 400


class LibraryDetails(QScrollArea):
    """Shows `LibraryState.chosen`.

    Signals:
        used(): the chosen model was taken for the next picture.
    """

    used = Signal()

    def __init__(self, library: LibraryState, generation: GenerationState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._library = library
        self._generation = generation
        self._shown: int | None = None
        self._timer = QTimer(self, singleShot=True, interval=NOTES_DELAY)
        self._timer.timeout.connect(self.save_notes)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        body = QWidget()
        body.setObjectName("scrolled")
        self._layout = QVBoxLayout(body)
        self._layout.setContentsMargins(MARGIN, GAP, MARGIN, MARGIN)
        self._layout.setSpacing(GAP)
        self._layout.addLayout(self._head())
        self._layout.addLayout(self._buttons())
        self._words()
        self._note_field()
        self._more()
        self._layout.addStretch(1)
        self.setWidget(body)
        library.chosen_changed.connect(self._show)
        self._show()

    # ------------------------------------------------------------------------------------------------ building

    def _head(self) -> QHBoxLayout:
        self.picture, self.title, self.facts, self.reason = QLabel(), QLabel(), QLabel(), QLabel()
        self.picture.setFixedSize(PICTURE_SIDE, PICTURE_SIDE)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setAccessibleName(self.tr("Preview picture"))
        set_role(self.picture, "card")
        for label, role in ((self.title, "title"), (self.facts, "hint"), (self.reason, "hint")):
            set_role(label, role)
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            lead(label)
            # Long names without a gap must not widen the panel.
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        texts = QVBoxLayout()
        texts.setSpacing(SPACE)
        texts.addWidget(self.title)
        texts.addWidget(self.facts)
        texts.addWidget(self.reason)
        texts.addStretch(1)
        row = QHBoxLayout()
        row.setSpacing(MARGIN)
        row.addWidget(self.picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(texts, 1)
        return row

    def _buttons(self) -> QHBoxLayout:
        self.use = QPushButton(self.tr("Use"))
        self.use.setIcon(icon("check"))
        self.use.clicked.connect(self.use_chosen)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.use)
        row.addStretch(1)
        self.pictures = self._tool("images", self.tr("Show the pictures that this made"), self._library.show_pictures)
        self.reveal = self._tool("folder-open", self.tr("Show the file in its folder"), self.reveal_chosen)
        self.rename = self._tool("pencil", self.tr("Rename"), self.ask_for_name)
        self.convert = self._tool("shuffle", self.tr("Convert to another precision or form"), None)
        self.convert.setMenu(self._convert_menu())
        self.convert.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.trash = self._tool("trash-2", self.tr("Move to the trash"), self.trash_chosen)
        for button in (self.pictures, self.reveal, self.rename, self.convert, self.trash):
            row.addWidget(button)
        return row

    def _tool(self, name: str, tip: str, work: Callable[[], object] | None) -> QToolButton:
        button = QToolButton()
        button.setIcon(icon(name))
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        if work is not None:
            # Not the method itself: it would be given whether the button is checked.
            button.clicked.connect(lambda _checked=False: work())
        return button

    def _convert_menu(self) -> QMenu:
        menu = QMenu(self)
        for precision in ("float16", "bfloat16", "float32", "float8_e4m3fn"):
            text = self.tr("One file in {precision} …").format(precision=precision)
            menu.addAction(text, lambda precision=precision: self.ask_for_target(precision, as_file=True))
        menu.addSeparator()
        for precision in ("float16", "float32"):
            text = self.tr("Folder of Diffusers in {precision} …").format(precision=precision)
            menu.addAction(text, lambda precision=precision: self.ask_for_target(precision, as_file=False))
        return menu

    def _type_menu(self) -> QMenu:
        """What the user may say of a model, each with a way back to what was detected."""
        menu = QMenu(self)
        variants = {
            "base": self.tr("Text to image"),
            "inpaint": self.tr("Inpainting"),
            "edit": self.tr("Editing by instruction"),
            "depth": self.tr("Depth to image"),
            "upscale": self.tr("Upscaling"),
        }
        predictions = {"epsilon": self.tr("Noise (epsilon)"), "v": self.tr("Velocity (v)")}
        for title, name, choices in (
            (self.tr("Kind"), "kind", {kind: kind_label(kind) for kind in KINDS[:-1]}),
            (self.tr("Family"), "family", {family: family_label(family) for family in FAMILIES}),
            (self.tr("Trained for"), "variant", variants),
            (self.tr("Predicts"), "prediction", predictions),
        ):
            below = menu.addMenu(title)
            for word, text in {"": self.tr("As detected"), **choices}.items():
                below.addAction(text, lambda name=name, word=word: self._say(name, word))
        return menu

    def _words(self) -> None:
        self.words_title = lead(QLabel(self.tr("Trigger words; press one to put it into the prompt")))
        set_role(self.words_title, "label")
        self.words_title.setWordWrap(True)
        self.words = _Flow()
        self._layout.addWidget(self.words_title)
        self._layout.addWidget(self.words)

    def _note_field(self) -> None:
        label = lead(QLabel(self.tr("Notes")))
        set_role(label, "label")
        self.notes = QPlainTextEdit()
        self.notes.setAccessibleName(self.tr("Notes"))
        self.notes.setPlaceholderText(self.tr("What you want to remember about this model"))
        self.notes.setTabChangesFocus(True)
        self.notes.setFixedHeight(64)
        self.notes.textChanged.connect(self._timer.start)
        label.setBuddy(self.notes)
        self._layout.addWidget(label)
        self._layout.addWidget(self.notes)

    def _more(self) -> None:
        self.more = Card(self.tr("File and metadata"), folded=True)
        self.form_place = QVBoxLayout()
        self.more.body.addLayout(self.form_place)
        row = QHBoxLayout()
        self.hash = QPushButton(self.tr("Compute hashes"))
        self.hash.setToolTip(self.tr("Model sites and pictures of other programs name a file by them."))
        self.hash.clicked.connect(lambda: self._with_chosen(lambda entry: self._library.hash(entry.id)))
        self.kind = QToolButton()
        self.kind.setText(self.tr("Set the type"))
        self.kind.setToolTip(self.tr("Where the program takes the file for something else, your word counts."))
        self.kind.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.kind.setMenu(self._type_menu())
        row.addWidget(self.hash)
        row.addWidget(self.kind)
        row.addStretch(1)
        self.more.body.addLayout(row)
        self._layout.addWidget(self.more)

    # ------------------------------------------------------------------------------------------------ showing

    def _show(self) -> None:
        self.save_notes()
        entry = self._library.chosen
        self.setVisible(entry is not None)
        if entry is None:
            self._shown = None
            return
        self._shown = entry.id
        self.title.setText(entry.title or entry.name)
        self.facts.setText(self._facts(entry))
        self.reason.setText(said_here(entry.reason))
        set_role(self.reason, "error" if entry.kind == "damaged" else "hint")
        self.notes.blockSignals(True)
        self.notes.setPlainText(entry.notes)
        self.notes.blockSignals(False)
        self.use.setEnabled(entry.kind in {"checkpoint", "lora", "embedding", "vae"} and entry.supported)
        self.use.setText(self._use_text(entry))
        self.rename.setEnabled(not entry.in_cache)
        self.convert.setEnabled(entry.kind == "checkpoint" and entry.supported)
        self.hash.setVisible(not entry.is_folder and not entry.sha256)
        self.words_title.setVisible(bool(entry.triggers))
        self.words.fill(list(entry.triggers[:MOST_TRIGGERS]), self.put_word)
        self._fill_form(entry)
        self.picture.setPixmap(icon("image").pixmap(32, 32))
        if entry.preview:
            self._library.preview(entry, self, lambda image: self._show_picture(entry.id, image))

    def _show_picture(self, id: int, image: QImage) -> None:
        if isValid(self) and id == self._shown and not image.isNull():
            aspect, smooth = Qt.AspectRatioMode.KeepAspectRatioByExpanding, Qt.TransformationMode.SmoothTransformation
            whole = QPixmap.fromImage(image).scaled(PICTURE_SIDE - 2, PICTURE_SIDE - 2, aspect, smooth)
            place = whole.rect()
            place.setSize(QSize(PICTURE_SIDE - 2, PICTURE_SIDE - 2))
            place.moveCenter(whole.rect().center())
            self.picture.setPixmap(whole.copy(place))

    def _facts(self, entry: ModelEntry) -> str:
        parts = [kind_and_family(entry.kind, entry.family)]
        velocity = self.tr("predicts velocity") if entry.prediction == "v" else ""
        parts += [part for part in (entry.variant, velocity, entry.precision, size_text(entry.size)) if part]
        return " · ".join(parts)

    def _use_text(self, entry: ModelEntry) -> str:
        if entry.kind in {"lora", "embedding"}:
            return self.tr("Put into the prompt")
        return self.tr("Use as autoencoder") if entry.kind == "vae" else self.tr("Use")

    def _fill_form(self, entry: ModelEntry) -> None:
        while (item := self.form_place.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        whole = QWidget()
        form = QFormLayout(whole)
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapAllRows)
        form.setSpacing(SPACE)
        moment = QDateTime.fromSecsSinceEpoch(int(entry.modified))
        changed = QLocale().toString(moment, QLocale.FormatType.ShortFormat)
        facts = (
            (self.tr("Path"), QDir.toNativeSeparators(entry.path)),
            (self.tr("Changed"), changed),
            (self.tr("Made from"), entry.base),
            (self.tr("Licence"), entry.licence),
            (self.tr("Source"), entry.source),
            (self.tr("Description"), entry.description),
            ("AutoV2", entry.autov2),
            ("SHA-256", entry.sha256),
            *entry.metadata,
        )
        for name, value in facts:
            if value:
                label, text = lead(QLabel(name)), lead(QLabel(value[:LONGEST_VALUE]))
                set_role(label, "label")
                text.setWordWrap(True)
                text.setTextFormat(Qt.TextFormat.PlainText)
                text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
                form.addRow(label, text)
        self.form_place.addWidget(whole)

    # ------------------------------------------------------------------------------------------------ doing

    def use_chosen(self) -> None:
        """Take the chosen model for the next picture, the way its kind is used."""
        self._with_chosen(self._use)

    def _use(self, entry: ModelEntry) -> None:
        if entry.kind == "lora":
            self.put_word(f"<lora:{entry.name}:1>")
        elif entry.kind == "embedding":
            self.put_word(entry.name)
        elif entry.kind == "vae":
            self._generation.set("vae", entry.path)
        else:
            self._generation.choose_model(entry.path)
        self.used.emit()

    def put_word(self, word: str) -> None:
        """Add a word to the prompt, once."""
        prompt = self._generation.prompt
        if word not in prompt:
            self._generation.set("prompt", f"{prompt.rstrip(', ')}, {word}" if prompt.strip() else word)

    def save_notes(self) -> None:
        """Keep what was typed, for the model it was typed for."""
        if self._timer.isActive() and self._shown is not None:
            self._library.set_notes(self._shown, self.notes.toPlainText())
        self._timer.stop()

    def reveal_chosen(self) -> None:
        """Open the folder that holds the chosen model."""
        self._with_chosen(lambda entry: QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(entry.path).parent))))

    def ask_for_name(self) -> None:
        """Ask for another name for the chosen model."""
        self._with_chosen(self._rename)

    def _rename(self, entry: ModelEntry) -> None:
        mode = QLineEdit.EchoMode.Normal
        name, agreed = QInputDialog.getText(self, self.tr("Rename"), self.tr("Name"), mode, entry.name)
        if agreed and name.strip() and name != entry.name:
            self._library.rename(entry.id, name.strip())

    def ask_for_target(self, precision: str, *, as_file: bool) -> None:
        """Ask where the converted model shall go."""

        def ask(entry: ModelEntry) -> None:
            begin = str(Path(entry.path).with_name(f"{Path(entry.path).stem}-{precision}"))
            if as_file:
                kinds = self.tr("Weights") + " (*.safetensors)"
                target, _ = QFileDialog.getSaveFileName(self, self.tr("Convert"), f"{begin}.safetensors", kinds)
            else:
                target, _ = QFileDialog.getSaveFileName(self, self.tr("Convert"), begin)
            if target:
                self._library.convert(entry.id, target, precision)

        self._with_chosen(ask)

    def trash_chosen(self) -> None:
        """Put the chosen model in the trash."""
        self._with_chosen(self._library.trash)

    def _say(self, name: str, word: str) -> None:
        self._with_chosen(lambda entry: self._library.set_type(entry.id, **{name: word}))

    def _with_chosen(self, work: Callable[[ModelEntry], object]) -> None:
        if self._library.chosen is not None:
            work(self._library.chosen)


class _Flow(QWidget):
    """Small buttons in lines, as many in each as fit."""

    def __init__(self) -> None:
        super().__init__()
        self._buttons: list[QPushButton] = []
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def fill(self, words: list[str], pressed: Callable[[str], object]) -> None:
        """Show a button for each word, which `pressed` is told of."""
        for button in self._buttons:
            button.hide()
            button.deleteLater()
        self._buttons = []
        for word in words:
            button = QPushButton(word, self)
            set_role(button, "chip")
            button.setMaximumWidth(220)
            button.clicked.connect(lambda _checked=False, word=word: pressed(word))
            button.show()
            self._buttons.append(button)
        self._arrange()

    def resizeEvent(self, event: object) -> None:  # noqa: N802, ARG002
        """Put the buttons anew."""
        self._arrange()

    def _arrange(self) -> None:
        x, y, height = 0, 0, 0
        mirrored = self.layoutDirection() == Qt.LayoutDirection.RightToLeft
        for button in self._buttons:
            size = button.sizeHint()
            width = min(size.width(), 220, self.width() or 220)
            if x and x + width > self.width():
                x, y = 0, y + height + SPACE
            height = size.height()
            button.setGeometry(self.width() - x - width if mirrored else x, y, width, height)
            x += width + SPACE
        self.setFixedHeight(y + height)
        self.setVisible(bool(self._buttons))

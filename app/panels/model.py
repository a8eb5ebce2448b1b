"""The model panel: which model makes the picture, what it is, and how it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from app.state.generation import GenerationState
from app.theme import GAP, SPACE, icon, set_role
from app.widgets.alive import while_alive
from app.widgets.card import Card
from app.widgets.labelled import QuietCombo, labelled
from engine.catalog import EMBEDDED_MODEL, ModelInfo
from engine.errors import KnownError
from engine.messages import DTYPES

ESTIMATE_DELAY = 250
_ESTIMATED = {"model", "width", "height", "device", "dtype", "vae", "hires_scale", "guidance_scale", "init_image"}


class ModelPanel(QWidget):
    """Binds model, autoencoder and precision to the state.

    Signals:
        browse_wanted(): the model library shall be shown.
        release_wanted(): the loaded model shall be let go of.
        failed(str): why the chosen model cannot be used.
    """

    browse_wanted = Signal()
    release_wanted = Signal()
    failed = Signal(str)

    def __init__(self, generation: GenerationState, library: Any, client: Any, parent: QWidget | None = None) -> None:
        """A panel on `generation`; `library` gives the models to switch to, None only the embedded one."""
        super().__init__(parent)
        self._generation = generation
        self._library = library
        self._client = client
        self._estimate_timer = QTimer(self)
        self._estimate_timer.setSingleShot(True)
        self._estimate_timer.setInterval(ESTIMATE_DELAY)
        self._estimate_timer.timeout.connect(self._ask_for_estimate)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GAP, 0, GAP, GAP)
        layout.setSpacing(GAP)
        layout.addLayout(self._model_row())
        layout.addWidget(self._facts())
        layout.addWidget(self._loading_card())
        layout.addStretch(1)
        generation.changed.connect(self._state_changed)
        generation.info_changed.connect(self._show_info)
        client.configured.connect(self._estimate_timer.start)
        models_changed = getattr(library, "models_changed", None)
        if models_changed is not None:
            models_changed.connect(self._fill)
        self._fill()
        self._show_info(generation.info)

    # ------------------------------------------------------------------------------------------------ building

    def _model_row(self) -> QHBoxLayout:
        self.model = QuietCombo(
            self.tr("Model"),
            self.tr("The network that makes the picture. Another one knows other things and styles."),
            self,
        )
        self.model.setMaxVisibleItems(24)
        self.model.activated.connect(self._chosen)
        self.more = QToolButton(self)
        self.more.setIcon(icon("ellipsis"))
        self.more.setToolTip(self.tr("More about models"))
        self.more.setAccessibleName(self.tr("More about models"))
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self)
        menu.addAction(icon("folder-open"), self.tr("Open a model folder …"), self._open_folder)
        menu.addAction(icon("file"), self.tr("Open a model file …"), self._open_file)
        menu.addAction(icon("boxes"), self.tr("Model library"), self.browse_wanted.emit)
        menu.addSeparator()
        menu.addAction(icon("memory-stick"), self.tr("Free the memory of the model"), self.release_wanted.emit)
        self.more.setMenu(menu)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.model, 1)
        row.addWidget(self.more)
        return row

    def _facts(self) -> QLabel:
        self.facts = QLabel(self)
        self.facts.setWordWrap(True)
        set_role(self.facts, "hint")
        # Room for two lines from the beginning: the memory is known later than the rest, and nothing must jump then.
        self.facts.ensurePolished()
        self.facts.setMinimumHeight(2 * self.facts.fontMetrics().lineSpacing())
        self.facts.setAlignment(Qt.AlignmentFlag.AlignTop)
        return self.facts

    def _loading_card(self) -> Card:
        self.card = Card(self.tr("Autoencoder and precision"), folded=True, parent=self)
        self.vae = QuietCombo(
            self.tr("Autoencoder (VAE)"),
            self.tr("The part that turns the result into pixels. Another one can mend pale or speckled colours."),
            self,
        )
        self.vae.activated.connect(self._vae_chosen)
        self.precision = QuietCombo(
            self.tr("Precision"),
            self.tr("How exactly numbers are kept. float32 is exact; 16 bits need half the memory."),
            self,
        )
        self.precision.addItem(self.tr("What suits the device"), "auto")
        for name in DTYPES:
            self.precision.addItem(name, name)
        self.precision.activated.connect(lambda index: self._generation.set("dtype", self.precision.itemData(index)))
        self._generation.bind("dtype", self, lambda name: self.precision.setCurrentIndex(self.precision.findData(name)))
        self.card.body.addWidget(labelled(self.vae))
        self.card.body.addWidget(labelled(self.precision))
        return self.card

    # ------------------------------------------------------------------------------------------------ models

    def _fill(self) -> None:
        with QSignalBlocker(self.model):
            self.model.clear()
            for name, location in self._models("models"):
                self.model.addItem(name, location)
                self.model.setItemData(self.model.count() - 1, location, Qt.ItemDataRole.ToolTipRole)
            self._select(self.model, self._generation.model)
        with QSignalBlocker(self.vae):
            self.vae.clear()
            self.vae.addItem(self.tr("The model's own"), "")
            for name, location in self._models("vaes"):
                self.vae.addItem(name, location)
            self.vae.addItem(self.tr("Choose a file …"), None)
            self._select(self.vae, self._generation.vae)

    def _models(self, what: str) -> list[tuple[str, str]]:
        """Name and location of what the library has of this kind."""
        found: list[tuple[str, str]] = []
        if what == "models":
            found.append((self.tr("Sfumato icons (embedded)"), EMBEDDED_MODEL))
        entries: Any = getattr(self._library, what, ())
        for entry in entries:
            location = str(entry.path)
            if location not in [known for _, known in found]:
                found.append((entry.name, location))
        return found

    def _select(self, combo: QComboBox, location: str) -> None:
        place = combo.findData(location)
        if place < 0:
            place = max(combo.count() - (1 if combo is self.vae else 0), 0)
            combo.insertItem(place, Path(location).name, location)
        combo.setCurrentIndex(place)

    def _chosen(self, index: int) -> None:
        self._generation.choose_model(self.model.itemData(index))

    def _vae_chosen(self, index: int) -> None:
        location = self.vae.itemData(index)
        if location is None:
            self._select(self.vae, self._generation.vae)
            self._choose_file(self.tr("Choose an autoencoder"), lambda path: self._generation.set("vae", path))
            return
        self._generation.vae = location

    def _open_folder(self) -> None:
        from PySide6.QtWidgets import QFileDialog

        path = QFileDialog.getExistingDirectory(self, self.tr("Open a model folder"))
        if path:
            self._generation.choose_model(path)

    def _open_file(self) -> None:
        self._choose_file(self.tr("Open a model file"), self._generation.choose_model)

    def _choose_file(self, title: str, take: Any) -> None:
        from PySide6.QtWidgets import QFileDialog

        kinds = self.tr("Weights") + " (*.safetensors *.ckpt *.pt *.pth *.gguf)"
        path, _ = QFileDialog.getOpenFileName(self, title, "", kinds)
        if path:
            take(path)

    # ------------------------------------------------------------------------------------------------ what is shown

    def _state_changed(self, name: str) -> None:
        if name == "model":
            with QSignalBlocker(self.model):
                self._select(self.model, self._generation.model)
        if name == "vae":
            with QSignalBlocker(self.vae):
                self._select(self.vae, self._generation.vae)
        if name in _ESTIMATED:
            self._estimate_timer.start()

    def _show_info(self, info: ModelInfo | None) -> None:
        if info is None:
            refused = self._generation.refused
            self.facts.setText(self.tr("This model cannot be used.") if refused else self.tr("Reading the model …"))
            return
        self._show_facts(info, "")
        self._estimate_timer.start()

    def _show_facts(self, info: ModelInfo, memory: str) -> None:
        size = f"{info.width} × {info.height}"
        parts = [info.family.label, self.tr("made for {size} pixels").format(size=size)]
        if memory:
            parts.append(memory)
        # Isolated, so that each part keeps its own direction; a label takes that of its first letter, which is Latin.
        mark = "\u200f" if self.isRightToLeft() else ""
        self.facts.setText(mark + " · ".join(f"\u2068{part}\u2069" for part in parts))

    def _ask_for_estimate(self) -> None:
        if self._generation.info is None:
            return
        try:
            request = self._generation.request()
        except KnownError:
            return  # the panel with the wrong value says so
        self._client.memory_plan(request, while_alive(self, self._plan_known))

    def _plan_known(self, outlook: Any) -> None:
        info = self._generation.info
        if info is None:
            return
        needed, free = (f"{size / 2**30:.1f}" for size in (outlook.needed, outlook.available))
        parts = [self.tr("needs about {amount} GB of memory").format(amount=needed), self._words(outlook.plan.name)]
        if not outlook.fits:
            parts.append(self.tr("but only {amount} GB are free").format(amount=free))
        self._show_facts(info, ", ".join(filter(None, parts)))

    def _words(self, plan: str) -> str:
        """What a memory plan means for the picture; nothing where it is the quickest."""
        return {
            "text": self.tr("the text encoder leaves while the picture forms"),
            "tiles": self.tr("decoded in tiles"),
            "in turn": self.tr("with one part loaded at a time"),
            "streamed": self.tr("with one part loaded at a time, and its blocks one by one"),
            "in pieces": self.tr("with one part loaded at a time, in small pieces"),
        }.get(plan, "")

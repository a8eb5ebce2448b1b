"""The page of the settings on what makes pictures faster or the model smaller, each with what it gains and loses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.dialogs.speed_figures import Measured, SwitchFigures
from app.i18n import isolated
from app.state.settings import SettingsState
from app.theme import GAP, MARGIN, SECTION, set_role
from app.widgets.hint import Hint
from app.widgets.labelled import QuietCombo
from app.widgets.number import NumberBox
from engine.catalog import Limit
from engine.errors import InvalidValue
from engine.messages import ModelLoaded
from engine.switches import PRECISIONS, SAME, VAE_PRECISIONS, Switches

_PERCENT = Limit("percent", 0, 100)


class SpeedPage(QWidget):
    """The switches of `engine.switches`, which the setting `switches` keeps; all are off at first."""

    def __init__(self, settings: SettingsState, client: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        # No QFormLayout: it leaves room below words that wrap.
        self._rows = QGridLayout()
        self._rows.setHorizontalSpacing(SECTION)
        self._rows.setVerticalSpacing(GAP)
        self._rows.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SECTION, 0, MARGIN, 0)
        layout.addLayout(self._rows)
        layout.addStretch(1)
        self._figures = SwitchFigures()
        words = self.tr(
            "All are off until you choose otherwise. What each gives was measured: the time of a picture of Stable "
            "Diffusion 1.5's size on two processor cores, beside the one without; and in dB how near it comes to "
            "that picture. From 40 dB on both look the same, below 25 dB it is another picture."
        )
        self._rows.addWidget(Hint(words, self), 0, 0, 1, 2)
        self._add_shortcuts()
        self._add_precisions()
        self._add_backend()
        self.held = self._hint("")
        self._show_held(client.held)
        client.job_loaded.connect(self._loaded)

    def _add_shortcuts(self) -> None:
        counts = ((count, self.tr("Whole at every {count} steps").format(count=count)) for count in (2, 3, 5))
        every = [(1, self.tr("Off")), *counts]
        self.deep_cache = self._choice("deep_cache", self.tr("Step caching"), every)
        self._hint(
            self.tr(
                "Steps in between compute only the outermost layers (DeepCache), which takes a fraction of the time. "
                "Details change, the more the fewer steps are whole."
            )
        )
        self._measured(
            {self.tr("every {count} steps").format(count=n): self._figures.of(deep_cache=n) for n in (2, 3, 5)}
        )
        self.guidance = [self._percent("guidance_from"), self._percent("guidance_until")]
        row = QHBoxLayout()
        row.setSpacing(GAP)
        self.guidance[0].setAccessibleName(self.tr("Guidance begins after percent of the steps"))
        self.guidance[1].setAccessibleName(self.tr("Guidance ends after percent of the steps"))
        for widget in (self.guidance[0], QLabel(self.tr("to"), self), self.guidance[1], QLabel("%", self)):
            row.addWidget(widget)
        row.addStretch(1)
        self._add_row(self.tr("Guidance from"), row)
        self.problem = self._hint("")
        set_role(self.problem, "error")
        self.problem.hide()
        self._hint(
            self.tr(
                "Steps outside take about half the time, because the negative prompt is not computed there. The "
                "picture changes more than with step caching."
            )
        )
        middle = {"guidance_from": 0.2, "guidance_until": 0.8}
        self._measured({self.tr("from 20 to 80 %"): self._figures.of(**middle)})
        shares = [
            (0.0, self.tr("Off")),
            *((share, self.tr("{share} % of the tokens").format(share=round(100 * share))) for share in (0.25, 0.5)),
        ]
        self.token_merging = self._choice("token_merging", self.tr("Token merging"), shares)
        self._hint(
            self.tr("Attention passes over tokens that look alike. It gains with large pictures and costs fine detail.")
        )
        self._measured(
            {f"{round(100 * share)} %": self._figures.of(token_merging=share) for share, _ in shares if share}
        )
        self.folder = QLineEdit(self._switches.final_autoencoder, self)
        self.folder.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.folder.setAccessibleName(self.tr("Folder of a tiny autoencoder"))
        self.folder.setPlaceholderText(self.tr("The model's own decoder"))
        self.folder.editingFinished.connect(lambda: self._set("final_autoencoder", self.folder.text().strip()))
        choose = QPushButton(self.tr("Choose …"), self)
        choose.clicked.connect(self._choose_folder)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.folder, 1)
        row.addWidget(choose)
        self._add_row(self.tr("Tiny decoder"), row)
        self._hint(
            self.tr(
                "Decodes the finished picture in a fraction of the time and memory; fine texture gets softer. It must "
                "be made for the kind of model, such as TAESD."
            )
        )
        self._measured({"": self._figures.of(final_autoencoder="tiny")})
        self.compiled = QCheckBox(self.tr("Compile the model"), self)
        self.compiled.setChecked(self._switches.compiled)
        self.compiled.toggled.connect(lambda on: self._set("compiled", on))
        self._add_row("", self.compiled)
        self._hint(
            self.tr(
                "Meant for graphics cards. The first picture of each size waits for the compiler, for minutes on a "
                "processor; what is compiled is kept. Pictures change in the last digits only."
            )
        )
        self._measured({"": self._figures.of(compiled=True)})

    def _add_precisions(self) -> None:
        words = {
            SAME: self.tr("As set under Device and memory"),
            "float32": "float32",
            "bfloat16": "bfloat16",
            "float16": "float16",
            "float8": self.tr("float8: a quarter of float32"),
            "int8": self.tr("int8: needs the library torchao"),
        }
        for name, label, known in (
            ("unet_precision", self.tr("Denoiser in"), PRECISIONS),
            ("text_precision", self.tr("Text encoder in"), PRECISIONS),
            ("vae_precision", self.tr("Autoencoder in"), VAE_PRECISIONS),
        ):
            self._choice(name, label, [(value, words[value]) for value in known])
        self._hint(
            self.tr(
                "Eight bits need the least memory; each step then takes longer, and details change. An "
                "autoencoder that overflows in float16 goes on in float32 and says so."
            )
        )
        denoiser = ("bfloat16", "float8", "int8")
        self._measured({isolated(name): self._figures.of(unet_precision=name) for name in denoiser})

    def _add_backend(self) -> None:
        names = [
            ("torch", "PyTorch"),
            ("openvino", self.tr("OpenVINO: needs the library openvino")),
            ("onnx", self.tr("ONNX Runtime: needs the libraries onnx and onnxruntime")),
        ]
        self.backend = self._choice("backend", self.tr("Computed by"), names)
        self._hint(
            self.tr(
                "On processors only. OpenVINO can make steps faster; the model is translated once, which takes minutes "
                "and as much disk space as the model in float32. Adapters, step caching, token merging, compiling and "
                "precisions of single parts work with PyTorch only. Pictures change in the last digits."
            )
        )

    # ------------------------------------------------------------------------------------------------ parts

    @property
    def _switches(self) -> Switches:
        return Switches.from_json(self._settings["switches"])

    def _set(self, name: str, value: Any) -> None:
        self._set_all({name: value})

    def _set_all(self, values: dict[str, Any]) -> None:
        switches = Switches.from_json({**self._settings["switches"], **values})
        self._settings.set("switches", switches.to_json())

    def _choice(self, name: str, label: str, values: list[tuple[Any, str]]) -> QuietCombo:
        combo = QuietCombo(label, "", self)
        now = getattr(self._switches, name)
        if now not in dict(values):
            values = [*values, (now, str(now))]  # from a recipe, or the command line
        for value, text in values:
            combo.addItem(text, value)
        combo.setCurrentIndex(combo.findData(now))
        combo.activated.connect(lambda index: self._set(name, combo.itemData(index)))
        self._add_row(label, combo)
        return combo

    def _percent(self, name: str) -> NumberBox:
        box = NumberBox(_PERCENT, parent=self)
        box.setFixedWidth(72)
        box.set_value(round(100 * getattr(self._switches, name)))
        box.changed.connect(lambda _value: self._take_guidance())
        return box

    def _take_guidance(self) -> None:
        first, last = (box.value / 100 for box in self.guidance)
        try:
            self._set_all({"guidance_from": first, "guidance_until": last})
        except InvalidValue:
            self.problem.setText(self.tr("Guidance has to end after it begins."))
            self.problem.show()
            return
        self.problem.hide()

    def _add_row(self, label: str, field: QWidget | QHBoxLayout) -> None:
        row = self._rows.rowCount()
        # Air between a setting and the words below the one before.
        self._rows.setRowMinimumHeight(row, GAP)
        words = QLabel(label, self)
        self._rows.addWidget(words, row + 1, 0)
        if isinstance(field, QWidget):
            words.setBuddy(field)
            self._rows.addWidget(field, row + 1, 1)
        else:
            self._rows.addLayout(field, row + 1, 1)

    def _hint(self, text: str) -> Hint:
        label = Hint(text, self)
        self._rows.addWidget(label, self._rows.rowCount(), 1)
        return label

    def _measured(self, choices: Mapping[str, Measured]) -> None:
        """Say what was measured of these choices; nothing where nothing was."""
        told = [self._told(name, one) for name, one in choices.items()]
        if any(told):
            self._hint(self.tr("Measured: {figures}").format(figures="; ".join(filter(None, told))))

    def _told(self, name: str, one: Measured) -> str:
        parts = [
            "" if one.time is None else self.tr("{percent} % of the time").format(percent=round(100 * one.time)),
            "" if one.quality is None else self.tr("{quality} dB").format(quality=round(one.quality)),
        ]
        figures = ", ".join(filter(None, parts))
        return f"{name}: {figures}" if name and figures else figures

    def _choose_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, self.tr("Folder of a tiny autoencoder"), self.folder.text())
        if path:
            self.folder.setText(path)
            self._set("final_autoencoder", path)

    def _loaded(self, event: ModelLoaded) -> None:
        self._show_held(event.held)

    def _show_held(self, held: tuple[tuple[str, int], ...]) -> None:
        parts = ", ".join(f"\u2066{name} {size / 1e6:,.0f} MB\u2069" for name, size in held)
        self.held.setText(self.tr("The loaded model holds: {parts}").format(parts=parts) if parts else "")
        self.held.setVisible(bool(parts))

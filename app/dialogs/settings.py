"""The settings: every choice takes effect at once, so there is nothing to confirm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.commands import Commands
from app.dialogs.shortcuts import ShortcutsPage
from app.dialogs.speed import SpeedPage
from app.i18n import NAMES, PSEUDO
from app.state.settings import SettingsState
from app.theme import GAP, MARGIN, SECTION, icon, set_role
from app.widgets.alive import while_alive
from app.widgets.hint import Hint
from app.widgets.labelled import QuietCombo
from app.widgets.number import NumberBox
from engine.catalog import Limit


class SettingsDialog(QDialog):
    """Pages of settings, bound to a `SettingsState`."""

    def __init__(self, settings: SettingsState, client: Any, commands: Commands, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._client = client
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Settings"))
        self.resize(720, 520)
        self.pages = QListWidget(self)
        self.pages.setAccessibleName(self.tr("Pages of the settings"))
        self.pages.setFixedWidth(172)
        self._stack = QStackedWidget(self)
        self._names: list[str] = []
        self._page("look", self.tr("Look and language"), "palette", self._look_page())
        self._page("folders", self.tr("Folders"), "folder", self._folders_page())
        self._page("engine", self.tr("Device and memory"), "cpu", self._engine_page())
        self.speed = SpeedPage(settings, client, self)
        self._page("speed", self.tr("Speed"), "clock", self.speed)
        self._page("pictures", self.tr("Previews and steps"), "images", self._pictures_page())
        self._page("network", self.tr("Network"), "globe", self._network_page())
        self.shortcuts = ShortcutsPage(commands, self)
        self._page("shortcuts", self.tr("Shortcuts"), "keyboard", self.shortcuts)
        self.pages.currentRowChanged.connect(self._stack.setCurrentIndex)
        self.pages.setCurrentRow(0)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        row = QHBoxLayout()
        row.setSpacing(MARGIN)
        row.addWidget(self.pages)
        row.addWidget(self._stack, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.addLayout(row, 1)
        layout.addWidget(buttons)

    def show_page(self, name: str) -> None:
        """Turn to the page of this name."""
        if name in self._names:
            self.pages.setCurrentRow(self._names.index(name))

    # ------------------------------------------------------------------------------------------------ pages

    def _page(self, name: str, title: str, picture: str, widget: QWidget) -> None:
        from PySide6.QtWidgets import QListWidgetItem

        self._names.append(name)
        self.pages.addItem(QListWidgetItem(icon(picture), title))
        scroll = QScrollArea(self)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        widget.setObjectName("scrolled")
        scroll.setWidget(widget)
        self._stack.addWidget(scroll)

    def _look_page(self) -> QWidget:
        page, form = _form()
        languages = [
            ("system", self.tr("The system's")),
            *((code, name) for code, name in NAMES.items() if code != PSEUDO),
        ]
        if self._settings["language"] == PSEUDO:
            languages.append((PSEUDO, NAMES[PSEUDO]))
        self.language = self._choice(form, "language", self.tr("Language"), languages)
        self.theme = self._choice(
            form,
            "theme",
            self.tr("Theme"),
            [
                ("system", self.tr("The system's")),
                ("light", self.tr("Light")),
                ("dark", self.tr("Dark")),
                ("contrast", self.tr("High contrast")),
            ],
        )
        return page

    def _folders_page(self) -> QWidget:
        page, form = _form()
        self.folder = QLineEdit(str(self._settings.pictures_folder), page)
        self.folder.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.folder.setAccessibleName(self.tr("Folder of the pictures"))
        self.folder.editingFinished.connect(lambda: self._settings.set("pictures_folder", self.folder.text().strip()))
        form.addRow(self.tr("Pictures"), self._with_button(self.folder, self._choose_folder))
        self.pattern = QLineEdit(self._settings["name_pattern"], page)
        self.pattern.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.pattern.setAccessibleName(self.tr("Names of the files"))
        self.pattern.editingFinished.connect(self._take_pattern)
        form.addRow(self.tr("Names of the files"), self.pattern)
        form.addRow("", Hint(self.tr("{seed}, {date}, {time} and {prompt} are filled in."), page))
        self.models = QListWidget(page)
        self.models.setAccessibleName(self.tr("Folders of models"))
        self.models.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.models.setFixedHeight(96)
        self.models.setFrameShape(QFrame.Shape.StyledPanel)
        set_role(self.models, "field")
        form.addRow(self.tr("Models"), self.models)
        add, remove = QPushButton(self.tr("Add a folder …"), page), QPushButton(self.tr("Take off"), page)
        add.clicked.connect(self._add_models)
        remove.clicked.connect(self._remove_models)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(add)
        row.addWidget(remove)
        row.addStretch(1)
        form.addRow("", row)
        form.addRow("", Hint(self.tr("Models are used where they lie; nothing is copied or moved."), page))
        self._show_models()
        return page

    def _engine_page(self) -> QWidget:
        page, form = _form()
        devices = [("auto", self.tr("The fastest")), ("cpu", self.tr("Processor (CPU)"))]
        if self._settings["device"] not in {"auto", "cpu"}:
            devices.append((self._settings["device"], self._settings["device"]))
        self.device = self._choice(form, "device", self.tr("Device"), devices)
        self.found = Hint(self.tr("Looking for devices …"), page)
        form.addRow("", self.found)
        self._choice(
            form,
            "precision",
            self.tr("Precision"),
            [
                ("auto", self.tr("What suits the device")),
                ("float32", self.tr("float32: exact")),
                ("float16", self.tr("float16: half the memory, for graphics cards")),
                ("bfloat16", self.tr("bfloat16: half the memory")),
            ],
        )
        self._choice(
            form,
            "memory_mode",
            self.tr("Memory"),
            [
                ("auto", self.tr("As much as there is")),
                ("fast", self.tr("Fast: keep everything loaded")),
                ("balanced", self.tr("Balanced")),
                ("low", self.tr("Low: slower, in small parts")),
            ],
        )
        self._number(
            form,
            "idle_release_minutes",
            self.tr("Free the model after"),
            Limit("minutes", 0, 1440),
            self.tr("minutes without work; 0 keeps it loaded"),
        )
        self._client.devices(while_alive(self, self._show_devices))
        return page

    def _pictures_page(self) -> QWidget:
        page, form = _form()
        self._choice(
            form,
            "previews",
            self.tr("Previews"),
            [
                ("fast", self.tr("At every step")),
                ("fine", self.tr("At every step, finer where the model has a small decoder")),
                ("off", self.tr("None")),
            ],
        )
        self._switch(
            form, "keep_records", self.tr("Keep the state of every step, so that a picture can branch from it")
        )
        self._number(
            form,
            "records_megabytes",
            self.tr("Room for kept steps"),
            Limit("megabytes", 0, 1_000_000),
            self.tr("MB; the oldest go first"),
        )
        return page

    def _network_page(self) -> QWidget:
        page, form = _form()
        self.offline = self._switch(form, "offline", self.tr("No network at all"))
        words = self.tr(
            "Sfumato uses the network only when you search for a model or download one; with this switch not even then."
        )
        form.addRow("", Hint(words, page))
        return page

    # ------------------------------------------------------------------------------------------------ parts

    def _choice(self, form: QFormLayout, name: str, label: str, values: list[tuple[str, str]]) -> QuietCombo:
        combo = QuietCombo(label, "", self)
        for value, text in values:
            combo.addItem(text, value)
        combo.setCurrentIndex(max(combo.findData(self._settings[name]), 0))
        combo.activated.connect(lambda index: self._settings.set(name, combo.itemData(index)))
        form.addRow(label, combo)
        return combo

    def _switch(self, form: QFormLayout, name: str, label: str) -> QCheckBox:
        box = QCheckBox(label, self)
        box.setChecked(self._settings[name])
        box.toggled.connect(lambda on: self._settings.set(name, on))
        form.addRow("", box)
        return box

    def _number(self, form: QFormLayout, name: str, label: str, limit: Limit, unit: str) -> None:
        box = NumberBox(limit, parent=self)
        box.setAccessibleName(label)
        box.setAccessibleDescription(unit)
        box.setFixedWidth(96)
        box.set_value(self._settings[name])
        problem = Hint("", self)
        set_role(problem, "error")
        problem.hide()

        def say(text: str) -> None:
            problem.setText(text)
            problem.setVisible(bool(text))

        box.problem_changed.connect(say)
        box.changed.connect(lambda value: self._settings.set(name, int(value)))
        words = QLabel(unit, self)
        words.setWordWrap(True)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(box)
        row.addWidget(words, 1)
        form.addRow(label, row)
        form.addRow("", problem)

    def _with_button(self, field: QLineEdit, choose: Callable[[], None]) -> QHBoxLayout:
        button = QPushButton(self.tr("Choose …"), self)
        button.clicked.connect(choose)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(field, 1)
        row.addWidget(button)
        return row

    # ------------------------------------------------------------------------------------------------ what users do

    def _choose_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, self.tr("Folder of the pictures"), self.folder.text())
        if path:
            self.folder.setText(path)
            self._settings.set("pictures_folder", path)

    def _take_pattern(self) -> None:
        self._settings.set("name_pattern", self.pattern.text().strip() or "{date}-{time}-{seed}")
        self.pattern.setText(self._settings["name_pattern"])

    def _add_models(self) -> None:
        path = QFileDialog.getExistingDirectory(self, self.tr("Folder of models"))
        known = self._settings["model_folders"]
        if path and path not in known:
            self._settings.set("model_folders", [*known, path])
            self._show_models()

    def _remove_models(self) -> None:
        item = self.models.currentItem()
        if self.models.currentRow() > 0:
            rest = [folder for folder in self._settings["model_folders"] if folder != item.text()]
            self._settings.set("model_folders", rest)
            self._show_models()

    def _show_models(self) -> None:
        self.models.clear()
        for folder in self._settings.model_folders:
            self.models.addItem(str(folder))

    def _show_devices(self, devices: Any) -> None:
        known = {self.device.itemData(index) for index in range(self.device.count())}
        for name, label in devices:
            if name not in known:
                self.device.addItem(label, name)
        self.device.setCurrentIndex(max(self.device.findData(self._settings["device"]), 0))
        self.found.setText(self.tr("Found: {devices}").format(devices=", ".join(label for _, label in devices)))


def _form() -> tuple[QWidget, QFormLayout]:
    page = QWidget()
    whole = QVBoxLayout(page)
    whole.setContentsMargins(SECTION, 0, 0, 0)
    form = QFormLayout()
    whole.addLayout(form)
    # Rows stand together at the top instead of sharing the height of the dialog.
    whole.addStretch(1)
    form.setHorizontalSpacing(SECTION)
    form.setVerticalSpacing(MARGIN)
    form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return page, form

"""The dialog that asks where copies of pictures go, in which format, and whether they say what made them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.services.gallery_export import Export
from app.state.gallery import GalleryState
from app.theme import GAP, SECTION, set_role
from app.widgets.labelled import QuietCombo, labelled


class ExportDialog(QDialog):
    """Copies the pictures with these ids when it is accepted."""

    def __init__(self, gallery: GalleryState, ids: list[int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._gallery = gallery
        self._ids = ids
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Copy pictures"))
        title = QLabel(self.tr("Copy %n picture(s)", "", len(ids)))
        set_role(title, "title")
        self.folder = QLineEdit(str(Path.home()))
        self.folder.setAccessibleName(self.tr("Folder"))
        self.folder.setToolTip(self.tr("Where the copies go; it is made if it is not there."))
        self.folder.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        browse = QPushButton(self.tr("Choose…"))
        browse.clicked.connect(self._browse)
        self.form = QuietCombo(self.tr("Format"), self.tr("JPEG and WebP are smaller; PNG keeps every pixel."))
        for label, form in ((self.tr("As they are"), "same"), ("PNG", "PNG"), ("JPEG", "JPEG"), ("WebP", "WEBP")):
            self.form.addItem(label, form)
        self.with_recipe = QCheckBox(self.tr("Keep the recipe inside"))
        self.with_recipe.setToolTip(self.tr("Prompt and settings are in the file, and whoever gets it can read them."))
        self.with_recipe.setChecked(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.copy_button = buttons.addButton(self.tr("Copy"), QDialogButtonBox.ButtonRole.AcceptRole)
        set_role(self.copy_button, "primary")
        buttons.accepted.connect(self._copy)
        buttons.rejected.connect(self.reject)
        row = QHBoxLayout()
        row.addWidget(self.folder, 1)
        row.addWidget(browse)
        holder = QWidget()
        holder.setLayout(row)
        row.setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SECTION, SECTION, SECTION, SECTION)
        layout.setSpacing(GAP)
        layout.addWidget(title)
        layout.addWidget(labelled(holder, self.tr("Folder")))
        layout.addWidget(labelled(self.form))
        layout.addWidget(self.with_recipe)
        layout.addSpacing(GAP)
        layout.addWidget(buttons)
        self.setMinimumWidth(420)

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self.tr("Where the copies go"), self.folder.text())
        if folder:
            self.folder.setText(folder)

    def _copy(self) -> None:
        folder = Path(self.folder.text().strip() or Path.home()).expanduser()
        how = Export(folder, self.form.currentData(), self.with_recipe.isChecked())
        self._gallery.export(self._ids, how)
        self.accept()

"""What comes into the program: pictures, recipes of any program, styles and models, from files, clipboard and drops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication

from app.error_texts import said_here
from app.widgets.banner import Remedy
from engine.errors import KnownError
from engine.messages import Recipe

if TYPE_CHECKING:
    from app.application import Application

PICTURES = {".png", ".jpg", ".jpeg", ".webp"}
MODELS = {".safetensors", ".ckpt", ".gguf", ".pt", ".pth"}


class Intake(QObject):
    """Takes things into the states of an `Application`; reading is done in the pool."""

    def __init__(self, program: Application) -> None:
        super().__init__(program)
        self._program = program

    def open(self, files: Sequence[str]) -> None:
        """Show pictures, or take over the recipe of one."""
        pictures = [Path(file) for file in files if Path(file).suffix.lower() in PICTURES]
        if len(pictures) > 1:
            self._open_several(pictures)
            files = [file for file in files if Path(file) not in pictures]
        for file in files:
            path = Path(file)
            if path.suffix.lower() in PICTURES:
                self._program.run.show(str(path))
                self._read_recipe(path)
            elif path.suffix.lower() == ".csv":
                self._import_styles_from(path)
            elif path.suffix.lower() in MODELS:
                self._program.generation.choose_model(str(path))
            elif path.suffix.lower() in {".txt", ".json"}:
                self._read_text(path)
            else:
                self._open_folder(path)

    def _open_several(self, pictures: Sequence[Path]) -> None:
        """Show the first one, and offer the gallery for all."""
        gallery = self._program.gallery
        self._program.run.show(str(pictures[0]))
        new = [path for path in pictures if not path.is_relative_to(gallery.folder)]
        copy = Remedy(lambda: self.tr("Copy them into the gallery"), lambda: gallery.take_in(new))
        self._program.say_banner(
            lambda: self.tr("%n picture(s) were opened; the first one is shown.", "", len(pictures)),
            "info",
            [copy] if new else [],
        )

    def _open_folder(self, path: Path) -> None:
        """Choose the model in a folder; anything else of this name is said to be of no use here."""

        def seen(folder: bool) -> None:
            if folder:
                self._program.generation.choose_model(str(path))
                return
            self._program.say_banner(
                lambda: self.tr("{name} is no picture, model, recipe or styles.csv; choose one of these.").format(
                    name=path.name
                ),
                "warning",
            )

        # In the pool: a network folder that is gone answers after seconds.
        self._program.client.query(f"is a folder: {path}", path.is_dir, seen, self.failed)

    def ask_for_file(self) -> None:
        """Let the user choose a picture or recipe to take over."""
        from PySide6.QtWidgets import QFileDialog

        dialog = QFileDialog(self._program.window, self.tr("Open a picture or recipe"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilter(
            self.tr("Pictures, recipes and styles") + " (*.png *.jpg *.jpeg *.webp *.txt *.json *.csv)"
        )
        dialog.filesSelected.connect(self.open)
        dialog.open()

    def import_styles(self) -> None:
        """Let the user choose a styles.csv of A1111."""
        from PySide6.QtWidgets import QFileDialog

        dialog = QFileDialog(self._program.window, self.tr("Import styles"))
        dialog.setNameFilter(self.tr("Styles of A1111") + " (*.csv)")
        dialog.fileSelected.connect(lambda path: self._import_styles_from(Path(path)))
        dialog.open()

    def paste(self) -> None:
        """Take what is on the clipboard: a picture as a start, or a recipe."""
        if not self._program.window.canvas.paste():
            text = QGuiApplication.clipboard().text()
            if text.strip():
                self.take_recipe_text(text)

    def take_recipe_text(self, text: str) -> None:
        """Fill the panels from what another program wrote beside a picture."""
        from engine.metadata import read_text

        self._program.client.query("recipe", lambda: read_text(text), self._take_recipe, self.failed)

    def _read_recipe(self, path: Path) -> None:
        from engine.metadata import read_recipe

        def read() -> Recipe | None:
            from app.canvas.images import read_image

            try:
                return read_recipe(path)
            except KnownError as error:
                try:
                    read_image(str(path))
                except KnownError:
                    return None  # no picture at all: the canvas, which wanted to show it, says so
                raise error from None

        self._program.client.query("recipe", read, self._offer_recipe, self.failed)

    def _read_text(self, path: Path) -> None:
        self._program.client.query(
            "recipe text",
            lambda: path.read_text(encoding="utf-8", errors="replace")[:2_000_000],
            self.take_recipe_text,
            self.failed,
        )

    def _take_recipe(self, recipe: Recipe | None) -> None:
        if recipe is None or not (recipe.prompt or recipe.steps or recipe.seed is not None):
            self._program.say_banner(
                lambda: self.tr("The text holds no recipe that is known here; paste it as a prompt instead."), "warning"
            )
            return
        left = self._program.generation.apply(recipe)
        if left:
            self._program.say_banner(
                lambda: self.tr("The recipe was taken over, except for this: {reasons}").format(
                    reasons=" ".join(map(said_here, left))
                ),
                "warning",
            )
        else:
            self._program.say(self.tr("The recipe was taken over."))

    def _offer_recipe(self, recipe: Recipe | None) -> None:
        if recipe is None or not recipe.prompt:
            self._program.say(self.tr("The picture holds no recipe."))
            return
        self._program.say_banner(
            lambda: self.tr("The picture holds its recipe."),
            "info",
            [
                Remedy(lambda: self.tr("Use everything"), lambda: self._take_recipe(recipe)),
                Remedy(lambda: self.tr("Use the prompt"), lambda: self._program.generation.apply(recipe, "prompt")),
            ],
        )

    def failed(self, error: Exception) -> None:
        """Say why something could not be taken in."""
        self._program.say_banner(str(error), "warning")

    def _import_styles_from(self, path: Path) -> None:
        from app.services.styles import import_a1111

        def taken(styles: list[Any]) -> None:
            self._program.prompts.add_styles(styles)
            self._program.say(self.tr("%n style(s) added", "", len(styles)))

        self._program.client.query("styles import", lambda: import_a1111(path), taken, self.failed)

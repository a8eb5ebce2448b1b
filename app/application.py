"""The composition root: builds services, engine client, states and window, without starting the event loop."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication

from app import remedies, theme
from app.attention import Attention
from app.collector import Collector
from app.crashes import Crashes
from app.engine_client import EngineClient, engine_thread
from app.error_texts import said_here
from app.failures import Failures
from app.first_prompt import FIRST_PROMPT
from app.i18n import Languages, isolated
from app.icons import window_icon
from app.intake import Intake
from app.main_window import MainWindow
from app.services.gallery_records import GalleryFilter
from app.services.heap import share_heaps
from app.services.logfile import end_log, start_log
from app.services.paths import Paths
from app.services.settings import Settings
from app.single_instance import FirstInstance, Turn
from app.state.gallery import GalleryState
from app.state.generation import GenerationState
from app.state.library import LibraryState
from app.state.prompts import PromptsState
from app.state.queue import QueueState
from app.state.run import RunState
from app.state.settings import SettingsState
from app.widgets.banner import Kind, Remedy, Words
from engine.errors import KnownError
from engine.messages import GenerateRequest, ImageDone
from engine.switches import Switches

if TYPE_CHECKING:
    from engine.library_messages import ModelMarks

log = logging.getLogger(__name__)

# How long the window waits for its turn while the engine runs Python; 5 ms without, at every call back from Qt.
SWITCH_SECONDS = 0.0003
_NOTED = {"generation", "window", "welcome_seen", "shortcuts", "theme", "language"}


class Application(QObject):
    """Everything that lives as long as the program, wired together; `show` opens the window.

    Attributes:
        qt, paths, settings, languages: the surroundings.
        client, generation, prompts, queue, run, gallery, library: what panels bind to.
        intake, crashes, failures: what comes in; errors of ours; jobs and models that fail.
        window: the main window; another object after a change of language.
    """

    def __init__(self, qt: QApplication, paths: Paths, engine: Any = None) -> None:
        super().__init__()
        self.qt = qt
        self.paths = paths
        self.log = start_log(paths.log)
        settings = Settings(paths.settings)
        self.settings = SettingsState(settings, paths, self)
        self.languages = Languages(qt, self)
        self.languages.use(self.settings["language"])
        theme.load_fonts(qt)
        theme.prepare(qt, self.settings["theme"])
        self.client = EngineClient(engine if engine is not None else engine_thread(), self)
        self.settings.write_with(self.client.query)
        self._make_folder()
        self.generation = GenerationState(self)
        self.prompts = PromptsState(paths, self, self.client.query)
        self.gallery = GalleryState(paths.gallery, self.settings.pictures_folder, paths.thumbnails, self)
        self.queue = QueueState(self.client, paths.queue, self.gallery, self)
        self.run = RunState(self.client, self.queue, self, folder=paths.data / "canvas")
        self.attention = Attention(self.queue, self)
        self.library = LibraryState(
            self.client,
            paths.library,
            paths.models,
            self,
            folders=lambda: self.settings.model_folders[1:],
            network_off=lambda: bool(self.settings["offline"]),
        )
        self.intake = Intake(self)
        self.crashes = Crashes(self)
        self.failures = Failures(self)
        self._closing = False
        self._connect()
        self._apply_settings()
        self._begin()
        self.window = MainWindow(self)
        # Last: a widget that is made under a stylesheet is polished again with each step of its making.
        theme.apply(qt, self.settings["theme"])

    # ------------------------------------------------------------------------------------------------ life

    def show(self) -> None:
        """Open the window; what takes longer begins after its first paint."""
        self.window.show()
        self.window.when_painted(self._after_paint)

    def window_closed(self) -> None:
        """The user closed the window: keep everything and let the event loop end."""
        if not self._rebuilding:
            self.close()
            self.qt.quit()

    def close(self) -> None:
        """Keep what the next start begins with, and stop the engine; may be called twice."""
        if self._closing:
            return
        self._closing = True
        self.settings.set("generation", self.generation.to_json())
        self.queue.close()
        self.attention.close()
        self.library.close()
        self.client.close()
        self.settings.flush()
        self.prompts.flush()
        self.gallery.close()
        self._first.close()
        self.crashes.put_hooks_back()
        end_log(self.log)

    def _make_folder(self) -> None:
        """Make the program's own folder of pictures; one that the user chose may be on a drive that is missing."""
        if self.settings["pictures_folder"]:
            return
        try:
            self.paths.pictures.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.warning("the pictures folder cannot be made: %s", error)

    def _begin(self) -> None:
        self._rebuilding = False
        self._started = False
        self._later = deque[Callable[[], object]]()
        self._wildcards: list[str] = []
        self._first = FirstInstance(self.paths.data, self)
        self._first.called.connect(self._called)
        self.crashes.take_hooks()
        saved = self.settings["generation"]
        if saved:
            self.generation.restore(saved)
        else:
            self.generation.prompt = FIRST_PROMPT

    def _after_paint(self) -> None:
        """Do what the first paint does not need, one piece per turn of the event loop, so that input comes between."""
        generation, began = self.generation, bool(self._later)
        # Modules, widgets and their place in the window are pieces of their own: together they would hold the loop too
        # long. The window is the one that there is then: a change of language makes another.
        panels: list[Callable[[], object]] = []
        for name in self.window.panels_to_come():
            panels += (lambda name=name: self._make_panel(name), lambda name=name: self.window.panel(name))
        if self._started:
            self._later.extend(panels)
        else:
            self._started = True
            self._later.extend(
                (
                    self._say_first,
                    self._ask_for_info,
                    *panels,
                    lambda: self.qt.setWindowIcon(window_icon(theme.DARK.accent)),
                    self.library.scan,
                    self._ask_for_wildcards,
                    # Last: importing torch takes the interpreter from the window for a few milliseconds at a time.
                    lambda: self.client.warm_up(
                        generation.model, generation.device, generation.dtype, generation.switches
                    ),
                )
            )
        if not began:
            QTimer.singleShot(0, self, self._next_piece)

    def _make_panel(self, name: str) -> None:
        if self.window.make_piece(name):
            self._later.appendleft(lambda: self._make_panel(name))

    def _next_piece(self) -> None:
        if self._closing:
            return
        self._later.popleft()()
        if self._later:
            QTimer.singleShot(0, self, self._next_piece)

    def _say_first(self) -> None:
        for problem in self.settings.problems:
            self.say_banner(problem, "warning")
        if not self.settings["welcome_seen"] and not self.window.banner.text:
            self._welcome()

    def _ask_for_wildcards(self) -> None:
        self.client.wildcards(self.paths.wildcards, self._wildcards_known)

    def _wildcards_known(self, names: list[str]) -> None:
        self._wildcards = names
        self._offer_names()

    def _offer_names(self) -> None:
        """Let the prompt complete what the library and the folder of wildcards hold."""
        self.window.prompt.set_names(
            {
                "lora": sorted(Path(entry.path).stem for entry in self.library.loras),
                "embedding": sorted(Path(entry.path).stem for entry in self.library.embeddings),
                "wildcard": self._wildcards,
            }
        )

    def _called(self, files: list[str]) -> None:
        self.window.come_forward()
        self.intake.open(files)

    def _welcome(self) -> None:
        self.settings.set("welcome_seen", True)
        self.say_banner(
            lambda: self.tr("Welcome. Type what the picture shall show and press Generate: a model of icons is ready."),
            "info",
            [Remedy(lambda: self.tr("Settings …"), self.open_settings)],
        )

    # ------------------------------------------------------------------------------------------------ wiring

    def _connect(self) -> None:
        self.generation.changed.connect(self._generation_changed)
        self.settings.changed.connect(self._setting_changed)
        self.client.notice.connect(lambda event: self.say_banner(event.message, "info"))
        self.queue.problem.connect(lambda text: self.say_banner(text, "warning"))
        self.library.models_changed.connect(self._offer_names)
        self.library.failed.connect(lambda text: self.say_banner(text, "warning"))
        self.library.converted.connect(
            lambda path: self.say(self.tr("The model is in {path}.").format(path=isolated(path)))
        )
        self.library.pictures_wanted.connect(self._show_pictures_of)
        self.settings.problem.connect(lambda text: self.say_banner(text, "warning"))
        self.run.problem.connect(lambda text: self.say_banner(text, "warning"))
        self.prompts.problem.connect(lambda text: self.say_banner(text, "warning"))
        self.gallery.problem.connect(lambda text: self.say_banner(text, "warning"))
        self.queue.picture_ready.connect(self._picture_ready)
        self.gallery.said.connect(self.say)
        self.gallery.opened.connect(self.run.show)
        hints = QGuiApplication.styleHints()
        hints.colorSchemeChanged.connect(lambda _scheme: self._follow_system())

    def _show_pictures_of(self, marks: ModelMarks) -> None:
        """Show the pictures that a model of the library made."""
        self.gallery.set_filter(GalleryFilter(made_by=marks.names + marks.hashes))
        self.window.show_panel("gallery")

    def _generation_changed(self, name: str) -> None:
        if name == "model":
            self._ask_for_info()
        elif name == "switches":
            # A recipe that is taken over may have others: the settings show what holds.
            self.settings.set("switches", self.generation.switches.to_json())

    def _ask_for_info(self) -> None:
        location = self.generation.model
        self.client.model_info(
            location,
            lambda info: self.generation.set_info(location, info),
            lambda error: self.failures.model_refused(location, error),
        )

    def _apply_settings(self) -> None:
        generation, settings = self.generation, self.settings
        generation.folder = str(settings.pictures_folder)
        generation.name = settings["name_pattern"]
        generation.device = settings["device"]
        generation.dtype = settings["precision"]
        generation.previews = settings["previews"] != "off"
        generation.record = settings["keep_records"]
        generation.switches = Switches.from_json(settings["switches"])
        self.client.configure(settings.of_engine())

    def _setting_changed(self, name: str) -> None:
        # Not for what the program notes by itself: the panels may have chosen otherwise since.
        if name not in _NOTED:
            self._apply_settings()
        if name == "model_folders":
            self.library.scan()
        elif name == "pictures_folder":
            self.gallery.set_folder(self.settings.pictures_folder)
        elif name == "theme":
            theme.apply(self.qt, self.settings["theme"])
        elif name == "language":
            # Not within the signal of a widget that the new window replaces.
            QTimer.singleShot(0, self.rebuild_window)

    def _follow_system(self) -> None:
        if self.settings["theme"] == "system":
            theme.apply(self.qt, "system")

    def rebuild_window(self) -> None:
        """Make the window anew in the language of the settings; states and the running job know nothing of it."""
        self.languages.use(self.settings["language"])
        theme.apply(self.qt, self.settings["theme"])  # parts of it follow the direction
        old = self.window
        old.save_places()
        self._rebuilding = True
        self.window = MainWindow(self)
        self.window.resize(old.size())
        self.window.setVisible(old.isVisible())
        self.window.banner.go_on_from(old.banner)
        self.window.when_painted(self._after_paint)
        old.close()
        old.deleteLater()
        self._offer_names()
        self._rebuilding = False

    # ------------------------------------------------------------------------------------------------ making pictures

    def generate(self) -> None:
        """Put a job with the values of the panels into the queue."""
        self._press(self.queue.add)

    def generate_forever(self) -> None:
        """The same, again and again with the next seeds, until the job is cancelled."""
        self._press(lambda request: self.queue.add(request, forever=True))

    def generate_each(self) -> None:
        """Put a job into the queue for each choice that the prompt's wildcards offer."""
        self._press(lambda request: self.queue.add_each(request, self.paths.wildcards))

    def _press(self, take: Callable[[GenerateRequest], object]) -> None:
        """Give `take` the job of a press on Generate, or say in a sentence which value cannot be."""

        def pressed() -> None:
            try:
                request = self.generation.press()
            except KnownError as error:
                self.say_banner(str(error), "error", remedies.for_values(self))
                return
            self.window.banner.clear()
            self.prompts.remember(self.generation.prompt, self.generation.negative_prompt)
            self.settings.set("generation", self.generation.to_json())  # a crash loses nothing of it
            take(request)

        self.window.canvas.start.when_sent(pressed)

    def toggle_pause(self) -> None:
        """Pause the queue, or go on."""
        (self.queue.resume if self.queue.paused else self.queue.pause)()

    def swap_size(self) -> None:
        """Swap width and height."""
        width, height = self.generation.width, self.generation.height
        self.generation.width, self.generation.height = height, width

    def _picture_ready(self, event: ImageDone) -> None:
        if not self.window.isActiveWindow():
            QApplication.alert(self.window)
        log.info("picture %s", event.path)

    # ------------------------------------------------------------------------------------------------ saying things

    def say_banner(self, text: str | Words, kind: Kind = "error", buttons: Sequence[Remedy] = ()) -> None:
        """Show a sentence above the canvas, with remedies as buttons; a plain `text` is a known error in English."""
        words = partial(said_here, text) if isinstance(text, str) else text
        self.window.banner.show_message(words, kind, buttons)

    def say(self, text: str) -> None:
        """Show a sentence in the status bar for a while."""
        self.window.status.say(text)

    def open_folder(self) -> None:
        """Open the folder of the pictures in the system's file manager."""
        folder = self.settings.pictures_folder

        def make() -> None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise KnownError(
                    f"The folder {folder} cannot be made ({error.strerror}); choose another one."
                ) from error

        def show(_none: None) -> None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

        self.client.query("open folder", make, show, self.intake.failed)

    def open_log(self) -> None:
        """Open the log file."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.paths.log)))

    def open_settings(self, page: str = "") -> None:
        """Open the settings, on one of their pages."""
        from app.dialogs.settings import SettingsDialog

        dialog = SettingsDialog(self.settings, self.client, self.window.commands, self.window)
        if page:
            dialog.show_page(page)
        dialog.open()

    def open_about(self) -> None:
        """Say what this program is."""
        from app.dialogs.about import AboutDialog

        AboutDialog(self.window).open()


def build(argv: Sequence[str], *, data_folder: Path | None = None, engine: Any = None) -> Application:
    """Build the program for the arguments of the command line, ready for `show`; files named there are opened.

    `data_folder` holds everything where it is given, the user's folders do otherwise; `engine` replaces the thread.
    """
    share_heaps()  # before there are threads
    sys.setswitchinterval(SWITCH_SECONDS)
    existing = QApplication.instance()
    qt = existing if isinstance(existing, QApplication) else QApplication([sys.argv[0]])
    qt.setApplicationName("Sfumato")
    qt.setDesktopFileName("sfumato")
    program = Application(qt, Paths.of(data_folder), engine)
    files = [argument for argument in argv if not argument.startswith("-")]
    if files:
        QTimer.singleShot(0, lambda: program.intake.open(files))
    return program


def main(argv: Sequence[str], data_folder: Path | None = None) -> int:
    """Open the window and stay until it is closed; a second start raises the first one's window instead."""
    qt = QApplication([sys.argv[0]])
    turn = Turn(Paths.of(data_folder).data)
    if not turn.take([argument for argument in argv if not argument.startswith("-")]):
        return 0
    collector = Collector()
    collector.start()
    program = build(argv, data_folder=data_folder)
    program.show()
    code = qt.exec()
    program.close()
    turn.end()
    collector.stop()
    return code

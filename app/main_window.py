"""The main window: docks that remember their places, menus, shortcuts, status bar and banner; nothing else."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QPaintEvent
from PySide6.QtWidgets import (
    QDockWidget,
    QFrame,
    QMainWindow,
    QMenu,
    QScrollArea,
    QStyle,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.canvas.canvas import Canvas
from app.commands import Commands
from app.panels.model import ModelPanel
from app.panels.prompt import PromptPanel
from app.panels.scheduler import SchedulerPanel
from app.side_panels import Maker, side_panels
from app.status import StatusBar
from app.theme import GAP, MARGIN, SPACE
from app.widgets.banner import Banner, Words
from app.widgets.dock_title import DockTitle

if TYPE_CHECKING:
    from app.application import Application

LAYOUT_VERSION = 1
FIRST_IN_FRONT = "gallery"
Side = Literal["leading", "trailing"]
SIDE_WIDTH, TRAILING_WIDTH = 316, 396
LEFT, RIGHT = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
BOTH_SIDES = LEFT | RIGHT


class MainWindow(QMainWindow):
    """Shows the states of one `Application`; made anew when the language changes."""

    def __init__(self, program: Application) -> None:
        super().__init__()
        self._program = program
        self._docks: dict[str, QDockWidget] = {}
        self._makers: dict[str, Maker] = {}
        self._made: dict[str, QWidget] = {}
        self._trailing: list[str] = []
        self._painted: list[Callable[[], object]] = []
        self._mirrored = program.qt.layoutDirection() == Qt.LayoutDirection.RightToLeft
        self.setObjectName("main")
        self.setWindowTitle("Sfumato")
        self.setAcceptDrops(True)
        self.setDockOptions(
            QMainWindow.DockOption.AllowTabbedDocks
            | QMainWindow.DockOption.AllowNestedDocks
            | QMainWindow.DockOption.AnimatedDocks
        )
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.commands = Commands(program.settings, self)
        self.banner = Banner(self)
        self.canvas = Canvas(program.run, program.generation, self)
        self.setCentralWidget(self._central())
        self.prompt = PromptPanel(program.generation, program.client, program.prompts, self)
        self.model = ModelPanel(program.generation, program.library, program.client, self)
        self.scheduler = SchedulerPanel(program.generation, program.client, self)
        self._make_docks()
        self.status = StatusBar(program, self)
        self.setStatusBar(self.status)
        self._make_commands()
        self._make_menus()
        self._connect()
        self._restore()
        # One types first of all.
        self.prompt.prompt.setFocus()

    # ------------------------------------------------------------------------------------------------ building

    def _central(self) -> QWidget:
        central = QWidget(self)
        central.setObjectName("central")
        layout = QVBoxLayout(central)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        holder = QWidget(central)
        self._banner_holder = holder
        around = QVBoxLayout(holder)
        around.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        around.addWidget(self.banner)
        holder.hide()
        layout.addWidget(holder)
        layout.addWidget(self.canvas, 1)
        return central

    def _make_docks(self) -> None:
        prompt = self._dock("prompt", self.tr("Prompt"), self.prompt, "leading")
        model = self._dock("model", self.tr("Model"), self.model, "leading")
        scheduler = self._dock("scheduler", self.tr("Settings of the picture"), self.scheduler, "leading")
        self.splitDockWidget(prompt, model, Qt.Orientation.Vertical)
        self.splitDockWidget(model, scheduler, Qt.Orientation.Vertical)
        self.resizeDocks([prompt], [SIDE_WIDTH], Qt.Orientation.Horizontal)
        side: list[QDockWidget] = []
        for name, title, make in side_panels(self._program, self):
            self._makers[name] = make
            self._trailing.append(name)
            place = QWidget(self)
            place.setMinimumWidth(TRAILING_WIDTH)  # as wide as the widest panel, so that nothing moves when it comes
            side.append(self._dock(name, title, place, "trailing"))
            side[-1].visibilityChanged.connect(lambda shown, name=name: self.panel(name) if shown else None)
        for first, second in zip(side, side[1:], strict=False):
            self.tabifyDockWidget(first, second)
        side[0].raise_()
        self.resizeDocks([side[0]], [TRAILING_WIDTH], Qt.Orientation.Horizontal)

    def _dock(self, name: str, title: str, panel: QWidget, side: Side) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(f"dock.{name}")
        dock.setAllowedAreas(BOTH_SIDES)
        if side == "leading":
            scroll = QScrollArea(dock)
            scroll.setWidgetResizable(True)
            scroll.setFrameShape(QFrame.Shape.NoFrame)
            scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            panel.setObjectName("scrolled")
            scroll.setWidget(panel)
            scroll.setMinimumWidth(SIDE_WIDTH - 36)
            dock.setWidget(scroll)
        else:
            dock.setWidget(panel)
        # Qt mirrors layouts, but not the sides of docks.
        self.addDockWidget(LEFT if (side == "leading") != self._mirrored else RIGHT, dock)
        dock.setTitleBarWidget(DockTitle(dock))
        self._docks[name] = dock
        return dock

    def _make_commands(self) -> None:
        add, program = self.commands.add, self._program
        add(
            "generate",
            self.tr("Generate"),
            program.generate,
            "Ctrl+Return",
            "Ctrl+Enter",
            picture="sparkles",
            everywhere=True,
        )
        add(
            "generate-forever",
            self.tr("Generate for ever"),
            program.generate_forever,
            "Ctrl+Shift+Return",
            picture="infinity",
        )
        add(
            "generate-each",
            self.tr("Generate one for each wildcard"),
            program.generate_each,
            "Ctrl+Alt+Return",
            picture="list-plus",
        )
        add("cancel", self.tr("Cancel the running job"), program.run.cancel, "Esc", picture="x")
        add("open", self.tr("Open a picture or recipe …"), program.intake.ask_for_file, "Ctrl+O", picture="folder-open")
        add("save", self.tr("Save the picture as …"), self.canvas.out.ask_where_to_save, "Ctrl+S", picture="save")
        add("folder", self.tr("Open the pictures folder"), program.open_folder, "Ctrl+Shift+O", picture="folder")
        add("settings", self.tr("Settings …"), program.open_settings, "Ctrl+,", picture="settings")
        add("quit", self.tr("Quit"), self.close, "Ctrl+Q", picture="power")
        add(
            "paste",
            self.tr("Paste a recipe or picture"),
            program.intake.paste,
            "Ctrl+Shift+V",
            picture="clipboard-paste",
        )
        add("copy", self.tr("Copy the picture"), self.canvas.out.copy, "Ctrl+Shift+C", picture="copy")
        add("dice", self.tr("Draw a new seed"), program.generation.draw_seed, "Ctrl+D", picture="dices")
        add(
            "last-seed",
            self.tr("Use the last seed again"),
            program.generation.reuse_seed,
            "Ctrl+Shift+D",
            picture="history",
        )
        add("swap", self.tr("Swap width and height"), program.swap_size, "Ctrl+R", picture="arrow-left-right")
        add("pause", self.tr("Pause or resume the queue"), program.toggle_pause, "Ctrl+P", picture="pause")
        add("cancel-all", self.tr("Cancel all jobs"), program.queue.cancel_all, "Ctrl+Shift+Esc", picture="list-x")
        add(
            "undo-queue",
            self.tr("Bring back what was taken off the queue"),
            program.queue.undo,
            "Ctrl+Alt+Z",
            picture="undo-2",
        )
        add("library", self.tr("Show the model library"), lambda: self.show_panel("library"), picture="boxes")
        add("release", self.tr("Free the memory of the model"), program.client.release, picture="memory-stick")
        add("prompt", self.tr("Go to the prompt"), self._focus_prompt, "Ctrl+L")
        add("reset-layout", self.tr("Put all panels back"), self.reset_layout)
        add("full-screen", self.tr("Full screen"), self._toggle_full_screen, "F11", picture="fullscreen")
        add("shortcuts", self.tr("Shortcuts …"), lambda: program.open_settings("shortcuts"), "F1", picture="keyboard")
        add("log", self.tr("Open the log file"), program.open_log, picture="file-text")
        add("about", self.tr("About Sfumato"), program.open_about, picture="info")

    def _make_menus(self) -> None:
        bar = self.menuBar()
        self._menu(bar.addMenu(self.tr("&File")), "open", "save", "", "folder", "", "settings", "", "quit")
        self._menu(bar.addMenu(self.tr("&Edit")), "paste", "copy", "", "prompt", "dice", "last-seed", "swap")
        view = bar.addMenu(self.tr("&View"))
        for dock in self._docks.values():
            view.addAction(dock.toggleViewAction())
        view.addSeparator()
        self._menu(view, "reset-layout", "full-screen")
        picture = self.canvas.actions_bar.menu(self)
        picture.setTitle(self.tr("&Picture"))
        bar.addMenu(picture)
        self._menu(
            bar.addMenu(self.tr("&Queue")),
            "generate",
            "generate-forever",
            "generate-each",
            "",
            "cancel",
            "pause",
            "cancel-all",
            "undo-queue",
        )
        self._menu(bar.addMenu(self.tr("&Models")), "library", "release")
        self._menu(bar.addMenu(self.tr("&Help")), "shortcuts", "log", "", "about")

    def _menu(self, menu: QMenu, *names: str) -> None:
        for name in names:
            if name:
                menu.addAction(self.commands[name])
            else:
                menu.addSeparator()

    def _connect(self) -> None:
        program = self._program
        self.prompt.generate_wanted.connect(program.generate)
        self.prompt.cancel_wanted.connect(program.run.cancel)
        self.prompt.recipe_pasted.connect(program.intake.take_recipe_text)
        self.prompt.refused.connect(self._refused)
        self.prompt.import_wanted.connect(program.intake.import_styles)
        self.model.browse_wanted.connect(lambda: self.show_panel("library"))
        self.model.release_wanted.connect(program.client.release)
        self.canvas.said.connect(self.status.say)
        program.queue.running_changed.connect(self._show_running)
        self._show_running(program.queue.running is not None)
        self.banner.shown_changed.connect(self._banner_holder.setVisible)

    # ------------------------------------------------------------------------------------------------ from outside

    def panel(self, name: str) -> QWidget:
        """What the dock of this name holds; a panel of the trailing side is made the first time that it is wanted."""
        dock = self._docks[name]
        while self.make_piece(name):
            pass
        panel = self._made.pop(name, None)
        if panel is not None:
            place = dock.widget()
            dock.setWidget(panel)
            place.deleteLater()
            self._status_last(panel)
        return dock.widget()

    def make_piece(self, name: str) -> bool:
        """Make the next piece of a panel of the trailing side, and say whether more is to be made before `panel`."""
        maker = self._makers.get(name)
        if maker is None:
            return False
        made = next(maker)
        if made is None:
            return True
        self._made[name] = made
        del self._makers[name]
        return False

    def panels_to_come(self) -> list[str]:
        """The names of the panels that nobody has seen yet."""
        return [*self._made, *self._makers]

    def when_painted(self, call: Callable[[], object]) -> None:
        """Call back when the window has been painted for the first time from now on."""
        self._painted.append(call)
        self.update()

    def show_panel(self, name: str) -> None:
        """Bring the dock of this name to the front."""
        dock = self._docks.get(name)
        if dock is not None:
            self.panel(name)
            dock.show()
            dock.raise_()

    def come_forward(self) -> None:
        """Put the window in front of others."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def reset_layout(self) -> None:
        """Put every panel where it was in the beginning."""
        self.restoreState(self._first_state, LAYOUT_VERSION)
        QTimer.singleShot(0, self, self._even_out)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(1360, 820)

    # ------------------------------------------------------------------------------------------------ inside

    def _status_last(self, panel: QWidget) -> None:
        """Let the status bar stay last in the order of the Tab key, behind a panel that came late."""
        last = _focusable(panel)[-1:]
        for widget in _focusable(self.status):
            if last:
                self.setTabOrder(last[0], widget)
            last = [widget]

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        for call in self._painted:
            # Its children are painted within the same event.
            QTimer.singleShot(0, self, call)
        self._painted.clear()

    def _show_running(self, running: bool) -> None:
        self.prompt.set_running(running)
        self.commands["cancel"].setEnabled(running)

    def _refused(self, reason: Words) -> None:
        self.banner.show_message(reason, "warning")

    def _focus_prompt(self) -> None:
        self.show_panel("prompt")
        self.prompt.prompt.setFocus()
        self.prompt.prompt.selectAll()

    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _keep_generate_in_sight(self) -> None:
        scroll = self._docks["prompt"].widget()
        scroll.setMinimumHeight(self.prompt.minimumSizeHint().height())

    def _even_out(self) -> None:
        docks = [self._docks[name] for name in ("prompt", "model", "scheduler")]
        title = self.prompt.fontMetrics().height() + 4 * SPACE
        prompt, model = self.prompt.minimumSizeHint().height() + title + 3 * GAP, self.model.sizeHint().height() + title
        rest = max(self.height() - prompt - model, 200)
        self.resizeDocks(docks, [prompt, model, rest], Qt.Orientation.Vertical)

    def _restore(self) -> None:
        self._first_state = self.saveState(LAYOUT_VERSION)
        saved = self._program.settings["window"]
        # The frame that the window manager puts round it has to find room too.
        title = self.style().pixelMetric(QStyle.PixelMetric.PM_TitleBarHeight)
        space = self.screen().availableGeometry().size() - QSize(2 * SPACE, title + 2 * SPACE)
        self.resize(self.sizeHint().boundedTo(space))
        for key, restore in (("geometry", self.restoreGeometry), (self._state_key, self._restore_state)):
            text = saved.get(key)
            if isinstance(text, str):
                restore(QByteArray(base64.b64decode(text)))
        # Later, when the stylesheet has told the panels how high they are.
        QTimer.singleShot(0, self, self._keep_generate_in_sight)
        if self._state_key not in saved:
            QTimer.singleShot(0, self, self._even_out)
        # Made now, before there is a stylesheet, what is seen first takes half the time.
        front = saved.get("front")
        self.panel(front if isinstance(front, str) and front in self._docks else FIRST_IN_FRONT)

    @property
    def _state_key(self) -> str:
        """Each direction has places of its own: sides of docks do not mirror."""
        return "state mirrored" if self._mirrored else "state"

    def _restore_state(self, state: QByteArray) -> bool:
        return self.restoreState(state, LAYOUT_VERSION)

    def save_places(self) -> None:
        """Remember where everything is for the next start."""
        places = {self._state_key: self.saveState(LAYOUT_VERSION), "geometry": self.saveGeometry()}
        texts = {key: base64.b64encode(value.data()).decode() for key, value in places.items()}
        seen = (name for name in self._trailing if not self._docks[name].visibleRegion().isEmpty())
        self._program.settings.set("window", self._program.settings["window"] | texts | {"front": next(seen, "")})

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        self.save_places()
        self._program.window_closed()
        super().closeEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            self._program.intake.open(files)


def _focusable(holder: QWidget) -> list[QWidget]:
    """The widgets of `holder` that the Tab key stops at, in the order they were made."""
    # Not by `nextInFocusChain`: PySide takes what that returns for a child of the widget before, and forgets both.
    return [widget for widget in holder.findChildren(QWidget) if widget.focusPolicy() & Qt.FocusPolicy.TabFocus]

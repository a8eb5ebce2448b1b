"""The gallery panel: every picture there is, found by words, filtered, rated, collected, copied, deleted with undo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, QPoint, Qt, QTimer, QUrl
from PySide6.QtGui import QAction, QDesktopServices, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.error_texts import said_here
from app.panels.gallery_boards import BoardMenus
from app.panels.gallery_export import ExportDialog
from app.panels.gallery_filters import FilterForm, search_icon_button
from app.panels.gallery_model import GalleryModel
from app.panels.gallery_view import GridView
from app.panels.recipe import RecipePanel, pictures_in
from app.services.gallery_bulk import Deleted
from app.services.gallery_records import ANY_BOARD, NO_BOARD, GalleryFilter, Picture
from app.state.gallery import GalleryState
from app.state.gallery_undo import UNDO_SECONDS
from app.state.generation import GenerationState
from app.state.queue import QueueState
from app.theme import GAP, MARGIN, SPACE, icon, set_role
from app.widgets.empty_state import EmptyState

MAX_WORDS = 400


class GalleryPanel(QWidget):
    """Shows a `GalleryState`, and below it the recipe of the chosen picture, which `generation` and `queue` can use."""

    def __init__(
        self,
        gallery: GalleryState,
        generation: GenerationState,
        queue: QueueState,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._gallery = gallery
        self._generation = generation
        self._menus = BoardMenus(gallery, self.chosen, self)
        self.setAcceptDrops(True)
        self.search = self._make_search()
        self.funnel = search_icon_button(
            "funnel", self.tr("Filter by model, scheduler, seed, size, date, rating"), checkable=True
        )
        self.board = self._make_board_button()
        self.filters = FilterForm(gallery)
        self.filters.hide()
        self.view = GridView()
        self.model = GalleryModel(gallery, self)
        self.view.setModel(self.model)
        self.view.setAccessibleName(self.tr("Pictures"))
        self.recipe = RecipePanel(gallery, generation, queue)
        self.status = QLabel()
        set_role(self.status, "hint")
        self.undo_bar, self.undo_text, self.undo_button = self._make_undo_bar()
        self._undo_timer = QTimer(self, singleShot=True, interval=UNDO_SECONDS * 1000)
        self._undo_timer.timeout.connect(self.undo_bar.hide)
        self._late = QTimer(self, singleShot=True, interval=0)
        self._late.timeout.connect(self._refresh)
        self._typing = QTimer(self, singleShot=True, interval=60)
        self._typing.timeout.connect(self._search_now)
        self._bulk = self._make_bulk_bar()
        self._stack = self._make_stack()
        self._make_actions()
        self._arrange()
        self._connect()
        self._boards_changed()
        self._refresh()

    # ------------------------------------------------------------------------------------------------ building

    def _make_search(self) -> QLineEdit:
        line = QLineEdit()
        line.setPlaceholderText(self.tr("Search prompts"))
        line.setAccessibleName(self.tr("Search prompts"))
        line.setToolTip(self.tr("Shows the pictures whose prompts have all of these words, or their beginnings."))
        line.setClearButtonEnabled(True)
        line.setMaxLength(MAX_WORDS)
        line.addAction(icon("search"), QLineEdit.ActionPosition.LeadingPosition)
        return line

    def _make_board_button(self) -> QToolButton:
        button = QToolButton()
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setIcon(icon("folder"))
        button.setAutoRaise(True)
        button.setToolTip(self.tr("Boards are collections of pictures; choose which one is shown."))
        button.setMenu(QMenu(button))
        button.menu().aboutToShow.connect(lambda: self._menus.fill_boards(button.menu()))
        return button

    def _make_undo_bar(self) -> tuple[QFrame, QLabel, QPushButton]:
        bar, text, button = QFrame(), QLabel(), QPushButton(self.tr("Undo"))
        set_role(bar, "banner-info")
        set_role(button, "link")
        button.setToolTip(self.tr("Brings the pictures back from the trash."))
        button.clicked.connect(self._undo)
        text.setWordWrap(True)
        layout = QHBoxLayout(bar)
        layout.setContentsMargins(MARGIN, SPACE, GAP, SPACE)
        layout.addWidget(text, 1)
        layout.addWidget(button)
        bar.hide()
        return bar, text, button

    def _make_bulk_bar(self) -> QWidget:
        bar = QWidget()
        layout = QHBoxLayout(bar)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.status, 1)
        self.rate_button = self._bulk_button("star", self.tr("Rate the chosen pictures"), self._menus.fill_stars)
        self.move_button = self._bulk_button(
            "folder-plus", self.tr("Put the chosen pictures on a board"), self._menus.fill_moves
        )
        self.export_button = self._bulk_button("download", self.tr("Copy the chosen pictures to a folder"), None)
        self.export_button.clicked.connect(self.export_chosen)
        self.delete_button = self._bulk_button("trash-2", self.tr("Move the chosen pictures to the trash"), None)
        self.delete_button.clicked.connect(self.delete_chosen)
        self.folder_button = self._bulk_button("folder-open", self.tr("Open the folder with the pictures"), None)
        self.folder_button.clicked.connect(self.open_folder)
        for button in (self.rate_button, self.move_button, self.export_button, self.delete_button, self.folder_button):
            layout.addWidget(button)
        return bar

    def _bulk_button(self, name: str, tip: str, fill: Callable[[QMenu], None] | None) -> QToolButton:
        button = search_icon_button(name, tip)
        if fill is not None:
            menu = QMenu(button)
            menu.aboutToShow.connect(lambda: fill(menu))
            button.setMenu(menu)
            button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        return button

    def _make_stack(self) -> QStackedWidget:
        self._empty = EmptyState()
        self.empty_text, self.empty_button = self._empty.text, self._empty.button
        self.empty_button.clicked.connect(self._empty_pressed)
        stack = QStackedWidget()
        stack.addWidget(self.view)
        stack.addWidget(self._empty)
        return stack

    def _make_actions(self) -> None:
        def add(text: str, keys: list[QKeySequence.StandardKey | str], work: Callable[[], object]) -> QAction:
            action = QAction(text, self)
            action.setShortcuts([QKeySequence(key) for key in keys])
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.triggered.connect(work)
            self.view.addAction(action)
            return action

        key = QKeySequence.StandardKey
        self.delete_action = add(self.tr("Move to trash"), [key.Delete], self.delete_chosen)
        self.undo_action = add(self.tr("Undo"), [key.Undo], self._undo)
        self.larger_action = add(self.tr("Larger"), [key.ZoomIn, "+"], lambda: self.view.step_size(1))
        self.smaller_action = add(self.tr("Smaller"), [key.ZoomOut, "-"], lambda: self.view.step_size(-1))
        for stars in range(6):
            add(
                self.tr("%n star(s)", "", stars),
                [str(stars)],
                lambda _checked=False, stars=stars: self.rate_chosen(stars),
            )
        find = QAction(self.tr("Search prompts"), self)
        find.setShortcut(QKeySequence(key.Find))
        find.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        find.triggered.connect(lambda: self.search.setFocus(Qt.FocusReason.ShortcutFocusReason))
        self.addAction(find)

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(SPACE)
        top.addWidget(self.search, 1)
        top.addWidget(self.funnel)
        head = QVBoxLayout()
        head.setContentsMargins(MARGIN, GAP, MARGIN, 0)
        head.setSpacing(GAP)
        head.addLayout(top)
        head.addWidget(self.filters)
        head.addWidget(self.board, 0, Qt.AlignmentFlag.AlignLeading)
        foot = QVBoxLayout()
        foot.setContentsMargins(MARGIN, 0, MARGIN, SPACE)
        foot.setSpacing(SPACE)
        foot.addWidget(self.undo_bar)
        foot.addWidget(self._bulk)
        grid = QWidget()
        layout = QVBoxLayout(grid)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(head)
        layout.addWidget(self._stack, 1)
        layout.addLayout(foot)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(1)
        self.splitter.addWidget(grid)
        self.splitter.addWidget(self.recipe)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setStretchFactor(1, 0)
        self.splitter.setSizes([420, 250])
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.splitter)

    def _connect(self) -> None:
        gallery = self._gallery
        self.search.textChanged.connect(lambda _text: self._typing.start())
        self.funnel.toggled.connect(self.filters.setVisible)
        for signal in (gallery.reset, gallery.inserted, gallery.removed, gallery.complete, gallery.problem):
            signal.connect(self._refresh_soon)
        gallery.filter_changed.connect(self._filter_changed)
        gallery.boards_changed.connect(self._boards_changed)
        gallery.deleted.connect(self._deleted)
        gallery.undo_changed.connect(self._undo_changed)
        self.view.selectionModel().selectionChanged.connect(self._selection_changed)
        self.view.selectionModel().currentChanged.connect(lambda *_: self._choose_current())
        for changed in (self.model.dataChanged, self.model.rowsRemoved):
            changed.connect(lambda *_: self._choose_current())
        self.view.doubleClicked.connect(lambda index: self._open(index.row()))
        self.view.activated.connect(lambda index: self._open(index.row()))
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._show_menu)

    def _undo_changed(self, can: bool) -> None:
        if not can:
            self.undo_bar.hide()

    # ------------------------------------------------------------------------------------------------ what is shown

    def _refresh_soon(self) -> None:
        self._late.start()

    def _search_now(self) -> None:
        self._gallery.refine(words=" ".join(self.search.text().split()))

    def _filter_changed(self) -> None:
        words = self._gallery.filter.words
        if " ".join(self.search.text().split()) != words:
            self.search.setText(words)
        self._boards_changed()

    def _boards_changed(self) -> None:
        chosen = self._gallery.filter.board
        names = {board.id: board.name for board in self._gallery.boards}
        plain = {ANY_BOARD: self.tr("All pictures"), NO_BOARD: self.tr("On no board")}
        self.board.setText(names.get(chosen) or plain.get(chosen, plain[ANY_BOARD]))
        self.board.setAccessibleName(self.tr("Board shown: {name}").format(name=self.board.text()))

    def _refresh(self) -> None:
        count = len(self._gallery.ids)
        chosen = len(self.view.chosen_rows())
        self._stack.setCurrentIndex(0 if count else 1)
        if not count:
            self._show_empty()
        if chosen > 1:
            self.status.setText(self.tr("%n picture(s) chosen", "", chosen))
        else:
            more = "" if self._gallery.whole else "+"
            self.status.setText(self.tr("%n picture(s)", "", count).replace(str(count), f"{count:,}{more}"))
        for button in (self.rate_button, self.move_button, self.export_button, self.delete_button):
            button.setEnabled(bool(chosen))

    def _show_empty(self) -> None:
        if self._gallery.trouble:
            name, text, button = "circle-alert", said_here(self._gallery.trouble), self.tr("Try again")
        elif not self._gallery.filter.empty:
            name, text = "search", self.tr("No picture is like that.")
            button = self.tr("Show all pictures")
        else:
            name, text = (
                "images",
                self.tr("Pictures you make appear here. Drop one from any program to see its recipe."),
            )
            button = self.tr("Open the pictures folder")
        self._empty.say(icon(name), text, button)

    def _empty_pressed(self) -> None:
        if self._gallery.trouble:
            self._gallery.trouble = ""
            self._gallery.scan()
            self._gallery.refresh()
        elif not self._gallery.filter.empty:
            self.search.clear()
            self._gallery.set_filter(GalleryFilter())
        else:
            self.open_folder()

    def _selection_changed(self, _on: QItemSelection, _off: QItemSelection) -> None:
        self._refresh()
        self._choose_current()

    def _choose_current(self) -> None:
        """Show the recipe of the picture that the keyboard is on, as soon as it is known."""
        index = self.view.currentIndex()
        if index.isValid() and index.row() < self.model.rowCount():
            picture = self.model.picture(index.row())
            if picture is not None and self.view.selectionModel().isSelected(index):
                self._gallery.choose(picture)

    def chosen(self) -> list[int]:
        """The ids of the chosen pictures, newest first."""
        return [self.model.id(row) for row in self.view.chosen_rows()]

    # ------------------------------------------------------------------------------------------------ what is done

    def rate_chosen(self, stars: int) -> None:
        """Give the chosen pictures so many stars."""
        self._gallery.rate(self.chosen(), stars)

    def delete_chosen(self) -> None:
        """Move the chosen pictures to the trash, and choose the next one."""
        rows = self.view.chosen_rows()
        self._gallery.delete(self.chosen())
        if rows and rows[-1] + 1 < self.model.rowCount():
            flag = QItemSelectionModel.SelectionFlag
            self.view.selectionModel().setCurrentIndex(self.model.index(rows[-1] + 1), flag.ClearAndSelect)

    def export_chosen(self) -> None:
        """Ask where copies of the chosen pictures shall go."""
        dialog = ExportDialog(self._gallery, self.chosen(), self)
        dialog.open()

    def open_folder(self) -> None:
        """Show the folder of the chosen picture, or else of all, in the system's file manager."""
        current = self._gallery.current
        folder = Path(current.path).parent if current is not None else self._gallery.folder
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def _open(self, row: int) -> None:
        if (picture := self.model.picture(row)) is not None:
            self._gallery.open(picture)

    def _undo(self) -> None:
        self._gallery.undo()
        self.undo_bar.hide()

    def _deleted(self, gone: Deleted) -> None:
        self.undo_text.setText(self.tr("%n picture(s) moved to the trash.", "", gone.count))
        self.undo_bar.show()
        self._undo_timer.start()

    # ------------------------------------------------------------------------------------------------ menus

    def _show_menu(self, point: QPoint) -> None:
        self.picture_menu().popup(self.view.viewport().mapToGlobal(point))

    def picture_menu(self) -> QMenu:
        """What can be done with the chosen pictures."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if not self.chosen():
            menu.addAction(icon("folder-open"), self.tr("Open the folder"), self.open_folder)
            return menu
        picture = self._gallery.current
        if picture is not None:
            menu.addAction(icon("maximize"), self.tr("Show large"), lambda: self._gallery.open(picture))
            menu.addAction(icon("image-plus"), self.tr("Start from this picture"), lambda: self._start_from(picture))
            menu.addSeparator()
        self._menus.fill_stars(menu.addMenu(icon("star"), self.tr("Rate")))
        self._menus.fill_moves(menu.addMenu(icon("folder-plus"), self.tr("Put on a board")))
        menu.addAction(icon("download"), self.tr("Copy to a folder…"), self.export_chosen)
        menu.addAction(icon("folder-open"), self.tr("Open the folder"), self.open_folder)
        menu.addSeparator()
        menu.addAction(icon("trash-2"), self.tr("Move to trash"), self.delete_chosen)
        return menu

    def _start_from(self, picture: Picture) -> None:
        self._generation.init_image = picture.path

    # ------------------------------------------------------------------------------------------------ Qt events

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        if event.source() is not self.view and pictures_in(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Show the recipe of a picture from another program."""
        paths = pictures_in(event.mimeData())
        if paths:
            event.acceptProposedAction()
            self.view.selectionModel().clearSelection()
            self._gallery.show_file(paths[0])

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.LayoutDirectionChange}:
            self.view.viewport().update()
            if hasattr(self, "_empty") and not self._gallery.ids:
                self._show_empty()

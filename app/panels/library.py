"""The library panel: models in a grid or a list, searched and filtered, and the downloads that bring new ones."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QItemSelectionModel, QModelIndex, QObject, QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QAction, QDesktopServices, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.panels.library_details import LibraryDetails
from app.panels.library_downloads import DownloadsPage
from app.panels.library_model import CELL, EntryRole, LibraryDelegate, LibraryModel
from app.panels.library_texts import family_label, kind_label, lead
from app.state.library import LibraryState
from app.theme import GAP, MARGIN, SPACE, icon, set_role
from app.widgets.empty_state import EmptyState
from app.widgets.labelled import QuietCombo
from engine.library_messages import DAMAGED, KINDS

TRASH_SECONDS = 12


class LibraryPanel(QWidget):
    """Shows a `LibraryState`, its chosen model in `details`, and `downloads` on a page beside.

    Signals:
        folder_wanted(): the user wants to add a folder of models (in the settings).
    """

    folder_wanted = Signal()

    def __init__(
        self, library: LibraryState, details: LibraryDetails, downloads: DownloadsPage, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._library = library
        self.model = LibraryModel(library, self)
        self.delegate = LibraryDelegate(self)
        self.details = details
        self.downloads = downloads
        self.downloads.show_wanted.connect(self.show_model)
        self._typing = QTimer(self, singleShot=True, interval=60)
        self._typing.timeout.connect(lambda: library.search(self.search.text()))
        self.view = self._make_view()
        self._stack = self._make_stack()
        self.trash_bar = self._make_trash_bar()
        # From the outside in: what gets another parent is styled again with all that is in it.
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.tabs.addTab(self.splitter, self.tr("Models"))
        self.tabs.addTab(self.downloads, self.tr("Downloads"))
        self._fill_models_page()
        self._make_actions()
        library.entries_changed.connect(self._refresh)
        library.models_changed.connect(self._fill_families)
        library.activity_changed.connect(self._refresh)
        library.chosen_changed.connect(self._mark_chosen)
        library.trashed.connect(self._trashed)
        library.downloads_changed.connect(self._count_downloads)
        self._fill_families()
        self._refresh()
        self.show_as_grid(True)

    # ------------------------------------------------------------------------------------------------ building

    def _make_view(self) -> QListView:
        view = QListView()
        view.setModel(self.model)
        view.setItemDelegate(self.delegate)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setMouseTracking(True)
        view.setUniformItemSizes(True)
        view.setFrameShape(QFrame.Shape.NoFrame)
        view.setAccessibleName(self.tr("Models"))
        view.setStyleSheet("QListView { padding: 0 8px; } QListView:focus { border: none; }")
        view.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        view.viewport().installEventFilter(self)
        view.selectionModel().currentChanged.connect(self._current_changed)
        view.activated.connect(lambda _index: self.details.use_chosen())
        return view

    def _make_stack(self) -> QStackedWidget:
        self._empty = EmptyState()
        self.empty_icon, self.empty_text, self.empty_button = self._empty.icon, self._empty.text, self._empty.button
        self.empty_button.clicked.connect(self._empty_pressed)
        stack = QStackedWidget()
        stack.addWidget(self.view)
        stack.addWidget(self._empty)
        return stack

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        # The event comes while the panel is being built, too.
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_empty"):
            self._say_empty()

    def _make_trash_bar(self) -> QFrame:
        bar, self.trash_text = QFrame(), QLabel()
        set_role(bar, "banner-info")
        self.trash_text.setWordWrap(True)
        layout = QHBoxLayout(bar)
        layout.setContentsMargins(MARGIN, SPACE, GAP, SPACE)
        self.undo_button = QPushButton(self.tr("Undo"))
        set_role(self.undo_button, "link")
        self.undo_button.setToolTip(self.tr("Brings the model back from the trash."))
        self.undo_button.clicked.connect(self._undo)
        layout.addWidget(self.trash_text, 1)
        layout.addWidget(self.undo_button)
        self._trash_timer = QTimer(self, singleShot=True, interval=TRASH_SECONDS * 1000)
        self._trash_timer.timeout.connect(bar.hide)
        bar.hide()
        return bar

    def _fill_models_page(self) -> None:
        self.status = lead(QLabel())
        set_role(self.status, "hint")
        foot = QVBoxLayout()
        foot.setContentsMargins(MARGIN, 0, MARGIN, SPACE)
        foot.setSpacing(SPACE)
        foot.addWidget(self.trash_bar)
        foot.addWidget(self.status)
        top = QWidget()
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(1)
        self.splitter.addWidget(top)
        self.splitter.addWidget(self.details)
        self.splitter.setStretchFactor(0, 3)
        self.splitter.setStretchFactor(1, 2)
        self.splitter.setSizes([420, 320])
        layout = QVBoxLayout(top)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(self._make_head())
        layout.addWidget(self._stack, 1)
        layout.addLayout(foot)

    def _make_head(self) -> QVBoxLayout:
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search models"))
        self.search.setAccessibleName(self.tr("Search models"))
        self.search.setToolTip(self.tr("Looks through names, titles, trigger words and your notes."))
        self.search.setClearButtonEnabled(True)
        self.search.addAction(icon("search"), QLineEdit.ActionPosition.LeadingPosition)
        self.search.textChanged.connect(lambda _text: self._typing.start())
        self.grid_button = self._tool("layout-grid", self.tr("Show as pictures or as a list"))
        self.grid_button.setCheckable(True)
        self.grid_button.toggled.connect(self.show_as_grid)
        self.scan_button = self._tool("refresh-cw", self.tr("Look at the folders again"))
        self.scan_button.clicked.connect(self._library.scan)
        self.add_button = self._tool("folder-plus", self.tr("Add a folder of models"))
        self.add_button.clicked.connect(self.folder_wanted)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.search, 1)
        for button in (self.grid_button, self.scan_button, self.add_button):
            row.addWidget(button)
        self.kind = QuietCombo(self.tr("Kind"), self.tr("Shows only models of this kind."))
        self.kind.addItem(self.tr("All kinds"), "")
        for kind in (*KINDS, DAMAGED):
            self.kind.addItem(kind_label(kind), kind)
        self.family = QuietCombo(self.tr("Family"), self.tr("Shows only models of this family."))
        self.order = QuietCombo(self.tr("Order"), self.tr("In which order models are shown."))
        for text, name in (
            (self.tr("By name"), "name"),
            (self.tr("Newest first"), "newest"),
            (self.tr("Largest first"), "largest"),
            (self.tr("By family"), "family"),
        ):
            self.order.addItem(text, name)
        filters = QHBoxLayout()
        filters.setSpacing(SPACE)
        for combo, name in ((self.kind, "kind"), (self.family, "family"), (self.order, "order")):
            combo.activated.connect(
                lambda _index, combo=combo, name=name: self._library.search(**{name: combo.currentData()})
            )
            filters.addWidget(combo, 1)
        head = QVBoxLayout()
        head.setContentsMargins(MARGIN, GAP, MARGIN, 0)
        head.setSpacing(GAP)
        head.addLayout(row)
        head.addLayout(filters)
        return head

    def _tool(self, name: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setIcon(icon(name))
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        return button

    def _make_actions(self) -> None:
        for text, keys, work in (
            (self.tr("Move to trash"), QKeySequence.StandardKey.Delete, self.details.trash_chosen),
            (self.tr("Undo"), QKeySequence.StandardKey.Undo, self._undo),
            (self.tr("Rename"), QKeySequence("F2"), self.details.ask_for_name),
        ):
            action = QAction(text, self)
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            action.triggered.connect(work)
            self.view.addAction(action)
        find = QAction(self.tr("Search models"), self)
        find.setShortcut(QKeySequence(QKeySequence.StandardKey.Find))
        find.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        find.triggered.connect(lambda: self.search.setFocus(Qt.FocusReason.ShortcutFocusReason))
        self.addAction(find)

    # ------------------------------------------------------------------------------------------------ doing

    def show_as_grid(self, grid: bool) -> None:
        """Show models as pictures, or one a line."""
        self.grid_button.setChecked(grid)
        self.delegate.grid = grid
        self.view.setViewMode(QListView.ViewMode.IconMode if grid else QListView.ViewMode.ListMode)
        self.view.setMovement(QListView.Movement.Static)
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.setWrapping(grid)
        self.view.setSpacing(0)
        self._fit_cells()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Fit the cells of the grid when its width changes."""
        if watched is self.view.viewport() and event.type() == QEvent.Type.Resize:
            self._fit_cells()
        return super().eventFilter(watched, event)

    def _fit_cells(self) -> None:
        """As many cells in a line as there is room for, and no gap at the end."""
        # One pixel less: a line that is exactly full wraps.
        width = self.view.viewport().width() - 1
        columns = max(width // CELL.width(), 1)
        cell = QSize(width // columns, CELL.height()) if self.delegate.grid else QSize()
        self.delegate.cell = cell
        if self.view.gridSize() != cell:
            self.view.setGridSize(cell)

    def show_model(self, path: str) -> None:
        """Show the model at `path` among all others."""
        self.tabs.setCurrentIndex(0)
        for combo in (self.kind, self.family):
            combo.setCurrentIndex(0)
        self.search.setText(Path(path).stem)
        self._library.search(Path(path).stem, kind="", family="")

    def _current_changed(self, current: QModelIndex, _before: QModelIndex) -> None:
        entry = current.data(EntryRole) if current.isValid() else None
        if entry is not None:
            self._library.choose(entry.id)

    def _mark_chosen(self) -> None:
        chosen = self._library.chosen
        row = self.model.row_of(chosen.id) if chosen is not None else -1
        selection = self.view.selectionModel()
        if row < 0:
            selection.clear()
        elif selection.currentIndex().row() != row:
            flag = QItemSelectionModel.SelectionFlag.ClearAndSelect
            selection.setCurrentIndex(self.model.index(row), flag)

    def _trashed(self, name: str) -> None:
        if self._library.can_undo:
            text = self.tr("{name} is in the trash.")
        else:
            text = self.tr("{name} is in the system's trash; put it back from there if you miss it.")
        self.undo_button.setVisible(self._library.can_undo)
        self.trash_text.setText(text.format(name=name))
        self.trash_bar.show()
        self._trash_timer.start()

    def _undo(self) -> None:
        self.trash_bar.hide()
        self._library.undo_trash()

    def _empty_pressed(self) -> None:
        if self._filtered():
            self.search.clear()
            for combo in (self.kind, self.family):
                combo.setCurrentIndex(0)
            self._library.search("", kind="", family="")
        else:
            self.tabs.setCurrentIndex(1)

    def open_models_folder(self) -> None:
        """Open the program's own folder of models."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._library.models_folder)))

    # ------------------------------------------------------------------------------------------------ showing

    def _filtered(self) -> bool:
        return bool(self._library.text or self._library.kind or self._library.family)

    def _refresh(self) -> None:
        library = self._library
        shown = len(library.entries)
        self._stack.setCurrentIndex(0 if shown else 1)
        count = self.tr("%n model(s)", "", shown)
        self.status.setText(library.activity or count)
        self._say_empty()
        if library.chosen is not None:
            self._mark_chosen()

    def _say_empty(self) -> None:
        if self._filtered():
            text, button = self.tr("No model fits the search and the filters."), self.tr("Show all models")
        else:
            text, button = (
                self.tr("There are no models yet. Download one, or add the folder where another program keeps them."),
                self.tr("See models to begin with"),
            )
        self._empty.say(icon("boxes"), text, button)

    def _fill_families(self) -> None:
        chosen = self._library.family
        self.family.clear()
        self.family.addItem(self.tr("All families"), "")
        for family in self._library.families:
            self.family.addItem(family_label(family), family)
        self.family.setCurrentIndex(max(self.family.findData(chosen), 0))

    def _count_downloads(self) -> None:
        running = sum(item.state in {"running", "verifying", "waiting"} for item in self._library.downloads)
        text = self.tr("Downloads ({count})").format(count=running) if running else self.tr("Downloads")
        self.tabs.setTabText(1, text)

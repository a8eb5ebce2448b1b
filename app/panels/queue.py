"""The queue panel: the jobs in their order, and everything one does with them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QItemSelectionModel, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListView,
    QMenu,
    QPushButton,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.icons import icon_pixmap
from app.panels.queue_delegate import QueueDelegate
from app.panels.queue_editor import QueueEditor
from app.panels.queue_model import QueueModel
from app.services.queue_store import UNFINISHED, Job
from app.state.queue import QueueState
from app.theme import GAP, ICON, MARGIN, SECTION, SPACE, current, icon, set_role


class QueuePanel(QWidget):
    """Lists the jobs; moves, edits, repeats, cancels and brings them back.

    Signals:
        show_wanted(str): the picture at this path shall be shown.
        generate_wanted(): the button of the empty queue was pressed.
    """

    show_wanted = Signal(str)
    generate_wanted = Signal()

    def __init__(self, queue: QueueState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self.model = QueueModel(queue, self)
        self.view = self._make_view()
        self._make_actions()
        self._make_header()
        self._make_strips()
        self._make_empty()
        self._arrange()
        self._kept_selection: list[str] = []
        self.model.modelAboutToBeReset.connect(self._keep_selection)
        self.model.modelReset.connect(self._restore_selection)
        # A job's progress changes at every step; what counts jobs is brought up to date once a turn.
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(0)
        self._late.timeout.connect(self._refresh)
        queue.job_changed.connect(self._late.start)
        for signal in (queue.jobs_changed, queue.paused_changed, queue.undo_changed):
            signal.connect(self._refresh)
        self.view.selectionModel().selectionChanged.connect(self._refresh)
        self._refresh()

    # ------------------------------------------------------------------------------------------------ selection

    def selected(self) -> list[Job]:
        """The selected jobs, in their order."""
        rows = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        return [job for row in rows if (job := self.model.job(row)) is not None]

    def select(self, job_ids: list[str]) -> None:
        """Select these jobs, and make the first the one the keyboard acts on."""
        selection = self.view.selectionModel()
        selection.clearSelection()
        for id in job_ids:
            row = self.model.row_of(id)
            if row >= 0:
                flag = QItemSelectionModel.SelectionFlag
                index = self.model.index(row)
                if id == job_ids[0]:
                    selection.setCurrentIndex(index, flag.NoUpdate)
                selection.select(index, flag.Select)

    def _ids(self) -> list[str]:
        return [job.id for job in self.selected()]

    def _keep_selection(self) -> None:
        self._kept_selection = self._ids()

    def _restore_selection(self) -> None:
        self.select(self._kept_selection)

    # ------------------------------------------------------------------------------------------------ actions

    def edit_selected(self) -> None:
        """Change a waiting job in a dialog; it does not start meanwhile. A finished one shows its picture instead."""
        job = next(iter(self.selected()), None)
        if job is None:
            return
        if job.status == "done":
            if job.picture:
                self.show_wanted.emit(job.picture)
        elif job.status != "running":
            editor = QueueEditor(self._queue, job, self)
            editor.open()

    def cancel_selected(self) -> None:
        """Cancel what is not finished, take the rest off the list."""
        jobs = self.selected()
        for job in jobs:
            if job.status in UNFINISHED:
                self._queue.cancel(job.id)
        self._queue.remove([job.id for job in jobs if job.status not in UNFINISHED])

    def move_selected(self, by: int) -> None:
        """Move the selected jobs up (-1) or down (1) by one place."""
        ids, everything = self._ids(), [job.id for job in self._queue.jobs]
        if not ids:
            return
        rest = [id for id in everything if id not in ids]
        edge = everything.index(ids[0]) if by < 0 else everything.index(ids[-1]) + 1
        # How many of the others stand before the group now, one more or less.
        place = sum(1 for id in everything[:edge] if id not in ids) + by
        if 0 <= place <= len(rest):
            self._queue.move(ids, rest[place] if place < len(rest) else None)

    def move_selected_to(self, *, first: bool) -> None:
        """Move the selected jobs before all others that wait, or behind them."""
        ids = self._ids()
        waiting = [job.id for job in self._queue.with_status("waiting", "interrupted") if job.id not in ids]
        self._queue.move(ids, waiting[0] if first and waiting else None)

    def repeat_selected(self, on: bool) -> None:
        """Start the selected jobs anew each time they end."""
        for id in self._ids():
            self._queue.set_forever(id, on)

    def show_selected(self) -> None:
        """Show the newest picture of the selected job."""
        job = next((job for job in self.selected() if job.picture), None)
        if job is not None:
            self.show_wanted.emit(job.picture)

    def copy_report(self) -> None:
        """Put what went wrong onto the clipboard."""
        job = next((job for job in self.selected() if job.message), None)
        if job is not None:
            QGuiApplication.clipboard().setText(job.report or job.message)

    # ------------------------------------------------------------------------------------------------ building

    def _make_view(self) -> QListView:
        view = QListView(self)
        view.setModel(self.model)
        view.setItemDelegate(QueueDelegate(self.model, view))
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        view.setDefaultDropAction(Qt.DropAction.MoveAction)
        view.setDropIndicatorShown(True)
        view.setMouseTracking(True)
        view.setUniformItemSizes(True)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._menu)
        view.activated.connect(self.edit_selected)
        view.setAccessibleName(self.tr("Jobs of the queue"))
        view.setFrameShape(QFrame.Shape.NoFrame)
        # The row that has the focus shows it; a frame round the whole list would say the same once more.
        view.setStyleSheet("QListView:focus { border: none; }")
        return view

    def _action(self, text: str, name: str, act: Callable[[], object], *keys: str) -> QAction:
        made = QAction(icon(name), text, self)
        made.setShortcuts([QKeySequence(key) for key in keys])
        made.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        made.triggered.connect(lambda _checked=False: act())
        self.addAction(made)
        return made

    def _make_actions(self) -> None:
        self.edit = self._action(self.tr("Edit…"), "pencil", self.edit_selected, "F2")
        self.duplicate = self._action(self.tr("Duplicate"), "copy", lambda: self._queue.duplicate(self._ids()), "Ins")
        self.retry = self._action(self.tr("Run again"), "rotate-cw", lambda: self._queue.retry(self._ids()), "F5")
        self.to_top = self._action(
            self.tr("Run next"), "arrow-up", lambda: self.move_selected_to(first=True), "Ctrl+Home"
        )
        self.up = self._action(self.tr("Move up"), "chevron-up", lambda: self.move_selected(-1), "Alt+Up")
        self.down = self._action(self.tr("Move down"), "chevron-down", lambda: self.move_selected(1), "Alt+Down")
        self.to_end = self._action(
            self.tr("Run last"), "arrow-down", lambda: self.move_selected_to(first=False), "Ctrl+End"
        )
        self.cancel = self._action(self.tr("Cancel or remove"), "x", self.cancel_selected, "Del")
        self.show_picture = self._action(self.tr("Show the picture"), "image", self.show_selected)
        self.copy_error = self._action(self.tr("Copy the error"), "clipboard", self.copy_report)
        self.forever = QAction(icon("infinity"), self.tr("Repeat for ever"), self)
        self.forever.setCheckable(True)
        self.forever.setToolTip(self.tr("Start again with the next seeds each time it ends, until it is cancelled."))
        self.forever.triggered.connect(self.repeat_selected)
        self.retry_failed = self._action(
            self.tr("Run failed jobs again"),
            "rotate-ccw",
            lambda: self._queue.retry(),  # noqa: PLW0108
        )
        self.undo = self._action(self.tr("Undo"), "undo-2", self._queue.undo, "Ctrl+Z")
        self.clear = self._action(self.tr("Clear finished jobs"), "list-x", self._queue.clear_ended)
        self.cancel_all = self._action(self.tr("Cancel all jobs"), "circle-stop", self._queue.cancel_all)

    def _make_header(self) -> None:
        self.pause = QPushButton(self)
        self.pause.setIconSize(QSize(ICON, ICON))
        self.pause.clicked.connect(self._toggle_pause)
        self.count = QLabel(self)
        set_role(self.count, "hint")
        self.header = QWidget(self)
        row = QHBoxLayout(self.header)
        row.setContentsMargins(MARGIN, GAP, GAP, GAP)
        row.setSpacing(SPACE)
        row.addWidget(self.pause)
        row.addSpacing(SPACE)
        row.addWidget(self.count, 1)
        for made in (self.retry_failed, self.clear, self.cancel_all):
            button = QToolButton(self.header)
            button.setDefaultAction(made)
            button.setAutoRaise(True)
            button.setIconSize(QSize(ICON, ICON))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setAccessibleName(made.text())
            row.addWidget(button)

    def _make_strips(self) -> None:
        self.interrupted = _Strip(self, "warning")
        self.interrupted.add_button(self.tr("Continue"), self._continue_interrupted)
        self.interrupted.add_button(self.tr("Remove"), self._remove_interrupted)
        self.undo_strip = _Strip(self, "info")
        self.undo_strip.text.setText(self.tr("Taken off the queue."))
        self.undo_strip.add_button(self.tr("Undo"), self._queue.undo)

    def _make_empty(self) -> None:
        self.empty = QWidget(self)
        self._mark = QLabel(self.empty)
        self._mark.setAlignment(Qt.AlignmentFlag.AlignCenter)
        text = QLabel(self.tr("Nothing waits: each press of Generate puts a job here."), self.empty)
        text.setWordWrap(True)
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        set_role(text, "empty")
        self.generate = QPushButton(icon("list-plus"), self.tr("Add a job"), self.empty)
        self.generate.clicked.connect(self.generate_wanted)
        layout = QVBoxLayout(self.empty)
        layout.setContentsMargins(SECTION, SECTION, SECTION, SECTION)
        layout.setSpacing(MARGIN)
        layout.addStretch(2)
        layout.addWidget(self._mark)
        layout.addWidget(text)
        layout.addWidget(self.generate, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(3)
        self._show_mark()

    def _arrange(self) -> None:
        self._stack = QStackedLayout()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(self.interrupted)
        layout.addLayout(self._stack, 1)
        layout.addWidget(self.undo_strip)

    # ------------------------------------------------------------------------------------------------ showing

    def _toggle_pause(self) -> None:
        if self._queue.paused:
            self._queue.resume()
        else:
            self._queue.pause()

    def _continue_interrupted(self) -> None:
        self._queue.retry([job.id for job in self._queue.with_status("interrupted")])

    def _remove_interrupted(self) -> None:
        self._queue.remove([job.id for job in self._queue.with_status("interrupted")])

    def _refresh(self) -> None:
        queue = self._queue
        jobs = queue.jobs
        waiting, broken = len(queue.with_status("waiting")), len(queue.with_status("interrupted"))
        failed = bool(queue.with_status("failed"))
        self._stack.setCurrentWidget(self.view if jobs else self.empty)
        self.header.setVisible(bool(jobs) or queue.paused)
        self.pause.setText(self.tr("Resume") if queue.paused else self.tr("Pause"))
        self.pause.setIcon(icon("play" if queue.paused else "pause"))
        self.pause.setToolTip(
            self.tr("Go on with the next job.")
            if queue.paused
            else self.tr("Start no further job; the running one is finished.")
        )
        self.count.setText(self.tr("%n waiting", "", waiting))
        self.retry_failed.setEnabled(failed)
        self.clear.setEnabled(failed or bool(queue.with_status("done", "cancelled")))
        self.cancel_all.setEnabled(bool(queue.with_status(*UNFINISHED)))
        self.interrupted.setVisible(broken > 0)
        self.interrupted.text.setText(self.tr("%n job(s) did not come to an end last time.", "", broken))
        self.undo.setEnabled(queue.can_undo)
        self.undo_strip.setVisible(queue.can_undo)
        self._enable_for_selection()

    def _enable_for_selection(self) -> None:
        jobs = self.selected()
        movable = any(job.status in {"waiting", "interrupted"} for job in jobs)
        for made in (self.to_top, self.up, self.down, self.to_end):
            made.setEnabled(movable)
        self.edit.setEnabled(len(jobs) == 1 and jobs[0].status != "running")
        self.duplicate.setEnabled(bool(jobs))
        self.cancel.setEnabled(bool(jobs))
        self.retry.setEnabled(any(job.status in {"failed", "cancelled", "interrupted"} for job in jobs))
        self.show_picture.setEnabled(any(job.picture for job in jobs))
        self.copy_error.setEnabled(any(job.message for job in jobs))
        self.forever.setEnabled(any(job.status in UNFINISHED for job in jobs))
        self.forever.setChecked(bool(jobs) and all(job.forever for job in jobs))

    def _menu(self, at: QPoint) -> None:
        menu = self.menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.view.viewport().mapToGlobal(at))

    def menu(self) -> QMenu:
        """The context menu for the selected jobs."""
        menu = QMenu(self)
        for group in (
            (self.edit, self.duplicate, self.retry, self.show_picture),
            (self.to_top, self.up, self.down, self.to_end),
            (self.forever,),
            (self.copy_error, self.cancel, self.undo),
        ):
            menu.addActions([made for made in group if made.isEnabled()])
            menu.addSeparator()
        return menu

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        if event.type() in {QEvent.Type.PaletteChange, QEvent.Type.StyleChange} and hasattr(self, "_mark"):
            self._show_mark()
        super().changeEvent(event)

    def _show_mark(self) -> None:
        self._mark.setPixmap(icon_pixmap("list-ordered", 40, current().disabled, self.devicePixelRatioF()))


class _Strip(QFrame):
    """A line with a sentence and buttons at its end."""

    def __init__(self, parent: QWidget, kind: str) -> None:
        super().__init__(parent)
        set_role(self, f"banner-{kind}")
        self.text = QLabel(self)
        self.text.setWordWrap(True)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(MARGIN, SPACE, GAP, SPACE)
        self._row.setSpacing(SPACE)
        self._row.addWidget(self.text, 1)
        self.buttons: list[QPushButton] = []
        self.hide()

    def add_button(self, text: str, act: Callable[[], object]) -> None:
        """Add a quiet button."""
        button = QPushButton(text, self)
        set_role(button, "link")
        button.clicked.connect(lambda _checked=False: act())
        self._row.addWidget(button)
        self.buttons.append(button)

"""The canvas: the picture and everything one does with it, bound to the run and to the next request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QImage, QKeySequence
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from app.canvas.action_bar import ActionBar
from app.canvas.branch_bar import BranchBar
from app.canvas.buttons import action, label, tool_button
from app.canvas.empty import EmptyCanvas
from app.canvas.images import Pyramid, read_pyramid, smooth_preview
from app.canvas.popout import PopOut
from app.canvas.progress_row import ProgressRow
from app.canvas.saving import save_image
from app.canvas.scrubber import StepScrubber
from app.canvas.start import Start
from app.canvas.start_bar import StartBar
from app.canvas.taking_out import Shown, TakingOut
from app.canvas.view import CanvasView
from app.theme import GAP, MARGIN, SPACE
from app.widgets.alive import while_alive
from engine.errors import KnownError

if TYPE_CHECKING:
    from app.state.generation import GenerationState
    from app.state.picture import Picture
    from app.state.run import RunState
    from engine.messages import GenerateRequest

# Previews reach the screen at most this often; a newer one replaces one that was not shown yet.
PREVIEW_MS = 33


class Canvas(QWidget):
    """Shows the picture that forms or the finished one; a picture given to it becomes the start of the next.

    Signals:
        said(str): a sentence about something that worked, for the status bar.
    """

    said = Signal(str)

    def __init__(self, run: RunState, generation: GenerationState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run = run
        self._generation = generation
        self._picture: Picture | None = None
        self._full: Pyramid | None = None
        self._last: Pyramid | None = None
        self._scrubbed = False
        self._popout: PopOut | None = None
        self._saving: set[str] = set()
        self._preview_timer = QTimer(self)
        self._preview_timer.setSingleShot(True)
        self._preview_timer.setInterval(PREVIEW_MS)
        self._preview_timer.timeout.connect(self._show_preview)
        self._shown_preview: object = None
        self.view = CanvasView(self)
        self.empty = EmptyCanvas(self)
        self.actions_bar = ActionBar(self)
        self.start_bar = StartBar(generation, self)
        self.start = Start(run, generation, self.view, self.start_bar, self)
        self.scrubber = StepScrubber(self)
        self.step_label = label(self, role="number")
        self.branch_bar = BranchBar(self)
        self.progress = ProgressRow(run, self)
        self.out = TakingOut(run, self._shown, self)
        self._arrange()
        self._connect()
        self._show_everything()
        # A canvas made anew, as after a change of language, goes on where the old one was.
        if run.picture is not None:
            self._picture_came(run.picture)
        self._show_preview()

    # ------------------------------------------------------------------------------------------------ what users do

    def show_file(self, path: str) -> None:
        """Show a picture file, from the gallery or from outside."""
        self._run.show(path)

    def use_as_start(self, path: str) -> None:
        """Make the picture at `path` the start of the next one."""
        if path:
            self._generation.set("mask_image", "")
            self._generation.set("init_image", path)

    def paste(self) -> bool:
        """Take a picture from the clipboard as a start; false where there is none."""
        return self.view.take(QGuiApplication.clipboard().mimeData())

    def ask_for_start(self) -> None:
        """Let the user choose a picture file to begin with."""
        dialog = QFileDialog(self, self.tr("Begin with a picture"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(self.tr("Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.gif *.tif *.tiff)"))
        dialog.fileSelected.connect(self.use_as_start)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def pop_out(self, shown: bool = True) -> None:
        """Show the picture in a window of its own too, on the second screen where there is one; or close that."""
        if shown and self._popout is None:
            self._popout = PopOut(self.window())
            self._popout.closed.connect(lambda: self.actions_bar.pop_out.setChecked(False))
            self._popout.open_beside(self.window())
            self._mirror()
        elif not shown and self._popout is not None:
            window, self._popout = self._popout, None
            window.close()
            window.deleteLater()

    def compare(self, on: bool) -> None:
        """Show before and after: the start of the picture where it had one, else the picture before it."""
        self.view.set_before(self._before())
        self.view.set_comparing(on)
        self._mirror()

    def branch(self, changes: dict[str, Any] | None = None) -> None:
        """Start again from the step that the scrubber shows, with other values."""
        try:
            self._run.branch(self._scrubbed_index(), **(changes or {}))
        except (ValueError, LookupError) as error:
            self._run.tell(error)

    def _go_on(self, act: Callable[[GenerateRequest], object]) -> None:
        try:
            act(self._generation.request())
        except KnownError as error:
            self._run.tell(error)

    # ------------------------------------------------------------------------------------------------ building

    def _arrange(self) -> None:
        self._stack = QStackedLayout()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.view)
        self.branch_action = action(
            self,
            "git-branch",
            self.tr("Branch"),
            self.tr("Start again from the step shown, with another prompt, scheduler, guidance or seed."),
            checkable=True,
        )
        self.branch_button = tool_button(self, self.branch_action)
        self._steps_row = QWidget(self)
        row = QHBoxLayout(self._steps_row)
        row.setContentsMargins(MARGIN, SPACE, MARGIN, SPACE)
        row.setSpacing(GAP)
        self.step_label.setMinimumWidth(self.fontMetrics().horizontalAdvance("0000/0000"))
        row.addWidget(self.step_label)
        row.addWidget(self.scrubber, 1)
        row.addWidget(self.branch_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.actions_bar)
        layout.addWidget(self.start_bar)
        layout.addLayout(self._stack, 1)
        layout.addWidget(self._steps_row)
        layout.addWidget(self.branch_bar)
        layout.addWidget(self.progress)

    def _connect(self) -> None:
        run, view, bar = self._run, self.view, self.actions_bar
        run.preview_changed.connect(self._preview_came)
        run.picture_changed.connect(self._picture_came)
        run.phase_changed.connect(self._show_everything)
        run.progress_changed.connect(self._show_steps)
        run.following_changed.connect(self._followed)
        view.scale_changed.connect(bar.show_scale)
        view.drag_wanted.connect(lambda: self.out.drag(view))
        view.menu_wanted.connect(self._menu)
        view.file_dropped.connect(self.use_as_start)
        view.image_dropped.connect(self._keep_pasted)
        self.empty.open_wanted.connect(self.ask_for_start)
        self.empty.dropped.connect(view.take)
        self._connect_bar()
        self.start.changed.connect(self._start_changed)
        self.scrubber.scrubbed.connect(self._scrub)
        self.branch_action.toggled.connect(self._show_steps)
        self.branch_bar.branch_wanted.connect(self.branch)
        self.out.said.connect(self.said)
        self.start.bind()

    def _connect_bar(self) -> None:
        bar, view, run = self.actions_bar, self.view, self._run
        bar.fit.triggered.connect(view.fit)
        bar.actual.triggered.connect(view.actual_size)
        bar.zoom_in.triggered.connect(view.zoom_in)
        bar.zoom_out.triggered.connect(view.zoom_out)
        bar.compare.toggled.connect(self.compare)
        bar.start.triggered.connect(lambda: self.use_as_start(self._picture.path if self._picture else ""))
        bar.vary.triggered.connect(lambda _checked=False: self._go_on(run.vary))
        bar.enlarge.triggered.connect(lambda _checked=False: self._go_on(run.enlarge))
        bar.copy.triggered.connect(self.out.copy)
        bar.save.triggered.connect(lambda _checked=False: self.out.ask_where_to_save())
        bar.save_bare.triggered.connect(lambda: self.out.ask_where_to_save(with_recipe=False))
        bar.pop_out.toggled.connect(self.pop_out)
        bar.drag.connect(lambda: self.out.drag(view))
        # Their keys work wherever on the canvas the focus is.
        self.addActions([bar.copy, bar.save, self.start_bar.brush, self.start_bar.eraser])

    # ------------------------------------------------------------------------------------------------ what comes in

    def _preview_came(self, preview: object) -> None:
        if preview is None:
            self._preview_timer.stop()
            self._shown_preview = None
            if self._run.phase != "done":
                self.view.set_preview(None)
                self._show_everything()
        elif not self._preview_timer.isActive():
            self._show_preview()
            self._preview_timer.start()

    def _followed(self, following: bool) -> None:
        self._shown_preview = None
        if following:
            self._show_preview()
        else:
            self._preview_timer.stop()
        self._show_everything()

    def _show_preview(self) -> None:
        preview = self._run.preview
        if preview is None or preview is self._shown_preview or not self._run.following:
            return
        self._shown_preview = preview
        self._scrubbed = False
        request = self._run.request
        size = (request.width, request.height) if request else (0, 0)
        self.view.set_preview(smooth_preview(preview), *size)
        self._preview_timer.start()
        self._show_everything()

    def _picture_came(self, picture: Picture | None) -> None:
        self._picture = picture
        self._scrubbed = False
        if picture is None:
            self._full = None
            self.view.set_picture(None)
            self._show_everything()
            return
        if picture.request is not None:
            self.branch_bar.show_request(picture.request)
        read: Callable[[Pyramid], None] = lambda full: self._read(picture, full)  # noqa: E731
        self._run.in_background("canvas", lambda: read_pyramid(picture.path), while_alive(self, read))
        self._show_steps()

    def _read(self, picture: Picture, full: Pyramid) -> None:
        if picture is not self._picture:
            return
        self._last, self._full = self._full, full
        if not (self._run.working and self._run.following and self._run.preview is not None):
            self.view.set_picture(full)
        self.compare(self.actions_bar.compare.isChecked())
        self._show_everything()

    def _start_changed(self) -> None:
        self.compare(self.actions_bar.compare.isChecked())
        self._show_everything()

    def _keep_pasted(self, image: QImage) -> None:
        folder = self._run.folder
        self._run.in_background(
            "paste", lambda: save_image(image, folder, "pasted"), while_alive(self, self.use_as_start)
        )

    # ------------------------------------------------------------------------------------------------ steps

    def _scrub(self, steps: int) -> None:
        """Show the picture as it was after so many steps."""
        picture = self._picture
        if picture is None:
            return
        self._scrubbed = steps < self.scrubber.maximum()
        if not self._scrubbed:
            self.view.set_preview(None)
        elif picture.steps:
            # Between kept previews, the one before.
            past = [step for step in picture.steps if step.index < steps]
            shown = past[-1] if past else picture.steps[0]
            full = self._full
            size = (full.width, full.height) if full else (0, 0)
            self.view.set_preview(smooth_preview(shown.preview), *size)
        self._show_steps()
        self._mirror()

    def _scrubbed_index(self) -> int:
        return max(self.scrubber.value() - 1, 0)

    def _show_steps(self) -> None:
        run, picture = self._run, self._picture
        # Until a first step is there, the scrubber stays with the finished picture, which is still in view.
        forms = run.step > 0 or run.image > 0 or picture is None
        live = run.working and run.following and forms
        if live:
            self.scrubber.show_steps(run.total, run.step, live=True)
        elif picture is not None and picture.steps:
            done = self.scrubber.value() if self._scrubbed else picture.total
            marks = frozenset(index + 1 for index in picture.records)
            self.scrubber.show_steps(picture.total, done, live=False, marks=marks)
        else:
            self.scrubber.show_steps(0, 0, live=False)
        known = live or (picture is not None and bool(picture.steps))
        self._steps_row.setVisible(known)
        self.step_label.setText(f"{self.scrubber.value()}/{self.scrubber.maximum()}")
        can_branch = self._can_branch()
        self.branch_action.setVisible(known and not live)
        self.branch_action.setEnabled(not live and picture is not None and bool(picture.records))
        self.branch_bar.setVisible(known and not live and self.branch_action.isChecked())
        self.branch_bar.start.setEnabled(can_branch)
        self.branch_bar.start.setText(
            self.tr("Branch from step {step}").format(step=self.scrubber.value())
            if can_branch
            else self.tr("Choose a step to branch from")
        )

    def _can_branch(self) -> bool:
        picture = self._picture
        if picture is None or picture.request is None:
            return False
        return self._scrubbed_index() in picture.records

    # ------------------------------------------------------------------------------------------------ showing

    def _show_everything(self) -> None:
        """Bring bars and buttons in line with what there is."""
        empty = self.view.empty
        self._stack.setCurrentWidget(self.empty if empty else self.view)
        # While a first picture starts there is nothing to invite to.
        self.empty.button.setVisible(not self._run.working)
        self.actions_bar.setVisible(not empty)
        self.start_bar.setVisible(bool(self._generation.init_image))
        # The bar's name and buttons belong to what is in view: a picture that forms has no file yet.
        forms = self._forms
        self.actions_bar.show_picture(
            None if forms else self._picture, None if forms else self._full, working=self._run.working
        )
        self.actions_bar.compare.setEnabled(self._before() is not None)
        self._show_steps()
        self._mirror()

    def _before(self) -> Pyramid | None:
        """What the shown picture is compared with."""
        start = self.start.picture
        if start is not None and self._full is not None and start.image != self._full.image:
            return start
        return self._last

    def _mirror(self) -> None:
        """Show the same in the window on the second screen."""
        if self._popout is None:
            return
        other = self._popout.view
        other.set_picture(self.view.picture)
        if self.view.preview is not None:
            other.set_preview(self.view.preview, self.view.viewport.width, self.view.viewport.height)
        other.set_before(self._before())
        other.set_comparing(self.view.comparing)

    @property
    def _forms(self) -> bool:
        """Whether the picture in view is one that forms."""
        return self._run.working and self._run.following and self.view.preview is not None

    def _shown(self) -> Shown:
        """The finished picture, the step that the scrubber shows, or the picture that forms."""
        preview, full = self.view.preview, self._full
        image = preview if preview is not None else full.image if full else None
        return Shown(None if self._forms else self._picture, image, not self._scrubbed)

    def _menu(self, at: QPoint) -> None:
        menu = self.actions_bar.menu(self)
        paste = menu.addAction(self.tr("Paste a picture as a start"), QKeySequence(QKeySequence.StandardKey.Paste))
        paste.triggered.connect(self.paste)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(at)

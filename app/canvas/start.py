"""The picture that the next one starts from, and the mask painted on it, between the state, the view and the bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from app.canvas.images import Pyramid, read_image, read_pyramid
from app.canvas.mask import Mask
from app.canvas.saving import save_image
from app.widgets.alive import while_alive

if TYPE_CHECKING:
    from app.canvas.start_bar import StartBar
    from app.canvas.view import CanvasView
    from app.state.generation import GenerationState
    from app.state.run import RunState


class Start(QObject):
    """Reads the start picture when `init_image` changes, and keeps `mask_image` the same as what is painted.

    Signals:
        changed(): another picture is the start, or none.
    """

    changed = Signal()

    def __init__(
        self, run: RunState, generation: GenerationState, view: CanvasView, bar: StartBar, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._run = run
        self._generation = generation
        self._view = view
        self._bar = bar
        self._path: str | None = None
        self._picture: Pyramid | None = None
        self._sending = False
        self._waiting: list[Callable[[], None]] = []
        bar.tool_chosen.connect(self._choose_tool)
        bar.radius_chosen.connect(view.set_radius)
        bar.undo_wanted.connect(lambda: self._on_mask(Mask.undo))
        bar.redo_wanted.connect(lambda: self._on_mask(Mask.redo))
        bar.clear_wanted.connect(lambda: self._on_mask(Mask.clear))
        bar.invert_wanted.connect(lambda: self._on_mask(Mask.invert))
        bar.remove_wanted.connect(self.remove)
        bar.set_radius(view.radius)
        view.stroke_ended.connect(self._mask_changed)
        view.brush_changed.connect(bar.set_radius)

    @property
    def picture(self) -> Pyramid | None:
        """The start picture, once it is read."""
        return self._picture

    def bind(self) -> None:
        """Follow the state from now on."""
        self._generation.bind("init_image", self, self._came)

    def when_sent(self, act: Callable[[], None]) -> None:
        """Call `act` once `mask_image` is what is painted: at once, or after the stroke on its way to the disk.

        Where that stroke cannot be kept, which is said, `act` is not called: it would work with the mask before it.
        """
        if self._sending:
            self._waiting.append(act)
        else:
            act()

    def remove(self) -> None:
        """Make the next picture from the prompt alone."""
        self._generation.set("mask_image", "")
        self._generation.set("init_image", "")

    def _came(self, path: str) -> None:
        if self._path not in {None, path}:
            # A mask belongs to the picture that it was painted on.
            self._generation.set("mask_image", "")
        self._path, self._picture = path, None
        self._view.set_mask(None)
        self._view.set_tool("")
        self._bar.set_tool("")
        if path:
            read: Callable[[Pyramid], None] = lambda full: self._read(path, full)  # noqa: E731
            self._run.in_background("start", lambda: read_pyramid(path), while_alive(self, read))
        self.changed.emit()

    def _read(self, path: str, full: Pyramid) -> None:
        if path != self._generation.init_image:
            return
        self._picture = full
        mask, shown = self._generation.mask_image, self._run.picture
        if mask:
            # Painted before the window was made anew, as it is when the language changes.
            read: Callable[[QImage], None] = lambda grey: self._mask_read(path, grey)  # noqa: E731
            self._run.in_background("mask read", lambda: read_image(mask), while_alive(self, read))
        if not self._run.working and (shown is None or shown.path != path):
            self._run.show(path)
        self.changed.emit()

    # ------------------------------------------------------------------------------------------------ mask

    def _mask_read(self, path: str, grey: QImage) -> None:
        if path == self._generation.init_image and self._view.painted is None:
            self._view.set_mask(Mask.from_grey(grey))
            self._show_mask()

    def _choose_tool(self, tool: str) -> None:
        if tool and self._picture is not None:
            if self._view.painted is None:
                self._view.set_mask(Mask(self._picture.width, self._picture.height))
            # One paints on the start picture, not on what was made of it.
            self._view.set_picture(self._picture)
        self._view.set_tool(tool if self._picture is not None else "")
        self._show_mask()

    def _on_mask(self, act: Callable[[Mask], object]) -> None:
        mask = self._view.painted
        if mask is not None:
            act(mask)
            self._view.update()
            self._mask_changed()

    def _mask_changed(self) -> None:
        mask = self._view.painted
        if mask is None:
            return
        grey, folder, start = mask.to_grey(), self._run.folder, self._generation.init_image
        self._show_mask()
        if mask.empty:
            self._generation.set("mask_image", "")
            return
        self._sending = True

        def keep(path: str) -> None:
            if self._generation.init_image == start and self._view.painted is mask:
                self._generation.set("mask_image", "" if mask.empty else path)
            self._sent(self._waiting)

        save: Callable[[], str] = lambda: save_image(grey, folder, "mask")  # noqa: E731
        self._run.in_background("mask", save, while_alive(self, keep), lambda: self._sent([]))

    def _sent(self, acts: list[Callable[[], None]]) -> None:
        self._sending, self._waiting = False, []
        for act in acts:
            act()

    def _show_mask(self) -> None:
        mask = self._view.painted
        if mask is None:
            self._bar.set_can(undo=False, redo=False, painted=False)
        else:
            self._bar.set_can(undo=mask.can_undo, redo=mask.can_redo, painted=not mask.empty)

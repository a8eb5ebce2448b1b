"""A grid of pictures under way: its jobs in the queue, and the sheet at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal

from app.services.gallery_worker import Worker
from app.services.grid_axes import Cell
from app.services.grid_sheet import make_sheet, save_sheet
from app.state.queue import QueueState
from engine.catalog import scheduler_entry
from engine.messages import GenerateRequest, ImageDone, Recipe


@dataclass
class _Grid:
    columns: Sequence[str]
    rows: Sequence[str]
    request: GenerateRequest
    waiting: dict[str, tuple[int, int]]
    total: int
    pictures: dict[tuple[int, int], Path] = field(default_factory=dict[tuple[int, int], Path])
    messages: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])


class GridState(QObject):
    """Makes one grid at a time.

    Signals:
        changed(): it began, got a picture further, or ended.
        finished(str): the sheet is at this path.
        failed(str): a sentence that says why there is no sheet.
    """

    changed = Signal()
    finished = Signal(str)
    failed = Signal(str)
    _answered = Signal()

    def __init__(self, queue: QueueState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._grid: _Grid | None = None
        self._drawing = False
        self._answers: deque[Callable[[], None]] = deque()
        self._answered.connect(self._take_answer, Qt.ConnectionType.QueuedConnection)
        self._worker: Worker[None] | None = None
        queue.picture_ready.connect(self._made)
        queue.job_changed.connect(self._job_changed)
        queue.jobs_changed.connect(self._jobs_changed)

    @classmethod
    def of(cls, queue: QueueState) -> GridState:
        """The one that goes with `queue`: a grid under way outlives the window, which another language makes anew."""
        return next((child for child in queue.children() if isinstance(child, cls)), None) or cls(queue, queue)

    @property
    def running(self) -> bool:
        """Whether a grid is under way."""
        return self._grid is not None

    @property
    def progress(self) -> tuple[int, int]:
        """How many pictures are done, of how many."""
        grid = self._grid
        return (0, 0) if grid is None else (grid.total - len(grid.waiting), grid.total)

    def start(self, cells: Sequence[Cell], columns: Sequence[str], rows: Sequence[str]) -> None:
        """Put the pictures of a grid into the queue; the sheet is made when the last of them is done."""
        if self._grid is not None or not cells:
            return
        ids = self._queue.add_all([cell.request for cell in cells])
        places = {id: (cell.column, cell.row) for id, cell in zip(ids, cells, strict=True)}
        self._grid = _Grid(columns, rows, cells[0].request, places, len(cells))
        self.changed.emit()

    def cancel(self) -> None:
        """Leave what is not made yet; a sheet is made of what there is."""
        if self._grid is not None:
            for id in list(self._grid.waiting):
                self._queue.cancel(id)

    def close(self) -> None:
        """End the thread that draws sheets."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _made(self, picture: ImageDone) -> None:
        if self._grid is not None and (place := self._grid.waiting.pop(picture.job_id, None)) is not None:
            self._grid.pictures[place] = Path(picture.path)
            self._step()

    def _job_changed(self, job_id: str) -> None:
        if self._grid is None or job_id not in self._grid.waiting:
            return
        job = self._queue.job(job_id)
        if job is None or job.status in {"failed", "cancelled"}:
            message = self.tr("Cancelled") if job is None or job.status == "cancelled" else job.message
            self._grid.messages[self._grid.waiting.pop(job_id)] = message
            self._step()

    def _jobs_changed(self) -> None:
        for id in list(self._grid.waiting) if self._grid is not None else ():
            self._job_changed(id)

    def _step(self) -> None:
        self.changed.emit()
        grid = self._grid
        if grid is None or grid.waiting or self._drawing:
            return
        if not grid.pictures:
            reasons = list(dict.fromkeys(grid.messages.values()))
            self._end()
            self.failed.emit(self.tr("No picture of the grid was made: {reason}").format(reason=reasons[0]))
            return
        self._drawing = True
        self._work(lambda: _draw(grid), self._drawn, self._not_drawn)

    def _work(self, work: Callable[[], str], done: Callable[[str], None], failed: Callable[[str], None]) -> None:
        if self._worker is None:
            self._worker = Worker("grid-sheet", lambda: None, self._answer)
        self._worker.do(lambda _none: work(), done, failed)

    def _take_answer(self) -> None:
        self._answers.popleft()()

    def _answer(self, call: Callable[[], None]) -> None:
        # No Python object travels in the signal from the other thread: PySide 6.11 has crashed at that.
        self._answers.append(call)
        self._answered.emit()

    def _drawn(self, path: str) -> None:
        self._end()
        self.finished.emit(path)

    def _not_drawn(self, message: str) -> None:
        self._end()
        self.failed.emit(message)

    def _end(self) -> None:
        self._grid, self._drawing = None, False
        self.changed.emit()


def _draw(grid: _Grid) -> str:
    sheet = make_sheet(grid.columns, grid.rows, grid.pictures, grid.messages)
    folder = next(iter(grid.pictures.values())).parent
    return str(save_sheet(sheet, _recipe(grid), folder, datetime.now()))


def _recipe(grid: _Grid) -> Recipe:
    """What the pictures have in common, and the values of both sides."""
    request = grid.request
    axes: list[tuple[str, Any]] = [("Grid across", ", ".join(grid.columns)), ("Grid down", ", ".join(grid.rows))]
    return Recipe(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        model=request.model,
        scheduler=scheduler_entry(request.scheduler).name,
        sigma_schedule=request.sigma_schedule,
        steps=request.steps,
        guidance_scale=request.guidance_scale,
        seed=request.seed,
        width=request.width,
        height=request.height,
        program="Sfumato",
        extras=tuple((key, value) for key, value in axes if value.strip(", ")),
    )

"""The queue as a list for Qt's views: jobs by row, and dragging as a move."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QByteArray,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
)
from PySide6.QtGui import QImage

from app.canvas.images import to_image
from app.error_texts import said_here
from app.services.queue_store import Job
from app.state.jobs import Progress
from app.state.queue import QueueState

JOB = Qt.ItemDataRole.UserRole
PROGRESS = Qt.ItemDataRole.UserRole + 1
THUMBNAIL = Qt.ItemDataRole.UserRole + 2
MIME = "application/x-sfumato-jobs"
Index = QModelIndex | QPersistentModelIndex


class QueueModel(QAbstractListModel):
    """One row for each job; the texts are for screen readers and tooltips, the delegate draws from the job itself."""

    def __init__(self, queue: QueueState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._ids: list[str] = [job.id for job in queue.jobs]
        self._rows = {id: row for row, id in enumerate(self._ids)}
        self._thumbnails: dict[str, tuple[object, QImage]] = {}
        queue.jobs_changed.connect(self._reset)
        queue.job_changed.connect(self._changed)

    def rowCount(self, parent: Index | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(self._ids)

    def job(self, row: int) -> Job | None:
        """The job in a row."""
        return self._queue.job(self._ids[row]) if 0 <= row < len(self._ids) else None

    def row_of(self, job_id: str) -> int:
        """The row of a job; -1 if it has none."""
        return self._rows.get(job_id, -1)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        job = self.job(index.row())
        if job is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return job.request.prompt
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{self.status_text(job)}: {job.request.prompt}"
            case Qt.ItemDataRole.ToolTipRole:
                return said_here(job.message) or job.request.prompt
            case _ if role == JOB:
                return job
            case _ if role == PROGRESS:
                return self._queue.progress if job.status == "running" else None
            case _ if role == THUMBNAIL:
                return self._thumbnail(job)
            case _:
                return None

    def status_text(self, job: Job) -> str:
        """What the job does, in a few words."""
        match job.status:
            case "running":
                return self._progress_text(self._queue.progress)
            case "waiting":
                return self.tr("Waiting")
            case "interrupted":
                return self.tr("Interrupted")
            case "failed":
                return self.tr("Failed")
            case "cancelled":
                return self.tr("Cancelled")
            case "done":
                return self.tr("Done")

    def _progress_text(self, progress: Progress) -> str:
        if progress.step:
            return self.tr("Step {step} of {total}").format(step=progress.step, total=progress.total)
        return self.tr("Preparing")

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid():
            # Between rows is where one drops.
            return Qt.ItemFlag.ItemIsDropEnabled
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
        job = self.job(index.row())
        if job is not None and job.status in {"waiting", "interrupted"}:
            flags |= Qt.ItemFlag.ItemIsDragEnabled
        return flags

    def supportedDropActions(self) -> Qt.DropAction:  # noqa: N802
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:  # noqa: N802
        return [MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:  # noqa: N802
        ids = [self._ids[index.row()] for index in sorted(indexes, key=lambda index: index.row())]
        data = QMimeData()
        data.setData(MIME, QByteArray(json.dumps(ids).encode()))
        return data

    def dropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index) -> bool:  # noqa: N802, ARG002
        if action != Qt.DropAction.MoveAction or not data.hasFormat(MIME):
            return False
        ids = [str(id) for id in json.loads(bytes(data.data(MIME).data()))]
        row = row if row >= 0 else parent.row() if parent.isValid() else len(self._ids)
        # The row to stand before is the first at or after the place that does not move itself.
        before = next((id for id in self._ids[row:] if id not in ids), None)
        self._queue.move(ids, before)
        # False, so that the view does not remove the rows that moved already.
        return False

    def _thumbnail(self, job: Job) -> QImage | None:
        progress = self._queue.progress if job.status == "running" else None
        source = progress.preview if progress is not None and progress.preview is not None else job.thumbnail
        if source is None:
            return None
        known = self._thumbnails.get(job.id)
        if known is None or known[0] is not source:
            known = self._thumbnails[job.id] = (source, to_image(source))
        return known[1]

    def _reset(self) -> None:
        self.beginResetModel()
        self._ids = [job.id for job in self._queue.jobs]
        self._rows = {id: row for row, id in enumerate(self._ids)}
        self._thumbnails = {id: known for id, known in self._thumbnails.items() if id in self._rows}
        self.endResetModel()

    def _changed(self, job_id: str) -> None:
        row = self.row_of(job_id)
        if row >= 0:
            index = self.index(row)
            self.dataChanged.emit(index, index)

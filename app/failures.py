"""What is said of jobs and models that fail, with the remedies."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app import remedies
from app.i18n import isolated
from app.services.paths import FolderState, folder_state
from engine.messages import JobFailed

if TYPE_CHECKING:
    from app.application import Application

log = logging.getLogger(__name__)


class Failures(QObject):
    """Turns what failed in the engine into a sentence of the banner."""

    def __init__(self, program: Application) -> None:
        super().__init__(program)
        self._program = program
        program.client.job_failed.connect(self._job_failed)

    def model_refused(self, location: str, error: Exception) -> None:
        """Say why the chosen model cannot be used, unless another one was chosen meanwhile."""
        if location == self._program.generation.model:
            self._program.generation.refuse()
            self._program.say_banner(str(error), "error", remedies.for_model(self._program))

    def _job_failed(self, event: JobFailed) -> None:
        if event.report:
            log.error("job %s failed:\n%s", event.job_id, event.report)
            self._program.say_banner(event.message, "error", remedies.for_report(self._program, event))
            return
        job = self._program.queue.job(event.job_id)
        if job is None or event.kind not in {"MissingFile", "KnownError", "InvalidValue"}:
            self._program.say_banner(event.message, "error", remedies.for_failure(self._program, event))
            return
        # The engine's sentence is for whoever calls it; here the folder is chosen in the settings.
        folder = Path(job.request.folder)
        say: Callable[[FolderState], None] = lambda state: self._say_failure(event, folder, state)  # noqa: E731
        self._program.client.query("folder", lambda: folder_state(folder), say)

    def _say_failure(self, event: JobFailed, folder: Path, state: FolderState) -> None:
        if state == "missing":
            self._program.say_banner(
                lambda: self.tr(
                    "The pictures folder {folder} is not there; connect its drive, make it, or choose another."
                ).format(folder=isolated(folder)),
                "error",
                remedies.for_missing_folder(self._program, event, folder),
            )
        elif state == "read-only":
            self._program.say_banner(
                lambda: self.tr(
                    "The pictures folder {folder} cannot be written to; allow that, or choose another."
                ).format(folder=isolated(folder)),
                "error",
                remedies.for_folder(self._program, event),
            )
        elif str(folder) in event.message:
            self._program.say_banner(event.message, "error", remedies.for_folder(self._program, event))
        else:
            self._program.say_banner(event.message, "error", remedies.for_failure(self._program, event))

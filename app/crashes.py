"""Errors of ours: each that nobody caught is logged and shown as a report that can be copied; the program goes on."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QtMsgType, Signal, qInstallMessageHandler

from engine.errors import BugError, KnownError

if TYPE_CHECKING:
    from app.application import Application

log = logging.getLogger(__name__)


class Crashes(QObject):
    """Shows one report at a time; later ones are added to it."""

    _failed = Signal(str)

    def __init__(self, program: Application) -> None:
        super().__init__(program)
        self._program = program
        self._dialog: Any = None
        self._failed.connect(self._show)

    def take_hooks(self) -> None:
        """Hear of every error that nobody caught, and of what Qt has to say."""
        self._hooks = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._excepthook
        threading.excepthook = self._thread_hook
        self._messages = qInstallMessageHandler(_log_of_qt)

    def put_hooks_back(self) -> None:
        """Leave that to whoever did it before."""
        sys.excepthook, threading.excepthook = self._hooks
        qInstallMessageHandler(self._messages)

    def _excepthook(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._program.qt.quit()
            return
        report = "".join(traceback.format_exception(kind, error, trace))
        log.error("unexpected error:\n%s", report)
        self._failed.emit(str(error) if isinstance(error, KnownError) else report)

    def _thread_hook(self, args: threading.ExceptHookArgs) -> None:
        error = args.exc_value or BugError("a thread ended without saying why")
        self._excepthook(args.exc_type, error, args.exc_traceback)

    def _show(self, report: str) -> None:
        if "\n" not in report:
            self._program.say_banner(report)
            return
        self.show(report)

    def show(self, report: str) -> None:
        """Show a report of an error of ours, with a button that copies it."""
        from app.dialogs.crash import CrashDialog

        if self._dialog is not None:
            self._dialog.add(report)
            return
        self._dialog = CrashDialog(report, str(self._program.paths.log), self._program.window)
        self._dialog.finished.connect(self._closed)
        self._dialog.open()

    def _closed(self, _result: int) -> None:
        self._dialog = None


def _log_of_qt(kind: QtMsgType, _context: Any, text: str) -> None:
    levels = {QtMsgType.QtDebugMsg: logging.DEBUG, QtMsgType.QtInfoMsg: logging.INFO}
    log.log(levels.get(kind, logging.WARNING), "Qt: %s", text)

"""For a user who looks elsewhere: no sleep while jobs run, a badge, a notification when all is done."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QIcon
from PySide6.QtWidgets import QSystemTrayIcon

from app.services.notify import Notifier, notifier
from app.services.sleep import SleepGuard, sleep_guard
from app.state.queue import QueueState

log = logging.getLogger(__name__)

DESKTOP_FILE = "sfumato.desktop"
PROGRESS_MS = 250
SHOWN_MS = 8000


class Attention(QObject):
    """Follows the queue. Programs of the system are started in a thread of their own, so that no window waits.

    `looking` says whether the user sees the window, and needs no notification.
    """

    def __init__(
        self,
        queue: QueueState,
        parent: QObject | None = None,
        *,
        guard: SleepGuard | None = None,
        notify: Notifier | None = None,
        looking: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(parent)
        self._queue = queue
        self._guard = guard or sleep_guard()
        self._notifier = notify or (TrayNotifier(self) if sys.platform == "win32" else notifier())
        self._looking = looking or _window_is_active
        self._launcher = LauncherEntry()
        self._closed = False
        # One thread: what holds sleep off on Windows is bound to it, and hold and release stay in order.
        self._thread = ThreadPoolExecutor(1, "attention")
        self._timer = QTimer(self, singleShot=True, interval=PROGRESS_MS)
        self._timer.timeout.connect(self._show_progress)
        queue.running_changed.connect(self._running_changed)
        queue.job_changed.connect(self._job_changed)
        queue.jobs_changed.connect(self._show_badge)
        queue.drained.connect(self._drained)

    def close(self) -> None:
        """Let the computer sleep again; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._thread.submit(self._guard.release)
        self._thread.shutdown(wait=True)
        self._launcher.show(None)

    def _running_changed(self, running: bool) -> None:
        # Between two jobs the queue is idle for a moment; the guard stays until nothing waits.
        if self._closed:
            return
        if running:
            self._thread.submit(self._guard.hold)
        elif not self._queue.with_status("waiting") or self._queue.paused:
            self._thread.submit(self._guard.release)
            self._launcher.show(None)
        self._show_badge()

    def _job_changed(self, _id: str) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _show_badge(self) -> None:
        left = len(self._queue.with_status("waiting", "running"))
        # A single job needs no number: its progress is shown.
        program = QGuiApplication.instance()
        if isinstance(program, QGuiApplication):
            program.setBadgeNumber(left if left > 1 else 0)

    def _show_progress(self) -> None:
        self._launcher.show(self._queue.progress.fraction if self._queue.running else None)

    def _drained(self, pictures: int) -> None:
        if self._closed or self._looking():
            return
        title, text = self.tr("The queue is done"), self.tr("%n picture(s) finished.", "", pictures)
        if isinstance(self._notifier, TrayNotifier):
            self._notifier.show(title, text)
        else:
            self._thread.submit(self._notifier.show, title, text)


def _window_is_active() -> bool:
    return QGuiApplication.applicationState() == Qt.ApplicationState.ApplicationActive


class TrayNotifier(QObject):
    """Shows notifications through an icon in the tray that is there only as long."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._icon: QSystemTrayIcon | None = None

    def show(self, title: str, text: str) -> None:
        """Show it for a few seconds."""
        if not QSystemTrayIcon.isSystemTrayAvailable():
            log.info("%s: %s", title, text)
            return
        if self._icon is None:
            icon = QGuiApplication.windowIcon()
            self._icon = QSystemTrayIcon(icon if not icon.isNull() else QIcon(), self)
        self._icon.show()
        self._icon.showMessage(title, text, QSystemTrayIcon.MessageIcon.Information, SHOWN_MS)
        QTimer.singleShot(SHOWN_MS, self._icon.hide)


class LauncherEntry:
    """A progress bar on the program's icon in docks that follow Unity's LauncherEntry (Ubuntu, KDE, ...)."""

    def __init__(self) -> None:
        self._shown: float | None = None

    def show(self, fraction: float | None) -> None:
        """Show `fraction` (0 to 1), or nothing with None."""
        if sys.platform != "linux" or fraction == self._shown:
            return
        self._shown = fraction
        from PySide6.QtDBus import QDBusConnection, QDBusMessage

        bus = QDBusConnection.sessionBus()
        if not bus.isConnected():
            return
        message = QDBusMessage.createSignal("/sfumato", "com.canonical.Unity.LauncherEntry", "Update")
        properties = {"progress": float(fraction or 0.0), "progress-visible": fraction is not None}
        message.setArguments([f"application://{DESKTOP_FILE}", properties])
        bus.send(message)

"""Tell the user outside the window that the queue is done: a desktop notification. No Qt here."""

from __future__ import annotations

import logging
import shutil
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import subprocess

log = logging.getLogger(__name__)


class Notifier(Protocol):
    """Shows a notification of the desktop; never raises, never waits."""

    def show(self, title: str, text: str) -> None:
        """Show it."""
        ...


def notifier(platform: str = sys.platform) -> Notifier:
    """The notifier of this system."""
    if platform == "darwin":
        # The words are arguments of the script, not part of it, so that no quote in a prompt can end it.
        script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"
        return CommandNotifier(["osascript", "-e", script])
    if platform == "win32":
        return SilentNotifier()
    return CommandNotifier(["notify-send", "--app-name=Sfumato", "--icon=sfumato", "--"])


class CommandNotifier:
    """Shows notifications through a program of the system, given title and text as its last two arguments."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._running: list[subprocess.Popen[bytes]] = []

    def show(self, title: str, text: str) -> None:
        import subprocess  # 10 ms that the start of the window is not to wait for

        # Those that have ended are collected, so that no dead process stays.
        self._running = [process for process in self._running if process.poll() is None]
        program = shutil.which(self._command[0])
        if program is None:
            log.info("no notification is shown: %s is not installed", self._command[0])
            return
        try:
            # An argument list without a shell: title and text are only ever words.
            process = subprocess.Popen(  # noqa: S603
                [program, *self._command[1:], title, text],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            log.info("no notification is shown: %s", error)
        else:
            self._running.append(process)


class SilentNotifier:
    """For systems where the window shows the notification itself (through its icon in the tray)."""

    def show(self, title: str, text: str) -> None:
        log.info("%s: %s", title, text)

"""Keep the computer awake while jobs run. The screen may go dark; only the machine must not sleep. No Qt here."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import subprocess

log = logging.getLogger(__name__)

REASON = "Sfumato is making pictures"


class SleepGuard(Protocol):
    """Holds sleep off between `hold` and `release`; both may be called twice and never raise."""

    def hold(self) -> None:
        """Keep the computer awake from now on."""
        ...

    def release(self) -> None:
        """Let it sleep again."""
        ...


def sleep_guard(platform: str = sys.platform) -> SleepGuard:
    """The guard of this system; one that only says so in the log where the system offers nothing."""
    if platform == "win32":
        return WindowsGuard()
    if platform == "darwin":
        return CommandGuard(["caffeinate", "-i", "-w", str(os.getpid())])
    # `cat` ends when its input is closed, also because this process was killed; then the system may sleep again.
    return CommandGuard(
        ["systemd-inhibit", "--what=idle:sleep", "--mode=block", "--who=Sfumato", f"--why={REASON}", "cat"]
    )


class CommandGuard:
    """Holds sleep off for as long as a program of the system runs."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._missing = False

    @property
    def holding(self) -> bool:
        """Whether the program runs."""
        return self._process is not None and self._process.poll() is None

    def hold(self) -> None:
        import subprocess  # 10 ms that the start of the window is not to wait for

        if self.holding or self._missing:
            return
        self.release()  # of one that ended by itself
        program = shutil.which(self._command[0])
        if program is None:
            self._missing = True
            log.info("the computer may sleep while pictures are made: %s is not installed", self._command[0])
            return
        try:
            # The command is ours, word by word; nothing of the user's is in it.
            self._process = subprocess.Popen(  # noqa: S603
                [program, *self._command[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            log.info("the computer may sleep while pictures are made: %s", error)

    def release(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        import subprocess

        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class WindowsGuard:
    """Holds sleep off through the execution state of the calling thread."""

    _CONTINUOUS = 0x80000000
    _SYSTEM_REQUIRED = 0x00000001

    def hold(self) -> None:
        self._set(self._CONTINUOUS | self._SYSTEM_REQUIRED)

    def release(self) -> None:
        self._set(self._CONTINUOUS)

    def _set(self, state: int) -> None:
        import ctypes

        library = getattr(ctypes, "windll", None)
        if library is None or not library.kernel32.SetThreadExecutionState(state):
            log.info("the computer may sleep while pictures are made: the system refused")

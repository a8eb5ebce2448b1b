"""One window a user: a second start raises the first one's and hands its files over."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from PySide6.QtCore import QLockFile, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

log = logging.getLogger(__name__)

WAIT_MS = 1000
# As long as a start can take at most, until it answers.
START_SECONDS = 30
_LONGEST = 1_000_000


def server_name(data_folder: Path) -> str:
    """The name under which the program that uses `data_folder` listens."""
    return "sfumato-" + hashlib.sha256(str(data_folder).encode()).hexdigest()[:16]


def hand_over(data_folder: Path, files: Sequence[str]) -> bool:
    """Ask the program that uses `data_folder` already to come forward with `files`; false where there is none."""
    socket = QLocalSocket()
    socket.connectToServer(server_name(data_folder))
    if not socket.waitForConnected(WAIT_MS):
        return False
    socket.write(json.dumps([str(Path(file).absolute()) for file in files]).encode() + b"\n")
    socket.flush()
    # The answer says that a living program took it, not a socket that a dead one left.
    taken = socket.bytesToWrite() == 0 or socket.waitForBytesWritten(WAIT_MS)
    answered = taken and (socket.bytesAvailable() > 0 or socket.waitForReadyRead(WAIT_MS))
    socket.disconnectFromServer()
    return answered


class Turn:
    """The right to be the one program on a data folder, from before anything of it is opened.

    Two starts at the same moment both find nobody who answers; one of them gets the turn, the other waits for its
    answer.
    """

    def __init__(self, data_folder: Path) -> None:
        self._lock = QLockFile(str(data_folder / "sfumato.lock"))
        # Only the death of its owner makes it stale, never its age.
        self._lock.setStaleLockTime(0)
        self._folder = data_folder

    def take(self, files: Sequence[str]) -> bool:
        """Whether this start is the first; otherwise the first has been given `files`."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
        end = monotonic() + START_SECONDS
        while not self._lock.tryLock(100):
            if hand_over(self._folder, files):
                return False
            refused = self._lock.error() == QLockFile.LockError.PermissionError
            if refused or monotonic() > end:
                # Nothing can be written there, which the window says; or the other one hangs.
                log.warning("another start may be using %s", self._folder)
                break
        return not hand_over(self._folder, files)

    def end(self) -> None:
        """Let the next start have it."""
        self._lock.unlock()


class FirstInstance(QObject):
    """Listens for later starts.

    Signals:
        called(list): another start asks for the window, with these files.
    """

    called = Signal(list)

    def __init__(self, data_folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._answer)
        name = server_name(data_folder)
        if not self._server.listen(name):
            QLocalServer.removeServer(name)  # a crashed program left it
            if not self._server.listen(name):
                log.warning("cannot listen for later starts: %s", self._server.errorString())

    def close(self) -> None:
        """Listen no more."""
        self._server.close()

    def _answer(self) -> None:
        if not self._server.hasPendingConnections():
            return
        socket = self._server.nextPendingConnection()
        socket.readyRead.connect(lambda: self._read(socket))
        socket.disconnected.connect(socket.deleteLater)
        if socket.bytesAvailable():
            self._read(socket)

    def _read(self, socket: QLocalSocket) -> None:
        if not socket.canReadLine():
            if socket.bytesAvailable() > _LONGEST:
                socket.abort()
            return
        line = bytes(socket.readLine().data())
        try:
            files = [str(file) for file in json.loads(line)]
        except (ValueError, TypeError):
            log.warning("a later start sent something that is no list of files")
            files = []
        socket.write(b"ok\n")
        socket.flush()
        self.called.emit(files)

"""SQLite files that outlive crashes, full disks and changes of version: opened, checked and migrated in one place.

The queue, the gallery and the model library each have a file in the local data folder, never beside the pictures:
write-ahead logging does not work on network drives. One connection belongs to one thread. No Qt and no torch here.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.errors import KnownError

log = logging.getLogger(__name__)

BUSY_SECONDS = 5.0
# A quick check reads every page, some hundred MB a second: larger files are checked at their head only.
_CHECKED_BYTES = 64 * 2**20
_COMPANIONS = ("-wal", "-shm")
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

Notice = Callable[[str], None]


class DatabaseError(KnownError):
    """A database of the program cannot be opened, read or written; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file holds: `name` for messages ("queue", "gallery"), and the SQL scripts that made each version.

    The file's version is the number of scripts that ran. Scripts are only ever added, never changed.
    """

    name: str
    migrations: tuple[str, ...]

    @property
    def version(self) -> int:
        """The version that a file has after all scripts."""
        return len(self.migrations)


def open_database(
    path: Path, schema: Schema, *, durable: bool, check: bool = True, notice: Notice | None = None
) -> sqlite3.Connection:
    """Open the database at `path`, made or brought to the version of `schema` where needed.

    `durable` waits for the disk at each commit; without it a power cut may lose the last ones, never the file.
    `check` looks for damage first; a further connection of the same process may leave that out. A damaged file is
    moved aside to `<name>.damaged-<date>` and a fresh one begun, which is told to `notice` and the log in one sentence.
    Before a change of version a copy is kept in `<name>.backup-<version>`.

    Raises:
        DatabaseError: the folder cannot be written, the disk is full, another program holds the file, or a newer
            version of this program wrote it. The file is left as it was.
    """
    with known_errors(path, schema.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _open(path, schema, durable=durable, check=check)
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGED:
                raise
            aside = _move_aside(path)
            _suspicion(path).unlink(missing_ok=True)
            text = f"The {schema.name} in {path} was damaged; it was moved to {aside} and a fresh one was begun."
            log.warning("%s (%s)", text, error)
            if notice is not None:
                notice(text)
        return _open(path, schema, durable=durable, check=False)


@contextmanager
def known_errors(path: Path, name: str) -> Generator[None]:
    """Turn what the world does to the database of `name` at `path` into one `DatabaseError`; let bugs through.

    Put it around every use of a connection.
    """
    try:
        yield
    except sqlite3.Error as error:
        if _code(error) in _DAMAGED:
            with suppress(OSError):
                _suspicion(path).touch()
        text = _explained(error, path, name)
        if text is None:
            raise
        raise DatabaseError(text) from error
    except OSError as error:
        if isinstance(error, KnownError):
            raise
        raise DatabaseError(
            f"The {name} cannot be kept in {path.parent} ({error.strerror}); choose a folder that you may write to."
        ) from error


def statements(script: str) -> Iterator[str]:
    """The SQL statements of `script`, one by one; a semicolon in a text or a trigger ends none."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \t\r\n;"):
                yield statement.strip()
            statement = ""


def _open(path: Path, schema: Schema, *, durable: bool, check: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        version = _version(connection)
        if version > schema.version:
            raise DatabaseError(
                f"The {schema.name} in {path} was written by a newer version of Sfumato (it has version {version}, "
                f"this one knows {schema.version}); install that version again, or move the file away to begin afresh."
            )
        if check:
            _check(connection, path)
        _use_write_ahead_log(connection)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        if version < schema.version:
            if version:
                _back_up(connection, path.with_name(f"{path.name}.backup-{version}"))
            _migrate(connection, schema)
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if path.stat().st_size > _CHECKED_BYTES and not _suspicion(path).exists():
        return
    answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if answer != "ok":
        error = sqlite3.DatabaseError(answer)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    _suspicion(path).unlink(missing_ok=True)


def _suspicion(path: Path) -> Path:
    """Where it is noted that damage was met, so that the next start reads the whole file however large it is."""
    return path.with_name(f"{path.name}.check")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    # Two programs that make the file at once: SQLite refuses the change of mode at once instead of waiting.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _migrate(connection: sqlite3.Connection, schema: Schema) -> None:
    """Run the scripts that the file has not seen, all or none."""
    before, connection.isolation_level = connection.isolation_level, None
    try:
        connection.execute("BEGIN IMMEDIATE")
        # Read again under the lock: another program may have been faster.
        for script in schema.migrations[_version(connection) :]:
            for statement in statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {schema.version}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk may have rolled back by itself
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.isolation_level = before


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    part = target.with_name(f"{target.name}.part")
    try:
        with closing(sqlite3.connect(part)) as copy:
            connection.backup(copy)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _move_aside(path: Path) -> Path:
    stem = f"{path.name}.damaged-{datetime.now():%Y-%m-%d-%H%M%S}"
    aside, number = path.with_name(stem), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{stem}-{number}")
    path.replace(aside)
    # The log belongs to the damaged file: it may hold the last commits, and would damage the fresh one.
    for ending in _COMPANIONS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).replace(aside.with_name(aside.name + ending))
    return aside


def _writable(folder: Path) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=effective)


def _code(error: sqlite3.Error) -> int:
    # The low byte is the kind; the rest says more of the same.
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _explained(error: sqlite3.Error, path: Path, name: str) -> str | None:
    """What to tell the user; None where the error is ours."""
    code = _code(error)
    if code in _DAMAGED:
        return f"The {name} in {path} is damaged; start Sfumato again, which moves it aside and begins a fresh one."
    if code == sqlite3.SQLITE_FULL:
        return f"The disk that holds {path.parent} is full, so the {name} cannot be saved; free some space."
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return f"The {name} in {path} is in use by another program; close that one and try again."
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR}:
        if not path.parent.is_dir():
            return f"The folder {path.parent} of the {name} is gone; create it again."
        if path.is_dir():
            return f"{path}, where the {name} is kept, is a folder; move it away."
        if not _writable(path.parent) or code == sqlite3.SQLITE_READONLY:
            return (
                f"The {name} cannot be kept in {path.parent}, which cannot be written to; "
                "allow it, or choose another folder."
            )
        return f"The {name} in {path} cannot be read or written ({error}); check the disk."
    return None

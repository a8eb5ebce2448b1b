"""Databases of the program: versions, damage, full and read-only disks."""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine.database import DatabaseError, Schema, known_errors, open_database, statements

FIRST = Schema("shelf", ("CREATE TABLE books (title TEXT NOT NULL) STRICT;",))
SECOND = Schema(
    "shelf",
    (
        *FIRST.migrations,
        """
        ALTER TABLE books ADD COLUMN pages INTEGER NOT NULL DEFAULT 0;  -- a comment; with a semicolon
        CREATE TABLE log (line TEXT) STRICT;
        CREATE TRIGGER note AFTER INSERT ON books BEGIN
            INSERT INTO log VALUES ('a; b');
            INSERT INTO log VALUES (new.title);
        END;
        """,
    ),
)
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "shelf.sqlite"


def _titles(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT title FROM books ORDER BY rowid")]


def _make(path: Path, *titles: str) -> None:
    with closing(open_database(path, FIRST, durable=True)) as connection, connection:
        connection.executemany("INSERT INTO books VALUES (?)", ((title,) for title in titles))


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_settings(path: Path, durable: bool, synchronous: int) -> None:
    with closing(open_database(path, FIRST, durable=durable)) as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "user_version")
        }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": synchronous,
        "busy_timeout": 5000,
        "foreign_keys": 1,
        "user_version": 1,
    }


def test_statements_end_where_sqlite_ends_them() -> None:
    assert len(list(statements(SECOND.migrations[1]))) == 3
    assert list(statements(" ; ;\n")) == []


def test_migration_keeps_rows_and_a_backup(path: Path) -> None:
    _make(path, "Emma", "Ulysses")
    with closing(open_database(path, SECOND, durable=True)) as connection, connection:
        assert _titles(connection) == ["Emma", "Ulysses"]
        connection.execute("INSERT INTO books VALUES ('Dune', 412)")
        assert connection.execute("SELECT line FROM log").fetchall() == [("a; b",), ("Dune",)]
    backup = path.with_name("shelf.sqlite.backup-1")
    with closing(open_database(backup, FIRST, durable=True)) as connection:
        assert _titles(connection) == ["Emma", "Ulysses"]


def test_failed_migration_changes_nothing(path: Path) -> None:
    _make(path, "Emma")
    broken = Schema("shelf", (*FIRST.migrations, "ALTER TABLE books ADD COLUMN pages INTEGER; CREATE NONSENSE;"))
    with pytest.raises(sqlite3.OperationalError, match="NONSENSE"):
        open_database(path, broken, durable=True)
    with closing(open_database(path, FIRST, durable=True)) as connection:
        assert [column[1] for column in connection.execute("PRAGMA table_info(books)")] == ["title"]
        assert _titles(connection) == ["Emma"]


def test_newer_version_is_refused_and_left_alone(path: Path) -> None:
    with closing(open_database(path, SECOND, durable=True)) as connection, connection:
        connection.execute("INSERT INTO books VALUES ('Emma', 1)")
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=r"newer version of Sfumato \(it has version 2, this one knows 1\)"):
        open_database(path, FIRST, durable=True)
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["shelf.sqlite"]


@pytest.mark.parametrize("damage", ["text", "cut", "page"])
def test_damaged_file_is_moved_aside(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    _make(path, *(f"{number} leagues under the sea" for number in range(2000)))
    content = path.read_bytes()
    size = len(content)
    broken = {
        "text": b"no database at all " * 100,
        "cut": content[: size // 2],
        "page": content[: size // 2] + b"\xa5" * 4096 + content[size // 2 + 4096 :],
    }[damage]
    path.write_bytes(broken)
    said: list[str] = []
    with (
        caplog.at_level(logging.WARNING),
        closing(open_database(path, FIRST, durable=True, notice=said.append)) as connection,
    ):
        assert _titles(connection) == []
    (aside,) = [entry for entry in path.parent.iterdir() if ".damaged-" in entry.name]
    assert aside.read_bytes() == broken
    assert said == [f"The shelf in {path} was damaged; it was moved to {aside} and a fresh one was begun."]
    assert said[0] in caplog.text
    with closing(open_database(path, FIRST, durable=True, notice=said.append)):
        assert len(said) == 1


def test_damage_met_later_is_explained(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.database._CHECKED_BYTES", 1000)  # too large to be read whole at each start
    _make(path, *(f"{number} leagues under the sea" for number in range(2000)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = b"\xa5" * (len(content) - len(content) // 2)
    path.write_bytes(content)
    with (
        closing(open_database(path, FIRST, durable=True)) as connection,
        pytest.raises(DatabaseError, match="is damaged; start Sfumato again"),
        known_errors(path, "shelf"),
    ):
        _titles(connection)
    said: list[str] = []
    with closing(open_database(path, FIRST, durable=True, notice=said.append)) as connection:
        assert _titles(connection) == []
    assert len(said) == 1
    assert not [entry for entry in path.parent.iterdir() if entry.name.endswith(".check")]


def test_full_disk_is_explained_and_loses_nothing(path: Path) -> None:
    _make(path, "Emma")
    with closing(open_database(path, FIRST, durable=True)) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")  # what SQLite says then is what a full disk says
        with pytest.raises(DatabaseError, match="is full, so the shelf cannot be saved"), known_errors(path, "shelf"):
            with connection:
                connection.execute("INSERT INTO books VALUES (?)", ("x" * 100_000,))
        assert _titles(connection) == ["Emma"]


@contextmanager
def _as_nobody(folder: Path) -> Generator[None]:
    """Root may write anywhere; nobody may not, but has to reach `folder`."""
    if os.geteuid() != 0:
        yield
        return
    for parent in folder.parents:
        if parent.is_relative_to(tempfile.gettempdir()):
            parent.chmod(parent.stat().st_mode | 0o055)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("existing", [False, True])
def test_folder_that_cannot_be_written(path: Path, existing: bool) -> None:
    path.parent.mkdir()
    if existing:
        _make(path, "Emma")
    path.parent.chmod(0o555)
    with _as_nobody(path.parent), pytest.raises(DatabaseError) as caught:
        open_database(path, FIRST, durable=True)
    path.parent.chmod(0o755)
    assert str(caught.value) == (
        f"The shelf cannot be kept in {path.parent}, which cannot be written to; allow it, or choose another folder."
    )


def test_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder is needed")
    with pytest.raises(DatabaseError, match="choose a folder that you may write to"):
        open_database(tmp_path / "data" / "shelf.sqlite", FIRST, durable=True)
    (tmp_path / "folder").mkdir()
    with pytest.raises(DatabaseError, match="is a folder; move it away"):
        open_database(tmp_path / "folder", FIRST, durable=True)


def test_file_held_by_another_program(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.database.BUSY_SECONDS", 0.05)
    _make(path, "Emma")
    with closing(open_database(path, FIRST, durable=True)) as first:
        first.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseError, match="in use by another program"):
            open_database(path, SECOND, durable=True)
        first.rollback()


def test_many_open_a_new_file_at_once(path: Path) -> None:
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with closing(open_database(path, SECOND, durable=False)) as connection, connection:
                connection.execute("INSERT INTO books VALUES (?, 1)", (str(number),))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with closing(open_database(path, SECOND, durable=False)) as connection:
        assert sorted(_titles(connection)) == [str(number) for number in range(8)]

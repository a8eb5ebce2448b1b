"""The gallery on the disk: a row for each picture, boards, stars, and full-text search over the prompts.

The id of a picture is the moment it was made, in microseconds, made unique: so the order of ids is the order of time,
every index ends with it, and a page is what comes after the last id of the page before. One connection, used by one
thread; readers and the writer have one each. No Qt here.
"""

# What is put into a query here is a constant of this file or a row of question marks.
# ruff: noqa: S608

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from sqlite3 import Connection, IntegrityError, Row
from typing import Any

from app.services.gallery_records import ANY_BOARD, NO_BOARD, Board, GalleryFilter, NewPicture, Picture
from app.services.gallery_words import anywhere, beginnings, search_words, spaced
from engine.database import Notice, Schema, open_database
from engine.errors import InvalidValue
from engine.messages import Recipe
from engine.metadata import read_own, write_own

THERE, MISSING, TRASHED = 0, 1, 2
_ASKED_AT_ONCE = 500
_FEW = 4000
# Deletions that are remembered, to be taken back.
KEPT = 50

SCHEMA = Schema(
    name="gallery",
    migrations=(
        """
        CREATE TABLE boards (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
        CREATE TABLE pictures (
            id INTEGER PRIMARY KEY,
            path TEXT NOT NULL UNIQUE,
            state INTEGER NOT NULL DEFAULT 0,
            bytes INTEGER NOT NULL,
            modified INTEGER NOT NULL,
            fingerprint TEXT NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            model TEXT NOT NULL DEFAULT '',
            scheduler TEXT NOT NULL DEFAULT '',
            seed TEXT NOT NULL DEFAULT '',
            stars INTEGER NOT NULL DEFAULT 0,
            board INTEGER REFERENCES boards (id) ON DELETE SET NULL
        ) STRICT;
        CREATE INDEX pictures_state ON pictures (state);
        CREATE INDEX pictures_model ON pictures (state, model);
        CREATE INDEX pictures_scheduler ON pictures (state, scheduler);
        CREATE INDEX pictures_seed ON pictures (state, seed);
        CREATE INDEX pictures_size ON pictures (state, width, height);
        CREATE INDEX pictures_stars ON pictures (state, stars);
        CREATE INDEX pictures_board ON pictures (state, board);
        CREATE INDEX pictures_fingerprint ON pictures (fingerprint);
        CREATE TABLE recipes (
            id INTEGER PRIMARY KEY REFERENCES pictures (id) ON DELETE CASCADE,
            prompt TEXT NOT NULL,
            recipe TEXT NOT NULL
        ) STRICT;
        CREATE VIRTUAL TABLE words USING fts5 (prompt, tokenize = 'unicode61 remove_diacritics 2');
        CREATE VIRTUAL TABLE pieces USING fts5 (prompt, tokenize = 'trigram');
        """,
        """
        CREATE TABLE deletions (
            picture INTEGER PRIMARY KEY REFERENCES pictures (id) ON DELETE CASCADE,
            turn INTEGER NOT NULL,
            kept TEXT NOT NULL
        ) STRICT;
        """,
    ),
)
_PICTURE = """SELECT p.id, p.path, p.width, p.height, p.stars, coalesce(p.board, 0) AS board, p.modified, p.fingerprint,
    p.seed, substr(r.prompt, 1, 300) AS prompt FROM pictures p JOIN recipes r ON r.id = p.id"""


class GalleryStore:
    """The gallery's file at `path`; methods raise `sqlite3.Error`, which `engine.database.known_errors` explains."""

    def __init__(self, path: Path, *, check: bool = True, notice: Notice | None = None) -> None:
        self._db: Connection = open_database(path, SCHEMA, durable=False, check=check, notice=notice)
        self._db.row_factory = Row

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # ------------------------------------------------------------------------------------------------ asking

    def ids(self, wanted: GalleryFilter, before: int | None = None, limit: int = 500) -> list[int]:
        """The ids of at most `limit` pictures that meet `wanted` and are older than `before`, newest first."""
        words = search_words(wanted.words)
        if not words:
            return self._ids("FROM pictures p WHERE 1", [], wanted, before, limit)
        found = self._matching("words", beginnings(words), wanted, before, limit)
        if found or not (query := anywhere(words)):
            return found
        narrowed = before is not None or not replace(wanted, words="").empty
        if narrowed and self._any(beginnings(words)):
            return []
        return self._matching("pieces", query, wanted, before, limit)

    def pictures(self, ids: Sequence[int]) -> list[Picture]:
        """The pictures with these ids, in that order; those that are gone are left out."""
        found: dict[int, Picture] = {}
        for some in _portions(ids):
            rows = self._db.execute(f"{_PICTURE} WHERE p.id IN ({_marks(some)})", some)
            found.update((row["id"], Picture(**dict(row))) for row in rows)
        return [found[id] for id in ids if id in found]

    def recipe(self, id: int) -> Recipe | None:
        """What made the picture; None where its file does not say."""
        row = self._db.execute("SELECT recipe FROM recipes WHERE id = ?", (id,)).fetchone()
        return read_own(row[0]) if row is not None and row[0] else None

    def values(self, column: str) -> list[str]:
        """The models or schedulers (`column`) that pictures were made with, by name."""
        if column not in {"model", "scheduler"}:
            raise InvalidValue(f"There is no list of {column!r}; ask for model or scheduler.")
        # Value by value along the index: reading every row of a large gallery for a short list takes too long.
        query = f"SELECT min({column}) FROM pictures WHERE state = 0 AND {column} > ?"
        found, last = list[str](), ""
        while (value := self._db.execute(query, (last,)).fetchone()[0]) is not None and len(found) < 1000:
            found.append(value)
            last = value
        return found

    def count(self) -> int:
        """How many pictures there are."""
        return int(self._db.execute("SELECT count(*) FROM pictures WHERE state = 0").fetchone()[0])

    def boards(self) -> list[Board]:
        """The boards by name, each with the number of its pictures."""
        rows = self._db.execute(
            "SELECT b.id, b.name, (SELECT count(*) FROM pictures p WHERE p.state = 0 AND p.board = b.id) AS count"
            " FROM boards b ORDER BY b.name COLLATE NOCASE"
        )
        return [Board(row["id"], row["name"], row["count"]) for row in rows]

    def known_files(self, after: str = "", limit: int = 2000) -> list[tuple[str, int, int, int, int]]:
        """(path, id, state, bytes, modified) of at most `limit` pictures, by path from after `after` on."""
        rows = self._db.execute(
            "SELECT path, id, state, bytes, modified FROM pictures WHERE path > ? ORDER BY path LIMIT ?", (after, limit)
        )
        return [tuple(row) for row in rows]

    def ids_of(self, paths: Sequence[str]) -> dict[str, int]:
        """The ids of the pictures at these paths, as far as there are any."""
        found: dict[str, int] = {}
        for some in _portions(paths):
            rows = self._db.execute(f"SELECT path, id FROM pictures WHERE path IN ({_marks(some)})", some)
            found.update((row["path"], row["id"]) for row in rows)
        return found

    def lost(self, fingerprint: str) -> list[tuple[int, str]]:
        """(id, path) of pictures with this fingerprint and not in the trash."""
        rows = self._db.execute(
            "SELECT id, path FROM pictures WHERE fingerprint = ? AND state != ?", (fingerprint, TRASHED)
        )
        return [tuple(row) for row in rows]

    def _matching(self, table: str, query: str, wanted: GalleryFilter, before: int | None, limit: int) -> list[int]:
        if self._few(wanted):
            # They first, then whether their prompts match: a common word may be in every other prompt.
            source = f"FROM pictures p WHERE p.id IN (SELECT rowid FROM {table} WHERE {table} MATCH ?)"
            return self._ids(source, [query], wanted, before, limit)
        # The full-text index gives rows in the order of ids, so reading stops when the page is full.
        source = f"FROM {table} t CROSS JOIN pictures p ON p.id = t.rowid WHERE {table} MATCH ?"
        return self._ids(source, [query], wanted, before, limit, "t.rowid")

    def _few(self, wanted: GalleryFilter) -> bool:
        """Whether few pictures meet `wanted` without its words."""
        others = replace(wanted, words="")
        return not others.empty and len(self._ids("FROM pictures p WHERE 1", [], others, None, _FEW + 1)) <= _FEW

    def _any(self, query: str) -> bool:
        """Whether any prompt at all has words that begin so."""
        return self._db.execute("SELECT 1 FROM words WHERE words MATCH ? LIMIT 1", (query,)).fetchone() is not None

    def _ids(
        self, source: str, values: list[Any], wanted: GalleryFilter, before: int | None, limit: int, key: str = "p.id"
    ) -> list[int]:
        conditions, more = _conditions(wanted)
        if before is not None:
            conditions, more = [*conditions, f"{key} < ?"], [*more, before]
        where = "".join(f" AND {condition}" for condition in ["p.state = 0", *conditions])
        rows = self._db.execute(f"SELECT {key} {source}{where} ORDER BY {key} DESC LIMIT ?", [*values, *more, limit])
        rows.row_factory = None
        return [row[0] for row in rows.fetchall()]

    # ------------------------------------------------------------------------------------------------ changing

    def add(self, pictures: Iterable[NewPicture]) -> list[int]:
        """Take pictures in, in one transaction; one whose path is known is renewed and keeps board and stars."""
        with self._db:
            return [self._add(picture) for picture in pictures]

    def _add(self, picture: NewPicture) -> int:
        known = self._db.execute("SELECT id FROM pictures WHERE path = ?", (picture.path,)).fetchone()
        if known is not None:
            self._renew(known["id"], picture)
            return known["id"]
        id = picture.made
        while self._db.execute("SELECT 1 FROM pictures WHERE id = ?", (id,)).fetchone() is not None:
            id += 1  # two pictures of one microsecond
        self._db.execute(
            "INSERT INTO pictures (id, path, bytes, modified, fingerprint, width, height, model, scheduler, seed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (id, picture.path, *_facts(picture)),
        )
        self._write_words(id, picture.recipe)
        return id

    def _renew(self, id: int, picture: NewPicture) -> None:
        self._db.execute(
            "UPDATE pictures SET state = 0, bytes = ?, modified = ?, fingerprint = ?, width = ?, height = ?, model = ?,"
            " scheduler = ?, seed = ? WHERE id = ?",
            (*_facts(picture), id),
        )
        self._forget_words([id])
        self._write_words(id, picture.recipe)

    def _write_words(self, id: int, recipe: Recipe | None) -> None:
        prompt = "" if recipe is None else recipe.prompt.replace("\0", " ")
        self._db.execute(
            "INSERT INTO recipes VALUES (?, ?, ?)", (id, prompt, "" if recipe is None else write_own(recipe))
        )
        self._db.execute("INSERT INTO words (rowid, prompt) VALUES (?, ?)", (id, spaced(prompt)))
        self._db.execute("INSERT INTO pieces (rowid, prompt) VALUES (?, ?)", (id, prompt))

    def _forget_words(self, ids: Sequence[int]) -> None:
        for table, key in (("recipes", "id"), ("words", "rowid"), ("pieces", "rowid")):
            self._db.execute(f"DELETE FROM {table} WHERE {key} IN ({_marks(ids)})", ids)

    def move(self, id: int, path: str, modified: int) -> None:
        """Note that the picture's file is at another place; its board and stars stay."""
        with self._db:
            self._db.execute("UPDATE pictures SET path = ?, modified = ?, state = 0 WHERE id = ?", (path, modified, id))

    def set_state(self, ids: Sequence[int], state: int) -> None:
        """Note that pictures are there, missing, or in the trash."""
        self._change("state = ?", state, ids)

    def note_deletion(self, kept: dict[int, str]) -> None:
        """Note where the trash keeps pictures that went there together; of older deletions, `KEPT` are known."""
        with self._db:
            turn = int(self._db.execute("SELECT coalesce(max(turn), 0) + 1 FROM deletions").fetchone()[0])
            rows = [(id, turn, path) for id, path in kept.items()]
            self._db.executemany("INSERT OR REPLACE INTO deletions VALUES (?, ?, ?)", rows)
            self._db.execute("DELETE FROM deletions WHERE turn <= ?", (turn - KEPT,))

    def deletions(self) -> list[list[tuple[int, str, str]]]:
        """(id, path, place in the trash) of deleted pictures, those deleted together in one list, the oldest first."""
        rows = self._db.execute(
            "SELECT d.turn, p.id, p.path, d.kept FROM deletions d JOIN pictures p ON p.id = d.picture"
            " WHERE p.state = ? ORDER BY d.turn, p.id",
            (TRASHED,),
        )
        return [[tuple(row)[1:] for row in some] for _, some in groupby(rows, key=lambda row: row["turn"])]

    def forget_deletion(self, ids: Sequence[int]) -> None:
        """Forget where the trash kept these pictures, which came back or cannot."""
        with self._db:
            for some in _portions(ids):
                self._db.execute(f"DELETE FROM deletions WHERE picture IN ({_marks(some)})", some)

    def rate(self, ids: Sequence[int], stars: int) -> None:
        """Give pictures so many stars, 0 to 5."""
        if not 0 <= stars <= 5:
            raise InvalidValue(f"A picture cannot have {stars} stars; give 0 to 5.")
        self._change("stars = ?", stars, ids)

    def put_on_board(self, ids: Sequence[int], board: int) -> None:
        """Move pictures to a board; `NO_BOARD` takes them off theirs."""
        self._change("board = ?", board if board > 0 else None, ids)

    def ratings(self, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Stars and board of pictures, for undo."""
        return {picture.id: (picture.stars, picture.board) for picture in self.pictures(ids)}

    def restore_ratings(self, before: dict[int, tuple[int, int]]) -> None:
        """Put stars and boards back as `ratings` gave them."""
        with self._db:
            self._db.executemany(
                "UPDATE pictures SET stars = ?, board = (SELECT id FROM boards WHERE id = ?) WHERE id = ?",
                [(stars, board, id) for id, (stars, board) in before.items()],
            )

    def make_board(self, name: str) -> int:
        """Make a board; `InvalidValue` where the name is empty, too long or taken."""
        plain = " ".join(name.split())
        if not 0 < len(plain) <= 80:
            raise InvalidValue(f"A board cannot be called {plain[:90]!r}; give a name of 1 to 80 letters.")
        try:
            with self._db:
                return int(self._db.execute("INSERT INTO boards (name) VALUES (?)", (plain,)).lastrowid or 0)
        except IntegrityError as error:
            raise InvalidValue(f"There is a board {plain!r} already; choose another name.") from error

    def rename_board(self, id: int, name: str) -> None:
        """Give a board another name; `InvalidValue` as for `make_board`."""
        plain = " ".join(name.split())
        if not 0 < len(plain) <= 80:
            raise InvalidValue(f"A board cannot be called {plain[:90]!r}; give a name of 1 to 80 letters.")
        try:
            with self._db:
                self._db.execute("UPDATE boards SET name = ? WHERE id = ?", (plain, id))
        except IntegrityError as error:
            raise InvalidValue(f"There is a board {plain!r} already; choose another name.") from error

    def drop_board(self, id: int) -> None:
        """Take a board away; its pictures stay."""
        with self._db:
            self._db.execute("DELETE FROM boards WHERE id = ?", (id,))

    def forget(self, ids: Sequence[int]) -> None:
        """Delete rows, not files."""
        with self._db:
            for some in _portions(ids):
                self._forget_words(some)
                self._db.execute(f"DELETE FROM pictures WHERE id IN ({_marks(some)})", some)

    def _change(self, assignment: str, value: object, ids: Sequence[int]) -> None:
        with self._db:
            for some in _portions(ids):
                self._db.execute(f"UPDATE pictures SET {assignment} WHERE id IN ({_marks(some)})", [value, *some])


def open_store(path: Path, *, notice: Notice | None = None) -> closing[GalleryStore]:
    """A store that is closed at the end of a `with` block."""
    return closing(GalleryStore(path, notice=notice))


def _facts(picture: NewPicture) -> tuple[object, ...]:
    recipe = picture.recipe or Recipe()
    return (
        picture.bytes,
        picture.modified,
        picture.fingerprint,
        picture.width,
        picture.height,
        recipe.model_name or "",
        recipe.scheduler or "",
        "" if recipe.seed is None else str(recipe.seed),
    )


def _conditions(wanted: GalleryFilter) -> tuple[list[str], list[Any]]:
    asked: list[tuple[str, Any]] = [
        ("p.model = ?", wanted.model),
        ("p.scheduler = ?", wanted.scheduler),
        ("p.seed = ?", wanted.seed),
        ("p.width = ?", wanted.width),
        ("p.height = ?", wanted.height),
        ("p.id >= ?", wanted.since),
        ("p.id < ?", wanted.until),
        ("p.stars >= ?", wanted.stars),
    ]
    if wanted.board != ANY_BOARD:
        asked.append(("p.board IS ?", None if wanted.board == NO_BOARD else wanted.board))
    chosen = [(condition, value) for condition, value in asked if value or condition == "p.board IS ?"]
    conditions, values = [condition for condition, _ in chosen], [value for _, value in chosen]
    if wanted.made_by:
        # Hashes stand in recipes under several keys, each program its own; as a whole JSON text they are unmistakable.
        told = " OR ".join(["instr(r.recipe, ?) > 0"] * len(wanted.made_by))
        recipes = f"SELECT 1 FROM recipes r WHERE r.id = p.id AND ({told})"
        conditions.append(f"(p.model IN ({_marks(wanted.made_by)}) OR EXISTS ({recipes}))")
        values += [*wanted.made_by, *(json.dumps(mark, ensure_ascii=False) for mark in wanted.made_by)]
    return conditions, values


def _portions(items: Sequence[Any]) -> Iterator[list[Any]]:
    return (list(items[start : start + _ASKED_AT_ONCE]) for start in range(0, len(items), _ASKED_AT_ONCE))


def _marks(items: Sequence[Any]) -> str:
    return ", ".join("?" * len(items))

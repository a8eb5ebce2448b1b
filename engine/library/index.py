"""Bring the index up to date with the disk: unchanged models by size, time and file number, the others by header."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import Any

from engine.errors import Cancelled
from engine.library.describe import Described, describe, describe_all
from engine.library.scan import Findings, Found, find_models
from engine.library_messages import DAMAGED, LibraryEvent, ScanDone, ScanProgress

# Below this many new files a second process costs more than it brings.
_ENOUGH_FOR_PROCESSES = 400
_BATCH = 50
_MOST_PROCESSES = 8

_FOUND = ("path", "root", "name", "is_folder", "size", "mtime_ns", "inode", "side", "in_cache")
_DESCRIBED = tuple(field.name for field in fields(Described) if field.name != "sha256")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the index has of a path."""

    id: int
    size: int
    mtime_ns: int
    inode: int
    side: str
    gone: bool
    name: str

    def fits(self, found: Found) -> bool:
        """Whether nothing changed since the file was looked into."""
        return self.same_file(found) and self.side == found.side and self.name == found.name

    def same_file(self, found: Found) -> bool:
        """Whether it is the same bytes, as far as the file system tells."""
        return (self.size, self.mtime_ns, self.inode) == (found.size, found.mtime_ns, found.inode)


def scan(
    database: sqlite3.Connection, roots: list[Path], cancel: threading.Event, processes: int | None = None
) -> Iterator[LibraryEvent]:
    """Index what is new or changed below `roots`, and mark what has gone; the last event is `ScanDone`.

    A model that was moved or renamed keeps its row, and with it the user's notes and its hashes. Setting `cancel` ends
    it with `Cancelled`; what is indexed by then stays.
    """
    began = perf_counter()
    findings = find_models(roots)
    known = _known(database)
    fresh = [found for found in findings.models if found.path not in known or not known[found.path].fits(found)]
    added = sum(found.path not in known or known[found.path].gone for found in fresh)
    back = [(known[found.path].id,) for found in findings.models if found.path in known and known[found.path].gone]
    gone = _gone(known, findings)
    moved = _moved(known, fresh, gone)
    if moved or back:
        with database:
            database.executemany("UPDATE models SET path = ? WHERE id = ?", moved)
            database.executemany("UPDATE models SET gone = 0 WHERE id = ?", back)
    if fresh:
        yield ScanProgress(done=0, total=len(fresh))
    done = 0
    for batch in _looked_into(fresh, cancel, processes):
        with database:
            database.executemany(_UPSERT, (_row(found, described) for found, described in batch))
        done += len(batch)
        yield ScanProgress(done=done, total=len(fresh))
    gone_ids = [(known[path].id,) for path in gone - {found for found, _ in _pairs(moved, known)}]
    if gone_ids:
        with database:
            database.executemany("UPDATE models SET gone = 1 WHERE id = ?", gone_ids)
    models, damaged = database.execute(
        "SELECT count(*), coalesce(sum(kind = ?), 0) FROM models WHERE NOT gone", (DAMAGED,)
    ).fetchone()
    yield ScanDone(
        models=models - damaged,
        added=added - len(moved),
        changed=len(fresh) - added,
        removed=len(gone_ids),
        damaged=damaged,
        seconds=perf_counter() - began,
        problems=tuple(findings.problems),
    )


def _known(database: sqlite3.Connection) -> dict[str, _Known]:
    rows = database.execute("SELECT path, id, size, mtime_ns, inode, side, gone, name FROM models")
    return {path: _Known(*rest) for path, *rest in rows}


def _gone(known: dict[str, _Known], findings: Findings) -> set[str]:
    """The paths that were there before; those below a folder that could not be read may still be."""
    paths = {path for path, row in known.items() if not row.gone} - {found.path for found in findings.models}
    unread = tuple(folder.rstrip(os.sep) + os.sep for folder in findings.unread)
    return {path for path in paths if not path.startswith(unread)} if unread else paths


def _moved(known: dict[str, _Known], fresh: list[Found], gone: set[str]) -> list[tuple[str, int]]:
    """New path and row of each model that went somewhere else."""
    lost = {(row.size, row.mtime_ns, row.inode): row.id for path, row in known.items() if path in gone or row.gone}
    moved: list[tuple[str, int]] = []
    for found in fresh:
        row = lost.pop((found.size, found.mtime_ns, found.inode), None) if found.path not in known else None
        if row is not None:
            moved.append((found.path, row))
    return moved


def _pairs(moved: list[tuple[str, int]], known: dict[str, _Known]) -> Iterator[tuple[str, int]]:
    """The old paths of what was moved."""
    rows = {row for _, row in moved}
    return ((path, row.id) for path, row in known.items() if row.id in rows)


def _looked_into(
    fresh: list[Found], cancel: threading.Event, processes: int | None
) -> Iterator[list[tuple[Found, Described]]]:
    """`fresh` in batches as they are done, by several processes where there is enough for them to do."""
    batches = [fresh[first : first + _BATCH] for first in range(0, len(fresh), _BATCH)]
    count = min(processes or os.cpu_count() or 1, _MOST_PROCESSES)
    if len(fresh) < _ENOUGH_FOR_PROCESSES or count == 1:
        for batch in batches:
            _check(cancel)
            yield [(found, describe(found)) for found in batch]
        return
    # Reading headers is Python's work, which threads would do one after the other. A forked copy of a program with a
    # window and threads would hang, hence fresh processes.
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: dict[Future[list[Described]], list[Found]] = {
            pool.submit(describe_all, batch): batch for batch in batches
        }
        try:
            for future in as_completed(waiting):
                _check(cancel)
                yield list(zip(waiting.pop(future), future.result(), strict=True))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _check(cancel: threading.Event) -> None:
    if cancel.is_set():
        raise Cancelled


_COLUMNS = (*_FOUND, *_DESCRIBED, "sha256", "words")

_FROM_SERVER = ("source", "licence")


def _upsert() -> str:
    names, marks = ", ".join(_COLUMNS), ", ".join("?" * len(_COLUMNS))
    changes = [f"{name} = excluded.{name}" for name in _COLUMNS if name not in {"path", "sha256", *_FROM_SERVER}]
    # What a download's server said stays, where file and notes say nothing.
    changes += [f"{name} = coalesce(nullif(excluded.{name}, ''), {name})" for name in _FROM_SERVER]
    same = "size = excluded.size AND mtime_ns = excluded.mtime_ns AND inode = excluded.inode"
    changes += [f"{name} = CASE WHEN {same} THEN {name} ELSE '' END" for name in ("autov3", "fingerprint")]
    changes.append(f"sha256 = CASE WHEN excluded.sha256 != '' THEN excluded.sha256 WHEN {same} THEN sha256 ELSE '' END")
    # Names of columns are our own; every value is bound.
    return (
        f"INSERT INTO models ({names}) VALUES ({marks})"  # noqa: S608
        f" ON CONFLICT (path) DO UPDATE SET gone = 0, {', '.join(changes)}"
    )


_UPSERT = _upsert()


def _row(found: Found, described: Described) -> tuple[Any, ...]:
    values: dict[str, Any] = {name: getattr(found, name) for name in _FOUND}
    values |= {name: getattr(described, name) for name in (*_DESCRIBED, "sha256")}
    values["triggers"] = json.dumps(described.triggers, ensure_ascii=False)
    values["metadata"] = json.dumps(dict(described.metadata), ensure_ascii=False)
    values["words"] = search_words(
        (found.name, Path(found.path).name, described.title, described.base, *described.triggers)
    )
    return tuple(int(value) if isinstance(value, bool) else value for value in (values[name] for name in _COLUMNS))


def search_words(texts: Iterable[str]) -> str:
    """What a search looks through: the texts in small letters, as `casefold` makes them in any language."""
    return "\n".join(dict.fromkeys(text.casefold() for text in texts if text))

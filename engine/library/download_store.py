"""The list of downloads in the library's database: what a quit or a crash must not forget."""

from __future__ import annotations

import json
from dataclasses import asdict
from time import time
from typing import Any

from engine.errors import UnknownName
from engine.library.library import Library
from engine.library_messages import DownloadItem, DownloadPlan, DownloadState, PlannedFile


class DownloadStore:
    """Reads and writes the list; safe to use from several threads."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def add(self, id: str, plan: DownloadPlan) -> None:
        """Put a download at the end of the list."""
        with self._library.connection() as connection, connection:
            connection.execute(
                "INSERT INTO downloads (id, added, state, plan) VALUES (?, ?, 'waiting', ?)",
                (id, time(), json.dumps(asdict(plan))),
            )

    def set_state(self, id: str, state: DownloadState, message: str = "", path: str = "") -> None:
        """Say how a download is doing, and where its model is; what was said of that before stays."""
        with self._library.connection() as connection, connection:
            connection.execute(
                "UPDATE downloads SET state = ?, message = ?, path = coalesce(nullif(?, ''), path) WHERE id = ?",
                (state, message, path, id),
            )

    def remove(self, id: str) -> None:
        """Take a download from the list; one that is not there is no error."""
        with self._library.connection() as connection, connection:
            connection.execute("DELETE FROM downloads WHERE id = ?", (id,))

    def plan(self, id: str) -> tuple[DownloadPlan, DownloadState, str]:
        """Plan, state and place of a download; `UnknownName` if it is not in the list."""
        with self._library.connection() as connection:
            row = connection.execute("SELECT plan, state, path FROM downloads WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise UnknownName(f"There is no download {id!r}; look at the list again.")
        return _plan(row[0]), row[1], row[2]

    def find(self, source: str, variant: str) -> str:
        """The unfinished download of this source and variant, "" if there is none."""
        with self._library.connection() as connection:
            rows = connection.execute("SELECT id, plan FROM downloads WHERE state != 'done' ORDER BY added").fetchall()
        plans = ((id, _plan(text)) for id, text in rows)
        return next((id for id, plan in plans if plan.source == source and plan.variant == variant), "")

    def items(self) -> list[tuple[DownloadItem, DownloadPlan]]:
        """All downloads in their order; `done` and the pace are for the caller to fill in."""
        with self._library.connection() as connection:
            rows = connection.execute("SELECT id, state, plan, message, path FROM downloads ORDER BY added").fetchall()
        listed: list[tuple[DownloadItem, DownloadPlan]] = []
        for id, state, text, message, path in rows:
            plan = _plan(text)
            item = DownloadItem(
                id=id,
                title=plan.title,
                source=plan.source,
                state=state,
                done=0,
                total=plan.size,
                message=message,
                path=path,
            )
            listed.append((item, plan))
        return listed

    def etag(self, id: str, name: str) -> str:
        """What the bytes there are of the file `name` belong to."""
        with self._library.connection() as connection:
            row = connection.execute("SELECT etag FROM parts WHERE download = ? AND name = ?", (id, name)).fetchone()
        return "" if row is None else str(row[0])

    def set_etag(self, id: str, name: str, etag: str) -> None:
        """Remember it before the first byte is written."""
        with self._library.connection() as connection, connection:
            connection.execute("INSERT OR REPLACE INTO parts (download, name, etag) VALUES (?, ?, ?)", (id, name, etag))


def _plan(text: str) -> DownloadPlan:
    content: dict[str, Any] = json.loads(text)
    content["files"] = tuple(PlannedFile(**file) for file in content["files"])
    content["others"] = tuple(content["others"])
    return DownloadPlan(**content)

"""The queue on the disk: every job that is not finished, in its order, so that a crash or a quit loses none.

One connection, used by one thread (`app.services.queue_writer`). No Qt here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any, Literal, get_args

from engine.database import Schema, open_database
from engine.errors import KnownError
from engine.messages import Bitmap, GenerateRequest

JobStatus = Literal["waiting", "running", "interrupted", "failed", "cancelled", "done"]
UNFINISHED: tuple[JobStatus, ...] = ("waiting", "running", "interrupted")

SCHEMA = Schema(
    name="queue",
    migrations=(
        """
        CREATE TABLE jobs (
            id TEXT PRIMARY KEY,
            place INTEGER NOT NULL,
            status TEXT NOT NULL,
            request TEXT NOT NULL,
            forever INTEGER NOT NULL DEFAULT 0,
            made INTEGER NOT NULL DEFAULT 0,
            rounds INTEGER NOT NULL DEFAULT 0,
            message TEXT NOT NULL DEFAULT '',
            report TEXT NOT NULL DEFAULT '',
            picture TEXT NOT NULL DEFAULT '',
            thumbnail_width INTEGER NOT NULL DEFAULT 0,
            thumbnail BLOB
        ) STRICT;
        CREATE INDEX jobs_place ON jobs (place);
        CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
        """,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of the queue.

    `made` counts the finished pictures of `request`; a job that is taken up again goes on after them. `forever` starts
    it anew with the next seeds each time it ends, `rounds` times so far. `message` says why it failed, `report` holds
    the traceback where the program is at fault. `picture` is the newest file it made.
    """

    id: str
    request: GenerateRequest
    status: JobStatus = "waiting"
    forever: bool = False
    made: int = 0
    rounds: int = 0
    message: str = ""
    report: str = ""
    picture: str = ""
    thumbnail: Bitmap | None = None

    @property
    def left(self) -> int:
        """How many pictures of this round are still to be made."""
        return self.request.count - self.made

    def to_run(self) -> GenerateRequest:
        """The request that makes what is left of the job: its remaining pictures, each with the seed it would have."""
        request = replace(self.request, job_id=self.id)
        return replace(request, seed=request.seed + self.made, count=self.left) if self.made else request


@dataclass(frozen=True, slots=True)
class SavedQueue:
    """What was on the disk: the jobs in their order, whether the user had paused, and what could not be read."""

    jobs: tuple[Job, ...] = ()
    paused: bool = False
    problems: tuple[str, ...] = ()


class QueueStore:
    """The jobs in a SQLite file.

    Raises `DatabaseError` from the constructor where the file cannot be used (see `engine.database.open_database`), and
    `sqlite3.Error` from the methods where the disk is full or cannot be written; use `engine.database.known_errors`.
    """

    def __init__(self, path: Path) -> None:
        self._notices: list[str] = []
        self._database: Connection = open_database(path, SCHEMA, durable=True, notice=self._notices.append)
        self._database.row_factory = Row

    def load(self) -> SavedQueue:
        """The queue as it was left. A job that was running when the program ended comes back as interrupted.

        Jobs that had ended well or were cancelled are forgotten: their pictures are in the gallery.
        """
        with self._database as database:
            database.execute("DELETE FROM jobs WHERE status IN ('done', 'cancelled')")
            database.execute("UPDATE jobs SET status = 'interrupted' WHERE status = 'running'")
        jobs: list[Job] = []
        problems = list(self._notices)
        with closing(self._database.execute("SELECT * FROM jobs ORDER BY place")) as rows:
            for row in rows:
                try:
                    jobs.append(_job(row))
                except (KnownError, ValueError, TypeError, KeyError) as error:
                    # The row stays: a version that can read it may come back.
                    problems.append(f"A job of the last time cannot be read and was left out: {error}")
        # Every picture was made, only the last word of the engine was not heard any more.
        whole = [job.id for job in jobs if job.status == "interrupted" and job.left <= 0 and not job.forever]
        self.remove(whole)
        jobs = [job for job in jobs if job.id not in whole]
        # Offered first: it was under way.
        jobs.sort(key=lambda job: job.status != "interrupted")
        return SavedQueue(tuple(jobs), self._setting("paused") == "1", tuple(problems))

    def put(self, jobs: Iterable[Job], order: Sequence[str] | None = None) -> None:
        """Write `jobs`, new ones after all others, and the places of all jobs in `order`, all or nothing."""
        with self._database as database:
            for job in jobs:
                values = _columns(job)
                names, marks = ", ".join(values), ", ".join("?" * len(values))
                changes = ", ".join(f"{name} = excluded.{name}" for name in values)
                # Names of columns are our own; every value is bound.
                database.execute(
                    f"INSERT INTO jobs ({names}, place) VALUES ({marks},"  # noqa: S608
                    f" (SELECT coalesce(max(place), 0) + 1 FROM jobs)) ON CONFLICT (id) DO UPDATE SET {changes}",
                    tuple(values.values()),
                )
            if order is not None:
                places = ((place, id) for place, id in enumerate(order))
                database.executemany("UPDATE jobs SET place = ? WHERE id = ?", places)

    def remove(self, ids: Iterable[str]) -> None:
        """Forget these jobs; one that is not there is no error."""
        with self._database as database:
            database.executemany("DELETE FROM jobs WHERE id = ?", ((id,) for id in ids))

    def set_paused(self, paused: bool) -> None:
        """Remember that the user paused the queue, or let it go on."""
        with self._database as database:
            database.execute("INSERT OR REPLACE INTO settings VALUES ('paused', ?)", (str(int(paused)),))

    def close(self) -> None:
        """Close the file; the store cannot be used any more."""
        self._database.close()

    def _setting(self, key: str) -> str:
        row = self._database.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])


def _columns(job: Job) -> dict[str, Any]:
    """The values of the columns that the job itself decides, all but its place."""
    plain = {name: getattr(job, name) for name in ("id", "status", "made", "rounds", "message", "report", "picture")}
    small = job.thumbnail
    return plain | {
        "request": request_to_json(job.request),
        "forever": int(job.forever),
        "thumbnail_width": small.width if small else 0,
        "thumbnail": small.pixels if small else None,
    }


def _job(row: Row) -> Job:
    if row["status"] not in get_args(JobStatus):
        raise ValueError(f"A job of the queue has the unknown state {row['status']!r}.")
    width, pixels = row["thumbnail_width"], row["thumbnail"]
    return Job(
        id=row["id"],
        request=request_from_json(row["request"]),
        status=row["status"],
        forever=bool(row["forever"]),
        made=row["made"],
        rounds=row["rounds"],
        message=row["message"],
        report=row["report"],
        picture=row["picture"],
        thumbnail=Bitmap(width, len(pixels) // (3 * width), pixels) if width and pixels else None,
    )


def request_to_json(request: GenerateRequest) -> str:
    """The request as JSON text, without the values that are the defaults anyway."""
    content: dict[str, Any] = {}
    for field in fields(request):
        value = getattr(request, field.name)
        if value == field.default:
            continue
        if field.name == "start":
            value = {"record": value.record, "step": value.step}
        elif field.name == "switches":
            value = value.to_json()
        content[field.name] = value
    return json.dumps(content, ensure_ascii=False)


def request_from_json(text: str) -> GenerateRequest:
    """The request in JSON text of `request_to_json`; keys that are not known here are left out.

    Raises `InvalidValue` where a value is no longer allowed, `ValueError` or `TypeError` where the text is damaged.
    """
    content = json.loads(text)
    return GenerateRequest.from_values(content)

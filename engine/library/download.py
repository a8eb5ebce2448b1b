"""Downloads: planned, shown, fetched in pieces that survive a crash, verified, and only then part of the library."""

from __future__ import annotations

import logging
import queue
import random
import secrets
import shutil
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

from engine.errors import Cancelled, InvalidValue, KnownError
from engine.library.credentials import read_token
from engine.library.download_hub import NoAccess, NoConnection, Tokens, check_network, plan_hub, plan_link
from engine.library.download_source import HubSource, parse_source
from engine.library.download_store import DownloadStore
from engine.library.download_transfer import Transfer, WrongHash
from engine.library.files import OWN_FOLDERS
from engine.library.library import Library, free_bytes
from engine.library_messages import (
    DownloadDone,
    DownloadEvent,
    DownloadFailed,
    DownloadItem,
    DownloadPaused,
    DownloadPlan,
    DownloadProgress,
    DownloadRetrying,
    DownloadStarted,
    DownloadVerifying,
    PlannedFile,
)

log = logging.getLogger(__name__)

# Seconds before the second, third, ... attempt without any progress in between.
BACKOFF = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_STAGING = ".downloads"
_EVERY_SECONDS = 0.1
_PACE_SECONDS = 5.0
_WRONG_INPUT = (InvalidValue, NoAccess)


class Downloads:
    """The downloads into `library`.

    `tokens` gives the access token of a host (the keyring's by default), `network_off` whether the user allows no
    network. The bytes lie in a hidden folder beside the models until all are there and right.
    """

    def __init__(
        self,
        library: Library,
        *,
        tokens: Tokens = read_token,
        network_off: Callable[[], bool] = lambda: False,
        backoff: Sequence[float] = BACKOFF,
    ) -> None:
        self.library = library
        self._store = DownloadStore(library)
        self._tokens = tokens
        self._network_off = network_off
        self._backoff = tuple(backoff)

    def plan(self, text: str, variant: str = "") -> DownloadPlan:
        """What fetching `text` (a repository, a file of it, a link) would bring: to be shown before `add`.

        Raises:
            InvalidValue, UnknownName: it names nothing that can be fetched.
            MissingFile, NoAccess, NoConnection, NetworkOff: the server does not give it.
        """
        source = parse_source(text)
        check_network(self._network_off())
        models = self.library.models
        free = free_bytes(models)
        if isinstance(source, HubSource):
            return plan_hub(source, variant, models, free, self._tokens)
        if variant:
            raise InvalidValue(f"A link has no variants; leave {variant!r} out.")
        return plan_link(source, models, free, self._tokens)

    def add(self, plan: DownloadPlan) -> str:
        """Put the plan in the list and return its number; the unfinished download of the same is taken up again."""
        known = self._store.find(plan.source, plan.variant)
        if known:
            return known
        check_space(plan, 0)
        id = secrets.token_hex(6)
        self._store.add(id, plan)
        return id

    def items(self) -> list[DownloadItem]:
        """All downloads; one that was under way when the program ended is paused."""
        return [
            replace(
                item,
                state="paused" if item.state in {"running", "verifying"} and not self._is_held(item.id) else item.state,
                done=plan.size if item.state == "done" else self._done(item.id, plan),
            )
            for item, plan in self._store.items()
        ]

    def remove(self, id: str) -> None:
        """Take a download from the list, and the bytes it has with it; a finished model stays in the library.

        Raises:
            KnownError: it is under way; pause it first.
        """
        with self._hold(id):
            shutil.rmtree(self._folder(id), ignore_errors=True)
            self._store.remove(id)

    def run(self, id: str, cancel: threading.Event | None = None) -> Iterator[DownloadEvent]:
        """Fetch what is missing of a download; the last event says how it ended. Setting `cancel` pauses it.

        Nothing raises but an unknown `id`: errors are the event `DownloadFailed`, after which it can be run again.
        """
        plan, state, path = self._store.plan(id)
        if state == "done":
            yield DownloadDone(download=id, path=path, seconds=0.0)
            return
        last: DownloadEvent
        began = monotonic()
        try:
            with self._hold(id):
                yield DownloadStarted(download=id, plan=plan, resumed=self._done(id, plan))
                done = yield from self._fetch(id, plan, path, cancel or threading.Event())
                last = DownloadDone(download=id, path=str(done), seconds=monotonic() - began)
        except Cancelled:
            self._store.set_state(id, "paused")
            last = DownloadPaused(download=id)
        except KnownError as error:
            last = self._failed(id, error, wrong_input=isinstance(error, _WRONG_INPUT))
        except OSError as error:
            known = KnownError(f"{plan.title} cannot be kept in {self.library.models} ({error.strerror}); check it.")
            last = self._failed(id, known, wrong_input=False)
        yield last

    def run_all(
        self, ids: Sequence[str], cancel: threading.Event | None = None, at_once: int = 3
    ) -> Iterator[DownloadEvent]:
        """Run several downloads, `at_once` of them at a time, and yield their events as they come."""
        cancel = cancel or threading.Event()
        events: queue.SimpleQueue[DownloadEvent | BaseException | None] = queue.SimpleQueue()
        waiting = deque(ids)

        def work() -> None:
            try:
                while waiting and not cancel.is_set():
                    for event in self.run(waiting.popleft(), cancel):
                        events.put(event)
            except IndexError:
                pass  # another thread took the last one
            except BaseException as error:
                events.put(error)
            finally:
                events.put(None)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(at_once, len(ids)))]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                event = events.get()
                if event is None:
                    running -= 1
                elif isinstance(event, BaseException):
                    raise event
                else:
                    yield event
        finally:
            cancel.set() if running else None
            for thread in threads:
                thread.join()

    # ------------------------------------------------------------------------------------------------ inside

    def _fetch(
        self, id: str, plan: DownloadPlan, path: str, cancel: threading.Event
    ) -> Generator[DownloadEvent, None, Path]:
        folder = self._folder(id)
        target = Path(path) if path else None
        # A crash right after the last step: the model is in its place, and nothing of it is here any more.
        placed = target is not None and target.exists() and not any(self._part(id, one).exists() for one in plan.files)
        if target is None or not placed:
            check_network(self._network_off())
            check_space(plan, self._done(id, plan))
            self._store.set_state(id, "running")
            folder.mkdir(parents=True, exist_ok=True)
            hashes: dict[str, str] = {}
            pace = _Pace(plan.size)
            for file in plan.files:
                hashes[file.name] = yield from self._file(id, plan, file, pace, cancel)
            target = self._place(id, plan, folder)
        else:
            hashes = {}
            shutil.rmtree(folder, ignore_errors=True)
        for _ in self.library.scan(cancel):
            pass
        sha256 = hashes.get(plan.files[0].name, "") if len(plan.files) == 1 else ""
        self._note(target, plan, sha256)
        self._store.set_state(id, "done", path=str(target))
        return target

    def _file(
        self, id: str, plan: DownloadPlan, file: PlannedFile, pace: _Pace, cancel: threading.Event
    ) -> Generator[DownloadEvent, None, str]:
        """Fetch and verify one file, trying again where that may help; its SHA-256."""
        part = self._part(id, file)
        part.parent.mkdir(parents=True, exist_ok=True)
        attempt, again, most = 0, True, 0
        while True:
            keep = _Keep(self._store, id, file.name)
            etag = self._store.etag(id, file.name)
            transfer = Transfer(file, part, hub=bool(plan.revision), etag=etag, keep=keep)
            had = part.stat().st_size if part.exists() else 0
            before = self._done(id, plan) - had
            try:
                with closing(transfer.run(self._tokens, cancel)) as pieces:
                    for here in pieces:
                        if here > most:  # a server that ends at the same place each time must not be asked for ever
                            attempt, most = 0, here
                        if pace.note(before + here):
                            yield pace.event(id, file.name)
                yield pace.event(id, file.name)
                yield DownloadVerifying(download=id, file=file.name)
                return transfer.verify(cancel)
            except NoConnection as error:
                if attempt >= len(self._backoff):
                    raise
                seconds = max(self._backoff[attempt] * random.uniform(0.8, 1.2), error.wait)  # noqa: S311
                attempt += 1
                log.info("download %s: %s", id, error)
                yield DownloadRetrying(download=id, message=str(error), seconds=seconds)
                if cancel.wait(seconds):
                    raise Cancelled from None
            except WrongHash:
                # Bytes left by a crash of the computer may be wrong; what arrives whole and wrong twice is wrong there.
                if not again:
                    raise
                again = False
                yield DownloadRetrying(download=id, message=f"{file.name} arrived damaged.", seconds=0.0)

    def _place(self, id: str, plan: DownloadPlan, folder: Path) -> Path:
        """Give what is complete its place among the models, in one step."""
        models = self.library.models
        if len(plan.files) == 1 and not plan.target.startswith(str(models / "diffusers")):
            from engine.loading import detect

            source = self._part(id, plan.files[0])
            target = models / OWN_FOLDERS.get(detect(source).kind, "other") / source.name
        else:
            content = folder / "files"
            source, target = content, Path(plan.target)
        target = _free_name(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Known before it happens: a crash after the step must not fetch it all again.
        self._store.set_state(id, "verifying", path=str(target))
        source.rename(target)
        shutil.rmtree(folder, ignore_errors=True)
        return target

    def _note(self, target: Path, plan: DownloadPlan, sha256: str) -> None:
        """Tell the index what the server said of the model."""
        source = plan.source if not plan.revision else f"{plan.source} ({plan.revision[:12]})"
        with self.library.connection() as connection, connection:
            connection.execute(
                "UPDATE models SET source = ?, licence = coalesce(nullif(?, ''), licence),"
                " sha256 = coalesce(nullif(?, ''), sha256) WHERE path = ?",
                (source, plan.licence, sha256, str(target)),
            )

    def _failed(self, id: str, error: KnownError, *, wrong_input: bool) -> DownloadFailed:
        with suppress(KnownError):  # a full disk may not take the note either; the event is what counts
            self._store.set_state(id, "failed", message=str(error))
        return DownloadFailed(download=id, kind=type(error).__name__, message=str(error), wrong_input=wrong_input)

    def _folder(self, id: str) -> Path:
        return self.library.models / _STAGING / id

    def _part(self, id: str, file: PlannedFile) -> Path:
        return self._folder(id) / "files" / file.name

    def _done(self, id: str, plan: DownloadPlan) -> int:
        parts = (self._part(id, file) for file in plan.files)
        return sum(part.stat().st_size for part in parts if part.exists())

    def _lock(self, id: str) -> Path:
        return self.library.models / _STAGING / f"{id}.lock"

    def _is_held(self, id: str) -> bool:
        try:
            with self._hold(id):
                return False
        except KnownError:
            return True

    def _hold(self, id: str) -> _Held:
        return _Held(self._lock(id))


class _Held:
    """Keeps two programs from fetching the same at once; the system lets go when the process ends, however it does."""

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self._path = path
        self._lock = FileLock(path, timeout=0)

    def __enter__(self) -> None:
        from filelock import Timeout

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise KnownError("This download is under way in another window or terminal; wait for it.") from error
        except OSError as error:
            raise KnownError(
                f"The folder {self._path.parent} cannot be written to ({error.strerror}); allow it, or choose another."
            ) from error

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class _Keep:
    """Remembers the mark of a file's bytes in the list."""

    def __init__(self, store: DownloadStore, id: str, name: str) -> None:
        self._store, self._id, self._name = store, id, name

    def __call__(self, etag: str) -> None:
        self._store.set_etag(self._id, self._name, etag)


class _Pace:
    """Speed over the last seconds, and when it was last told."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._points: deque[tuple[float, int]] = deque()
        self._told = 0.0
        self._done = 0

    def note(self, done: int) -> bool:
        """Take `done` bytes down; whether it is time to tell."""
        now = monotonic()
        if done < self._done:
            self._points.clear()
        self._done = done
        self._points.append((now, done))
        while now - self._points[0][0] > _PACE_SECONDS:
            self._points.popleft()
        if now - self._told < _EVERY_SECONDS:
            return False
        self._told = now
        return True

    def event(self, id: str, file: str) -> DownloadProgress:
        """What there is to tell now."""
        (first, before), (last, after) = (self._points[0], self._points[-1]) if self._points else ((0.0, 0), (0.0, 0))
        speed = (after - before) / (last - first) if last > first else 0.0
        left = (self._total - self._done) / speed if speed > 0 and self._total >= 0 else None
        return DownloadProgress(
            download=id, file=file, done=self._done, total=self._total, speed=speed, seconds_left=left
        )


def check_space(plan: DownloadPlan, there: int) -> None:
    """Raise `KnownError` where the disk has not the room for what is still to come."""
    free = free_bytes(Path(plan.target).parent)
    needed = plan.size - there
    if needed > free:
        raise KnownError(
            f"{plan.title} needs {needed / 1e9:.2f} GB, but {Path(plan.target).parent} has {free / 1e9:.2f} GB free; "
            "make room, or choose another folder for models."
        )


def _free_name(target: Path) -> Path:
    number, free = 1, target
    while free.exists():
        number += 1
        free = target.with_name(f"{target.stem} {number}{target.suffix}")
    return free

"""The model library as the window shows it: what is listed, what is chosen, what is being fetched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QImage

from app.services.gallery_trash import Trashed, restore, trashed
from engine.errors import KnownError

if TYPE_CHECKING:
    from app.engine_client import LibraryService
    from engine.library_messages import (
        Card,
        DownloadEvent,
        DownloadItem,
        DownloadPlan,
        LibraryEvent,
        ModelEntry,
        ScanDone,
    )

T = TypeVar("T")
PREVIEW_SIDE = 192
SHOWN_EVERY = 100


class LibraryState(QObject):
    """Owns what is known of models and downloads; files and database are touched in the client's pool only.

    Signals:
        models_changed(): the lists of whole models, autoencoders, LoRAs and embeddings.
        entries_changed(): what the search and the filters give.
        chosen_changed(): the chosen model, or what is known of it.
        downloads_changed(): the list of downloads, or how far one is.
        activity_changed(str): what the library is doing, "" when it rests.
        planned(DownloadPlan): what a download would bring; the user says yes with `fetch`.
        plan_failed(str): why it cannot be fetched.
        trashed(str): the name of a model that went to the trash.
        converted(str): where a converted model is.
        token_stored(str): the keyring has, or has forgotten, the token for this host.
        pictures_wanted(ModelMarks): the pictures that a model made shall be shown.
        failed(str): one sentence for the banner.
    """

    models_changed = Signal()
    entries_changed = Signal()
    chosen_changed = Signal()
    downloads_changed = Signal()
    activity_changed = Signal(str)
    planned = Signal(object)
    plan_failed = Signal(str)
    trashed = Signal(str)
    converted = Signal(str)
    token_stored = Signal(str)
    pictures_wanted = Signal(object)
    failed = Signal(str)
    # Without arguments, as in the engine's client: objects do not travel in signals from other threads.
    _arrived = Signal()

    def __init__(
        self,
        client: Any,
        database: Path,
        models: Path,
        parent: QObject | None = None,
        *,
        folders: Callable[[], Sequence[Path]] = tuple,
        network_off: Callable[[], bool] = lambda: False,
    ) -> None:
        """A state on `client` (an `EngineClient`); `folders` gives the user's own model folders."""
        super().__init__(parent)
        self._client = client
        self._folders = folders
        self._events: deque[LibraryEvent | None] = deque()
        self._arrived.connect(self._take, Qt.ConnectionType.QueuedConnection)
        self._open: Callable[[], LibraryService] = lambda: client.open_library(
            database, models, tell=self._tell, changed=lambda: self._tell(None), network_off=network_off
        )
        self._opened: LibraryService | None = None
        self._opening = Lock()
        self._closed = False
        self.models_folder = models
        self.text, self.family, self.kind, self.order = "", "", "", "name"
        self.entries: list[ModelEntry] = []
        self.models: list[ModelEntry] = []
        self.vaes: list[ModelEntry] = []
        self.loras: list[ModelEntry] = []
        self.embeddings: list[ModelEntry] = []
        self.families: list[str] = []
        self.total = 0
        self._notes: dict[int, str] = {}
        self.chosen: ModelEntry | None = None
        self.downloads: list[DownloadItem] = []
        self._heard = 0
        self._heard_of: dict[str, int] = {}  # by download: the number of its last event
        self.cards: tuple[Card, ...] = ()
        self.activity = ""
        self._gone: list[Trashed] = []
        self.scanned = False
        self._show_downloads = QTimer(self, singleShot=True, interval=SHOWN_EVERY)
        self._show_downloads.timeout.connect(self.downloads_changed)

    @property
    def _service(self) -> LibraryService:
        """The library, opened by the first work in the pool that needs it: its modules take a fifth of a second."""
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
                if self._closed:
                    self._opened.close()
            return self._opened

    # ------------------------------------------------------------------------------------------------ looking

    def scan(self) -> None:
        """Bring the list up to date with the disk."""
        folders = list(self._folders())
        self._set_activity(self.tr("Looking for models"))
        self._ask("library-scan", lambda: self._service.refresh(folders), self._scanned)
        self._list_downloads()
        if not self.cards:
            self._ask("library-cards", lambda: self._service.cards(), self._set_cards)  # noqa: PLW0108 - in the pool

    def search(self, text: str | None = None, **filters: str) -> None:
        """List the models that contain the words of `text`, of a `family` and a `kind`, in an `order`."""
        self.text = self.text if text is None else text
        for name, value in filters.items():
            setattr(self, name, value)
        wanted = (self.text, self.family, self.kind, self.order)
        self._ask("library-entries", lambda: self._service.entries(*wanted), self._set_entries)

    def choose(self, id: int | None) -> None:
        """Show one model; None shows none."""
        if id is None:
            self.chosen = None
            self.chosen_changed.emit()
        else:
            self._ask("library-details", lambda: self._service.details(id), self._set_chosen)

    def preview(self, entry: ModelEntry, asker: object, done: Callable[[QImage], None]) -> None:
        """Read the picture beside a model, made small; each `asker` gets its answer."""
        self._ask(f"library-preview:{id(asker)}:{entry.id}", lambda: _small(entry.preview), done, lambda _error: None)

    def show_pictures(self) -> None:
        """Ask for the pictures that the chosen model made."""
        if self.chosen is not None:
            id = self.chosen.id
            self._ask("library-marks", lambda: self._service.marks(id), self.pictures_wanted.emit)

    # ------------------------------------------------------------------------------------------------ changing

    def set_notes(self, id: int, notes: str) -> None:
        """Keep the user's words on a model."""
        self._notes[id] = notes
        self._ask(f"library-notes:{id}", lambda: self._service.set_notes(id, notes), lambda _none: None)

    def set_type(self, id: int, **words: str) -> None:
        """Let the user's word on kind, family, variant or prediction of a model stand; "" takes it back."""
        self._ask("library-type", lambda: self._service.set_type(id, **words), lambda _none: self._changed(id))

    def rename(self, id: int, name: str) -> None:
        """Give a model another name."""
        self._ask("library-rename", lambda: self._service.rename(id, name), lambda entry: self._changed(entry.id))

    def hash(self, id: int) -> None:
        """Compute the hashes of a model, in the background."""
        self._ask("library-hash", lambda: self._service.hash(id), lambda entry: self._changed(entry.id))

    def convert(self, id: int, target: str, precision: str) -> None:
        """Write a model in another form, in the background."""
        self._set_activity(self.tr("Converting the model"))

        def done(path: Path) -> None:
            self._set_activity("")
            self.converted.emit(str(path))

        self._ask("library-convert", lambda: self._service.convert(id, Path(target), precision), done)

    def trash(self, entry: ModelEntry) -> None:
        """Put a model in the system's trash."""

        def work() -> list[Trashed]:
            return [trashed(path) for path in self._service.trash(entry.id)]

        def done(gone: list[Trashed]) -> None:
            self._gone = gone if all(one.kept for one in gone) else []
            self.chosen = None
            self.chosen_changed.emit()
            self.trashed.emit(entry.name)
            self._reload()

        self._ask(f"library-trash:{entry.id}", work, done)

    @property
    def can_undo(self) -> bool:
        """Whether what went to the trash last can be brought back from here."""
        return bool(self._gone)

    def undo_trash(self) -> None:
        """Bring back what went to the trash last."""
        gone, self._gone = self._gone, []
        self._ask("library-undo", lambda: [restore(one) for one in gone], lambda _paths: self.scan())

    # ------------------------------------------------------------------------------------------------ downloads

    def plan(self, source: str, variant: str = "") -> None:
        """Find out what fetching `source` would bring; `planned` or `plan_failed` follows."""
        self._set_activity(self.tr("Asking the server"))

        def done(plan: DownloadPlan) -> None:
            self._set_activity("")
            self.planned.emit(plan)

        def failed(error: Exception) -> None:
            self._set_activity("")
            self.plan_failed.emit(_sentence(error))

        self._ask("library-plan", lambda: self._service.plan(source, variant), done, failed)

    def fetch(self, plan: DownloadPlan) -> None:
        """Begin a download that the user agreed to."""
        self._ask(f"library-fetch:{plan.source}", lambda: self._service.fetch(plan), lambda _id: self._list_downloads())

    def store_token(self, token: str) -> None:
        """Keep the hub's access token in the system's keyring; "" forgets it."""
        self._ask("library-token", lambda: self._service.store_token(token), self.token_stored.emit)

    def pause(self, id: str) -> None:
        """Leave a download; it can go on later, also after a restart."""
        self._ask(f"library-pause:{id}", lambda: self._service.pause(id), lambda _none: None)

    def resume(self, id: str) -> None:
        """Go on with a download."""
        self._ask(f"library-resume:{id}", lambda: self._service.resume(id), lambda _none: None)

    def forget(self, id: str) -> None:
        """Take a download from the list, with the bytes it has."""
        self._ask(f"library-forget:{id}", lambda: self._service.forget(id), lambda _none: self._list_downloads())

    def close(self) -> None:
        """Pause the downloads and stop watching."""
        with self._opening:
            self._closed = True
            if self._opened is not None:
                self._opened.close()

    # ------------------------------------------------------------------------------------------------ answers

    def _ask(
        self,
        kind: str,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        def told(error: Exception) -> None:
            self._set_activity("")
            self.failed.emit(_sentence(error))

        self._client.query(kind, work, done, failed or told)

    def _scanned(self, done: ScanDone) -> None:
        self.scanned = True
        self.total = done.models
        self._set_activity("")
        for notice in (*self._service.notices, *done.problems[:1]):
            self.failed.emit(notice)
        self._service.notices.clear()
        self._reload()

    def _reload(self) -> None:
        self.search()
        self._ask("library-all", lambda: self._service.entries(), self._set_all)  # noqa: PLW0108 - in the pool

    def _changed(self, id: int) -> None:
        self._set_activity("")
        self._reload()
        if self.chosen is not None and self.chosen.id == id:
            self.choose(id)

    def _set_all(self, entries: list[ModelEntry]) -> None:
        self.models = [entry for entry in entries if entry.kind == "checkpoint" and entry.supported]
        self.vaes = [entry for entry in entries if entry.kind == "vae"]
        self.loras = [entry for entry in entries if entry.kind == "lora"]
        self.embeddings = [entry for entry in entries if entry.kind == "embedding"]
        self.families = sorted({entry.family for entry in entries})
        self.total = len(entries)
        self.models_changed.emit()

    def _set_entries(self, entries: list[ModelEntry]) -> None:
        self.entries = entries
        self.entries_changed.emit()

    def _set_chosen(self, entry: ModelEntry) -> None:
        # What was read may be older than what the user wrote a moment ago.
        self.chosen = replace(entry, notes=self._notes.get(entry.id, entry.notes))
        self.chosen_changed.emit()

    def _set_cards(self, cards: tuple[Card, ...]) -> None:
        self.cards = cards
        self.downloads_changed.emit()

    def _list_downloads(self) -> None:
        heard = self._heard
        read: Callable[[], list[DownloadItem]] = lambda: self._service.items()  # noqa: E731, PLW0108 - in the pool
        self._ask("library-downloads", read, lambda items: self._set_downloads(items, heard))

    def _set_downloads(self, items: list[DownloadItem], heard: int) -> None:
        """Take over a list that was asked for after `heard` events."""
        from app.state.downloads import newer

        now = {item.id: item for item in self.downloads}
        self.downloads = [
            newer(now.get(read.id), read, heard_since=self._heard_of.get(read.id, 0) > heard) for read in items
        ]
        self.downloads_changed.emit()

    def _set_activity(self, text: str) -> None:
        if text != self.activity:
            self.activity = text
            self.activity_changed.emit(text)

    # ------------------------------------------------------------------------------------------------ events

    def _tell(self, event: LibraryEvent | None) -> None:
        """Take an event, in another thread; None says that files changed."""
        self._events.append(event)
        self._arrived.emit()

    def _take(self) -> None:
        from engine.library_messages import DownloadEvent, HashProgress, ScanProgress

        while self._events:
            event = self._events.popleft()
            if event is None:
                self.scan()
            elif isinstance(event, DownloadEvent):
                self._download_event(event)
            elif isinstance(event, ScanProgress):
                progress = self.tr("Reading models: {done} of {total}").format(done=event.done, total=event.total)
                self._set_activity(progress)
            elif isinstance(event, HashProgress):
                percent = 100 * event.done // max(event.total, 1)
                self._set_activity(self.tr("Computing the hash: {percent} %").format(percent=percent))

    def _download_event(self, event: DownloadEvent) -> None:
        from app.state.downloads import after
        from engine.library_messages import DownloadDone, DownloadProgress

        known = next((item for item in self.downloads if item.id == event.download), None)
        if known is None:
            self._list_downloads()
            return
        item = after(known, event)
        if item is None:
            return
        if isinstance(event, DownloadDone):
            self.scan()
        self._heard += 1
        self._heard_of[item.id] = self._heard
        self.downloads = [item if one.id == item.id else one for one in self.downloads]
        if isinstance(event, DownloadProgress):
            if not self._show_downloads.isActive():
                self._show_downloads.start()
        else:
            self.downloads_changed.emit()


def _sentence(error: Exception) -> str:
    if isinstance(error, KnownError):
        return str(error)
    raise error


def _small(path: str) -> QImage:
    """The picture at `path`, made small; an empty one where it cannot be read."""
    image = QImage(path)
    if image.isNull():
        return image
    aspect, smooth = Qt.AspectRatioMode.KeepAspectRatioByExpanding, Qt.TransformationMode.SmoothTransformation
    return image.scaled(PREVIEW_SIDE, PREVIEW_SIDE, aspect, smooth)

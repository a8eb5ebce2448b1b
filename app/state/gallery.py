"""The gallery: which pictures are shown, what is known of them, and all that is done to them."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Signal

from app.error_texts import said_here
from app.i18n import isolated
from app.services.gallery_bulk import Deleted, delete
from app.services.gallery_export import Export, export
from app.services.gallery_records import ANY_BOARD, Board, GalleryFilter, Picture
from app.services.gallery_scan import ScanResult, read_picture
from app.services.gallery_store import MISSING, GalleryStore
from app.services.thumbnails import SIDE
from app.state.gallery_scan import GalleryScanner
from app.state.gallery_threads import GalleryThreads
from app.state.gallery_undo import GalleryUndo, Rated
from engine.messages import Bitmap, ImageDone, Recipe
from engine.metadata import read_recipe

T = TypeVar("T")

FIRST_PAGE, PAGE = 300, 4000


class GalleryState(QObject):
    """The pictures that meet the filter, newest first, by their ids; and boards, ratings, deleting with undo.

    All work on files and database happens in threads of this object's own; answers come through signals.

    Signals:
        reset(): `ids` is another list.
        inserted(int, int), removed(int, int): rows from the first to the second were put in, or taken out.
        pictures_changed(list): stars, board or file of pictures with these ids changed.
        current_changed(object): another `Picture`, or None, is the chosen one.
        added(ImageDone): the picture's row is there.
        boards_changed(), values_changed(): there are other boards; other models or schedulers to filter by.
        deleted(Deleted): pictures went to the trash. undo_changed(bool): whether something can be undone.
        said(str): a sentence about what was done. problem(object): a known error, or what says a sentence.
        complete(): the last page of `ids` is there. filter_changed(): the filter is another one.
        scanned(ScanResult): files and rows were compared.
        opened(str, Recipe): the picture at this path is wanted large.
        file_shown(str): the recipe of the file at this path, from any program, is wanted.
    """

    reset = Signal()
    inserted = Signal(int, int)
    removed = Signal(int, int)
    pictures_changed = Signal(list)
    current_changed = Signal(object)
    added = Signal(object)
    boards_changed = Signal()
    values_changed = Signal()
    deleted = Signal(object)
    undo_changed = Signal(bool)
    said = Signal(str)
    problem = Signal(object)
    scanned = Signal(object)
    complete = Signal()
    opened = Signal(str, object)
    file_shown = Signal(str)
    filter_changed = Signal()

    def __init__(
        self, file: Path, folder: Path, thumbnails: Path, parent: QObject | None = None, *, watch: bool = True
    ) -> None:
        """The gallery kept in `file`, of the pictures in `folder`; small ones are kept in `thumbnails`."""
        super().__init__(parent)
        self.ids: array[int] = array("q")
        self.boards: list[Board] = []
        self.models: list[str] = []
        self.schedulers: list[str] = []
        self.filter = GalleryFilter()
        self.whole = False
        self.trouble = ""
        self.current: Picture | None = None
        self.replays = file.parent / "replays"
        self._turn = 0
        self._unsaved: dict[str, ImageDone] = {}
        self._ignored: set[str] = set()
        self._threads = GalleryThreads(file, thumbnails, self._tell, self)
        self._undo = GalleryUndo(self._threads, self)
        self._undo.changed.connect(self.undo_changed)
        self._undo.rated.connect(self._changed)
        self._undo.returned.connect(self._returned)
        self._scanner = GalleryScanner(
            folder, self._threads.write, lambda: self._undo.leaving, self._threads.run, self, watch=watch
        )
        self._scanner.found.connect(self.refresh)
        self._scanner.ended.connect(self._found)
        self._scanner.failed.connect(self._tell)
        self._threads.write(lambda _store: None, lambda _none: None)
        self.refresh()
        if watch:
            self.scan()

    def close(self) -> None:
        """Finish what was asked for; pictures on their way to the trash go there now."""
        self._undo.close()
        self._threads.close()

    # ------------------------------------------------------------------------------------------------ what is shown

    def set_filter(self, wanted: GalleryFilter) -> None:
        """Show the pictures that meet `wanted`."""
        if wanted != self.filter:
            self.filter = wanted
            self.filter_changed.emit()
            self.refresh()

    def refine(self, **changes: Any) -> None:
        """Change parts of the filter."""
        self.set_filter(replace(self.filter, **changes))

    def refresh(self) -> None:
        """Ask the database again what meets the filter."""
        self._turn += 1
        turn, wanted = self._turn, self.filter
        self._threads.reader.drop("page")
        self._threads.read(
            lambda store: store.ids(wanted, None, FIRST_PAGE),
            lambda ids: self._show_first(turn, ids),
            kind="page",
            first=True,
        )

    def _show_first(self, turn: int, ids: list[int]) -> None:
        if turn != self._turn:
            return
        self.trouble = ""
        self.ids = array("q", ids)
        self.whole = len(ids) < FIRST_PAGE
        self.reset.emit()
        self._next_page(turn)

    def _next_page(self, turn: int) -> None:
        if self.whole:
            self.complete.emit()
            return
        wanted, last = self.filter, self.ids[-1] if self.ids else None
        self._threads.read(
            lambda store: store.ids(wanted, last, PAGE), lambda ids: self._show_more(turn, ids), kind="page"
        )

    def _show_more(self, turn: int, ids: list[int]) -> None:
        if turn != self._turn:
            return
        self.whole = len(ids) < PAGE
        # What was added at the front meanwhile does not reach this far; what was deleted may have left a gap, no more.
        if ids:
            first = len(self.ids)
            self.ids.extend(ids)
            self.inserted.emit(first, len(self.ids) - 1)
        self._next_page(turn)

    def row(self, id: int) -> int:
        """The place of the picture in the list; -1 where it is not shown."""
        # Newest first, so the keys rise when negated.
        place = bisect_left(self.ids, -id, key=lambda other: -other)
        return place if place < len(self.ids) and self.ids[place] == id else -1

    def _insert(self, id: int) -> None:
        place = bisect_left(self.ids, -id, key=lambda other: -other)
        if place < len(self.ids) and self.ids[place] == id:
            self.pictures_changed.emit([id])
        elif place < len(self.ids) or self.whole:
            self.ids.insert(place, id)
            self.inserted.emit(place, place)

    def _take_out(self, ids: Iterable[int]) -> None:
        """Take pictures off the list, from the last to the first, neighbours together."""
        rows = sorted((row for id in ids if (row := self.row(id)) >= 0), reverse=True)
        while rows:
            last = first = rows.pop(0)
            while rows and rows[0] == first - 1:
                first = rows.pop(0)
            del self.ids[first : last + 1]
            self.removed.emit(first, last)

    def choose(self, picture: Picture | None) -> None:
        """Make `picture` the one whose recipe is shown."""
        if picture != self.current:
            self.current = picture
            self.current_changed.emit(picture)

    # ------------------------------------------------------------------------------------------------ looking up

    def load(self, ids: Sequence[int], done: Callable[[list[Picture]], None]) -> None:
        """Give `done` the pictures with these ids."""
        wanted = list(ids)
        self._threads.read(lambda store: store.pictures(wanted), done, first=True)

    def load_thumbnail(self, picture: Picture, done: Callable[[Bitmap], None], failed: Callable[[str], None]) -> None:
        """Give `done` the small form of a picture."""
        path, key = Path(picture.path), picture.fingerprint
        self._threads.small.do(lambda cache: cache.get(path, key), done, failed, first=True)

    def recipe(self, id: int, done: Callable[[Recipe | None], None]) -> None:
        """Give `done` what made the picture."""
        self._threads.read(lambda store: store.recipe(id), done, kind="recipe", first=True)

    def read_file(self, path: Path, done: Callable[[Recipe | None], None], failed: Callable[[str], None]) -> None:
        """Give `done` the recipe in any picture file, of this program or another."""
        self._threads.files.do(lambda _none: read_recipe(path), done, failed, kind="file", newest=True, first=True)

    def show_file(self, path: Path) -> None:
        """Ask for the recipe of any picture file to be shown; `file_shown` answers."""
        self.choose(None)
        self.file_shown.emit(str(path))

    def open(self, picture: Picture) -> None:
        """Ask for a picture to be shown large; `opened` answers."""
        self.recipe(picture.id, lambda recipe: self.opened.emit(picture.path, recipe))

    def look_up(self) -> None:
        """Read boards, models and schedulers anew."""
        self._threads.read(
            lambda store: (store.boards(), store.values("model"), store.values("scheduler")),
            self._looked_up,
            kind="values",
        )

    def _looked_up(self, found: tuple[list[Board], list[str], list[str]]) -> None:
        boards, models, schedulers = found
        if (models, schedulers) != (self.models, self.schedulers):
            self.models, self.schedulers = models, schedulers
            self.values_changed.emit()
        if boards != self.boards:
            self.boards = boards
            self.boards_changed.emit()

    # ------------------------------------------------------------------------------------------------ files come and go

    def ignore_job(self, job_id: str) -> None:
        """Leave the pictures of this job out of the gallery: they are made to be compared, not kept."""
        self._ignored.add(job_id)

    def add(self, picture: ImageDone) -> None:
        """Take in a finished picture; `added` says when its row is there."""
        if picture.job_id in self._ignored:
            self.added.emit(picture)
            return
        self._scanner.note_own()
        self._unsaved[picture.path] = picture
        for waiting in list(self._unsaved.values()):
            self._add(waiting)

    def _add(self, picture: ImageDone) -> None:
        wanted = self.filter

        def work(store: GalleryStore) -> tuple[int, bool, str, bool]:
            new = read_picture(Path(picture.path), picture.recipe)
            [id] = store.add([new])
            small = max(picture.thumbnail.width, picture.thumbnail.height)
            large = small >= min(SIDE, max(new.width, new.height))
            return id, store.ids(wanted, id + 1, 1) == [id], new.fingerprint, large

        def done(answer: tuple[int, bool, str, bool]) -> None:
            id, shown, fingerprint, large = answer
            self._unsaved.pop(picture.path, None)
            if large:
                self._threads.small.do(
                    lambda cache: cache.put(fingerprint, picture.thumbnail), lambda _none: None, self._tell
                )
            if shown and wanted == self.filter:
                self._insert(id)
            self.added.emit(picture)
            self.look_up()

        self._threads.write(work, done)

    @property
    def folder(self) -> Path:
        """Where pictures are looked for."""
        return self._scanner.folder

    def scan(self) -> None:
        """Look for files that are new, moved, or gone."""
        self._scanner.scan()

    def set_folder(self, folder: Path) -> None:
        """Look for pictures in another folder from now on; those of the former one stay in the gallery."""
        self._scanner.set_folder(folder)

    def _found(self, result: ScanResult) -> None:
        if result.changed:
            self.refresh()
        self.look_up()
        self.scanned.emit(result)

    def look_for(self, picture: Picture) -> None:
        """Take a picture off the list if its file is gone; it comes back, with its stars, when the file does."""

        def looked(there: bool) -> None:
            if not there:
                self._note_missing(picture)

        # Beside the window, where the small form was asked for: a network folder that has gone answers after seconds.
        self._threads.small.do(lambda _cache: Path(picture.path).exists(), looked, self._tell)

    def _note_missing(self, picture: Picture) -> None:
        self._threads.write(
            lambda store: store.set_state([picture.id], MISSING), lambda _none: self._take_out([picture.id])
        )

    # ------------------------------------------------------------------------------------------------ bulk actions

    def rate(self, ids: Sequence[int], stars: int) -> None:
        """Give pictures so many stars, 0 to 5; can be undone."""
        self._change(ids, lambda store, chosen: store.rate(chosen, stars))

    def move(self, ids: Sequence[int], board: int) -> None:
        """Put pictures on a board, or with `NO_BOARD` on none; can be undone."""
        self._change(ids, lambda store, chosen: store.put_on_board(chosen, board))

    def _change(self, ids: Sequence[int], change: Callable[[GalleryStore, list[int]], None]) -> None:
        chosen = list(ids)

        def work(store: GalleryStore) -> dict[int, tuple[int, int]]:
            before = store.ratings(chosen)
            change(store, chosen)
            return before

        def done(before: dict[int, tuple[int, int]]) -> None:
            self._undo.note(Rated(before))
            self._changed(chosen)

        if chosen:
            self._threads.write(work, done)

    def _changed(self, ids: list[int]) -> None:
        self.pictures_changed.emit(ids)
        if self.filter.stars or self.filter.board != ANY_BOARD:
            self.refresh()
        self.look_up()

    def delete(self, ids: Sequence[int]) -> None:
        """Move pictures to the system's trash; can be undone."""
        chosen = list(ids)
        if chosen:
            self._threads.write(lambda store: delete(store, chosen), self._deleted)

    def _deleted(self, gone: Deleted) -> None:
        self._take_out(gone.ids)
        if self.current is not None and self.current.id in gone.ids:
            self.choose(None)
        if gone.count:
            self._undo.note(gone)
            self.deleted.emit(gone)
        if len(gone.failed) == 1:
            self.problem.emit(gone.failed[0])
        elif gone.failed:
            first, more = gone.failed[0], len(gone.failed) - 1
            self.problem.emit(
                lambda: self.tr("{first} The same goes for %n more.", "", more).format(first=said_here(first))
            )
        self.look_up()

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would take something back."""
        return self._undo.can_undo

    def undo(self) -> None:
        """Take back the last deletion, rating or move."""
        self._undo.undo()

    def _returned(self, count: int, failed: list[str]) -> None:
        self.refresh()
        self.look_up()
        if count:
            self.said.emit(self.tr("%n picture(s) brought back.", "", count))
        for message in failed[:1]:
            self.problem.emit(message)

    def export(self, ids: Sequence[int], how: Export) -> None:
        """Copy pictures to another folder, in another format or with their recipes left out where that is wanted."""
        self.load(list(ids), lambda pictures: self._copy([Path(picture.path) for picture in pictures], how))

    def take_in(self, paths: Sequence[Path]) -> None:
        """Copy pictures from elsewhere into the pictures folder: the gallery has them from then on."""
        self._copy(paths, Export(self.folder), self.scan)

    def _copy(self, paths: Sequence[Path], how: Export, then: Callable[[], None] = lambda: None) -> None:
        def done(answer: tuple[int, list[str]]) -> None:
            count, failed = answer
            if count:
                said = self.tr("%n picture(s) copied to {folder}.", "", count)
                self.said.emit(said.format(folder=isolated(how.folder)))
            if failed:
                self.problem.emit(failed[0])
            then()

        self._threads.files.do(lambda _none: export(paths, how), done, self.problem.emit)

    def make_board(self, name: str, ids: Sequence[int] = ()) -> None:
        """Make a board and put pictures on it."""

        def done(board: int) -> None:
            self.look_up()
            if ids:
                self.move(ids, board)

        self._threads.write(lambda store: store.make_board(name), done)

    def rename_board(self, board: int, name: str) -> None:
        """Give a board another name."""
        self._threads.write(lambda store: store.rename_board(board, name), lambda _none: self.look_up())

    def drop_board(self, board: int) -> None:
        """Take a board away; its pictures stay in the gallery."""

        def done(_none: None) -> None:
            if self.filter.board == board:
                self.refine(board=ANY_BOARD)
            self.look_up()

        self._threads.write(lambda store: store.drop_board(board), done)

    # ------------------------------------------------------------------------------------------------ threads

    def run(self, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[str], None]) -> None:
        """Do `work` on files beside the window, and answer in its thread."""
        self._threads.run(work, done, failed)

    def _tell(self, message: str) -> None:
        """Say a thing once, not at every page until it is mended."""
        if message != self.trouble:
            self.trouble = message
            self.problem.emit(message)

"""The model library: what is on the disk, found again by name or hash, renamed, put in the trash, told apart."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import time

from engine.database import Notice, known_errors, open_database
from engine.errors import BadFile, InvalidValue, KnownError, MissingFile, UnknownName
from engine.library import files
from engine.library.hashes import Hashes, hash_file
from engine.library.index import scan, search_words
from engine.library.schema import SCHEMA
from engine.library_messages import DAMAGED, KINDS, HashProgress, LibraryEvent, ModelEntry, ModelMarks
from engine.loading.configurations import FAMILIES
from engine.loading.user_type import read_user_type, write_user_type
from engine.metadata.fingerprint import fingerprint

_LISTED = (
    "id, path, name, root, is_folder, size, mtime_ns, kind, family, variant, prediction, precision, layout, reason, "
    "supported, title, base, description, preview, triggers, notes, sha256, autov3, fingerprint, source, licence, "
    "in_cache, own_kind, own_family"
)
ORDERS = {
    "name": "name COLLATE NOCASE, id",
    "newest": "mtime_ns DESC, id",
    "largest": "size DESC, id",
    "family": "family, name COLLATE NOCASE, id",
}


class Library:
    """The index of models in the SQLite file `database`; new models go to the folder `models`.

    Safe to use from several threads: each call has a connection of its own.

    Raises:
        DatabaseError: the file cannot be used (see `engine.database.open_database`).
    """

    def __init__(self, database: Path, models: Path, notice: Notice | None = None) -> None:
        self.database = database
        self.models = models
        open_database(database, SCHEMA, durable=False, notice=notice).close()
        with self.connection() as connection, connection:
            if connection.execute("SELECT 1 FROM roots").fetchone() is None:
                connection.execute("INSERT INTO roots VALUES (?, ?)", (str(models.absolute()), time()))

    @contextmanager
    def connection(self) -> Generator[sqlite3.Connection]:
        """A connection for one piece of work, with errors that say what to do."""
        with (
            known_errors(self.database, SCHEMA.name),
            closing(open_database(self.database, SCHEMA, durable=False, check=False)) as connection,
        ):
            yield connection

    # ---------------------------------------------------------------------------------------------- folders

    def roots(self) -> list[Path]:
        """The folders that are indexed, the oldest first."""
        with self.connection() as connection:
            return [Path(path) for (path,) in connection.execute("SELECT path FROM roots ORDER BY added, path")]

    def add_root(self, folder: Path) -> None:
        """Index `folder` too, where it lies; `MissingFile` or `InvalidValue` if it is no folder."""
        folder = folder.expanduser().absolute()
        if not folder.exists():
            raise MissingFile(f"The folder {folder} does not exist; check the path.")
        if not folder.is_dir():
            raise InvalidValue(f"{folder} is a file, not a folder of models; name its folder.")
        with self.connection() as connection, connection:
            connection.execute("INSERT OR IGNORE INTO roots VALUES (?, ?)", (str(folder), time()))

    def remove_root(self, folder: Path) -> None:
        """Leave `folder` out from now on; its files stay as they are."""
        folder = folder.expanduser().absolute()
        with self.connection() as connection, connection:
            if not connection.execute("DELETE FROM roots WHERE path = ?", (str(folder),)).rowcount:
                known = ", ".join(path for (path,) in connection.execute("SELECT path FROM roots"))
                raise UnknownName(f"The folder {folder} is not one of the library's; these are: {known}.")
            connection.execute("UPDATE models SET gone = 1 WHERE root = ?", (str(folder),))

    def scan(self, cancel: threading.Event | None = None, processes: int | None = None) -> Iterator[LibraryEvent]:
        """Bring the index up to date; see `engine.library.index.scan`."""
        roots = self.roots()
        own = str(self.models.absolute())
        # Our own folder appears with the first model; until then it is no fault that it is not there.
        roots = [root for root in roots if str(root) != own or root.is_dir()]
        with self.connection() as connection:
            yield from scan(connection, roots, cancel or threading.Event(), processes)

    # ---------------------------------------------------------------------------------------------- looking

    def entries(self, text: str = "", family: str = "", kind: str = "", order: str = "name") -> list[ModelEntry]:
        """The models whose name, title, triggers or notes contain all words of `text`, of this family and kind.

        Damaged files are listed only for the kind "damaged".

        Raises:
            UnknownName: there is no such kind or order.
        """
        if kind and kind not in (*KINDS, DAMAGED):
            raise UnknownName(f"The kind {kind!r} is unknown; choose one of {', '.join(KINDS)}, {DAMAGED}.")
        if order not in ORDERS:
            raise UnknownName(f"The order {order!r} is unknown; choose one of {', '.join(ORDERS)}.")
        conditions, values = ["NOT gone"], list[str]()
        if kind:
            conditions.append("coalesce(nullif(own_kind, ''), kind) = ?")
            values.append(kind)
        else:
            conditions.append("(own_kind != '' OR kind != 'damaged')")
        if family:
            conditions.append("coalesce(nullif(own_family, ''), family) = ?")
            values.append(family)
        for word in text.casefold().split():
            conditions.append("(words LIKE ? ESCAPE '\\' OR notes LIKE ? ESCAPE '\\')")
            escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            values += [f"%{escaped}%"] * 2
        # The pieces are our own; every value is bound.
        query = f"SELECT {_LISTED} FROM models WHERE {' AND '.join(conditions)} ORDER BY {ORDERS[order]}"  # noqa: S608
        with self.connection() as connection:
            return [_entry(row) for row in connection.execute(query, values)]

    def entry(self, id: int) -> ModelEntry:
        """The model with this number and all that its header says; `MissingFile` if it is not in the index."""
        with self.connection() as connection:
            row = connection.execute(f"SELECT {_LISTED}, metadata FROM models WHERE id = ?", (id,)).fetchone()  # noqa: S608
        if row is None:
            raise MissingFile("The model is no longer in the library; scan the folders again.")
        return _entry(row)

    def find(self, text: str) -> ModelEntry:
        """The one model that `text` means: a path, a name, or the beginning (8 digits or more) of a hash.

        The path of a file that lies elsewhere means no model of the same name.

        Raises:
            UnknownName: there is none, or there are several.
        """
        path = Path(text).expanduser()
        with self.connection() as connection:
            for condition, values in (
                ("path = ?", (str(path.absolute()),)),
                ("name = ? COLLATE NOCASE OR title = ? COLLATE NOCASE", (text, text)),
                ("name = ? COLLATE NOCASE", (Path(text).stem,)),
                ("length(?1) >= 8 AND (sha256 LIKE ?1 || '%' OR autov3 = ?1 OR fingerprint = ?1)", (text.lower(),)),
            ):
                query = f"SELECT {_LISTED}, metadata FROM models WHERE NOT gone AND ({condition})"  # noqa: S608
                rows = connection.execute(query, values).fetchall()
                if len(rows) > 1:
                    places = ", ".join(str(row[1]) for row in rows[:5])
                    raise UnknownName(f"The name {text!r} means {len(rows)} models; give the path of one: {places}.")
                if rows:
                    return _entry(rows[0])
                if path.name != text and path.exists():
                    break
        raise UnknownName(
            f"The library has no model {text!r}; `sfumato models list` shows those it has, "
            "`sfumato models scan` looks again."
        )

    def duplicates(self) -> list[list[ModelEntry]]:
        """Groups of files with the same bytes, the most wasteful first.

        Files of the same size are compared by sixteen blocks, and by their hashes where these are known.
        """
        with self.connection() as connection:
            rows = connection.execute(
                f"SELECT {_LISTED}, inode FROM models WHERE NOT gone AND NOT is_folder AND size IN"  # noqa: S608
                " (SELECT size FROM models WHERE NOT gone AND NOT is_folder GROUP BY size HAVING count(*) > 1)"
                " ORDER BY path"
            ).fetchall()
        groups: dict[tuple[int, str], list[ModelEntry]] = {}
        seen: set[tuple[int, int]] = set()
        for row in rows:
            entry, inode = _entry(row[:-1]), row[-1]
            if (entry.size, inode) in seen:  # another name of the same file wastes nothing
                continue
            seen.add((entry.size, inode))
            try:
                mark = entry.fingerprint or fingerprint(Path(entry.path))
            except OSError:
                continue
            groups.setdefault((entry.size, mark), []).append(entry)
        same = [group for group in groups.values() if len(group) > 1]
        parts = [part for group in same for part in _by_hash(group)]
        return sorted(parts, key=lambda group: -group[0].size * (len(group) - 1))

    def marks(self, entry: ModelEntry) -> ModelMarks:
        """By what recipes of pictures may name this model."""
        path = Path(entry.path)
        home = Path.home()
        short = f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else ""
        names = (entry.name, entry.title, path.name, entry.path, short)
        own = entry.fingerprint or fingerprint(path)
        hashes = (own, entry.sha256, entry.autov2, entry.autov3)
        return ModelMarks(tuple(filter(None, dict.fromkeys(names))), tuple(filter(None, dict.fromkeys(hashes))))

    # ------------------------------------------------------------------------------------------------ changing

    def hash_models(self, ids: Iterable[int], cancel: threading.Event | None = None) -> Iterator[LibraryEvent]:
        """Compute the hashes of these models that have none yet, and their fingerprints."""
        for id in ids:
            entry = self.entry(id)
            path, found = Path(entry.path), Hashes(entry.sha256, entry.autov3)
            if not entry.is_folder and not entry.sha256:
                try:
                    for step in hash_file(path, cancel or threading.Event()):
                        if isinstance(step, Hashes):
                            found = step
                        else:
                            yield HashProgress(name=entry.name, done=step, total=entry.size)
                except OSError as error:
                    raise BadFile(f"{path} cannot be read ({error.strerror}); scan the folders again.") from error
            with self.connection() as connection, connection:
                connection.execute(
                    "UPDATE models SET sha256 = ?, autov3 = ?, fingerprint = ? WHERE id = ?",
                    (found.sha256, found.autov3, fingerprint(path), id),
                )
            yield HashProgress(name=entry.name, done=entry.size, total=entry.size)

    def set_notes(self, id: int, notes: str) -> None:
        """Keep the user's own words on a model."""
        self._change(id, "notes = ?", notes)

    def set_type(
        self,
        id: int,
        kind: str | None = None,
        family: str | None = None,
        variant: str | None = None,
        prediction: str | None = None,
    ) -> None:
        """Let the user's word on what a model is stand over what was detected.

        None changes nothing, "" goes back to what was detected. Of a single file the word on family, `variant` ("base"
        for none) and `prediction` is kept beside it, so that it counts wherever the file is loaded.

        Raises:
            UnknownName: there is no such kind, family, variant or prediction.
            InvalidValue: of this model the word cannot be kept; the text says why.
        """
        if kind and kind not in KINDS:
            raise UnknownName(f"The kind {kind!r} is unknown; choose one of {', '.join(KINDS)}.")
        entry = self.entry(id)
        reason = _why_unsaid(entry, kind or entry.kind)
        if not reason:
            self._say(entry, family, variant, prediction)
        elif variant is not None or prediction is not None:
            raise InvalidValue(f"The variant and prediction of {entry.name} cannot be said: {reason}")
        if kind is not None:
            self._change(id, "own_kind = ?", kind)
        if family is not None:
            self._change(id, "own_family = ?", family)

    def _say(self, entry: ModelEntry, family: str | None, variant: str | None, prediction: str | None) -> None:
        """Keep the user's word beside a single file, and take what it is from there."""
        from engine.loading import detect

        path = Path(entry.path)
        before = read_user_type(path)
        # Other kinds of files have families that no pipeline here has.
        loadable = family if not family or family in FAMILIES else None
        word = before.changed(loadable, variant, prediction)
        if word == before:
            return
        word.check(entry.family)
        write_user_type(path, word)
        found = detect(path)
        values = (found.kind, found.family or "unknown", found.variant, found.prediction, found.reason)
        self._change(entry.id, "kind = ?, family = ?, variant = ?, prediction = ?, reason = ?", *values)
        self._change(entry.id, f"supported = {int(found.supported)}")

    def rename(self, id: int, name: str) -> ModelEntry:
        """Give a model's file, and the pictures and notes beside it, another name; the ending stays."""
        entry = self.entry(id)
        if entry.in_cache:
            raise InvalidValue(f"{entry.name} lies in the cache of the hub, which other programs use; copy it first.")
        path = files.rename(Path(entry.path), name)
        words = search_words((path.stem, path.name, entry.title, entry.base, *entry.triggers))
        preview = entry.preview
        if preview:
            picture = Path(preview)
            preview = str(picture.with_name(path.stem + picture.name[len(Path(entry.path).stem) :]))
            preview = str(path / picture.name) if entry.is_folder else preview
        shown = path.name if entry.is_folder else path.stem
        self._change(id, "path = ?, name = ?, words = ?, preview = ?", str(path), shown, words, preview)
        return self.entry(id)

    def trash(self, id: int) -> list[Path]:
        """Put a model, with the pictures and notes beside it, in the system's trash; what went there."""
        entry = self.entry(id)
        path = Path(entry.path)
        if entry.in_cache:
            path = next(parent for parent in path.parents if parent.name.startswith("models--"))
        gone = files.trash(path)
        self._change(id, "gone = 1")
        return gone

    def take_in(self, source: Path, *, move: bool = False, kind: str = "", family: str = "") -> ModelEntry:
        """Copy (or move) the model file or folder `source` into the library's own folder and index it.

        `kind` and `family` are the user's word where the header does not tell.

        Raises:
            MissingFile, BadFile: it is not there, damaged, or no model that is known.
            InvalidValue: the library has one of that name.
        """
        source = source.expanduser().absolute()
        if not source.exists():
            raise MissingFile(f"{source} does not exist; check the path.")
        from engine.loading import detect

        detected = detect(source)  # raises for what is damaged or no model
        if detected.kind == "unknown" and not kind:
            raise BadFile(f"{source} is not known here, so name its kind to take it in all the same: {detected.reason}")
        if kind and kind not in KINDS:
            raise UnknownName(f"The kind {kind!r} is unknown; choose one of {', '.join(KINDS)}.")
        target = self.models / files.OWN_FOLDERS.get(kind or detected.kind, "other") / source.name
        files.take_in(source, target, move=move)
        for _ in self.scan():
            pass
        entry = self.find(str(target))
        if kind or family:
            self.set_type(entry.id, kind or None, family or None)
        return self.entry(entry.id)

    def _change(self, id: int, changes: str, *values: str) -> None:
        with self.connection() as connection, connection:
            if not connection.execute(f"UPDATE models SET {changes} WHERE id = ?", (*values, id)).rowcount:  # noqa: S608
                raise MissingFile("The model is no longer in the library; scan the folders again.")


def _why_unsaid(entry: ModelEntry, kind: str) -> str:
    """Why the user's word on a model cannot be kept beside it; "" where it can."""
    if kind not in ("checkpoint", "unet", "unknown"):
        return f"it is of the kind {kind}; only models have them."
    if entry.in_cache:
        return "it lies in the cache of the hub, which other programs use; copy it first."
    if entry.is_folder:
        return "it is a folder that says so itself; change its configurations, or convert it into one file."
    return ""


def free_bytes(folder: Path) -> int:
    """The bytes free on the disk that holds, or will hold, `folder`."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError as error:
        raise KnownError(f"The disk of {folder} cannot be looked at ({error.strerror}); choose another one.") from error


def _by_hash(group: list[ModelEntry]) -> Iterator[list[ModelEntry]]:
    """Split a group whose known hashes differ; those without a hash stay with the first."""
    first = next((entry.sha256 for entry in group if entry.sha256), "")
    parts: dict[str, list[ModelEntry]] = {}
    for entry in group:
        parts.setdefault(entry.sha256 or first, []).append(entry)
    return (part for part in parts.values() if len(part) > 1)


_NAMES = [name.strip() for name in _LISTED.split(",")]


def _entry(row: tuple[object, ...]) -> ModelEntry:
    values = dict(zip(_NAMES, row, strict=False))
    metadata = json.loads(str(row[len(_NAMES)])) if len(row) > len(_NAMES) else {}
    values["modified"] = int(str(values.pop("mtime_ns"))) / 1e9
    values["triggers"] = tuple(json.loads(str(values["triggers"])))
    for name in ("is_folder", "in_cache", "supported"):
        values[name] = bool(values[name])
    for name in ("kind", "family"):
        values[name] = values.pop(f"own_{name}") or values[name]
    return ModelEntry(**values, metadata=tuple(metadata.items()))  # pyright: ignore[reportArgumentType]

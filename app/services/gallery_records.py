"""What the gallery knows of a picture, and what one can ask it for. No Qt here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.messages import Recipe

PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp"})
ANY_BOARD, NO_BOARD = 0, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPicture:
    """A file that the gallery takes in: where it is, what it is, and what made it.

    `made` is in microseconds since 1970. `fingerprint` tells the file again after it was moved. `width` is 0 where the
    file cannot be read; it is kept all the same, so that it is seen.
    """

    path: str
    made: int
    bytes: int
    modified: int
    fingerprint: str
    width: int
    height: int
    recipe: Recipe | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of the gallery: its row, with the beginning of its prompt."""

    id: int
    path: str
    width: int
    height: int
    stars: int
    board: int
    modified: int
    fingerprint: str
    prompt: str
    seed: str

    @property
    def name(self) -> str:
        """The name of its file."""
        return Path(self.path).name

    @property
    def made(self) -> datetime:
        """When it was made."""
        return datetime.fromtimestamp(self.id / 1e6)


@dataclass(frozen=True, slots=True)
class Board:
    """A collection of pictures with a name; a picture is on one at most."""

    id: int
    name: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryFilter:
    """Which pictures to show: those that meet all of these; what is empty asks for nothing.

    `words` are looked for in prompts, each as the beginning of a word, or anywhere where none begins so. `since` and
    `until` are in microseconds since 1970, the first included, the last not. `stars` is the least rating. `board` is
    a board's id, `ANY_BOARD` or `NO_BOARD`. `made_by` are the names, places and hashes of one model: what a picture
    says of its model must be among them.
    """

    words: str = ""
    model: str = ""
    scheduler: str = ""
    seed: str = ""
    width: int = 0
    height: int = 0
    since: int = 0
    until: int = 0
    stars: int = 0
    board: int = ANY_BOARD
    made_by: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether every picture meets it."""
        return self == GalleryFilter()

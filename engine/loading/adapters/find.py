"""Finds files of adapters and embeddings by the name that prompts call them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.errors import MissingFile

SUFFIXES = (".safetensors", ".pt", ".ckpt", ".bin", ".pth")


def find_files(folders: Iterable[Path], suffixes: Sequence[str] = SUFFIXES) -> dict[str, Path]:
    """Return every file in `folders` and below them by the names it is known by.

    These are its name without suffix, and its path from the folder without suffix ("styles/ink"); of two files of one
    name the first in order counts. Folders that do not exist hold nothing; links in circles are followed once.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        seen: set[str] = set()
        for place, inner, names in os.walk(folder, followlinks=True):
            real = os.path.realpath(place)
            if real in seen:
                inner.clear()
                continue
            seen.add(real)
            inner.sort()
            for name in sorted(names):
                path = Path(place) / name
                if path.suffix.lower() in suffixes:
                    found.setdefault(path.stem, path)
                    found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return found


def find_adapters(names: Sequence[str], folders: Iterable[Path]) -> list[Path]:
    """Return the file of each of `names` (as in `<lora:name:0.8>`); capital letters count only where they must.

    Raises:
        MissingFile: there is no such file; the message lists the names that are near.
    """
    if not names:
        return []
    places = list(folders)
    found = find_files(places)
    lower = {name.lower(): path for name, path in reversed(found.items())}
    paths: list[Path] = []
    for name in names:
        bare = Path(name).with_suffix("").as_posix() if Path(name).suffix.lower() in SUFFIXES else name
        path = found.get(name) or found.get(bare) or lower.get(name.lower()) or lower.get(bare.lower())
        if path is None:
            raise MissingFile(_missing(name, places, found))
        paths.append(path)
    return paths


def _missing(name: str, folders: Sequence[Path], found: dict[str, Path]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, found, n=3)
    where = ", ".join(map(str, folders)) or "any folder, for none is set"
    remedy = f"did you mean {' or '.join(near)}?" if near else "put the file there, or take the name out of the prompt."
    return f"The adapter {name!r} is not in {where}; {remedy}"

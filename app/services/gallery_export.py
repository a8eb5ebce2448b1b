"""Copies of pictures for other people: as they are, in another format, or without what made them. No Qt here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import BadFile, KnownError, MissingFile
from engine.metadata import PictureFormat, encode_picture, read_recipe

ENDINGS: dict[PictureFormat, str] = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}


@dataclass(frozen=True, slots=True)
class Export:
    """Where copies go and how: `form` "same" keeps the files as they are, unless the recipe is to be left out."""

    folder: Path
    form: Literal["same"] | PictureFormat = "same"
    with_recipe: bool = True
    quality: int = 92


def export(paths: Sequence[Path], how: Export) -> tuple[int, list[str]]:
    """Copy the pictures at `paths`, under free names; how many were, and a sentence for each that was not.

    Raises:
        KnownError: the folder cannot be made or written to.
    """
    try:
        how.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KnownError(f"The folder {how.folder} cannot be made ({error.strerror}); choose another one.") from error
    failed: list[str] = []
    for path in paths:
        try:
            _copy(path, how)
        except KnownError as error:
            failed.append(str(error))
        except OSError as error:
            reason = error.strerror or str(error)
            failed.append(
                f"The picture {path.name} cannot be copied to {how.folder} ({reason}); choose another folder."
            )
    return len(paths) - len(failed), failed


def _copy(path: Path, how: Export) -> None:
    if not path.exists():
        raise MissingFile(f"The picture {path} is not there any more; it was moved or deleted outside Sfumato.")
    if how.form == "same" and how.with_recipe:
        _put(how.folder / path.name, lambda part: shutil.copy2(path, part))
        return
    from PIL import Image, UnidentifiedImageError

    try:
        recipe = read_recipe(path) if how.with_recipe else None
        with Image.open(path) as image:
            form = _format(path) if how.form == "same" else how.form
            content = encode_picture(image, recipe, form, how.quality)
    except (UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise BadFile(f"The picture {path} is damaged and cannot be copied in another format.") from error
    _put(how.folder / f"{path.stem}{ENDINGS[form]}", lambda part: part.write_bytes(content))


def _put(wanted: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file, which gets the name `wanted`, or a free one like it, when it is whole."""
    target = _free(wanted)
    part = target.with_name(f".{target.name}.part")
    try:
        write(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


_FORMS: dict[str, PictureFormat] = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def _format(path: Path) -> PictureFormat:
    return _FORMS.get(path.suffix.lower(), "PNG")


def _free(path: Path) -> Path:
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return candidate

"""A finished picture leaves the program: in another place or format, with its recipe or without. Runs in the pool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtGui import QImage

from app.services.whole_file import write_whole
from engine.errors import InvalidValue, MissingFile
from engine.metadata import encode_picture, read_recipe

if TYPE_CHECKING:
    from engine.metadata import PictureFormat

FORMATS: dict[str, PictureFormat] = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def save_as(source: str, target: str, *, with_recipe: bool = True, quality: int = 92) -> str:
    """Write the picture at `source` to `target`, in the format of its ending, and return the path.

    `quality` (1 to 100) is for JPEG and WebP. A PNG with its recipe is copied byte by byte.

    Raises:
        InvalidValue: the ending is of no format that can be written.
        KnownError: the source is gone, or the target cannot be written.
    """
    path = Path(target)
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise InvalidValue(f"Pictures cannot be saved as {path.suffix or path.name!r}; choose .png, .jpg or .webp.")
    original = Path(source)
    if not original.is_file():
        raise MissingFile(f"The picture {source} is no longer there; it was moved or deleted outside Sfumato.")
    if form == "PNG" and with_recipe and original.suffix.lower() == ".png":
        content = original.read_bytes()
    else:
        content = _encoded(original, form, with_recipe, quality)
    write_whole(path, content)
    return str(path)


def _encoded(original: Path, form: PictureFormat, with_recipe: bool, quality: int) -> bytes:
    from PIL import Image

    recipe = read_recipe(original) if with_recipe else None
    with Image.open(original) as image:
        picture = image.convert("RGB") if form == "JPEG" or image.mode not in {"RGB", "RGBA"} else image.copy()
    # What the file carried besides its pixels (texts, EXIF, profiles) goes only where it was asked for.
    picture.info = {}
    return encode_picture(picture, recipe, form, quality)


def save_image(image: QImage, folder: Path, kind: str) -> str:
    """Write a pasted picture or a mask as a PNG into `folder`, under a name made of its content; returns the path."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    # Fast: the file is for the engine, soon read again.
    image.save(buffer, "PNG", 80)  # pyright: ignore[reportArgumentType, reportCallIssue]
    data = bytes(content.data())
    path = folder / f"{kind}-{_digest(data)}.png"
    if not path.exists():
        write_whole(path, data)
    return str(path)


def _digest(data: bytes) -> str:
    import hashlib

    return hashlib.blake2b(data, digest_size=12).hexdigest()

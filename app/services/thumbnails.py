"""Small pictures for the gallery: made once, kept on the disk as JPEG, read back as plain bytes. No Qt here."""

from __future__ import annotations

import io
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadFile, MissingFile
from engine.messages import Bitmap

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 256
# Of the folder; a thumbnail takes some 10 kB.
LIMIT_BYTES = 2 * 2**30
_QUALITY = 88


class Thumbnails:
    """The thumbnails in `folder`, each under its picture's fingerprint; beyond the limit the oldest go."""

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._written = 0

    def get(self, path: Path, fingerprint: str) -> Bitmap:
        """The thumbnail of the picture at `path`: from the folder, else made from the picture.

        Raises:
            MissingFile: the picture is gone, and no thumbnail of it is kept.
            BadFile: it is no picture that can be read.
        """
        kept = self._file(fingerprint)
        with suppress(OSError, BadFile):
            return _decoded(kept.read_bytes(), kept)
        bitmap = _made(path)
        self.put(fingerprint, bitmap)
        return bitmap

    def put(self, fingerprint: str, bitmap: Bitmap) -> None:
        """Keep the thumbnail of a picture; a cache that cannot be written is no error, only slower."""
        from PIL import Image

        image = Image.frombytes("RGB", (bitmap.width, bitmap.height), bitmap.pixels)
        if max(image.size) > SIDE:
            image.thumbnail((SIDE, SIDE))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=_QUALITY)
        target = self._file(fingerprint)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        with suppress(OSError):
            target.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(buffer.getvalue())
            part.replace(target)
            self._written += buffer.tell()
            if self._written > self._limit // 20:
                self._written = 0
                self.prune()

    def prune(self) -> None:
        """Delete the oldest thumbnails until the folder is within its limit."""
        found: list[tuple[int, int, Path]] = []
        for path in self._folder.glob("*/*"):
            with suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, path))
        left = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if left <= self._limit:
                return
            with suppress(OSError):
                path.unlink()
            left -= size

    def _file(self, fingerprint: str) -> Path:
        return self._folder / fingerprint[:2] / f"{fingerprint}.jpg"


def _decoded(content: bytes, path: Path) -> Bitmap:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = image.convert("RGB")
            return Bitmap(pixels.width, pixels.height, pixels.tobytes())
    except (OSError, ValueError, SyntaxError) as error:
        raise BadFile(f"The thumbnail {path} is damaged; it is made again.") from error


def _made(path: Path) -> Bitmap:
    from PIL import ImageOps, UnidentifiedImageError
    from PIL.Image import DecompressionBombError
    from PIL.Image import open as open_image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large pictures are welcome here; bombs are refused by an error below
            with open_image(path) as image:
                image.draft("RGB", (2 * SIDE, 2 * SIDE))
                turned = ImageOps.exif_transpose(image)
                turned.thumbnail((SIDE, SIDE), reducing_gap=2.0)
                small = _flat(turned)
                return Bitmap(small.width, small.height, small.tobytes())
    except FileNotFoundError as error:
        raise MissingFile(
            f"The picture {path} is not there any more; it was moved or deleted outside Sfumato."
        ) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, DecompressionBombError) as error:
        raise BadFile(
            f"The picture {path} is damaged or no picture; delete it, or open it in another program."
        ) from error


def _flat(image: Image) -> Image:
    """The picture without transparency: on grey, where both black and white show."""
    from PIL.Image import alpha_composite, new

    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        coloured = image.convert("RGBA")
        ground = new("RGBA", coloured.size, (128, 128, 128, 255))
        return alpha_composite(ground, coloured).convert("RGB")
    return image.convert("RGB")

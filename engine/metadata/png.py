"""Pictures with their recipes inside: PNG exactly, JPEG and WebP in the EXIF comment as most programs read it."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Literal

from engine.messages import Recipe
from engine.metadata.a1111 import write_a1111
from engine.metadata.own import write_own

if TYPE_CHECKING:
    from PIL.Image import Image

PictureFormat = Literal["PNG", "JPEG", "WEBP"]
_EXIF_IFD, _USER_COMMENT, _DESCRIPTION = 0x8769, 0x9286, 0x010E
# An EXIF block of a JPEG file has 64 KB; our own form goes in where both fit.
_EXIF_BYTES = 60_000


def encode_png(image: Image, recipe: Recipe | None) -> bytes:
    """The PNG file of `image` with `recipe` inside, as A1111's text and as our own JSON; bare without one."""
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    if recipe is not None:
        chunks.add_text("parameters", write_a1111(recipe))  # Pillow writes iTXt for what is not Latin-1
        chunks.add_itxt("sfumato", write_own(recipe))
    file = BytesIO()
    image.save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def encode_picture(image: Image, recipe: Recipe | None, form: PictureFormat, quality: int = 92) -> bytes:
    """The file of `image` in the format `form`, with `recipe` inside or bare.

    `quality`, from 1 to 100, is for the lossy formats.
    """
    if form == "PNG":
        return encode_png(image, recipe)
    file = BytesIO()
    plain = image if image.mode == "RGB" or (form == "WEBP" and image.mode == "RGBA") else image.convert("RGB")
    plain.save(file, form, quality=quality, exif=_exif(recipe))
    return file.getvalue()


def _exif(recipe: Recipe | None) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    if recipe is not None:
        comment = b"UNICODE\0" + write_a1111(recipe).encode("utf-16-be")
        own = write_own(recipe)
        exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = comment[:_EXIF_BYTES]
        if len(comment) + len(own) <= _EXIF_BYTES:
            exif[_DESCRIPTION] = own
    return exif.tobytes()

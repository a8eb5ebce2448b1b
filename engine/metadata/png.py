"""Recipes in and out of PNG files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadFile, MissingFile
from engine.messages import Recipe
from engine.metadata.a1111 import read_a1111, write_a1111
from engine.metadata.own import read_own, write_own

if TYPE_CHECKING:
    from PIL.Image import Image


def encode_png(image: Image, recipe: Recipe) -> bytes:
    """The PNG file of `image` with `recipe` inside, as A1111's text and as our own JSON."""
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_text("parameters", write_a1111(recipe))  # Pillow writes iTXt for what is not Latin-1
    chunks.add_itxt("sfumato", write_own(recipe))
    file = BytesIO()
    image.save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def read_recipe(path: Path) -> Recipe | None:
    """The recipe in the picture at `path`: ours where it has one, else A1111's text, else None.

    Raises:
        MissingFile: there is no such file.
        BadFile: it is no picture, is damaged, or its recipe cannot be read.
    """
    texts = _texts(path)
    if "sfumato" in texts:
        return read_own(texts["sfumato"])
    return read_a1111(texts["parameters"]) if texts.get("parameters", "").strip() else None


def _texts(path: Path) -> dict[str, str]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            # Text may stand after the pixels too; only then they have to be decoded.
            if image.format == "PNG" and not {"sfumato", "parameters"} & set(image.info):
                image.load()
            return {str(key): value for key, value in image.info.items() if isinstance(value, str)}
    except FileNotFoundError as error:
        raise MissingFile(f"The picture {path} does not exist; check the path.") from error
    except UnidentifiedImageError as error:
        raise BadFile(f"{path} is not a picture that can be read; choose a PNG file.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadFile(f"The picture {path} is damaged ({error}); choose another one.") from error

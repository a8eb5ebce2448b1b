"""The texts in a picture's file, whatever its format: PNG chunks, EXIF, comments. No pixel is decoded.

A PNG file is walked chunk by chunk, so that a text after the pixels costs no decoding and a hostile file cannot ask for
more memory than `MAX_TEXT`; the other formats are opened by Pillow, which reads their headers only.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from engine.errors import BadFile, MissingFile
from engine.metadata.values import MAX_TEXT

if TYPE_CHECKING:
    from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 100_000
_RGBA = 6
_EXIF_IFD, _USER_COMMENT, _MAKER_NOTE, _XP_COMMENT = 0x8769, 0x9286, 0x927C, 0x9C9C
_EXIF_TAGS = {0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software"}


@dataclass(slots=True)
class PictureTexts:
    """What a file says: its size in pixels, whether each pixel has a transparency, and its texts by their keys."""

    width: int = 0
    height: int = 0
    transparent: bool = False
    texts: dict[str, str] = field(default_factory=dict[str, str])


def read_texts(path: Path) -> PictureTexts:
    """Read the size and the texts of the picture at `path`.

    Raises:
        MissingFile: there is no such file.
        BadFile: it is no picture, cannot be read, or is damaged before anything of use was found.
    """
    try:
        with path.open("rb") as file:
            return _read_png(file) if file.read(8) == _SIGNATURE else _read_other(path)
    except FileNotFoundError as error:
        raise MissingFile(f"The picture {path} does not exist; check the path.") from error
    except BadFile as error:
        raise BadFile(f"The picture {path} is damaged ({error}); choose another one.") from error
    except OSError as error:
        raise BadFile(f"The picture {path} cannot be read ({error.strerror or error}); choose another one.") from error


# ---------------------------------------------------------------------------------------------------------- PNG


def _read_png(file: IO[bytes]) -> PictureTexts:
    found = PictureTexts()
    try:
        for kind, length in _chunks(file, found):
            content = file.read(length)
            if len(content) < length:
                raise BadFile("it is cut short")
            if kind == b"eXIf":
                _add_exif(found.texts, content)
            else:
                _add_text(found.texts, kind, content)
    except BadFile:
        if not found.texts:
            raise
    return found


def _chunks(file: IO[bytes], found: PictureTexts) -> Any:
    """Yield (kind, length) of each chunk of text, with `file` at its content; fill in the size on the way."""
    for number in range(_MAX_CHUNKS):
        start = file.tell()
        header = file.read(8)
        if len(header) < 8:
            raise BadFile("it is cut short")
        length, kind = struct.unpack(">I4s", header)
        if number == 0:
            if kind != b"IHDR" or length != 13:
                raise BadFile("it does not begin with its size")
            found.width, found.height, _depth, colour = struct.unpack(">IIBB", file.read(10).ljust(10, b"\0"))
            found.transparent = colour == _RGBA
        elif kind == b"IEND":
            return
        elif kind in {b"tEXt", b"zTXt", b"iTXt", b"eXIf"} and length <= MAX_TEXT:
            yield kind, length
        file.seek(start + 8 + length)
        if len(file.read(4)) < 4:
            raise BadFile("it is cut short")
    raise BadFile("it has too many parts")


def _add_text(texts: dict[str, str], kind: bytes, content: bytes) -> None:
    key, _, rest = content.partition(b"\0")
    if kind == b"zTXt":
        rest = _inflate(rest[1:])
    elif kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:]
        _language, _, rest = rest.partition(b"\0")
        _translated, _, rest = rest.partition(b"\0")
        rest = _inflate(rest) if packed else rest
    if rest:
        texts.setdefault(key.decode("latin-1"), _decoded(rest))


def _inflate(content: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(content, MAX_TEXT)
    except zlib.error as error:
        raise BadFile("a text in it cannot be unpacked") from error


def _decoded(content: bytes) -> str:
    """The text of `content`: UTF-8 where it is that, as many programs write it against the standard, else Latin-1."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


# ---------------------------------------------------------------------------------------------------------- others


def _read_other(path: Path) -> PictureTexts:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a large or odd picture is no news here: nothing is decoded
            with Image.open(path) as image:
                found = PictureTexts(image.width, image.height, image.mode == "RGBA")
                _add_info(found.texts, image)
    except UnidentifiedImageError as error:
        raise BadFile("it is not a picture that can be read") from error
    except (SyntaxError, ValueError, struct.error, EOFError, Image.DecompressionBombError) as error:
        raise BadFile(str(error)) from error
    return found


def _add_info(texts: dict[str, str], image: Image.Image) -> None:
    for key, value in image.info.items():
        if isinstance(value, (str, bytes)) and key not in {"exif", "icc_profile"} and len(value) <= MAX_TEXT:
            texts[str(key)] = value if isinstance(value, str) else _decoded(value)
    exif = image.info.get("exif")
    if isinstance(exif, bytes) and len(exif) <= MAX_TEXT:
        _add_exif(texts, exif)


def _add_exif(texts: dict[str, str], content: bytes) -> None:
    from PIL import Image

    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of damaged tags, which are simply not there for us
            exif.load(content if content.startswith(b"Exif\0\0") else b"Exif\0\0" + content)
            tags: dict[int, Any] = {**dict(exif), **dict(exif.get_ifd(_EXIF_IFD))}
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, EOFError, struct.error, IndexError):
        return  # a damaged EXIF block is no text; the picture may have others
    for tag, key in _EXIF_TAGS.items():
        if value := _plain(tags.get(tag)):
            _add_tag(texts, key, value)
    if comment := _comment(tags.get(_USER_COMMENT)):
        texts["UserComment"] = comment
    if isinstance(note := tags.get(_XP_COMMENT), bytes):
        texts.setdefault("XPComment", note.decode("utf-16-le", "replace").rstrip("\0"))
    if scheme := _plain(tags.get(_MAKER_NOTE)):
        texts["MakerNote"] = scheme


def _add_tag(texts: dict[str, str], key: str, value: str) -> None:
    """ComfyUI writes its graphs into whatever tags there are, with their names in front."""
    name, colon, rest = value.partition(":")
    if colon and name.strip().lower() in {"prompt", "workflow"} and rest.lstrip().startswith("{"):
        texts.setdefault(name.strip().lower(), rest)
    else:
        texts.setdefault(key, value)


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        value = _decoded(value)
    return value.strip("\0") if isinstance(value, str) and len(value) <= MAX_TEXT else ""


def _comment(value: object) -> str:
    """The text of a UserComment, whose first eight bytes name its encoding."""
    if not isinstance(value, bytes):
        return _plain(value)
    marker, content = value[:8], value[8:]
    if marker == b"UNICODE\0":
        return _utf16(content).strip("\0")
    return _plain(content if marker in {b"ASCII\0\0\0", b"JIS\0\0\0\0\0", bytes(8)} else value)


def _utf16(content: bytes) -> str:
    """Text in UTF-16 of either byte order, of which files do not say which: the one with more letters of ASCII."""
    even = content[: len(content) // 2 * 2]
    big, little = (even.decode(order, "replace") for order in ("utf-16-be", "utf-16-le"))
    if content.isascii() and b"\0" not in content:
        return _decoded(content)  # some programs say UNICODE and write ASCII
    return max(big, little, key=lambda text: sum(letter < "\x80" for letter in text)).lstrip("\ufeff")

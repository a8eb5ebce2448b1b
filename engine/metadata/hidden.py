"""Texts hidden in the lowest bits of a picture's transparency, where NovelAI keeps them when a host strips the file.

The bits run down the columns: fifteen letters that name the form, the length in bits as a 32-bit number, the content.
"""

from __future__ import annotations

import json
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from engine.metadata.values import MAX_TEXT

if TYPE_CHECKING:
    from PIL import Image

_PLAIN, _PACKED = b"stealth_pnginfo", b"stealth_pngcomp"
_HEADER = 8 * (len(_PLAIN) + 4)
# Pictures of this program's kind have at most some millions; larger ones are not decoded for a text that may be there.
_MAX_PIXELS = 64_000_000
_GZIP = 31


def hidden_texts(path: Path) -> dict[str, str]:
    """The texts in the transparency of the picture at `path`, under the keys of its metadata; none where it has none.

    A damaged picture, or one that only looks as if it held a text, has none.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large or odd pictures, which simply hold no text
            with Image.open(path) as image:
                if image.mode != "RGBA" or not _HEADER <= image.width * image.height <= _MAX_PIXELS:
                    return {}
                content = _content(image)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return {}
    return _texts(content) if content else {}


def _content(image: Image.Image) -> bytes:
    from PIL.Image import Transpose

    values = image.getchannel("A").transpose(Transpose.TRANSPOSE).tobytes()
    header = _packed(values[:_HEADER])
    form, bits = header[: len(_PLAIN)], int.from_bytes(header[len(_PLAIN) :], "big")
    if form not in {_PLAIN, _PACKED} or not 0 < bits <= min(len(values) - _HEADER, 8 * MAX_TEXT):
        return b""
    content = _packed(values[_HEADER : _HEADER + bits // 8 * 8])
    if form == _PLAIN:
        return content
    try:
        return zlib.decompressobj(_GZIP).decompress(content, MAX_TEXT)
    except zlib.error:
        return b""


def _packed(values: bytes) -> bytes:
    """The lowest bit of each byte, eight to a byte."""
    import numpy as np

    return np.packbits(np.frombuffer(values, np.uint8) & 1).tobytes()


def _texts(content: bytes) -> dict[str, str]:
    """NovelAI hides its metadata as one JSON object; other programs their one text, as it stands."""
    text = content.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {"parameters": text}
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, str)}

"""Pictures between bytes, files and Qt. What reads or writes a file here runs in the pool, never in a widget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QImageReader

from engine.errors import BadFile, MissingFile
from engine.messages import Bitmap

# Qt's own limit of 256 MB would refuse pictures that the engine can make (8192 x 8192).
READ_LIMIT_MB = 1024
# From this size on the painter's own enlarging is good enough; below, doubling costs under a millisecond.
PREVIEW_SIDE = 256


def to_image(bitmap: Bitmap) -> QImage:
    """The bitmap as a picture of its own, which outlives the bytes."""
    stride = bitmap.width * 3
    return QImage(bitmap.pixels, bitmap.width, bitmap.height, stride, QImage.Format.Format_RGB888).copy()


def smooth_preview(bitmap: Bitmap) -> QImage:
    """The bitmap as a larger and softer picture: doubled a few times, which comes near a spline.

    Enlarged at once, pixels of a preview would show as stars with arms along the axes.
    """
    image = to_image(bitmap)
    while max(image.width(), image.height()) < PREVIEW_SIDE:
        mode = Qt.TransformationMode.SmoothTransformation
        image = image.scaled(image.width() * 2, image.height() * 2, Qt.AspectRatioMode.IgnoreAspectRatio, mode)
    return image


@dataclass(frozen=True, slots=True)
class Pyramid:
    """A picture with smaller copies of it, each half the one before, so that a small view never shrinks a huge one."""

    levels: tuple[QImage, ...]

    @property
    def image(self) -> QImage:
        """The picture itself."""
        return self.levels[0]

    @property
    def width(self) -> int:
        """Its width in pixels."""
        return self.levels[0].width()

    @property
    def height(self) -> int:
        """Its height in pixels."""
        return self.levels[0].height()

    def level_for(self, scale: float) -> QImage:
        """The smallest copy that still has a pixel for each pixel of the screen at `scale`."""
        chosen = self.levels[0]
        for level in self.levels[1:]:
            if level.width() < self.width * scale:
                break
            chosen = level
        return chosen


def pyramid(image: QImage) -> Pyramid:
    """The picture with its smaller copies, down to 256 pixels."""
    first = image.convertToFormat(
        QImage.Format.Format_ARGB32_Premultiplied if image.hasAlphaChannel() else QImage.Format.Format_RGB32
    )
    levels = [first]
    while max(levels[-1].width(), levels[-1].height()) > 512:
        size = QSize(max(levels[-1].width() // 2, 1), max(levels[-1].height() // 2, 1))
        mode = Qt.TransformationMode.SmoothTransformation
        levels.append(levels[-1].scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, mode))
    return Pyramid(tuple(levels))


def read_image(path: str) -> QImage:
    """The picture in a file, upright as its camera says.

    Raises:
        MissingFile: there is no such file.
        BadFile: it is no picture, or damaged.
    """
    if not Path(path).is_file():
        raise MissingFile(f"The picture {path} is no longer there; it was moved or deleted outside Sfumato.")
    QImageReader.setAllocationLimit(READ_LIMIT_MB)
    reader = QImageReader(path)
    reader.setDecideFormatFromContent(True)
    reader.setAutoTransform(True)
    image = reader.read()
    if image.isNull():
        raise BadFile(f"The picture {path} cannot be read ({reader.errorString()}); it may be damaged.")
    return image


def read_pyramid(path: str) -> Pyramid:
    """`read_image` with its smaller copies."""
    return pyramid(read_image(path))

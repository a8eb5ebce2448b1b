"""Icons of one set, drawn in the theme's colours and mirrored for right to left where they point somewhere."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtCore import QByteArray, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from engine.resources_path import resource

# What points along the line of text.
MIRRORED = frozenset(
    {
        *("arrow-left", "arrow-right", "chevron-left", "chevron-right", "chevrons-left", "chevrons-right"),
        *("undo-2", "redo-2", "external-link", "panel-left", "panel-right", "corner-down-left"),
        *("list", "list-ordered", "list-plus", "list-x", "message-square-text", "quote", "notebook-pen"),
    }
)


class _Colours:
    """The colours that icons are drawn in now, by mode."""

    normal = "#e8e9eb"
    disabled = "#6d7178"
    on = "#e6b173"
    selected = "#fbf1e4"


def set_icon_colours(*, normal: str, disabled: str, on: str, selected: str) -> None:
    """Draw icons in these colours from the next paint on."""
    _Colours.normal, _Colours.disabled, _Colours.on, _Colours.selected = normal, disabled, on, selected


class _SvgIcon(QIconEngine):
    """One icon of the set, rendered when it is asked for, so that theme and direction are those of the moment."""

    _sources: ClassVar[dict[str, str]] = {}
    _pixmaps: ClassVar[dict[tuple[str, int, int, str, bool], QPixmap]] = {}

    def __init__(self, name: str, colour: str | None = None) -> None:
        super().__init__()
        self._name = name
        self._colour = colour
        if name not in self._sources:
            self._sources[name] = resource("icons", f"{name}.svg").read_text(encoding="utf-8")

    def clone(self) -> QIconEngine:
        return _SvgIcon(self._name, self._colour)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        size = rect.size() * painter.device().devicePixelRatio()
        painter.drawPixmap(rect, self._drawn(size, self._colour_of(mode, state)))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return self._drawn(size, self._colour_of(mode, state))

    def scaledPixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float) -> QPixmap:  # noqa: N802, ARG002
        return self._drawn(size, self._colour_of(mode, state))

    def _colour_of(self, mode: QIcon.Mode, state: QIcon.State) -> str:
        if mode == QIcon.Mode.Disabled:
            return _Colours.disabled
        if self._colour is not None:
            return self._colour
        if mode == QIcon.Mode.Selected:
            return _Colours.selected
        return _Colours.on if state == QIcon.State.On else _Colours.normal

    def _drawn(self, size: QSize, colour: str) -> QPixmap:
        mirrored = self._name in MIRRORED and QGuiApplication.layoutDirection() == Qt.LayoutDirection.RightToLeft
        key = (self._name, size.width(), size.height(), colour, mirrored)
        if key not in self._pixmaps:
            self._pixmaps[key] = _render(self._sources[self._name], size, colour, mirrored)
        return self._pixmaps[key]


def icon(name: str, colour: str | None = None) -> QIcon:
    """The icon `name` of `resources/icons`, in the theme's colours or always in `colour`.

    Raises:
        MissingFile: there is no such icon.
    """
    return QIcon(_SvgIcon(name, colour))


def window_icon(colour: str) -> QIcon:
    """The program's own icon in the sizes that window managers ask for."""
    made = QIcon()
    for side in (16, 24, 32, 48, 64, 128, 256):
        made.addPixmap(icon_pixmap("aperture", side, colour))
    return made


def icon_pixmap(name: str, side: int, colour: str, ratio: float = 1.0) -> QPixmap:
    """The icon `name` as a picture of `side` logical pixels, for labels and painting code."""
    engine = _SvgIcon(name, colour)
    drawn = QPixmap(engine.pixmap(QSize(side, side) * ratio, QIcon.Mode.Normal, QIcon.State.Off))
    drawn.setDevicePixelRatio(ratio)
    return drawn


def _render(source: str, size: QSize, colour: str, mirrored: bool) -> QPixmap:
    picture = QPixmap(size)
    picture.fill(QColor(0, 0, 0, 0))
    painter = QPainter(picture)
    if mirrored:
        painter.translate(QPoint(size.width(), 0))
        painter.scale(-1, 1)
    side = min(size.width(), size.height())
    target = QRectF((size.width() - side) / 2, (size.height() - side) / 2, side, side)
    QSvgRenderer(QByteArray(source.replace("currentColor", colour).encode())).render(painter, target)
    painter.end()
    return picture

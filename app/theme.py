"""Colours, spacing and type of the window: tokens for light, dark and high contrast, and what Qt makes of them.

One spacing unit (4 px), one type scale (11, 13, 15 px), one accent. Widgets say what they are with the dynamic property
`role` (`primary`, `card`, `title`, `hint`, ...), and the one stylesheet in `app/stylesheet.py` says how that looks.
Painting code asks `current()` for colours; a `QEvent.PaletteChange` tells a widget that they changed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from PySide6.QtCore import QDir, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from app.icons import icon, set_icon_colours
from engine.resources_path import resource

__all__ = [
    "BODY",
    "GAP",
    "ICON",
    "ICON_LARGE",
    "MARGIN",
    "SECTION",
    "SMALL",
    "SPACE",
    "THEMES",
    "TITLE",
    "Theme",
    "apply",
    "contrast",
    "current",
    "icon",
    "load_fonts",
    "set_role",
    "system_theme",
]

SPACE = 4
GAP = 2 * SPACE
MARGIN = 3 * SPACE
SECTION = 4 * SPACE
SMALL, BODY, TITLE = 11, 13, 15
ICON, ICON_LARGE = 16, 20
RADIUS = 6

FAMILIES = ("Noto Sans", "Noto Sans Arabic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """The colours of the window, as `#rrggbb`.

    `window` lies behind everything, `panel` under docks, `card` on it, `field` is where one types. `text` and `muted`
    are readable on all of these (at least 4.5:1), `disabled` need not be. `accent` is for the main action, selection
    and progress only, `on_accent` for text on it; `selection` is a quiet mixture of it, `link` the accent as text.
    """

    name: str
    dark: bool
    window: str
    panel: str
    card: str
    field: str
    hover: str
    pressed: str
    border: str
    border_strong: str
    text: str
    muted: str
    disabled: str
    accent: str
    accent_hover: str
    accent_pressed: str
    on_accent: str
    selection: str
    on_selection: str
    link: str
    focus: str
    canvas: str
    danger: str
    danger_surface: str
    warning: str
    warning_surface: str
    success: str
    weight: str
    wildcard: str
    lora: str

    def color(self, token: str) -> QColor:
        """The colour of the token with this name."""
        return QColor(getattr(self, token))

    def colours(self) -> dict[str, str]:
        """All colours by the name of their token."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in {"name", "dark"}}


DARK = Theme(
    name="dark",
    dark=True,
    window="#161719",
    panel="#1c1d20",
    card="#232528",
    field="#18191b",
    hover="#2d3034",
    pressed="#383b40",
    border="#303338",
    border_strong="#4a4e55",
    text="#e8e9eb",
    muted="#a6aab1",
    disabled="#6d7178",
    accent="#e0a35a",
    accent_hover="#ebb574",
    accent_pressed="#c98c43",
    on_accent="#1d1206",
    selection="#4a3a26",
    on_selection="#fbf1e4",
    link="#e6b173",
    focus="#e0a35a",
    canvas="#101113",
    danger="#ff8f85",
    danger_surface="#3a2321",
    warning="#e9c46a",
    warning_surface="#352d1a",
    success="#84c991",
    weight="#e6b173",
    wildcard="#8fc7a0",
    lora="#9db8f0",
)
LIGHT = Theme(
    name="light",
    dark=False,
    window="#eceae7",
    panel="#f5f4f2",
    card="#fdfdfc",
    field="#ffffff",
    hover="#eae7e3",
    pressed="#dcd8d2",
    border="#dad6d0",
    border_strong="#aba59c",
    text="#1d1e20",
    muted="#5a5d62",
    disabled="#9a9a9a",
    accent="#935510",
    accent_hover="#a5631a",
    accent_pressed="#784409",
    on_accent="#ffffff",
    selection="#f3dfc4",
    on_selection="#2a1a06",
    link="#85490a",
    focus="#935510",
    canvas="#dcdad6",
    danger="#a8261b",
    danger_surface="#fbe6e3",
    warning="#7a5200",
    warning_surface="#faf0d3",
    success="#256b36",
    weight="#85490a",
    wildcard="#226440",
    lora="#2d4f9e",
)
CONTRAST = Theme(
    name="contrast",
    dark=True,
    window="#000000",
    panel="#000000",
    card="#000000",
    field="#000000",
    hover="#2b2b2b",
    pressed="#444444",
    border="#ffffff",
    border_strong="#ffffff",
    text="#ffffff",
    muted="#e6e6e6",
    disabled="#9e9e9e",
    accent="#ffd60a",
    accent_hover="#ffe45c",
    accent_pressed="#d9b500",
    on_accent="#000000",
    selection="#ffd60a",
    on_selection="#000000",
    link="#ffd60a",
    focus="#00e5ff",
    canvas="#000000",
    danger="#ff9c94",
    danger_surface="#000000",
    warning="#ffd60a",
    warning_surface="#000000",
    success="#6dff8a",
    weight="#ffd60a",
    wildcard="#6dff8a",
    lora="#8fd3ff",
)
THEMES: dict[str, Theme] = {theme.name: theme for theme in (LIGHT, DARK, CONTRAST)}


class _Current:
    theme: Theme = DARK


def current() -> Theme:
    """The theme that was applied last."""
    return _Current.theme


def system_theme() -> Theme:
    """The theme that the system asks for; dark where it does not say."""
    hints = QGuiApplication.styleHints()
    accessibility = getattr(hints, "accessibility", None)  # Qt 6.10 and newer
    if accessibility is not None and accessibility().contrastPreference() == Qt.ContrastPreference.HighContrast:
        return CONTRAST
    return LIGHT if hints.colorScheme() == Qt.ColorScheme.Light else DARK


def prepare(app: QApplication, theme: Theme | str) -> Theme:
    """Give `app` the style, palette and icon colours of a theme, without the stylesheet; returns the theme."""
    chosen = theme if isinstance(theme, Theme) else THEMES.get(theme) or system_theme()
    _Current.theme = chosen
    set_icon_colours(normal=chosen.text, disabled=chosen.disabled, on=chosen.link, selected=chosen.on_selection)
    QDir.setSearchPaths("theme", [str(resource("themes", chosen.name))])
    if app.style().objectName() != "fusion":
        app.setStyle("fusion")
    app.setPalette(palette(chosen))
    return chosen


def apply(app: QApplication, theme: Theme | str) -> None:
    """Dress the whole program in `theme`, or in the one of that name; "system" follows the system."""
    from app.stylesheet import stylesheet

    chosen = prepare(app, theme)
    mirrored = app.layoutDirection() == Qt.LayoutDirection.RightToLeft
    app.setStyleSheet(stylesheet(chosen, mirrored=mirrored))


def palette(theme: Theme) -> QPalette:
    """The palette of `theme`, for what no stylesheet reaches."""
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    colours = {
        role.Window: theme.panel,
        role.Base: theme.field,
        role.AlternateBase: theme.card,
        role.Button: theme.card,
        role.ToolTipBase: theme.card,
        role.WindowText: theme.text,
        role.Text: theme.text,
        role.ButtonText: theme.text,
        role.ToolTipText: theme.text,
        role.BrightText: theme.danger,
        role.PlaceholderText: theme.muted,
        role.Highlight: theme.selection,
        role.HighlightedText: theme.on_selection,
        role.Accent: theme.accent,
        role.Link: theme.link,
        role.LinkVisited: theme.link,
        role.Light: theme.hover,
        role.Midlight: theme.hover,
        role.Mid: theme.border,
        role.Dark: theme.border_strong,
        role.Shadow: theme.border_strong,
    }
    result = QPalette()
    for which, colour in colours.items():
        result.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        result.setColor(group.Disabled, which, QColor(theme.disabled))
    return result


def load_fonts(app: QApplication) -> None:
    """Make the program's own fonts known and use them, Arabic falling to its own family."""
    for path in sorted(Path(resource("fonts")).glob("*.ttf")):
        QFontDatabase.addApplicationFont(str(path))
    font = QFont()
    font.setFamilies(list(FAMILIES))
    font.setPixelSize(BODY)
    app.setFont(font)


def set_role(widget: QWidget, role: str) -> None:
    """Say what `widget` is; where it was something else before, it is drawn anew."""
    if widget.property("role") == role:
        return
    widget.setProperty("role", role)
    if not widget.testAttribute(Qt.WidgetAttribute.WA_WState_Polished):
        return  # it is dressed when it is first shown or measured
    widget.style().unpolish(widget)
    widget.style().polish(widget)
    widget.updateGeometry()


def contrast(first: str, second: str) -> float:
    """The contrast of two `#rrggbb` colours, 1 to 21, by WCAG 2.2 (relative luminance)."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

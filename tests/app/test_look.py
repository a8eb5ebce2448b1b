"""Themes, icons, fonts, languages: what is readable, complete and not clipped, in every language there is."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QFontDatabase, QIcon
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QDockWidget,
    QLabel,
    QSlider,
    QWidget,
)

from app import theme
from app.application import Application
from app.catalog_texts import TEXTS
from app.dialogs.about import AboutDialog
from app.dialogs.crash import CrashDialog
from app.dialogs.settings import SettingsDialog
from app.i18n import PSEUDO, Languages, pseudo
from app.panels.gallery import GalleryPanel
from app.widgets.banner import Remedy
from app.widgets.empty_state import EmptyState
from engine.catalog import SCHEDULERS, SIGMA_SCHEDULES
from tests.app.fake_engine import FakeEngine
from tests.conftest import ROOT

TRANSLATIONS = ROOT / "resources" / "i18n"
ON_SURFACES = ("text", "muted", "link", "danger", "warning", "success", "weight", "wildcard", "lora")
PAIRS = [
    *((ink, ground) for ink in ON_SURFACES for ground in ("window", "panel", "card", "field")),
    *(("on_accent", ground) for ground in ("accent", "accent_hover", "accent_pressed")),
    *(("text", ground) for ground in ("hover", "pressed", "danger_surface", "warning_surface")),
    *(("on_selection", "selection"), ("muted", "hover")),
]


@pytest.fixture(autouse=True)
def english_again(qapp: QApplication) -> Iterator[None]:
    """Leave no direction behind."""
    yield
    Languages(qapp).forget()


# ---------------------------------------------------------------------------------------------------- theme


@pytest.mark.parametrize("name", theme.THEMES)
def test_text_is_readable_on_what_it_stands_on(name: str) -> None:
    colours = theme.THEMES[name].colours()
    low = {pair: round(theme.contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in PAIRS}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


def test_contrast_is_that_of_wcag() -> None:
    assert theme.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert theme.contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)


def test_the_stylesheet_keeps_to_the_type_scale() -> None:
    from app.stylesheet import stylesheet

    sizes = set(map(int, re.findall(r"font-size: (\d+)px", stylesheet(theme.DARK))))
    assert sizes <= {theme.SMALL, theme.BODY, theme.TITLE}


def test_every_named_icon_is_there_and_every_icon_there_is_named() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.py"))
    there = {path.stem for path in (ROOT / "resources" / "icons").glob("*.svg")}
    assert {name for name in there if f'"{name}"' not in sources} == set()
    asked = set(re.findall(r'\b(?:icon|icon_pixmap)\(\s*"([a-z0-9-]+)"', sources))
    assert asked - there == set()


def test_icons_that_point_are_mirrored(qapp: QApplication) -> None:
    def leaning(name: str) -> int:
        """Ink in the right half less that in the left one."""
        image = theme.icon(name).pixmap(QSize(16, 16), QIcon.Mode.Normal).toImage()
        ink = [[image.pixelColor(x, y).alpha() for y in range(16)] for x in range(16)]
        return sum(map(sum, ink[8:])) - sum(map(sum, ink[:8]))

    qapp.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
    forward, image = leaning("chevron-right"), leaning("star")
    qapp.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    assert forward * leaning("chevron-right") < 0
    assert leaning("star") == image


def test_fonts_are_small_and_known(qapp: QApplication) -> None:
    files = list((ROOT / "resources" / "fonts").glob("*.ttf"))
    assert sum(path.stat().st_size for path in files) < 1_500_000
    theme.load_fonts(qapp)
    assert set(theme.FAMILIES) <= set(QFontDatabase.families())


# ---------------------------------------------------------------------------------------------------- words


def test_the_catalogue_is_translated() -> None:
    words = (
        {entry.advice for entry in SCHEDULERS} | set(SIGMA_SCHEDULES.values()) | {n.title() for n in SIGMA_SCHEDULES}
    )
    assert words == set(TEXTS)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_nothing_is_untranslated(language: str) -> None:
    forms = {"en": 2, "ar": 6}[language]
    bad: list[str] = []
    for message in ET.parse(TRANSLATIONS / f"sfumato_{language}.ts").iter("message"):  # noqa: S314  our own file
        source, target = message.findtext("source") or "", message.find("translation")
        assert target is not None
        texts = [form.text or "" for form in target.iter("numerusform")] or [target.text or ""]
        names = set(re.findall(r"\{\w+\}", source))
        complete = (
            all(texts) and "type" not in target.attrib and (message.get("numerus") != "yes" or len(texts) == forms)
        )
        if not complete or any(set(re.findall(r"\{\w+\}", text)) != names for text in texts):
            bad.append(source)
    assert bad == []


def test_translations_hold_every_text_of_the_code(tmp_path: Path) -> None:
    """lupdate finds nothing in the code that the committed file does not have."""
    new = tmp_path / "new.ts"
    sources = sorted(str(path) for path in (ROOT / "app").rglob("*.py"))
    tool = Path(sys.executable).with_name("pyside6-lupdate")
    subprocess.run([tool, *sources, "-ts", new], check=True, capture_output=True)
    assert _texts(new) - _texts(TRANSLATIONS / "sfumato_ar.ts") == set()


def test_the_compiled_translations_are_those_of_the_sources(tmp_path: Path) -> None:
    tool = Path(sys.executable).with_name("pyside6-lrelease")
    for language in ("en", "ar"):
        target = tmp_path / "new.qm"
        subprocess.run([tool, TRANSLATIONS / f"sfumato_{language}.ts", "-qm", target], check=True, capture_output=True)
        assert target.read_bytes() == (TRANSLATIONS / f"sfumato_{language}.qm").read_bytes()


@pytest.mark.parametrize(
    ("language", "count", "words"),
    [("en", 1, "1 job waiting"), ("en", 3, "3 jobs waiting"), ("ar", 2, "مهمتان تنتظران"), ("ar", 11, "11 مهمة تنتظر")],
)
def test_plural_forms(qapp: QApplication, language: str, count: int, words: str) -> None:
    languages = Languages(qapp)
    languages.use(language)
    said = qapp.translate("StatusBar", "%n job(s) waiting", "", count)
    languages.forget()
    assert said == words


def test_pseudo_keeps_placeholders() -> None:
    assert pseudo("Step {step} of %n") == "[Šţéƥ {step} óƒ %n".replace("ƒ", "f") + "~" * 6 + "]"


def _texts(path: Path) -> set[tuple[str, str]]:
    root = ET.parse(path).getroot()  # noqa: S314  our own file
    return {
        (context.findtext("name") or "", message.findtext("source") or "")
        for context in root.iter("context")
        for message in context.iter("message")
    }


# ---------------------------------------------------------------------------------------------------- clipping


def clipped(root: QWidget) -> list[str]:
    """Labels and buttons that are too small for what stands on them."""
    QApplication.sendPostedEvents()
    QApplication.processEvents()
    found: list[str] = []
    # Docks behind others in their tabs have no size of their own yet.
    behind = [dock for dock in root.findChildren(QDockWidget) if dock.visibleRegion().isEmpty()]
    for widget in root.findChildren(QWidget):
        if any(dock.isAncestorOf(widget) for dock in behind):
            continue
        if not widget.isVisible() or not isinstance(widget, QLabel | QAbstractButton) or not widget.text():
            continue
        if isinstance(widget, QLabel):
            need = widget.heightForWidth(widget.width()) if widget.wordWrap() else widget.sizeHint().height()
            wide = 0 if widget.wordWrap() else widget.minimumSizeHint().width()
        else:
            need, wide = widget.minimumSizeHint().height(), widget.minimumSizeHint().width()
        if widget.height() < need - 1 or widget.width() < wide - 1:
            found.append(f"{widget.metaObject().className()} {widget.text()!r}: {widget.size()} of {wide}x{need}")
    return found


def still_clipped(root: QWidget, qtbot: Any) -> list[str]:
    """What stays clipped: an answer from the pool may have come this moment, and its words be laid out in the next."""
    for _ in range(5):
        if not (found := clipped(root)):
            break
        qtbot.wait(30)
    return found


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)])
@pytest.mark.parametrize("language", ["en", "ar", PSEUDO])
def test_no_panel_clips_its_words(
    language: str, size: tuple[int, int], make_program: Callable[..., Application], tmp_path: Path, qtbot: Any
) -> None:
    (tmp_path / "settings.json").write_text(f'{{"language": "{language}"}}', encoding="utf-8")
    program = make_program(FakeEngine(automatic=False))
    window = program.window
    window.resize(*size)
    qtbot.waitUntil(lambda: program.generation.info is not None)
    window.prompt._show_negative(True)
    window.scheduler.start_card.set_folded(False)
    window.model.card.set_folded(False)
    for panel in ("gallery", "queue", "grid", "library"):
        window.show_panel(panel)
        qtbot.wait(30)
        assert still_clipped(window, qtbot) == []
    dialogs = [
        SettingsDialog(program.settings, program.client, window.commands, window),
        AboutDialog(window),
        CrashDialog("report", "", window),
    ]
    for dialog in dialogs:
        dialog.show()
        pages = ("look", "folders", "engine", "pictures", "network", "shortcuts")
        for page in pages if isinstance(dialog, SettingsDialog) else ("",):
            if isinstance(dialog, SettingsDialog):
                dialog.show_page(page)
            qtbot.wait(10)
            assert still_clipped(dialog, qtbot) == []
        dialog.close()
    for panel in (window.prompt, window.model, window.scheduler):
        assert panel.width() <= panel.parentWidget().width()


def test_a_picture_or_a_message_does_not_make_a_small_window_grow(
    program: Application, fake: FakeEngine, qtbot: Any
) -> None:
    window, bar = program.window, program.window.canvas.actions_bar
    window.resize(1024, 700)
    qtbot.waitUntil(lambda: program.generation.info is not None and not window.panels_to_come())
    program.generate()
    qtbot.waitUntil(lambda: len(fake.submitted) == 1)
    fake.play()
    qtbot.waitUntil(lambda: bar.isVisible() and bool(bar.size_label.text()))
    assert bar.buttons["pop out"].isHidden() and bar.buttons["fit"].isVisible() and bar.more.isVisible()
    remedies = [Remedy(lambda: "Make the folder", lambda: None), Remedy(lambda: "Choose another …", lambda: None)]
    program.say_banner("There is not enough memory for a picture of this size. " * 2, "error", remedies)
    qtbot.wait(50)
    words = next(label for label in window.banner.findChildren(QLabel) if label.text())
    assert window.width() == 1024
    assert all(button.y() > words.y() for button in window.banner.buttons)
    window.resize(1600, 700)
    qtbot.waitUntil(lambda: all(button.isVisible() for button in bar.buttons.values()))
    program.settings.set("language", "ar")
    qtbot.waitUntil(lambda: program.window is not window)
    program.window.resize(960, 540)
    bar = program.window.canvas.actions_bar
    qtbot.waitUntil(lambda: bar.isVisible() and bar.more.x() < 60)
    places = sorted(button.x() for button in [*bar.buttons.values(), bar.more] if button.isVisible())
    assert all(second - first >= bar.more.width() for first, second in zip(places, places[1:], strict=False))
    # Half of a usual screen, as it is at 200 %: what a first picture needs is there without scrolling.
    generate = program.window.prompt.generate
    qtbot.waitUntil(lambda: generate.visibleRegion().boundingRect() == generate.rect())
    assert program.window.size().height() == 540


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_bars_of_start_and_branch_give_way_in_a_small_window(
    language: str, make_program: Callable[..., Application], fake: FakeEngine, tmp_path: Path, qtbot: Any
) -> None:
    (tmp_path / "settings.json").write_text(f'{{"language": "{language}"}}', encoding="utf-8")
    program = make_program(fake)
    window, canvas = program.window, program.window.canvas
    start, branch, small = canvas.start_bar, canvas.branch_bar, QSize(960, 540)

    def fits() -> bool:
        # Buttons of an icon alone may be narrower than they would like to be.
        cut = [words for words in still_clipped(canvas, qtbot) if not words.startswith("QToolButton")]
        return not cut and window.size() == small

    window.resize(small)
    qtbot.waitUntil(lambda: program.generation.info is not None and not window.panels_to_come())
    path = tmp_path / "a start with a long name.png"
    Image.new("RGB", (64, 64), "#4060c0").save(path)
    program.generation.set("init_image", str(path))
    qtbot.waitUntil(lambda: canvas.start.picture is not None and start.isVisible())
    assert fits()
    program.generate()
    qtbot.waitUntil(lambda: len(fake.submitted) == 1)
    fake.play()
    qtbot.waitUntil(canvas.branch_button.isVisible)
    QTest.mouseClick(canvas.branch_button, Qt.MouseButton.LeftButton)
    assert fits()
    start.brush.trigger()
    assert fits()
    step = branch.start.text()
    for width, height in ((1100, 700), (1040, 600), (960, 540)):
        small = QSize(width, height)
        window.resize(small)
        for words in (step, "Choose a step to branch from"):
            branch.start.setText(words)
            assert fits()
    assert max(bar.minimumSizeHint().width() for bar in (start, branch)) <= 300
    # Whatever one can press, slide or type in is there.
    kinds: tuple[type[QWidget], ...] = (QAbstractButton, QSlider, QAbstractSpinBox)
    controls = [control for kind in kinds for control in start.findChildren(kind)]
    assert len(controls) == 10
    for control in (*controls, branch.prompt, branch.scheduler, branch.guidance, branch.seed, branch.start):
        assert control.visibleRegion().boundingRect() == control.rect()
    window.resize(1600, 700)
    labels = [label for bar in (start, branch) for label in bar.findChildren(QLabel)]
    qtbot.waitUntil(lambda: all(label.isVisible() for label in labels))
    assert still_clipped(canvas, qtbot) == []
    # With room for it, all the fields are in one line.
    middles = [field.mapTo(branch, field.rect().center()).y() for field in (branch.scheduler, branch.seed)]
    assert abs(middles[0] - middles[1]) <= 1


@pytest.mark.parametrize("language", ["en", "ar"])
def test_an_empty_gallery_gives_way_in_a_low_window(
    language: str, make_program: Callable[..., Application], fake: FakeEngine, tmp_path: Path, qtbot: Any
) -> None:
    (tmp_path / "settings.json").write_text(f'{{"language": "{language}"}}', encoding="utf-8")
    window = make_program(fake).window
    window.resize(960, 540)
    gallery = window.panel("gallery")
    assert isinstance(gallery, GalleryPanel)
    qtbot.waitUntil(lambda: gallery.empty_text.isVisible() and not window.panels_to_come())
    shown = [gallery.empty_text, gallery.empty_button]
    assert [words for words in still_clipped(gallery, qtbot) if any(widget.text() in words for widget in shown)] == []
    assert all(widget.visibleRegion().boundingRect() == widget.rect() for widget in shown)
    assert window.height() == 540


def test_what_a_panel_says_when_empty_scrolls_where_it_is_very_low(qapp: QApplication, qtbot: Any) -> None:
    empty = EmptyState()
    qtbot.addWidget(empty)
    empty.say(theme.icon("images"), "There is nothing to see here for more reasons than one. " * 4, "Try again")
    empty.resize(240, 400)
    empty.show()
    assert empty.icon.isVisible() and empty.verticalScrollBar().maximum() == 0
    empty.resize(240, 100)
    assert still_clipped(empty, qtbot) == []
    assert not empty.icon.isVisible() and empty.verticalScrollBar().maximum() > 0
    empty.say(theme.icon("images"), "Nothing.", "Try again")
    qtbot.waitUntil(lambda: empty.verticalScrollBar().maximum() == 0)
    empty.resize(240, 400)
    assert empty.icon.isVisible()


def test_about_is_set_from_right_to_left(make_program: Callable[..., Application], tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"language": "ar"}', encoding="utf-8")
    dialog = AboutDialog(make_program(FakeEngine()).window)
    dialog.show()
    title, _words, licences = (label for label in dialog.findChildren(QLabel) if label.text())
    first, last = _inked(title)
    assert first > title.width() // 2 and last >= title.width() - 3
    # No letter reaches out of the label, where it would be cut.
    assert _inked(licences)[0] > 0
    dialog.close()


def _inked(label: QLabel) -> tuple[int, int]:
    """The first and the last column of pixels that have a part of a letter."""
    image = label.window().grab(QRect(label.mapTo(label.window(), QPoint()), label.size())).toImage()
    ground = image.pixel(0, 0)
    columns = [x for x in range(image.width()) if any(image.pixel(x, y) != ground for y in range(image.height()))]
    return columns[0], columns[-1]

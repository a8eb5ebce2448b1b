"""The window onto the picture, by mouse, wheel and keys; the mask; the scrubber; saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.canvas.images import pyramid, read_image, to_image
from app.canvas.mask import Mask
from app.canvas.saving import save_as, save_image
from app.canvas.scrubber import StepScrubber
from app.canvas.view import CanvasView
from app.canvas.viewport import Viewport
from engine.errors import BadFile, KnownError, MissingFile
from engine.messages import Bitmap, Recipe
from engine.metadata import encode_png, read_recipe


def picture(width: int = 640, height: int = 480) -> QImage:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor("#336699"))
    image.setPixelColor(10, 20, QColor("#ff0000"))
    return image


@pytest.fixture
def view(qtbot: Any) -> CanvasView:
    made = CanvasView()
    qtbot.addWidget(made)
    made.resize(400, 300)
    made.show()
    made.set_picture(pyramid(picture()))
    return made


def wheel(view: CanvasView, notches: int, at: QPointF, **options: Any) -> None:
    pixels = options.get("pixels", QPoint())
    phase = Qt.ScrollPhase.ScrollUpdate if not pixels.isNull() else Qt.ScrollPhase.NoScrollPhase
    keys = options.get("keys", Qt.KeyboardModifier.NoModifier)
    event = QWheelEvent(
        at, view.mapToGlobal(at), pixels, QPoint(0, 120 * notches), Qt.MouseButton.NoButton, keys, phase, False
    )
    QApplication.sendEvent(view, event)


def test_the_whole_picture_is_shown_first_and_follows_the_window(view: CanvasView) -> None:
    assert view.viewport.scale == pytest.approx(400 / 640)
    view.resize(800, 300)
    assert view.viewport.scale == pytest.approx(300 / 480)


def test_the_wheel_zooms_at_the_pointer_up_to_single_pixels(view: CanvasView) -> None:
    at = QPointF(120, 90)
    before = view.viewport.to_picture(at.x(), at.y())
    wheel(view, 4, at)
    assert view.viewport.scale == pytest.approx(2 * 400 / 640)
    assert view.viewport.to_picture(at.x(), at.y()) == pytest.approx(before)
    for _ in range(20):
        wheel(view, 4, at)
    assert view.viewport.scale == 64
    for _ in range(40):
        wheel(view, -4, at)
    assert view.viewport.scale == pytest.approx(0.02)


def test_single_pixels_are_squares_at_the_largest_scale(view: CanvasView) -> None:
    view.set_viewport(view.viewport.zoomed(64).moved(0, 0))
    moved = view.viewport
    left, top = moved.to_window(10.5, 20.5)
    view.set_viewport(moved.moved(200 - left, 150 - top))
    x, y = view.viewport.to_window(10.5, 20.5)
    shot = view.grab().toImage()
    assert shot.pixelColor(round(x), round(y)).name() == "#ff0000"
    assert shot.pixelColor(round(x) + 24, round(y) + 24).name() == "#ff0000"
    assert shot.pixelColor(round(x) + 40, round(y)).name() == "#336699"


def test_a_touchpad_pans_and_with_control_zooms(view: CanvasView) -> None:
    view.actual_size()
    before = view.viewport.centre
    wheel(view, 0, QPointF(10, 10), pixels=QPoint(-30, -20))
    assert view.viewport.centre == pytest.approx((before[0] + 30, before[1] + 20))
    scale = view.viewport.scale
    wheel(view, 1, QPointF(10, 10), pixels=QPoint(0, 10), keys=Qt.KeyboardModifier.ControlModifier)
    assert view.viewport.scale > scale


def test_keys_zoom_fit_and_move(view: CanvasView) -> None:
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_1)
    assert view.viewport.scale == 1
    before = view.viewport.centre
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.viewport.centre[0] > before[0]
    QTest.keyClick(view, Qt.Key.Key_Plus)
    assert view.viewport.scale == 1.5
    QTest.keyClick(view, Qt.Key.Key_Minus)
    assert view.viewport.scale == 1
    QTest.keyClick(view, Qt.Key.Key_0)
    assert view.viewport.fitted


def test_the_left_button_pans_a_large_picture_and_drags_a_fitted_one_out(view: CanvasView, qtbot: Any) -> None:
    with qtbot.waitSignal(view.drag_wanted):
        QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
        QTest.mouseMove(view, QPoint(240, 180))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(240, 180))
    view.actual_size()
    before = view.viewport.centre
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
    QTest.mouseMove(view, QPoint(180, 130))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(180, 130))
    assert view.viewport.centre == pytest.approx((before[0] + 20, before[1] + 20))


def test_a_preview_lies_where_the_picture_will_be(view: CanvasView) -> None:
    view.actual_size()
    before = view.viewport
    view.set_preview(to_image(Bitmap(4, 3, bytes([200, 30, 30] * 12))), 640, 480)
    assert view.viewport == before
    assert view.grab().toImage().pixelColor(200, 150).name() == "#c81e1e"
    view.set_picture(pyramid(picture()))
    assert view.viewport == before


def test_before_and_after_are_divided_by_a_line_that_one_drags(view: CanvasView) -> None:
    other = QImage(320, 240, QImage.Format.Format_RGB32)
    other.fill(QColor("#ffffff"))
    view.set_before(pyramid(other))
    view.set_comparing(True)
    shot = view.grab().toImage()
    assert shot.pixelColor(100, 200).name() == "#ffffff"
    assert shot.pixelColor(300, 200).name() == "#336699"
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(200, 100))
    QTest.mouseMove(view, QPoint(80, 100))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(80, 100))
    assert view.line == pytest.approx(0.2)
    assert view.grab().toImage().pixelColor(100, 200).name() == "#336699"


def test_a_mask_is_painted_erased_undone_and_comes_out_in_black_and_white(view: CanvasView, qtbot: Any) -> None:
    mask = Mask(640, 480)
    view.set_mask(mask)
    view.set_tool("brush")
    view.set_radius(20)
    view.actual_size()
    x, y = (int(value) for value in view.viewport.to_window(300, 200))
    with qtbot.waitSignal(view.stroke_ended):
        QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(x, y))
        QTest.mouseMove(view, QPoint(x + 60, y))
        QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(x + 60, y))
    grey = mask.to_grey()
    assert [grey.pixelColor(*at).red() for at in ((300, 200), (355, 200), (330, 240), (20, 20))] == [255, 255, 0, 0]
    view.set_tool("eraser")
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(x, y))
    assert mask.to_grey().pixelColor(300, 200).red() == 0
    assert mask.undo()
    assert mask.to_grey() == grey
    assert mask.undo()
    assert mask.empty
    assert mask.redo()
    assert mask.to_grey() == grey
    mask.invert()
    assert mask.to_grey().pixelColor(20, 20).red() == 255
    assert mask.clear()
    assert mask.empty


@pytest.mark.parametrize("key", [Qt.Key.Key_BracketRight, Qt.Key.Key_BracketLeft])
def test_brackets_change_the_brush(view: CanvasView, key: Qt.Key) -> None:
    view.set_tool("brush")
    before = view.radius
    QTest.keyClick(view, key)
    assert (view.radius > before) == (key == Qt.Key.Key_BracketRight)


def test_files_and_pixels_are_taken_in(view: CanvasView, qtbot: Any, tmp_path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "notes.txt")), QUrl.fromLocalFile(str(tmp_path / "a.PNG"))])
    with qtbot.waitSignal(view.file_dropped) as dropped:
        assert view.take(data)
    assert dropped.args == [str(tmp_path / "a.PNG")]
    data = QMimeData()
    data.setImageData(picture(32, 32))
    with qtbot.waitSignal(view.image_dropped):
        assert view.take(data)
    assert not view.take(QMimeData())


def test_a_window_larger_than_the_picture_keeps_it_in_the_middle() -> None:
    seen = Viewport(width=100, height=50).resized((400.0, 400.0), 2.0).zoomed(1.0, (0.0, 0.0))
    assert seen.centre == (50, 25)
    assert not seen.can_pan
    assert seen.origin == (175.0, 187.5)


# ---------------------------------------------------------------------------------------------------- scrubber


@pytest.mark.parametrize("direction", [Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft])
def test_time_runs_from_left_to_right_in_every_language(qtbot: Any, direction: Qt.LayoutDirection) -> None:
    scrubber = StepScrubber()
    qtbot.addWidget(scrubber)
    QApplication.setLayoutDirection(direction)
    try:
        scrubber.resize(316, 24)
        scrubber.show()
        scrubber.show_steps(20, 20, live=False)
        with qtbot.waitSignal(scrubber.scrubbed) as moved:
            QTest.mouseClick(scrubber, Qt.MouseButton.LeftButton, pos=QPoint(8 + 15 * 5, 12))
        assert moved.args == [5]
        QTest.keyClick(scrubber, Qt.Key.Key_Left)
        assert scrubber.value() == 4
        QTest.keyClick(scrubber, Qt.Key.Key_Home)
        assert scrubber.value() == 0
        QTest.keyClick(scrubber, Qt.Key.Key_End)
        assert scrubber.value() == 20
    finally:
        QApplication.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def test_the_knob_does_not_move_while_a_picture_forms(qtbot: Any) -> None:
    scrubber = StepScrubber()
    qtbot.addWidget(scrubber)
    scrubber.resize(316, 24)
    scrubber.show_steps(20, 7, live=True)
    QTest.mouseClick(scrubber, Qt.MouseButton.LeftButton, pos=QPoint(20, 12))
    QTest.keyClick(scrubber, Qt.Key.Key_Home)
    assert scrubber.value() == 7


# ---------------------------------------------------------------------------------------------------- files


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "made.png"
    path.write_bytes(encode_png(Image.new("RGB", (32, 24), "#408020"), Recipe(prompt="a red apple", seed=7, steps=4)))
    return path


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
@pytest.mark.parametrize("with_recipe", [True, False])
def test_pictures_are_saved_with_their_recipe_or_without(made: Path, ending: str, with_recipe: bool) -> None:
    target = made.with_name(f"copy.{ending}")
    save_as(str(made), str(target), with_recipe=with_recipe)
    with Image.open(target) as image:
        assert image.size == (32, 24)
        assert image.format == {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[ending]
        red, green, blue = image.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
    assert abs(red - 0x40) < 8
    assert abs(green - 0x80) < 8
    assert abs(blue - 0x20) < 8
    recipe = read_recipe(target)
    if with_recipe:
        assert recipe is not None
        assert (recipe.prompt, recipe.seed, recipe.steps) == ("a red apple", 7, 4)
    else:
        assert recipe is None or recipe == Recipe()
        assert b"apple" not in target.read_bytes()


def test_what_cannot_be_saved_is_said(made: Path, tmp_path: Path) -> None:
    with pytest.raises(KnownError, match=r"\.bmp"):
        save_as(str(made), str(tmp_path / "a.bmp"))
    with pytest.raises(MissingFile, match="no longer there"):
        save_as(str(tmp_path / "gone.png"), str(tmp_path / "a.png"))
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(KnownError, match="another folder"):
        save_as(str(made), str(blocked / "a.png"))


def test_a_damaged_or_vanished_picture_is_said(made: Path) -> None:
    made.write_bytes(made.read_bytes()[:40])
    with pytest.raises(BadFile, match="damaged"):
        read_image(str(made))
    made.unlink()
    with pytest.raises(MissingFile, match="no longer there"):
        read_image(str(made))


def test_pasted_pictures_get_one_name_for_one_content(tmp_path: Path) -> None:
    first = save_image(picture(), tmp_path / "work", "pasted")
    assert first == save_image(picture(), tmp_path / "work", "pasted")
    assert read_image(first).pixelColor(10, 20).name() == "#ff0000"
    assert len(list((tmp_path / "work").iterdir())) == 1

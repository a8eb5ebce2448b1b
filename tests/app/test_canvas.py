"""The canvas as a whole, by mouse and keys: a picture forms, is scrubbed, branched, started from, masked, taken out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.canvas.canvas import Canvas
from app.canvas.images import read_image
from app.state.formed import PREVIEWS_KEPT
from app.state.generation import GenerationState
from app.state.queue import QueueState
from app.state.run import RunState
from engine.messages import BranchPoint
from tests.app.scripted import HandDrivenClient, make_request


class Bench:
    """A canvas with its states on a hand-driven engine."""

    def __init__(self, qtbot: Any, folder: Path) -> None:
        self.qtbot, self.folder = qtbot, folder
        self.client = HandDrivenClient()
        self.queue = QueueState(self.client, None)
        self.run = RunState(self.client, self.queue, folder=folder / "work")
        self.generation = GenerationState()
        self.canvas = Canvas(self.run, self.generation)
        qtbot.addWidget(self.canvas)
        self.canvas.resize(640, 600)
        self.canvas.show()
        self.problems: list[str] = []
        self.run.problem.connect(self.problems.append)

    def make(self, **changes: Any) -> Path:
        """One whole job; returns the last picture once the canvas shows it."""
        self.queue.add(make_request(**changes))
        path = list(self.client.whole_job(self.folder))[-1]
        self.qtbot.waitUntil(lambda: self.canvas.view.picture is not None, timeout=5000)
        self.qtbot.waitUntil(lambda: not self.run.working, timeout=5000)
        QApplication.processEvents()
        return path

    def color(self) -> str:
        view = self.canvas.view
        return view.grab().toImage().pixelColor(view.width() // 2, view.height() // 2).name()


@pytest.fixture
def bench(qtbot: Any, tmp_path: Path) -> Bench:
    return Bench(qtbot, tmp_path)


def test_an_empty_canvas_invites_and_a_first_picture_forms(bench: Bench, tmp_path: Path) -> None:
    canvas, client = bench.canvas, bench.client
    assert canvas.empty.isVisible()
    assert not canvas.actions_bar.isVisible()
    bench.queue.add(make_request())
    client.started()
    assert canvas.progress.cancel.isVisible()
    client.step(0)
    client.step(1)
    bench.qtbot.waitUntil(lambda: bench.color() == "#7f2828", timeout=2000)
    assert canvas.scrubber.live
    assert (canvas.scrubber.value(), canvas.scrubber.maximum()) == (2, 4)
    text = canvas.progress.text.text()
    assert all(word in text for word in ("Step 2 of 4", "0.25 s per step", "0.5 s left"))
    client.step(2)
    client.step(3)
    client.picture(tmp_path / "a.png")
    client.done()
    bench.qtbot.waitUntil(lambda: bench.color() == "#208040", timeout=5000)
    assert not canvas.progress.cancel.isVisible()
    assert canvas.scrubber.value() == 4


def test_cancel_leaves_the_job_and_the_last_picture_comes_back(bench: Bench) -> None:
    bench.make()
    bench.queue.add(make_request())
    bench.client.started()
    bench.client.step(0)
    bench.qtbot.waitUntil(lambda: bench.color() == "#3f2828", timeout=2000)
    QTest.mouseClick(bench.canvas.progress.cancel, Qt.MouseButton.LeftButton)
    assert bench.run.phase == "cancelled"
    bench.qtbot.waitUntil(lambda: bench.color() == "#208040", timeout=2000)


def test_another_picture_is_looked_at_while_one_forms(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (64, 64), "#4060c0").save(other)
    bench.make()
    bench.queue.add(make_request())
    assert bench.canvas.progress.cancel.isVisible()
    bench.client.started()
    bench.client.step(0)
    bench.qtbot.waitUntil(lambda: bench.color() == "#3f2828", timeout=2000)
    bench.canvas.show_file(str(other))
    bench.qtbot.waitUntil(lambda: bench.color() == "#4060c0", timeout=2000)
    bench.client.step(1)
    QApplication.processEvents()
    assert bench.color() == "#4060c0"
    QTest.mouseClick(bench.canvas.progress.follow, Qt.MouseButton.LeftButton)
    assert bench.color() == "#7f2828"
    assert not bench.canvas.progress.follow.isVisible()


def test_while_a_picture_forms_the_bar_does_not_offer_the_one_before(bench: Bench) -> None:
    other = bench.folder / "other.png"
    Image.new("RGB", (64, 64), "#4060c0").save(other)
    path = bench.make()
    bar = bench.canvas.actions_bar
    of_the_file = (bar.start, bar.vary, bar.enlarge, bar.copy, bar.save, bar.save_bare)
    bench.queue.add(make_request())
    bench.client.started()
    # Until the first step, the finished picture is in view.
    assert bar.name.text() == path.name
    assert all(made.isEnabled() for made in of_the_file)
    bench.client.step(0)
    bench.qtbot.waitUntil(lambda: bench.color() == "#3f2828", timeout=2000)
    assert bar.name.text() == ""
    assert not any(made.isEnabled() for made in of_the_file)
    bench.canvas.out.copy()
    assert not QGuiApplication.clipboard().mimeData().urls()
    bench.canvas.show_file(str(other))
    bench.qtbot.waitUntil(lambda: bench.color() == "#4060c0", timeout=2000)
    assert bar.name.text() == other.name
    assert all(made.isEnabled() for made in of_the_file)


def test_a_job_the_engine_has_not_taken_up_can_be_cancelled(bench: Bench) -> None:
    bench.queue.add(make_request())
    assert bench.run.phase == "starting"
    QTest.mouseClick(bench.canvas.progress.cancel, Qt.MouseButton.LeftButton)
    assert bench.run.phase == "cancelled"
    assert bench.queue.running is None


def test_newer_previews_replace_those_that_were_not_shown(bench: Bench) -> None:
    bench.queue.add(make_request(steps=200))
    bench.client.started()
    shown: list[object] = []
    original = bench.canvas.view.set_preview
    bench.canvas.view.set_preview = lambda *args: (shown.append(args[0]), original(*args))  # type: ignore[method-assign]
    for index in range(200):
        bench.client.step(index)
    bench.qtbot.waitUntil(lambda: bench.color() == "#ff2828", timeout=2000)
    assert len(shown) < 20


def test_the_scrubber_goes_back_through_how_the_picture_formed(bench: Bench) -> None:
    bench.make()
    scrubber = bench.canvas.scrubber
    assert not scrubber.live
    for steps, colour in ((1, "#3f2828"), (3, "#bf2828"), (4, "#208040")):
        QTest.mouseClick(
            scrubber, Qt.MouseButton.LeftButton, pos=QPoint(round(scrubber.position_of(steps)), scrubber.height() // 2)
        )
        assert bench.color() == colour
    QTest.keyClick(scrubber, Qt.Key.Key_Left)
    assert bench.color() == "#bf2828"
    assert bench.canvas.step_label.text() == "3/4"


def test_a_branch_starts_from_the_step_shown_with_the_values_chosen(bench: Bench) -> None:
    bench.make(seed=7, count=2)
    canvas = bench.canvas
    assert not canvas.branch_bar.isVisible()
    QTest.mouseClick(canvas.branch_button, Qt.MouseButton.LeftButton)
    assert canvas.branch_bar.isVisible()
    QTest.keyClick(canvas.scrubber, Qt.Key.Key_Home)
    QTest.keyClick(canvas.scrubber, Qt.Key.Key_Right)
    QTest.keyClick(canvas.scrubber, Qt.Key.Key_Right)
    record = f"{bench.client.job}/1"
    same = canvas.branch_bar.note.text()
    QTest.mouseClick(canvas.branch_bar.start, Qt.MouseButton.LeftButton)
    first = bench.client.submitted[-1]
    # The second picture of the job, on its own.
    assert (first.start, first.seed, first.count) == (BranchPoint(record, 1), 8, 1)
    bench.queue.cancel_all()

    bar = canvas.branch_bar
    bar.prompt.setText("a green pear")
    bar.scheduler.setCurrentIndex(bar.scheduler.findData("euler"))
    assert bar.note.text() != same
    bar.seed.lineEdit().selectAll()
    QTest.keyClicks(bar.seed, "99")
    QTest.keyClick(bar.prompt, Qt.Key.Key_Return)
    second = bench.client.submitted[-1]
    assert (second.prompt, second.scheduler, second.seed, second.start) == (
        "a green pear",
        "euler",
        99,
        BranchPoint(record, 1),
    )


def test_without_records_there_is_nothing_to_branch_from(bench: Bench) -> None:
    bench.make(record=False)
    assert not bench.canvas.branch_action.isEnabled()
    with pytest.raises(LookupError):
        bench.run.branch(1)


def test_long_runs_keep_evenly_spaced_previews(bench: Bench) -> None:
    bench.make(steps=1000)
    picture = bench.run.picture
    assert picture is not None
    kept = [step.index for step in picture.steps]
    assert len(kept) <= PREVIEWS_KEPT
    assert kept[-1] == 999
    assert kept[0] < 20
    assert max(b - a for a, b in zip(kept, kept[1:], strict=False)) <= 16


def test_a_dropped_picture_becomes_the_start_with_a_strength(bench: Bench) -> None:
    path = bench.make()
    canvas, generation = bench.canvas, bench.generation
    canvas.view.file_dropped.emit(str(path))
    assert generation.init_image == str(path)
    assert canvas.start_bar.isVisible()
    canvas.start_bar.strength.setValue(40)
    assert generation.strength == 0.4
    generation.set("strength", 0.9)
    assert canvas.start_bar.strength.value() == 90
    canvas.start_bar.remove.trigger()
    assert generation.init_image == ""
    assert not canvas.start_bar.isVisible()


def test_a_mask_is_painted_on_the_start_and_reaches_the_request(bench: Bench) -> None:
    path = bench.make()
    canvas, generation = bench.canvas, bench.generation
    QTest.mouseClick(canvas.actions_bar.buttons["start"], Qt.MouseButton.LeftButton)
    assert generation.init_image == str(path)
    bench.qtbot.waitUntil(lambda: canvas.start.picture is not None, timeout=2000)
    canvas.view.setFocus()
    QTest.keyClick(canvas.view, Qt.Key.Key_B)
    assert canvas.view.tool == "brush"
    canvas.view.set_radius(4)
    x, y = (round(value) for value in canvas.view.viewport.to_window(32, 32))
    QTest.mouseClick(canvas.view, Qt.MouseButton.LeftButton, pos=QPoint(x, y))
    bench.qtbot.waitUntil(lambda: generation.mask_image != "", timeout=2000)
    mask = read_image(generation.mask_image)
    assert (mask.width(), mask.height()) == (64, 64)
    assert mask.pixelColor(32, 32).red() == 255
    assert mask.pixelColor(5, 5).red() == 0
    canvas.start_bar.undo.trigger()
    assert generation.mask_image == ""
    canvas.start_bar.redo.trigger()
    bench.qtbot.waitUntil(lambda: generation.mask_image != "", timeout=2000)
    again = Canvas(bench.run, generation)
    bench.qtbot.addWidget(again)
    bench.qtbot.waitUntil(lambda: again.view.painted is not None, timeout=2000)
    assert again.view.painted is not None
    assert again.view.painted.to_grey() == canvas.view.painted.to_grey()  # type: ignore[union-attr]
    generation.set("init_image", "")
    assert canvas.view.painted is None
    assert generation.mask_image == ""


def test_variations_and_a_second_pass_are_jobs_of_the_shown_picture(bench: Bench) -> None:
    path = bench.make(seed=20)
    QTest.mouseClick(bench.canvas.actions_bar.buttons["vary"], Qt.MouseButton.LeftButton)
    request = bench.client.submitted[-1]
    assert (request.init_image, request.count, request.seed) == (str(path), 4, 21)
    bench.queue.cancel_all()
    QTest.mouseClick(bench.canvas.actions_bar.buttons["enlarge"], Qt.MouseButton.LeftButton)
    request = bench.client.submitted[-1]
    assert (request.hires_scale, request.seed, request.init_image) == (2.0, 20, "")


def test_copy_puts_pixels_and_the_file_onto_the_clipboard(bench: Bench) -> None:
    path = bench.make()
    bench.canvas.out.copy()
    data = QGuiApplication.clipboard().mimeData()
    assert data.hasImage()
    assert [url.toLocalFile() for url in data.urls()] == [str(path)]


def test_saving_says_what_happened(bench: Bench, tmp_path: Path) -> None:
    bench.make()
    with bench.qtbot.waitSignal(bench.canvas.said, timeout=5000) as said:
        bench.canvas.out.save(str(tmp_path / "copy.webp"), with_recipe=False)
    assert str(tmp_path / "copy.webp") in said.args[0]
    bench.canvas.out.save(str(tmp_path / "copy.tiff"))
    bench.qtbot.waitUntil(lambda: bool(bench.problems), timeout=5000)
    assert ".tiff" in bench.problems[0]


def test_a_vanished_picture_is_a_sentence_not_a_crash(bench: Bench, tmp_path: Path) -> None:
    bench.canvas.show_file(str(tmp_path / "gone.png"))
    bench.qtbot.waitUntil(lambda: bool(bench.problems), timeout=5000)
    assert "no longer there" in bench.problems[0]


def test_before_is_the_picture_before_and_after_the_newest(bench: Bench) -> None:
    bench.make(width=64)
    assert not bench.canvas.actions_bar.compare.isEnabled()
    bench.make(seed=9)
    QApplication.processEvents()
    bench.qtbot.waitUntil(bench.canvas.actions_bar.compare.isEnabled, timeout=5000)
    bench.canvas.actions_bar.compare.trigger()
    assert bench.canvas.view.comparing


def test_the_second_window_shows_the_same_and_closes_with_escape(bench: Bench) -> None:
    bench.make()
    bench.canvas.actions_bar.pop_out.trigger()
    window = bench.canvas._popout  # noqa: SLF001
    assert window is not None
    assert window.view.picture is bench.canvas.view.picture
    window.close()
    assert not bench.canvas.actions_bar.pop_out.isChecked()
    assert bench.canvas._popout is None  # noqa: SLF001


def test_every_button_has_a_name_a_sentence_and_can_be_reached_by_keys(bench: Bench) -> None:
    bench.make()
    for button in bench.canvas.actions_bar.buttons.values():
        assert button.accessibleName()
        assert len(button.toolTip()) > len(button.accessibleName())
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert bench.canvas.view.accessibleName()
    assert bench.canvas.scrubber.accessibleName()


def test_steps_are_there_after_the_next_start(bench: Bench, qtbot: Any, tmp_path: Path) -> None:
    path = bench.make(seed=5)
    kept = tmp_path / "work" / "steps"
    qtbot.waitUntil(lambda: bool(list(kept.glob("*.steps"))), timeout=5000)

    later = Bench(qtbot, tmp_path)
    later.canvas.show_file(str(path))
    qtbot.waitUntil(lambda: later.run.picture is not None and later.run.picture.total == 4, timeout=5000)
    qtbot.waitUntil(lambda: later.canvas.view.picture is not None, timeout=5000)
    QTest.keyClick(later.canvas.scrubber, Qt.Key.Key_Home)
    QTest.keyClick(later.canvas.scrubber, Qt.Key.Key_Right)
    assert later.color() == "#3f2828"
    later.canvas.branch()
    assert later.client.submitted[-1].start == BranchPoint(f"{bench.client.job}/0", 0)
    assert later.client.submitted[-1].seed == 5

    for file in kept.glob("*.steps"):
        file.write_bytes(file.read_bytes()[:50])
    third = Bench(qtbot, tmp_path)
    third.canvas.show_file(str(path))
    qtbot.waitUntil(lambda: third.canvas.view.picture is not None, timeout=5000)
    assert third.problems == []


def test_a_picture_of_another_program_can_be_varied_too(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), "#808080").save(path)
    bench.generation.set("prompt", "a garden")
    bench.generation.set("folder", str(tmp_path))
    bench.canvas.show_file(str(path))
    bench.qtbot.waitUntil(bench.canvas.actions_bar.vary.isEnabled, timeout=5000)
    bench.canvas.actions_bar.vary.trigger()
    request = bench.client.submitted[-1]
    assert (request.prompt, request.init_image, request.count) == ("a garden", str(path), 4)

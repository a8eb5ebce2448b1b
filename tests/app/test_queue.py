"""The queue: its state against a hand-driven engine, its panel by mouse and keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QObject, QPoint, Qt, Signal
from PySide6.QtTest import QTest

from app.panels.queue import QueuePanel
from app.panels.queue_editor import QueueEditor
from app.panels.queue_model import MIME
from app.state.queue import QueueState
from engine.messages import ImageDone
from tests.app.scripted import HandDrivenClient, make_request

Open = Callable[[], tuple[QueueState, HandDrivenClient]]


@pytest.fixture
def open_queue(qtbot: Any, tmp_path: Path) -> Iterator[Open]:
    """Gives a queue on the same file each time, as the next start of the program does."""
    opened: list[QueueState] = []

    def start() -> tuple[QueueState, HandDrivenClient]:
        client = HandDrivenClient()
        queue = QueueState(client, tmp_path / "queue.sqlite3")
        opened.append(queue)
        with qtbot.waitSignal(queue.restored, timeout=5000):
            pass
        return queue, client

    yield start
    for queue in opened:
        queue.close()


def prompts(queue: QueueState, *statuses: Any) -> list[str]:
    return [job.request.prompt for job in (queue.with_status(*statuses) if statuses else queue.jobs)]


def play(client: HandDrivenClient, folder: Path) -> list[Path]:
    return list(client.whole_job(folder))


def test_jobs_run_one_after_another(open_queue: Open, tmp_path: Path, qtbot: Any) -> None:
    queue, client = open_queue()
    drained: list[int] = []
    queue.drained.connect(drained.append)
    queue.add_all([make_request("a"), make_request("b", count=2)])
    assert len(client.submitted) == 1
    play(client, tmp_path)
    assert len(client.submitted) == 2
    assert drained == []
    play(client, tmp_path)
    assert prompts(queue, "done") == ["a", "b"]
    assert drained == [3]


def test_a_paused_queue_finishes_the_running_job_only(open_queue: Open, tmp_path: Path) -> None:
    queue, client = open_queue()
    queue.add_all([make_request("a"), make_request("b")])
    queue.pause()
    play(client, tmp_path)
    assert [request.prompt for request in client.submitted] == ["a"]
    queue.resume()
    assert [request.prompt for request in client.submitted] == ["a", "b"]


def test_moving_never_passes_the_running_job(open_queue: Open) -> None:
    queue, _client = open_queue()
    a, b, c, d = queue.add_all([make_request(name) for name in "abcd"])
    queue.move([d, c], a)
    assert prompts(queue) == ["a", "d", "c", "b"]
    queue.move([d], None)
    assert prompts(queue) == ["a", "c", "b", "d"]
    queue.move([a], None)
    assert prompts(queue) == ["a", "c", "b", "d"]
    queue.move([b], c)
    assert prompts(queue) == ["a", "b", "c", "d"]


def test_cancel_one_all_and_undo(open_queue: Open, tmp_path: Path) -> None:
    queue, client = open_queue()
    a, b, _c = queue.add_all([make_request(name) for name in "abc"])
    queue.cancel(b)
    assert prompts(queue, "cancelled") == ["b"]
    queue.undo()
    assert prompts(queue, "waiting") == ["b", "c"]
    queue.cancel_all()
    assert queue.running is None
    assert prompts(queue, "cancelled") == ["a", "b", "c"]
    queue.undo()
    assert client.submitted[-1].prompt == "b"
    queue.remove([a, b])
    # What runs is cancelled first; it stays in the list until it has ended.
    assert queue.job(a) is None
    assert queue.running is None or queue.running.id != b


def test_what_was_cleared_comes_back_where_it_was(open_queue: Open, tmp_path: Path) -> None:
    queue, client = open_queue()
    queue.add_all([make_request(name) for name in "abc"])
    play(client, tmp_path)
    client.started()
    client.failed()
    queue.clear_ended()
    assert prompts(queue) == ["c"]
    queue.undo()
    assert prompts(queue) == ["a", "b", "c"]
    assert not queue.can_undo


def test_failed_jobs_are_told_passed_over_and_tried_again(open_queue: Open, tmp_path: Path) -> None:
    queue, client = open_queue()
    queue.add_all([make_request("a", count=3), make_request("b")])
    client.started()
    for index in range(4):
        client.step(index)
    client.picture(tmp_path / "first.png")
    client.failed("no memory")
    assert [job.message for job in queue.with_status("failed")] == ["no memory"]
    assert client.submitted[-1].prompt == "b"
    play(client, tmp_path)
    queue.retry()
    # What was made already is not made again.
    assert (client.submitted[-1].prompt, client.submitted[-1].seed, client.submitted[-1].count) == ("a", 8, 2)
    play(client, tmp_path)
    assert queue.jobs[0].made == 3


def test_for_ever_takes_turns_with_others_and_goes_on_with_the_next_seeds(open_queue: Open, tmp_path: Path) -> None:
    queue, client = open_queue()
    forever = queue.add(make_request("a", count=2, seed=10), forever=True)
    play(client, tmp_path)
    assert (client.submitted[-1].seed, client.submitted[-1].count) == (12, 2)
    queue.add(make_request("b"))
    play(client, tmp_path)
    assert client.submitted[-1].prompt == "b"
    play(client, tmp_path)
    assert (client.submitted[-1].prompt, client.submitted[-1].seed) == ("a", 14)
    queue.cancel(forever)
    assert queue.running is None
    assert prompts(queue, "cancelled") == ["a"]


def test_seeds_begin_again_where_numbers_end(open_queue: Open, tmp_path: Path) -> None:
    queue, client = open_queue()
    queue.add(make_request(seed=2**64 - 1), forever=True)
    play(client, tmp_path)
    assert client.submitted[-1].seed == 0


def test_after_a_quit_everything_is_there_and_the_interrupted_job_is_offered(open_queue: Open, tmp_path: Path) -> None:
    queue, client = open_queue()
    ids = queue.add_all([make_request(name, count=3) for name in "abc"])
    client.started()
    client.picture(tmp_path / "one.png")
    queue.pause()
    queue.close()
    # What the engine says while it is shut down is no wish of the user.
    client.cancel(ids[0])

    queue, client = open_queue()
    assert [(job.request.prompt, job.status) for job in queue.jobs] == [
        ("a", "interrupted"),
        ("b", "waiting"),
        ("c", "waiting"),
    ]
    assert queue.paused
    assert client.submitted == []
    queue.retry([ids[0]])
    queue.resume()
    assert (client.submitted[0].prompt, client.submitted[0].seed, client.submitted[0].count) == ("a", 8, 2)


def test_waiting_jobs_go_on_by_themselves_after_a_crash(open_queue: Open) -> None:
    queue, _client = open_queue()
    queue.add_all([make_request("a"), make_request("b")])
    queue.close()
    queue, client = open_queue()
    assert [request.prompt for request in client.submitted] == ["b"]
    assert prompts(queue, "interrupted") == ["a"]


def test_a_job_counts_as_kept_when_the_disk_has_it(open_queue: Open, qtbot: Any) -> None:
    queue, _client = open_queue()
    with qtbot.waitSignal(queue.job_stored, timeout=5000) as stored:
        job = queue.add(make_request())
    assert stored.args == [job]


def test_a_folder_that_cannot_be_used_is_said_once_and_jobs_run_all_the_same(qtbot: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    client = HandDrivenClient()
    queue = QueueState(client, blocked / "queue.sqlite3")
    problems: list[str] = []
    queue.problem.connect(problems.append)
    with qtbot.waitSignal(queue.restored, timeout=5000):
        pass
    queue.add(make_request("a"))
    play(client, tmp_path)
    queue.close()
    qtbot.waitUntil(lambda: len(problems) > 0, timeout=5000)
    assert prompts(queue, "done") == ["a"]
    assert len(problems) == 1
    assert str(blocked) in problems[0]


class SlowGallery(QObject):
    """Makes rows when the test says so."""

    added = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[ImageDone] = []

    def add(self, picture: ImageDone) -> None:
        self.waiting.append(picture)


def test_a_picture_is_announced_only_when_its_row_exists(qtbot: Any, tmp_path: Path) -> None:
    client, gallery = HandDrivenClient(), SlowGallery()
    queue = QueueState(client, None, gallery)
    announced: list[ImageDone] = []
    queue.picture_ready.connect(announced.append)
    queue.add(make_request())
    play(client, tmp_path)
    assert announced == []
    gallery.added.emit(gallery.waiting[0])
    assert announced == gallery.waiting


# ---------------------------------------------------------------------------------------------------- the panel


@pytest.fixture
def panel(open_queue: Open, qtbot: Any) -> QueuePanel:
    queue, _client = open_queue()
    made = QueuePanel(queue)
    qtbot.addWidget(made)
    made.resize(320, 480)
    made.show()
    queue.add_all([make_request(name) for name in "abcd"])
    return made


def queue_of(panel: QueuePanel) -> QueueState:
    return panel.model._queue  # noqa: SLF001


def click(panel: QueuePanel, row: int, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    at = panel.view.visualRect(panel.model.index(row)).center()
    QTest.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, keys, at)


def test_an_empty_queue_says_what_to_do(qtbot: Any) -> None:
    panel = QueuePanel(QueueState(HandDrivenClient(), None))
    qtbot.addWidget(panel)
    panel.show()
    assert panel.empty.isVisible()
    assert not panel.header.isVisible()
    with qtbot.waitSignal(panel.generate_wanted):
        QTest.mouseClick(panel.generate, Qt.MouseButton.LeftButton)


def test_keys_move_duplicate_cancel_and_undo(panel: QueuePanel) -> None:
    queue = queue_of(panel)
    click(panel, 3)
    QTest.keyClick(panel.view, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert prompts(queue) == ["a", "b", "d", "c"]
    assert [job.request.prompt for job in panel.selected()] == ["d"]
    QTest.keyClick(panel.view, Qt.Key.Key_Home, Qt.KeyboardModifier.ControlModifier)
    assert prompts(queue) == ["a", "d", "b", "c"]
    QTest.keyClick(panel.view, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert prompts(queue) == ["a", "b", "d", "c"]
    QTest.keyClick(panel.view, Qt.Key.Key_Insert)
    assert prompts(queue) == ["a", "b", "d", "c", "d"]
    QTest.keyClick(panel.view, Qt.Key.Key_Delete)
    assert prompts(queue, "cancelled") == ["d"]
    assert panel.undo_strip.isVisible()
    QTest.mouseClick(panel.undo_strip.buttons[0], Qt.MouseButton.LeftButton)
    assert prompts(queue, "cancelled") == []
    assert not panel.undo_strip.isVisible()


def inked(panel: QueuePanel, row: int) -> list[int]:
    """The columns in which a job's prompt is painted."""
    image = panel.view.viewport().grab(panel.view.visualRect(panel.model.index(row))).toImage()
    ground, line = image.pixel(0, 0), range(10, 30)
    return [x for x in range(64, image.width() - 40) if any(image.pixel(x, y) != ground for y in line)]


def test_a_prompt_keeps_its_own_direction(panel: QueuePanel) -> None:
    cat = "قطة, 3d icon"
    panel.resize(320, 700)
    queue_of(panel).add_all([make_request(cat), make_request(f"\u2067{cat}\u2069")])
    assert inked(panel, 4) == inked(panel, 5)


def test_several_jobs_are_dragged_as_one(panel: QueuePanel) -> None:
    queue = queue_of(panel)
    click(panel, 2)
    click(panel, 3, Qt.KeyboardModifier.ControlModifier)
    data = panel.model.mimeData(panel.view.selectionModel().selectedRows())
    assert data.hasFormat(MIME)
    panel.model.dropMimeData(data, Qt.DropAction.MoveAction, 1, 0, panel.model.index(-1))
    assert prompts(queue) == ["a", "c", "d", "b"]
    assert [job.request.prompt for job in panel.selected()] == ["c", "d"]
    running = panel.model.flags(panel.model.index(0))
    assert not running & Qt.ItemFlag.ItemIsDragEnabled


def test_a_waiting_job_is_edited_and_does_not_start_meanwhile(panel: QueuePanel, tmp_path: Path, qtbot: Any) -> None:
    queue, client = queue_of(panel), queue_of(panel)._client  # noqa: SLF001
    click(panel, 1)
    QTest.keyClick(panel.view, Qt.Key.Key_F2)
    editor = panel.findChild(QueueEditor)
    assert isinstance(editor, QueueEditor)
    play(client, tmp_path)
    # "b" is held back, so "c" runs.
    assert client.submitted[-1].prompt == "c"
    editor.prompt.setPlainText("a green pear")
    editor.steps.setFocus()
    editor.steps.lineEdit().selectAll()
    QTest.keyClicks(editor.steps, "9")
    QTest.mouseClick(editor.save, Qt.MouseButton.LeftButton)
    job = queue.jobs[1]
    assert (job.request.prompt, job.request.steps) == ("a green pear", 9)
    play(client, tmp_path)
    assert client.submitted[-1].prompt == "a green pear"
    qtbot.waitUntil(lambda: panel.findChild(QueueEditor) is None, timeout=2000)


def test_pause_and_resume_by_the_button(panel: QueuePanel) -> None:
    queue = queue_of(panel)
    QTest.mouseClick(panel.pause, Qt.MouseButton.LeftButton)
    assert queue.paused
    text = panel.pause.text()
    QTest.mouseClick(panel.pause, Qt.MouseButton.LeftButton)
    assert not queue.paused
    assert panel.pause.text() != text


def test_the_menu_offers_what_fits_the_selected_jobs(panel: QueuePanel, tmp_path: Path) -> None:
    queue, client = queue_of(panel), queue_of(panel)._client  # noqa: SLF001
    click(panel, 1)
    assert panel.edit in panel.menu().actions()
    assert panel.retry not in panel.menu().actions()
    panel.forever.trigger()
    assert queue.jobs[1].forever
    client.started()
    client.failed()
    click(panel, 0)
    assert panel.retry in panel.menu().actions()
    assert panel.copy_error in panel.menu().actions()


def test_interrupted_jobs_are_offered_with_a_button(open_queue: Open, qtbot: Any) -> None:
    queue, _client = open_queue()
    queue.add(make_request("a"))
    queue.close()
    queue, client = open_queue()
    panel = QueuePanel(queue)
    qtbot.addWidget(panel)
    panel.show()
    assert panel.interrupted.isVisible()
    QTest.mouseClick(panel.interrupted.buttons[0], Qt.MouseButton.LeftButton)
    assert [request.prompt for request in client.submitted] == ["a"]
    assert not panel.interrupted.isVisible()


def test_a_row_says_aloud_what_it_shows(panel: QueuePanel) -> None:
    _queue, client = queue_of(panel), queue_of(panel)._client  # noqa: SLF001
    client.started()
    client.step(1)
    said = panel.model.data(panel.model.index(0), Qt.ItemDataRole.AccessibleTextRole)
    assert "2" in said
    assert said.endswith(": a")
    assert panel.view.accessibleName()


def test_ten_thousand_jobs_are_no_burden(qtbot: Any) -> None:
    queue = QueueState(HandDrivenClient(), None)
    panel = QueuePanel(queue)
    qtbot.addWidget(panel)
    panel.show()
    ids = queue.add_all([make_request(str(number)) for number in range(10_000)])
    queue.move([ids[-1]], ids[1])
    assert queue.jobs[1].request.prompt == "9999"
    panel.view.scrollToBottom()
    assert panel.view.indexAt(QPoint(20, panel.view.viewport().height() - 20)).row() == 9999


def test_one_job_for_each_wildcard(qtbot: Any, tmp_path: Path) -> None:
    (tmp_path / "colour.txt").write_text("red\ngreen\n")
    queue = QueueState(HandDrivenClient(), None)
    problems: list[str] = []
    queue.problem.connect(problems.append)
    queue.add_each(make_request("a __colour__ {apple|pear}", seed=3), tmp_path)
    qtbot.waitUntil(lambda: len(queue.jobs) == 4, timeout=20_000)
    assert sorted(prompts(queue)) == ["a green apple", "a green pear", "a red apple", "a red pear"]
    assert {job.request.seed for job in queue.jobs} == {3}
    queue.add_each(make_request("a __nothing__"), tmp_path)
    qtbot.waitUntil(lambda: bool(problems), timeout=20_000)
    assert "nothing" in problems[0]

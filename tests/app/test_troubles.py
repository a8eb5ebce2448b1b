"""What the world does to the program: one clear message each in the window, and nothing is lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QToolButton, QWidget

from app.application import Application
from app.services.gallery_store import SCHEMA as GALLERY
from app.services.queue_store import SCHEMA as QUEUE
from app.single_instance import hand_over
from engine.library.schema import SCHEMA as LIBRARY
from engine.messages import JobFailed
from tests.app.disks import Disk, disk
from tests.app.fake_engine import FakeEngine
from tests.app.gallery_rig import trash, write_picture
from tests.conftest import ROOT

__all__ = ["disk", "trash"]
PATIENCE = 120_000
CALLED = {"library": "model library"}
Make = Callable[..., Application]


def wait(qtbot: Any, until: Callable[[], Any]) -> None:
    qtbot.waitUntil(until, timeout=PATIENCE)


def click(widget: QWidget) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def started(program: Application, qtbot: Any) -> Application:
    wait(qtbot, lambda: program.generation.info is not None and program.gallery.whole)
    return program


def messages(program: Application) -> list[str]:
    """Close one message after another, as a reader does; what they said, the newest first."""
    banner, said = program.window.banner, list[str]()
    while banner.text:
        said.append(banner.text)
        click(next(button for button in banner.findChildren(QToolButton) if button.isVisible()))
    return said


def remedy(program: Application, words: str) -> QPushButton:
    return next(button for button in program.window.banner.buttons if button.text() == words)


def pictures_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


# ------------------------------------------------------------------------------------------------ disks


@pytest.fixture
def real(make_program: Make, disk: Disk, qtbot: Any) -> Application:
    """A program with the real engine, whose pictures go to a small disk."""
    program = started(make_program(None), qtbot)
    program.settings.set("pictures_folder", str(disk.path))
    program.generation.steps = 2
    messages(program)
    return program


def test_a_full_disk_is_said_and_the_picture_made_when_there_is_room(real: Application, disk: Disk, qtbot: Any) -> None:
    disk.fill()
    click(real.window.prompt.generate)
    wait(qtbot, lambda: real.run.phase == "failed" and real.window.banner.text != "")
    assert real.window.banner.text == (f"The disk that holds {disk.path} is full; free some space and generate again.")
    assert pictures_of(disk.path) == []
    assert [path.name for path in disk.path.iterdir()] == ["filler"]
    [job] = real.queue.jobs
    assert job.status == "failed"
    disk.free()
    click(remedy(real, "Try again"))
    wait(qtbot, lambda: real.run.picture is not None and not real.run.working)
    assert len(pictures_of(disk.path)) == 1
    assert messages(real) == []


def test_a_start_picture_that_is_damaged_can_be_left_out(
    real: Application, disk: Disk, tmp_path: Path, qtbot: Any
) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    real.generation.init_image = str(damaged)
    qtbot.waitUntil(lambda: real.window.banner.text != "")
    messages(real)
    click(real.window.prompt.generate)
    wait(qtbot, lambda: real.run.phase == "failed" and str(damaged) in real.window.banner.text)
    click(remedy(real, "Generate without it"))
    wait(qtbot, lambda: real.run.picture is not None and not real.run.working)
    assert real.generation.init_image == ""
    assert len(pictures_of(disk.path)) == 1


def test_a_read_only_folder_is_said_and_another_one_offered(real: Application, disk: Disk, qtbot: Any) -> None:
    disk.protect()
    click(real.window.prompt.generate)
    wait(qtbot, lambda: real.run.phase == "failed" and real.window.banner.text != "")
    assert real.window.banner.text == (
        f"The pictures folder {disk.path} cannot be written to; allow that, or choose another."
    )
    assert remedy(real, "Choose another …").isVisible()
    disk.protect(False)
    click(remedy(real, "Try again"))
    wait(qtbot, lambda: real.run.picture is not None and not real.run.working)
    assert len(pictures_of(disk.path)) == 1


def test_a_vanished_folder_is_said_made_again_and_the_job_goes_on(
    make_program: Make, tmp_path: Path, qtbot: Any
) -> None:
    program = started(make_program(None), qtbot)
    folder = tmp_path / "drive" / "pictures"
    folder.mkdir(parents=True)
    program.settings.set("pictures_folder", str(folder))
    program.generation.steps = 2
    folder.rmdir()
    messages(program)
    click(program.window.prompt.generate)
    wait(qtbot, lambda: program.run.phase == "failed" and "Make the folder" in buttons(program))
    assert program.window.banner.text == (
        f"The pictures folder {folder} is not there; connect its drive, make it, or choose another."
    )
    click(remedy(program, "Make the folder"))
    wait(qtbot, lambda: len(pictures_of(folder)) == 1 and not program.run.working)
    [job] = program.queue.jobs
    assert job.status == "done"


@pytest.mark.parametrize("kind", ["a file", "a folder of the system"])
def test_a_folder_that_takes_no_pictures_is_said_and_another_one_offered(
    make_program: Make, tmp_path: Path, qtbot: Any, kind: str
) -> None:
    program = started(make_program(None), qtbot)
    folder = Path("/proc") if kind == "a folder of the system" else tmp_path / "file"
    if kind == "a file":
        folder.write_bytes(b"")
    elif not folder.is_dir():
        pytest.skip("about Linux")
    program.settings.set("pictures_folder", str(folder))
    program.generation.steps = 2
    messages(program)
    click(program.window.prompt.generate)
    wait(qtbot, lambda: program.run.phase == "failed" and bool(buttons(program)))
    words = "is a file and no folder; choose another folder." if kind == "a file" else "takes no new files"
    assert words in program.window.banner.text
    assert str(folder) in program.window.banner.text
    assert buttons(program) == ["Choose another …", "Try again"]


def buttons(program: Application) -> list[str]:
    return [button.text() for button in program.window.banner.buttons]


def test_pictures_in_a_read_only_folder_are_not_deleted(
    make_program: Make,
    disk: Disk,
    trash: Path,  # noqa: ARG001
    fake: FakeEngine,
    qtbot: Any,
) -> None:
    picture = write_picture(disk.path / "one.png", "a cat")
    program = started(make_program(fake), qtbot)
    program.settings.set("pictures_folder", str(disk.path))
    wait(qtbot, lambda: len(program.gallery.ids) == 1)
    messages(program)
    disk.protect()
    panel = program.window.panel("gallery")
    panel.view.setFocus()
    wait(qtbot, lambda: panel.model.picture(0) is not None)
    QTest.mouseClick(
        panel.view.viewport(), Qt.MouseButton.LeftButton, pos=panel.view.visualRect(panel.model.index(0, 0)).center()
    )
    QTest.keyClick(panel.view, Qt.Key.Key_Delete)
    wait(qtbot, lambda: program.window.banner.text != "")
    assert messages(program) == [
        f"The picture {picture} cannot be deleted: its folder cannot be written to; allow that first."
    ]
    assert picture.is_file()
    assert len(program.gallery.ids) == 1


def test_a_full_disk_under_the_queue_is_said_once_and_the_jobs_run_and_are_kept_later(
    make_program: Make, disk: Disk, fake: FakeEngine, tmp_path: Path, qtbot: Any
) -> None:
    data = disk.path / "data"
    data.mkdir()
    program = started(make_program(fake, data), qtbot)
    program.settings.set("pictures_folder", str(tmp_path))
    program.queue.pause()
    stored: list[str] = []
    program.queue.job_stored.connect(stored.append)
    program.settings.flush()
    messages(program)
    disk.fill()
    program.generation.prompt = "a cat " * 3000  # more than the database has room for inside its file
    for _ in range(3):
        click(program.window.prompt.generate)
    wait(qtbot, lambda: any("queue cannot be saved" in text for text in all_texts(program)))
    said = [text for text in messages(program) if "queue" in text]
    assert said == [f"The disk that holds {data} is full, so the queue cannot be saved; free some space."]
    assert len(program.queue.with_status("waiting")) == 3
    disk.free()
    click(program.window.prompt.generate)
    wait(qtbot, lambda: len(set(stored)) == 4)
    program.window.close()
    again = started(make_program(FakeEngine(automatic=False), data), qtbot)
    wait(qtbot, lambda: len(again.queue.jobs) == 4)


def all_texts(program: Application) -> list[str]:
    return [message.text() for message in program.window.banner._messages]


# ------------------------------------------------------------------------------------------------ databases


@pytest.mark.parametrize(
    ("name", "version"),
    [("queue", QUEUE.version), ("gallery", GALLERY.version), ("library", LIBRARY.version)],
)
def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    make_program: Make, fake: FakeEngine, tmp_path: Path, qtbot: Any, name: str, version: int
) -> None:
    file = tmp_path / f"{name}.sqlite3"
    words = f"The {CALLED.get(name, name)} in {file} was written by a newer version"
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA user_version = {version + 1}")
    content = file.read_bytes()
    program = make_program(fake)
    wait(qtbot, lambda: program.generation.info is not None and program.window.banner.text.startswith(words))
    assert len([text for text in messages(program) if text.startswith(words)]) == 1
    click(program.window.prompt.generate)  # the program works all the same
    wait(qtbot, lambda: len(fake.submitted) == 1)
    fake.play()
    wait(qtbot, lambda: len(pictures_of(tmp_path / "pictures")) == 1)
    program.window.close()
    assert file.read_bytes() == content


@pytest.mark.parametrize("name", ["queue", "gallery", "library"])
def test_a_corrupt_database_is_moved_aside_and_said(
    make_program: Make, fake: FakeEngine, tmp_path: Path, qtbot: Any, name: str
) -> None:
    picture = write_picture(tmp_path / "pictures" / "one.png", "a cat")
    (tmp_path / f"{name}.sqlite3").write_bytes(b"this is no database" * 1000)
    program = started(make_program(fake), qtbot)
    wait(qtbot, lambda: any("was damaged" in text for text in all_texts(program)) and len(program.gallery.ids) == 1)
    [said] = [text for text in messages(program) if "was damaged" in text]
    assert said.startswith(f"The {CALLED.get(name, name)} in {tmp_path / name}.sqlite3 was damaged; it was moved to ")
    [aside] = [path for path in tmp_path.glob(f"{name}.sqlite3.damaged-*") if path.stat().st_size]
    assert aside.read_bytes() == b"this is no database" * 1000
    assert picture.is_file()
    click(program.window.prompt.generate)
    wait(qtbot, lambda: len(fake.submitted) == 1)


# ------------------------------------------------------------------------------------------------ files and texts


def test_a_corrupt_picture_is_said_once_and_the_canvas_keeps_what_it_shows(
    make_program: Make, fake: FakeEngine, tmp_path: Path, qtbot: Any
) -> None:
    good, broken = write_picture(tmp_path / "good.png", "a cat"), tmp_path / "broken.png"
    broken.write_bytes(good.read_bytes()[:70])
    program = started(make_program(fake), qtbot)
    program.intake.open([str(good)])
    wait(qtbot, lambda: program.window.canvas.view.picture is not None)
    wait(qtbot, lambda: "holds its recipe" in program.window.banner.text)
    messages(program)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(broken))])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    program.window.dropEvent(QDropEvent(QPointF(40, 40), Qt.DropAction.CopyAction, data, left, none))
    wait(qtbot, lambda: program.window.banner.text != "")
    wait(qtbot, lambda: not program.client.background._tasks)
    qtbot.wait(50)
    [said] = messages(program)
    assert said.startswith(f"The picture {broken} cannot be read (")
    assert program.window.canvas.view.picture is not None
    assert broken.is_file()


def test_a_megabyte_of_text_is_refused_wherever_it_is_pasted(make_program: Make, fake: FakeEngine, qtbot: Any) -> None:
    program = started(make_program(fake), qtbot)
    messages(program)
    text = "word " * 200_000
    QGuiApplication.clipboard().setText(text)
    refused = "The pasted text has 1,000,000 characters; a prompt takes at most 20,000, so paste less."
    window = program.window
    window.prompt.fold.click()
    for edit in (window.prompt.prompt, window.prompt.negative):
        before = edit.toPlainText()
        edit.setFocus()
        QTest.keyClick(edit, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
        assert messages(program) == [refused]
        assert edit.toPlainText() == before
    window.commands["paste"].trigger()  # as a recipe
    wait(qtbot, lambda: window.banner.text != "")
    assert messages(program) == ["The text holds no recipe that is known here; paste it as a prompt instead."]


def test_a_known_error_says_nothing_twice(make_program: Make, fake: FakeEngine, qtbot: Any) -> None:
    program = started(make_program(fake), qtbot)
    messages(program)
    click(program.window.prompt.generate)
    wait(qtbot, lambda: len(fake.submitted) == 1)
    sentence = "There is not enough memory; choose a smaller size."
    fake.say(JobFailed(job_id=fake.submitted[0].job_id, kind="OutOfMemory", message=sentence))
    wait(qtbot, lambda: program.window.banner.text == sentence)
    assert program.window.canvas.progress.text.text() == "The picture could not be made"


# ------------------------------------------------------------------------------------------------ two at once


def test_starts_at_the_same_moment_are_one_window(tmp_path: Path, qtbot: Any) -> None:
    (tmp_path / "settings.json").write_text('{"language": "en", "welcome_seen": true}', encoding="utf-8")

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "app", "--data-folder", str(tmp_path)]
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)

    starts = [start() for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        try:
            ends = as_completed([pool.submit(process.wait) for process in starts], timeout=60)
            assert [next(ends).result(), next(ends).result()] == [0, 0]
            [first] = [process for process in starts if process.poll() is None]
            assert hand_over(tmp_path, [])  # it answers
            first.kill()
            first.wait()
            # The lock that the dead one left holds nobody up.
            starts.append(start())
            wait(qtbot, lambda: hand_over(tmp_path, []))
            assert starts[-1].poll() is None
        finally:
            for process in starts:
                process.kill()
                process.wait()

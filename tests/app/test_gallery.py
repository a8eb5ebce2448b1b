"""The gallery and recipe panels: real widgets, driven by mouse and keyboard, on real files and a real trash."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QKeySequence
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot
from shiboken6 import delete

from app.engine_client import EngineClient, engine_thread
from app.panels.gallery import GalleryPanel
from app.panels.gallery_export import ExportDialog
from app.panels.gallery_model import GalleryModel
from app.services import gallery_scan
from app.services.gallery_records import NO_BOARD, GalleryFilter, Picture
from app.services.gallery_store import SCHEMA, GalleryStore
from app.state import gallery_scan as state_scan
from app.state.gallery import GalleryState
from engine.messages import Bitmap, ImageDone
from engine.metadata import read_recipe
from tests.app.gallery_rig import HOUR, PROMPTS, Rig, rig, trash, write_picture
from tests.app.scripted import make_request

__all__ = ["rig", "trash"]
KEY, SHIFT, CTRL = Qt.Key, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


# ------------------------------------------------------------------------------------------------ finding


def test_pictures_are_shown_newest_first_with_thumbnails(rig: Rig) -> None:
    assert rig.names() == [f"{number}.png" for number in reversed(range(6))]
    model = rig.panel.model

    def drawn() -> bool:
        pictures = [model.picture(row) for row in range(6)]
        return all(picture is not None and model.pixmap(picture) is not None for picture in pictures)

    rig.qtbot.waitUntil(drawn)
    seen = rig.panel.view.viewport().grab().toImage()
    middle = rig.panel.view.visualRect(model.index(0, 0)).center()
    assert seen.pixelColor(middle * seen.devicePixelRatio()).name() == "#505080"


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("apple", "20"),
        ("APP red", "0"),
        ("apfelchen", "3"),
        ("äpf", "3"),
        ("苹果", "4"),
        ("苹", "4"),
        ("pple tre", "2"),
        ('"', "543210"),
        ("apple OR pear)*", ""),
        ("nothing", ""),
        ("a" * 400, ""),
    ],
)
def test_search_as_typed(rig: Rig, words: str, numbers: str) -> None:
    if words.isascii():
        rig.qtbot.keyClicks(rig.panel.search, words)
    else:  # letters without a key come from an input method
        rig.panel.search.insert(words)
    rig.qtbot.waitUntil(lambda: rig.gallery.filter.words == words)
    rig.settle()
    assert rig.names() == [f"{number}.png" for number in numbers]
    if not numbers:
        rig.qtbot.waitUntil(rig.panel.empty_text.isVisible)
        rig.qtbot.mouseClick(rig.panel.empty_button, Qt.MouseButton.LeftButton)
        rig.settle()
        assert len(rig.gallery.ids) == 6
        assert rig.panel.search.text() == ""


def test_filters(rig: Rig) -> None:
    assert rig.show(model="A") == ["2.png", "1.png", "0.png"]
    assert rig.show(model="A", scheduler="ddim") == ["1.png"]
    assert rig.show(seed="104") == ["4.png"]
    assert rig.show(words="apple", seed="102") == ["2.png"]
    assert rig.show(width=32, height=24, words="pear") == ["1.png"]
    assert rig.show(width=33) == []
    since = int(datetime.fromtimestamp(1_700_000_000 + 2 * HOUR).timestamp() * 1e6)
    assert rig.show(since=since, until=since + 2 * HOUR * 1_000_000) == ["3.png", "2.png"]
    assert rig.gallery.models == ["A", "B"]
    assert rig.gallery.schedulers == ["ddim", "euler"]


def test_the_filter_form_narrows_and_clears(rig: Rig) -> None:
    rig.qtbot.mouseClick(rig.panel.funnel, Qt.MouseButton.LeftButton)
    form = rig.panel.filters
    assert form.isVisible()
    rig.qtbot.keyClicks(form.seed, "103")
    rig.settle()
    assert rig.names() == ["3.png"]
    rig.qtbot.keyClicks(form.picture_size, "32x99")
    rig.settle()
    assert rig.names() == []
    rig.qtbot.mouseClick(form.clear, Qt.MouseButton.LeftButton)
    rig.settle()
    assert len(rig.gallery.ids) == 6
    assert (form.seed.text(), form.picture_size.text()) == ("", "")


def test_pages_hold_every_picture_once(tmp_path: Path) -> None:
    from tests.app.test_gallery_store import new_picture

    store = GalleryStore(tmp_path / "g.sqlite3")
    store.add(new_picture(number) for number in range(1000))
    found: list[int] = []
    while page := store.ids(GalleryFilter(), found[-1] if found else None, 37):
        found += page
    assert len(found) == len(set(found)) == 1000
    assert found == sorted(found, reverse=True)
    store.close()


# ------------------------------------------------------------------------------------------------ keyboard and mouse


def test_keys_move_and_select(rig: Rig) -> None:
    view = rig.panel.view
    rig.click(0)
    rig.key(KEY.Key_Right)
    assert view.chosen_rows() == [1]
    rig.key(KEY.Key_Right, SHIFT)
    assert view.chosen_rows() == [1, 2]
    rig.click(4, SHIFT)
    assert view.chosen_rows() == [1, 2, 3, 4]
    rig.click(2, CTRL)
    assert view.chosen_rows() == [1, 3, 4]
    rig.key(KEY.Key_End)
    assert view.chosen_rows() == [5]
    rig.key(KEY.Key_A, CTRL)
    assert len(view.chosen_rows()) == 6
    assert "6" in rig.panel.status.text()


def test_right_to_left_mirrors_the_grid_and_its_keys(rig: Rig) -> None:
    rig.panel.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    rig.panel.view.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    view, model = rig.panel.view, rig.panel.model
    assert view.visualRect(model.index(0, 0)).left() > view.visualRect(model.index(1, 0)).left()
    rig.click(0)
    assert view.chosen_rows() == [0]
    rig.key(KEY.Key_Left)
    assert view.chosen_rows() == [1]


def test_size_of_the_cells(rig: Rig) -> None:
    view = rig.panel.view
    before = view.columns
    rig.key(KEY.Key_Plus)
    rig.key(KEY.Key_Plus)
    assert view.columns < before
    for row in range(6):
        assert view.indexAt(view.visualRect(rig.panel.model.index(row, 0)).center()).row() in {row, -1}


# ------------------------------------------------------------------------------------------------ bulk actions


def test_stars_by_keys_and_undo(rig: Rig) -> None:
    rig.click(0)
    rig.click(2, SHIFT)
    rig.key(KEY.Key_4)
    assert rig.show(stars=4) == ["5.png", "4.png", "3.png"]
    assert rig.show(stars=5) == []
    rig.show()
    rig.gallery.undo()
    rig.settle()
    assert rig.show(stars=1) == []


def test_boards_hold_pictures_until_they_go(rig: Rig) -> None:
    rig.gallery.make_board("Fruit", rig.gallery.ids[:2])
    rig.settle()
    rig.qtbot.waitUntil(lambda: [(board.name, board.count) for board in rig.gallery.boards] == [("Fruit", 2)])
    board = rig.gallery.boards[0].id
    assert rig.show(board=board) == ["5.png", "4.png"]
    assert rig.panel.board.text() == "Fruit"
    assert rig.show(board=NO_BOARD) == ["3.png", "2.png", "1.png", "0.png"]
    rig.gallery.make_board("  fruit ")
    rig.gallery.make_board("Fruit")
    rig.settle()
    assert rig.problems[-1] == "There is a board 'Fruit' already; choose another name."
    rig.show(board=board)
    rig.gallery.drop_board(board)
    rig.settle()
    assert len(rig.names()) == 6


def test_export_by_the_dialog(rig: Rig, tmp_path: Path) -> None:
    rig.click(1)
    rig.click(2, CTRL)
    rig.qtbot.mouseClick(rig.panel.export_button, Qt.MouseButton.LeftButton)
    dialog = rig.panel.findChild(ExportDialog)
    dialog.folder.setText(str(tmp_path / "out"))
    dialog.form.setCurrentIndex(dialog.form.findData("JPEG"))
    rig.qtbot.mouseClick(dialog.copy_button, Qt.MouseButton.LeftButton)
    rig.settle()
    copies = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert copies == ["3.jpg", "4.jpg"]
    recipe = read_recipe(tmp_path / "out" / "4.jpg")
    assert recipe is not None
    assert (recipe.prompt, recipe.seed) == (PROMPTS[4], 104)


def test_a_copy_without_its_recipe_is_bare(rig: Rig, tmp_path: Path) -> None:
    dialog = ExportDialog(rig.gallery, list(rig.gallery.ids[:1]), rig.panel)
    dialog.folder.setText(str(tmp_path / "bare"))
    dialog.with_recipe.setChecked(False)
    rig.qtbot.mouseClick(dialog.copy_button, Qt.MouseButton.LeftButton)
    rig.settle()
    assert read_recipe(tmp_path / "bare" / "5.png") is None
    with Image.open(tmp_path / "bare" / "5.png") as copy, Image.open(rig.folder / "5.png") as original:
        assert copy.tobytes() == original.convert("RGB").tobytes()


def test_delete_goes_to_the_trash_and_comes_back(rig: Rig, trash: Path) -> None:
    rig.click(0)
    rig.key(KEY.Key_3)
    rig.click(2, SHIFT)
    before = {path.name: path.read_bytes() for path in rig.folder.glob("*.png")}
    rig.key(KEY.Key_Delete)
    assert rig.names() == ["2.png", "1.png", "0.png"]
    assert sorted(path.name for path in (trash / "files").iterdir()) == ["3.png", "4.png", "5.png"]
    assert rig.panel.undo_bar.isVisible()
    rig.qtbot.mouseClick(rig.panel.undo_button, Qt.MouseButton.LeftButton)
    rig.settle()
    assert {path.name: path.read_bytes() for path in rig.folder.glob("*.png")} == before
    assert not list((trash / "files").iterdir())
    assert not list((trash / "info").iterdir())
    assert len(rig.names()) == 6
    assert rig.show(stars=3) == ["5.png"]
    assert not rig.panel.undo_bar.isVisible()


def test_a_deletion_is_undone_after_a_restart(rig: Rig, trash: Path) -> None:
    before = {path.name: path.read_bytes() for path in rig.folder.glob("*.png")}
    rig.click(0)
    rig.key(KEY.Key_Delete)
    rig.click(0)
    rig.key(KEY.Key_Delete)
    rig.close()
    rig.open()
    assert len(rig.names()) == 4
    rig.click(0)
    rig.key(KEY.Key_5)
    rig.key(QKeySequence(QKeySequence.StandardKey.Undo)[0].key(), CTRL)
    assert rig.show(stars=5) == []
    rig.show(stars=0)
    rig.key(QKeySequence(QKeySequence.StandardKey.Undo)[0].key(), CTRL)
    assert rig.names()[0] == "4.png"
    (trash / "files" / "5.png").rename(rig.folder / "5.png")
    rig.close()
    rig.open()
    assert len(rig.names()) == 6
    assert not rig.gallery.can_undo
    assert {path.name: path.read_bytes() for path in rig.folder.glob("*.png")} == before


def test_undo_after_the_trash_was_emptied_or_the_name_taken(rig: Rig, trash: Path) -> None:
    rig.click(0)
    rig.key(KEY.Key_Delete)
    rig.click(0)
    rig.key(KEY.Key_Delete)
    write_picture(rig.folder / "4.png", "another", "blue")
    rig.key(QKeySequence(QKeySequence.StandardKey.Undo)[0].key(), CTRL)
    assert (rig.folder / "4-2.png").exists()
    assert "4-2.png" in rig.names()
    (trash / "files" / "5.png").unlink()
    rig.gallery.undo()
    rig.settle()
    assert rig.problems[-1].endswith("is no longer in the trash; it cannot be brought back.")


def test_where_the_trash_gives_nothing_back_files_stay_until_the_end(
    rig: Rig, trash: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    rig.gallery.delete(rig.gallery.ids[:2])
    rig.settle()
    assert len(rig.names()) == 4
    assert (rig.folder / "5.png").exists()
    rig.scan()
    assert len(rig.names()) == 4
    rig.gallery.undo()
    rig.settle()
    assert len(rig.names()) == 6
    rig.gallery.delete(rig.gallery.ids[:1])
    rig.settle()
    monkeypatch.setattr("sys.platform", "linux")
    rig.close()
    assert not (rig.folder / "5.png").exists()
    assert (trash / "files" / "5.png").exists()


# ------------------------------------------------------------------------------------------------ files come and go


def test_a_finished_picture_is_announced_when_its_row_is_there(rig: Rig) -> None:
    path = write_picture(rig.folder / "new.png", "a kite", "yellow")
    recipe = read_recipe(path)
    assert recipe is not None
    heard: list[ImageDone] = []
    rig.gallery.added.connect(heard.append)
    event = ImageDone(job_id="j", image=0, path=str(path), thumbnail=Bitmap(1, 1, b"abc"), recipe=recipe, seconds=1.0)
    rig.gallery.add(event)
    rig.qtbot.waitUntil(lambda: heard == [event])
    with sqlite3.connect(rig.root / "data" / "gallery.sqlite3") as other:
        assert other.execute("SELECT count(*) FROM pictures WHERE path = ?", (str(path),)).fetchone() == (1,)
    assert rig.names()[0] == "new.png"
    rig.scan()
    assert rig.names().count("new.png") == 1


def test_moved_files_keep_their_stars_and_missing_ones_come_back(rig: Rig) -> None:
    rig.gallery.rate(rig.gallery.ids[:2], 5)
    rig.settle()
    (rig.folder / "sub").mkdir()
    (rig.folder / "5.png").rename(rig.folder / "sub" / "renamed.png")
    away = rig.root / "4.png"
    (rig.folder / "4.png").rename(away)
    rig.scan()
    assert rig.show(stars=5) == ["renamed.png"]
    away.rename(rig.folder / "4.png")
    rig.scan()
    assert rig.names() == ["renamed.png", "4.png"]
    assert not rig.problems


def test_a_file_deleted_outside_is_noticed_when_it_is_looked_at(rig: Rig) -> None:
    (rig.folder / "5.png").unlink()
    rig.click(0)
    rig.key(KEY.Key_Delete)
    assert "5.png" not in rig.names()
    assert not rig.problems


def test_files_without_a_row_are_taken_in_at_the_next_start(rig: Rig) -> None:
    rig.close()
    write_picture(rig.folder / "later" / "b.png", "a boat")
    rig.open()
    assert "b.png" in rig.names()
    assert rig.show(words="boat") == ["b.png"]


def test_a_corrupt_picture_is_shown_with_its_one_message(rig: Rig) -> None:
    (rig.folder / "broken.png").write_bytes((rig.folder / "0.png").read_bytes()[:60])
    rig.scan()
    assert rig.names()[0] == "broken.png"
    rig.click(0)
    rig.qtbot.waitUntil(lambda: "damaged" in rig.recipe.prompt.text())
    assert str(rig.folder / "broken.png") in rig.recipe.prompt.text()
    assert not rig.recipe.use.isEnabled()
    assert not rig.problems


def test_a_vanished_folder_loses_nothing(rig: Rig) -> None:
    rig.folder.rename(rig.root / "elsewhere")
    rig.scan()
    [problem] = rig.problems
    assert problem.startswith(f"The pictures folder {rig.folder} is not there")
    rig.qtbot.waitUntil(lambda: len(rig.gallery.ids) == 6)
    (rig.root / "elsewhere").rename(rig.folder)
    rig.gallery.trouble = ""
    rig.scan()
    assert len(rig.names()) == 6


def test_before_the_first_picture_there_is_no_folder_and_no_message(qtbot: QtBot, tmp_path: Path) -> None:
    gallery = GalleryState(tmp_path / "g.sqlite3", tmp_path / "none", tmp_path / "thumbnails")
    with qtbot.assertNotEmitted(gallery.problem), qtbot.waitSignal(gallery.scanned):
        pass
    gallery.close()
    delete(gallery)


def test_a_file_put_into_the_folder_appears_by_itself(qtbot: QtBot, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    gallery = GalleryState(tmp_path / "g.sqlite3", folder, tmp_path / "thumbnails")
    qtbot.waitUntil(lambda: gallery.whole)
    write_picture(folder / "sent.png", "a letter")
    qtbot.waitUntil(lambda: len(gallery.ids) == 1, timeout=20_000)
    # Gone and there again, as a drive is.
    folder.rename(tmp_path / "away")
    qtbot.waitUntil(lambda: "is not there" in gallery.trouble, timeout=20_000)
    write_picture(tmp_path / "away" / "second.png", "a stamp")
    (tmp_path / "away").rename(folder)
    qtbot.waitUntil(lambda: len(gallery.ids) == 2, timeout=20_000)
    gallery.close()
    delete(gallery)


class Slow:
    """A question to the disk that is answered when the test allows it; remembers the threads that asked."""

    def __init__(self, answer: Callable[[Path], Any]) -> None:
        self.answer = answer
        self.open = threading.Event()
        self.threads: list[str] = []

    def __call__(self, path: Path, *_: Any, **__: Any) -> Any:
        self.threads.append(threading.current_thread().name)
        self.open.wait()
        return self.answer(path)


def test_the_window_does_not_wait_for_a_network_folder_that_has_gone(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    slow = Slow(gallery_scan.folder_stamp)
    monkeypatch.setattr(state_scan, "LOOK_MILLISECONDS", 10)
    gallery = GalleryState(tmp_path / "g.sqlite3", tmp_path / "pictures", tmp_path / "thumbnails")
    qtbot.waitUntil(lambda: gallery.whole)
    monkeypatch.setattr(state_scan, "folder_stamp", slow)
    qtbot.waitUntil(lambda: bool(slow.threads))
    answers: list[object] = []
    gallery.load([], answers.append)
    qtbot.waitUntil(lambda: bool(answers))  # the window goes on, and so does the database
    assert slow.threads == ["gallery-files"]  # asked once, and not again before the answer
    slow.open.set()
    qtbot.waitUntil(lambda: len(slow.threads) > 1)
    gallery.close()
    delete(gallery)


def test_a_picture_without_a_small_form_is_looked_for_beside_the_window(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = rig.folder / "5.png"
    (rig.root / "thumbnails").rename(rig.root / "old thumbnails")
    gone.unlink()
    exists = Path.exists
    slow = Slow(exists)
    monkeypatch.setattr(Path, "exists", lambda path, **how: (slow if path == gone else exists)(path, **how))
    model = GalleryModel(rig.gallery)
    got: list[list[Picture]] = []
    rig.gallery.load(rig.gallery.ids, got.append)
    rig.qtbot.waitUntil(lambda: bool(got))
    [picture] = [one for one in got[0] if one.name == "5.png"]
    assert model.pixmap(picture) is None
    rig.qtbot.waitUntil(lambda: bool(slow.threads))
    assert set(slow.threads) == {"gallery-thumbnails"}
    assert "5.png" in rig.names()  # the window and its lists go on
    slow.open.set()
    rig.qtbot.waitUntil(lambda: len(rig.gallery.ids) == 5)
    assert "5.png" not in rig.names()
    assert not rig.problems


def test_a_newer_database_is_refused_and_left_alone(rig: Rig) -> None:
    rig.close()
    file = rig.root / "data" / "gallery.sqlite3"
    with sqlite3.connect(file) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA.version + 1}")
    content = file.read_bytes()
    rig.problems.clear()
    rig.open()
    assert len(set(rig.problems)) == 1
    assert "newer version of Sfumato" in rig.problems[0]
    rig.qtbot.waitUntil(lambda: "newer version" in rig.panel.empty_text.text())
    assert file.read_bytes() == content


def test_a_corrupt_database_is_moved_aside_and_made_again_from_the_files(rig: Rig) -> None:
    rig.close()
    file = rig.root / "data" / "gallery.sqlite3"
    file.write_bytes(b"not a database" * 1000)
    rig.problems.clear()
    rig.open()
    [problem] = rig.problems
    assert "was damaged" in problem
    assert list(file.parent.glob("gallery.sqlite3.damaged-*"))
    assert len(rig.names()) == 6


# ------------------------------------------------------------------------------------------------ recipes


def test_the_recipe_of_the_chosen_picture_is_shown_and_used(rig: Rig) -> None:
    rig.click(5)
    rig.qtbot.waitUntil(lambda: rig.recipe.shown is not None)
    assert rig.recipe.title.text() == "0.png"
    assert rig.recipe.prompt.text() == PROMPTS[0]
    rig.generation.seed = 1
    rig.qtbot.mouseClick(rig.recipe.seed_only, Qt.MouseButton.LeftButton)
    assert (rig.generation.seed, rig.generation.prompt) == (100, "")
    rig.qtbot.mouseClick(rig.recipe.prompt_only, Qt.MouseButton.LeftButton)
    assert (rig.generation.prompt, rig.generation.scheduler) == (PROMPTS[0], "dpmsolver++")
    rig.qtbot.mouseClick(rig.recipe.use, Qt.MouseButton.LeftButton)
    assert (rig.generation.scheduler, rig.generation.steps, rig.generation.width) == ("euler", 4, 32)


def test_a_picture_of_another_program_dropped_in_shows_its_recipe(rig: Rig, tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_text("parameters", json.dumps({"sui_image_params": {"prompt": "a hill", "seed": 5, "steps": 9}}))
    Image.new("RGB", (4, 4)).save(tmp_path / "swarm.png", pnginfo=chunks)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "swarm.png"))])
    drop = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    rig.panel.dropEvent(drop)
    rig.qtbot.waitUntil(lambda: rig.recipe.prompt.text() == "a hill")
    rig.qtbot.mouseClick(rig.recipe.replay_button, Qt.MouseButton.LeftButton)
    rig.qtbot.waitUntil(lambda: rig.recipe.result.text().startswith("The recipe does not say the model"))


def test_a_megabyte_of_prompt_is_shown_in_part_and_found(rig: Rig) -> None:
    long = "zebra " + "x" * 2**20
    path = rig.folder / "long.png"
    write_picture(path, long)
    rig.scan()
    assert rig.show(words="zebra") == ["long.png"]
    rig.click(0)
    rig.qtbot.waitUntil(lambda: rig.recipe.shown is not None)
    assert len(rig.recipe.prompt.text()) < 5000
    assert rig.recipe.shown is not None
    assert rig.recipe.shown.prompt == long


def test_replay_with_a_scripted_engine_counts_pixels(rig: Rig) -> None:
    rig.click(5)
    rig.qtbot.waitUntil(lambda: rig.recipe.shown is not None)
    rig.qtbot.mouseClick(rig.recipe.replay_button, Qt.MouseButton.LeftButton)
    assert rig.recipe.replay.running
    rig.qtbot.waitUntil(lambda: bool(rig.client.submitted))
    request = rig.client.submitted[-1]
    assert (request.prompt, request.seed, request.scheduler) == (PROMPTS[0], 100, "euler")
    list(rig.client.whole_job(Path(request.folder)))  # a green picture of the same size
    rig.qtbot.waitUntil(lambda: "differ" in rig.recipe.result.text())
    assert rig.recipe.result.text() == "0.png: 768 of 768 pixels differ."
    assert len(rig.names()) == 6


def test_a_replay_that_fails_says_why(rig: Rig) -> None:
    rig.click(5)
    rig.qtbot.waitUntil(lambda: rig.recipe.shown is not None)
    rig.qtbot.mouseClick(rig.recipe.replay_button, Qt.MouseButton.LeftButton)
    rig.qtbot.waitUntil(lambda: bool(rig.client.submitted))
    rig.client.started()
    rig.client.failed("There is not enough memory; choose a smaller size.")
    assert rig.recipe.result.text() == "There is not enough memory; choose a smaller size."
    assert rig.recipe.replay_button.isEnabled()


def test_the_window_can_be_made_anew_while_answers_are_on_their_way(rig: Rig, qtbot: QtBot) -> None:
    panel = GalleryPanel(rig.gallery, rig.generation, rig.queue)
    panel.show()
    rig.gallery.choose(None)
    with qtbot.waitSignal(panel.destroyed):
        panel.model.picture(0)
        rig.gallery.recipe(rig.gallery.ids[0], lambda _recipe: None)
        panel.search.setText("apple")
        panel.deleteLater()
    rig.gallery.refresh()
    rig.settle()
    rig.gallery.rate(rig.gallery.ids[:1], 2)
    rig.settle()
    assert len(rig.gallery.ids) == 6


def test_menus_rate_and_move_the_chosen_pictures(rig: Rig) -> None:
    rig.gallery.make_board("Fruit")
    rig.settle()
    rig.qtbot.waitUntil(lambda: bool(rig.gallery.boards))
    rig.click(0)
    rig.click(1, SHIFT)

    def trigger(menu: QMenu, text: str) -> None:
        menu.aboutToShow.emit()
        next(action for action in menu.actions() if action.text().startswith(text)).trigger()
        rig.settle()

    trigger(rig.panel.rate_button.menu(), "★★★★★")
    trigger(rig.panel.move_button.menu(), "Fruit")
    assert rig.show(stars=5) == ["5.png", "4.png"]
    rig.show()
    trigger(rig.panel.board.menu(), "Fruit")
    assert rig.names() == ["5.png", "4.png"]
    trigger(rig.panel.board.menu(), "All pictures")
    assert len(rig.names()) == 6
    rig.click(3)
    whole = rig.panel.picture_menu()
    assert len(whole.actions()) > 5
    next(action for action in whole.actions() if action.text() == "Start from this picture").trigger()
    assert rig.generation.init_image == str(rig.folder / "2.png")


@pytest.mark.parametrize("second", [False, True])
def test_replay_on_the_real_engine_makes_the_same_pixels(
    qtbot: QtBot,
    tmp_path: Path,
    trash: Path,
    second: bool,  # noqa: ARG001
) -> None:
    client = EngineClient(engine_thread())
    rig = Rig(qtbot, tmp_path, client=client)
    changes: dict[str, object] = {"width": 128, "height": 128, "steps": 2, "folder": str(rig.folder), "seed": 11}
    if second:
        start = write_picture(tmp_path / "start.png", "", "red")
        Image.open(start).resize((128, 128)).save(start)
        changes |= {"init_image": str(start), "strength": 0.6, "hires_scale": 1.5, "scheduler": "euler-a"}
    with qtbot.waitSignal(rig.queue.picture_ready, timeout=60_000) as made:
        rig.queue.add(make_request("a (red:1.2) apple", record=False, **changes))
    rig.settle()
    path = Path(made.args[0].path)
    assert rig.names() == [path.name]
    rig.click(0)
    qtbot.waitUntil(lambda: rig.recipe.shown is not None)
    qtbot.mouseClick(rig.recipe.replay_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not rig.recipe.replay.running, timeout=60_000)
    pixels = "36,864" if second else "16,384"
    assert rig.recipe.result.text() == f"{path.name}: not one of {pixels} pixels differs."
    assert rig.names() == [path.name]
    assert not list(rig.gallery.replays.glob("*"))
    rig.close()
    client.close()

"""The settings' file: written beside the window, in order, and to its end when the program is left."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.application import Application
from app.services.paths import Paths
from app.services.settings import Settings
from app.state.settings import SettingsState
from engine import files
from engine.errors import KnownError
from tests.app.fake_engine import FakeEngine


def saved(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_window_s_thread_writes_no_settings(
    program: Application, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    writers: list[threading.Thread] = []
    real = files.write_json

    def watched(path: Path, content: dict[str, Any]) -> None:
        writers.append(threading.current_thread())
        real(path, content)

    monkeypatch.setattr(files, "write_json", watched)
    program.settings.set("theme", "light")
    qtbot.waitUntil(lambda: bool(writers) and saved(program.paths.settings).get("theme") == "light")
    assert threading.main_thread() not in writers


def test_the_newest_values_are_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(tmp_path / "settings.json")
    begun, go_on = threading.Event(), threading.Event()
    real = files.write_json

    def slow_at_first(path: Path, content: dict[str, Any]) -> None:
        if content["steps seen"] == 1:
            begun.set()
            assert go_on.wait(60)
        real(path, content)

    monkeypatch.setattr(files, "write_json", slow_at_first)
    settings._values["steps seen"] = 1  # a key of a newer version, which is kept
    settings.set("theme", "light")
    first = threading.Thread(target=settings.save)
    first.start()
    assert begun.wait(60)
    settings._values["steps seen"] = 2
    settings.set("theme", "dark")
    second = threading.Thread(target=settings.save)
    second.start()
    go_on.set()
    first.join()
    second.join()
    assert saved(settings.path)["theme"] == "dark"


def test_what_was_not_written_is_written_at_the_end(
    program: Application, make_program: Callable[..., Application], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pool has its hands full: nothing that is asked of it now begins before the program is left.
    go_on, busy = threading.Event(), threading.Barrier(3)

    def work() -> None:
        busy.wait(60)
        go_on.wait(60)

    for number in range(2):
        program.client.query(f"busy {number}", work, lambda _none: None)
    busy.wait(60)
    program.settings.set("idle_release_minutes", 99)
    assert saved(program.paths.settings).get("idle_release_minutes") != 99
    monkeypatch.setattr(program.client.background, "close", _close_after(program, go_on))
    program.window.close()
    assert make_program(FakeEngine()).settings["idle_release_minutes"] == 99


def _close_after(program: Application, event: threading.Event) -> Callable[[], None]:
    close = type(program.client.background).close

    def both() -> None:
        threading.Timer(0.0, event.set).start()
        close(program.client.background)

    return both


def test_a_file_that_cannot_be_written_is_said_once_and_written_later(tmp_path: Path) -> None:
    # A file in the folder's place: not even root can write below it.
    folder = tmp_path / "data"
    folder.write_text("no folder", encoding="utf-8")
    state = SettingsState(Settings(folder / "settings.json"), Paths.of(folder))
    problems: list[str] = []
    state.problem.connect(problems.append)
    state.write_with(_at_once)
    state.set("theme", "light")
    state.set("offline", True)
    assert len(problems) == 1
    assert problems[0].startswith(f"The settings cannot be saved to {folder / 'settings.json'} (")
    assert (state["theme"], state["offline"]) == ("light", True)
    folder.unlink()
    state.flush()
    assert saved(folder / "settings.json")["theme"] == "light"


def _at_once(_kind: str, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[..., None]) -> None:
    try:
        result = work()
    except KnownError as error:
        failed(error)
    else:
        done(result)


def test_a_press_keeps_the_panels_values_for_after_a_crash(program: Application, fake: FakeEngine, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: program.generation.info is not None)
    program.generation.prompt, program.generation.dtype = "a blue house", "bfloat16"
    program.generate()
    qtbot.waitUntil(lambda: len(fake.submitted) == 1)
    qtbot.waitUntil(lambda: saved(program.paths.settings).get("generation", {}).get("prompt") == "a blue house")
    assert program.generation.dtype == "bfloat16"


def test_a_damaged_history_is_said_and_not_written_over(
    tmp_path: Path, make_program: Callable[..., Application], qtbot: Any
) -> None:
    (tmp_path / "prompts.json").write_text("[[", encoding="utf-8")
    program = make_program(FakeEngine())
    qtbot.waitUntil(lambda: "The history of prompts in" in program.window.banner.text)
    program.prompts.remember("a cat", "")
    program.window.close()
    assert (tmp_path / "prompts.json").read_text(encoding="utf-8") == "[["


def test_prompts_of_the_last_moment_are_kept(
    program: Application, make_program: Callable[..., Application], qtbot: Any
) -> None:
    program.prompts.remember("a cat", "fog")
    program.window.close()
    again = make_program(FakeEngine())
    qtbot.waitUntil(lambda: bool(again.prompts.history))
    assert again.prompts.history[0] == ("a cat", "fog")

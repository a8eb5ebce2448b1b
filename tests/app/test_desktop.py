"""The real window on a real screen, with a window manager, by `xdotool`: what a person does on the first day.

`SFUMATO_SHOTS=FOLDER` keeps pictures of the screen.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from engine.messages import Recipe
from engine.metadata import encode_png, read_recipe
from tests.app.desktop import Desktop, missing

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=f"this machine lacks {missing()}"),
    pytest.mark.xdist_group("desktop"),
]

MEGABYTE = "word " * 200_000


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    """One program for all tests of this file, with an empty folder to begin with."""
    data = tmp_path_factory.mktemp("desktop")
    (data / "settings.json").write_text(json.dumps({"language": "en", "theme": "dark"}), encoding="utf-8")
    shots = os.environ.get("SFUMATO_SHOTS")
    made = Desktop(data, shots=Path(shots) if shots else None)
    yield made
    made.close()


def pictures(desktop: Desktop) -> list[Path]:
    return sorted((desktop.data / "pictures").glob("*.png"), key=lambda path: path.stat().st_mtime_ns)


def shown(desktop: Desktop) -> int:
    """How many pictures the gallery says it has."""
    found = [re.fullmatch(r"(\d+) pictures?", seen.text) for seen in desktop.look("QLabel")]
    return next((int(match[1]) for match in found if match), -1)


def make(desktop: Desktop, prompt: str, count: int = 1) -> None:
    """Type a prompt, press the keys, and wait for the pictures."""
    desktop.click("Gallery", "tab")
    before = shown(desktop)
    desktop.replace("Prompt", prompt, "PromptEdit")
    desktop.key("ctrl+Return")
    desktop.wait(lambda: shown(desktop) >= before + count, "the pictures")
    desktop.wait_for("Generate", "QPushButton")


def test_the_first_picture_takes_two_clicks(desktop: Desktop) -> None:
    desktop.shot("01-first-start")
    window = desktop.look("MainWindow")[0]
    assert (window.x, window.y) >= (0, 0)
    assert window.y + window.height <= desktop.size[1], "the window is taller than the screen"
    desktop.replace("Prompt", "a green leaf, 3d icon", "PromptEdit")
    desktop.click("Generate", "QPushButton")
    desktop.wait_for("Cancel", "QPushButton")
    desktop.wait_for_words("Step ")
    desktop.shot("02-forming")
    desktop.wait(lambda: shown(desktop) == 1, "the picture in the gallery")
    desktop.wait_for_words("Done")
    desktop.shot("03-done")
    [path] = pictures(desktop)
    recipe = read_recipe(path)
    assert recipe is not None
    assert recipe.prompt == "a green leaf, 3d icon"


def test_escape_leaves_a_job(desktop: Desktop) -> None:
    before = pictures(desktop)
    desktop.replace("Steps", "1000", "NumberBox")
    desktop.click("Prompt", "PromptEdit")
    desktop.key("ctrl+Return")
    desktop.wait_for_words("Step ")
    desktop.key("Escape")
    desktop.wait_for_words("Cancelled")
    desktop.wait_for("Generate", "QPushButton")
    desktop.shot("04-cancelled")
    assert pictures(desktop) == before
    desktop.replace("Steps", "8", "NumberBox")
    desktop.key("Tab")


def test_a_picture_branches_from_a_step(desktop: Desktop) -> None:
    make(desktop, "a yellow lemon, 3d icon")
    first = pictures(desktop)[-1]
    scrubber = desktop.wait_for("Steps of the picture", "StepScrubber")
    desktop.click_at(scrubber.x + scrubber.width // 2, scrubber.centre[1])
    desktop.wait(lambda: not desktop.says("8/8"), "another step")
    desktop.shot("05-scrubbed")
    desktop.click("Branch", "QToolButton")
    desktop.replace("Prompt of the branch", "a red heart, 3d icon", "QLineEdit")
    desktop.shot("06-branch-bar")
    branch = desktop.wait(
        lambda: next((seen for seen in desktop.look("QPushButton") if seen.text.startswith("Branch from step")), None),
        "the button of the branch",
    )
    before = shown(desktop)
    desktop.click_at(*branch.centre)
    desktop.wait(lambda: shown(desktop) == before + 1, "the branch")
    desktop.shot("07-branched")
    recipe = read_recipe(pictures(desktop)[-1])
    assert recipe is not None
    assert recipe.prompt == "a red heart, 3d icon"
    assert pictures(desktop)[-1] != first
    desktop.click("Branch", "QToolButton")


def test_a_waiting_job_is_edited(desktop: Desktop) -> None:
    desktop.click("Queue", "tab")
    before = pictures(desktop)
    desktop.click("Prompt", "PromptEdit")
    desktop.key("ctrl+p")  # pause
    desktop.wait_for("Resume", "QPushButton")
    desktop.key("ctrl+Return")
    desktop.wait_for_words("1 waiting")
    item = desktop.wait(lambda: [seen for seen in desktop.look("item") if "lemon" in seen.text + seen.name], "the job")
    waiting = next(seen for seen in item if "aiting" in seen.text + seen.name)
    desktop.click_at(*waiting.centre)
    desktop.key("F2")
    desktop.wait_for("Prompt", "QPlainTextEdit", within="Edit the job")
    desktop.shot("08-queue-editor")
    desktop.replace("Prompt", "a blue drop, 3d icon", "QPlainTextEdit", within="Edit the job")
    desktop.click("Save", "QPushButton", within="Edit the job")
    desktop.wait(lambda: not desktop.find("Save", within="Edit the job"), "the dialog to close")
    desktop.click("Resume", "QPushButton")
    desktop.wait(lambda: len(pictures(desktop)) == len(before) + 1, "the picture of the edited job")
    recipe = read_recipe(pictures(desktop)[-1])
    assert recipe is not None
    assert recipe.prompt == "a blue drop, 3d icon"
    desktop.wait_for_words("0 waiting")
    desktop.shot("09-queue")


def test_the_gallery_finds_by_words(desktop: Desktop) -> None:
    desktop.click("Gallery", "tab")
    everything = shown(desktop)
    desktop.replace("Search prompts", "leaf", "QLineEdit")
    desktop.wait(lambda: shown(desktop) == 1, "the one picture")
    desktop.shot("10-search")
    grid = desktop.wait_for("Pictures", "GridView")
    desktop.click_at(grid.x + 40, grid.y + 40)
    desktop.wait_for("a green leaf, 3d icon", "QLabel")
    desktop.shot("11-recipe")
    desktop.click("Seed only", "QToolButton")
    desktop.replace("Search prompts", " ", "QLineEdit")
    desktop.key("BackSpace")
    desktop.wait(lambda: shown(desktop) == everything, "all pictures")


def test_a_picture_is_replayed_to_the_pixel(desktop: Desktop) -> None:
    desktop.click("Gallery", "tab")
    before = pictures(desktop)
    grid = desktop.wait_for("Pictures", "GridView")
    desktop.click_at(grid.x + 40, grid.y + 40)
    desktop.click("Replay", "QPushButton")
    desktop.wait_for_words("not one of 16,384 pixels differs.")
    desktop.shot("11-replayed")
    assert pictures(desktop) == before


def test_a_grid_is_made(desktop: Desktop) -> None:
    desktop.click("Grid", "tab")
    before = len(pictures(desktop))
    desktop.replace("Values: Across", "1, 2", "QLineEdit")
    desktop.replace("Values: Down", "3, 5", "QLineEdit")
    desktop.shot("11-grid-asked")
    desktop.click("Make grid", "QPushButton")
    desktop.wait_for_words("The sheet is saved as ")
    desktop.click("Show the sheet", "QPushButton")
    desktop.shot("11-grid")
    assert len(pictures(desktop)) == before + 5
    assert len(list((desktop.data / "pictures").glob("*-grid.png"))) == 1
    desktop.click("Gallery", "tab")


def test_a_megabyte_on_the_clipboard_is_refused_in_one_sentence(desktop: Desktop, tmp_path: Path) -> None:
    text = tmp_path / "long.txt"
    text.write_text(MEGABYTE, encoding="utf-8")
    before = desktop.wait_for("Prompt", "PromptEdit").text
    with desktop.other_program("--text", str(text)):
        desktop.click("Prompt", "PromptEdit")
        desktop.key("ctrl+a", "ctrl+v")
        desktop.wait_for_words(
            "The pasted text has 1,000,000 characters; a prompt takes at most 20,000, so paste less."
        )
        desktop.shot("12-megabyte")
    assert desktop.wait_for("Prompt", "PromptEdit").text == before
    desktop.click("Close this message", "QToolButton")


def test_a_picture_is_dragged_in_from_another_program(desktop: Desktop, tmp_path: Path) -> None:
    picture = tmp_path / "from outside.png"
    recipe = Recipe(prompt="a purple grape", seed=5, steps=7)
    picture.write_bytes(encode_png(Image.new("RGB", (128, 128), "#7030a0"), recipe))
    desktop.click("Gallery", "tab")
    with desktop.other_program("--picture", str(picture)) as place:
        desktop.drag(place, desktop.wait_for("Picture", "CanvasView").centre)
        desktop.wait_for_words("from outside.png")
        desktop.wait_for("Strength", "_YieldingSlider")
        desktop.shot("13-start-picture")
        desktop.click("Remove the start picture", "QToolButton")
        desktop.wait(lambda: not desktop.find("Strength", "_YieldingSlider"), "the bar to go")
        desktop.drag(place, desktop.wait_for("Pictures", "GridView").centre)
        desktop.wait_for("a purple grape", "QLabel")
        desktop.shot("14-recipe-from-outside")


def test_settings_and_language(desktop: Desktop) -> None:
    desktop.key("ctrl+comma")
    desktop.wait_for("Look and language", "item")
    desktop.shot("15-settings")
    desktop.click("Folders", "item")
    desktop.shot("16-settings-folders")
    desktop.click("Network", "item")
    switch = desktop.wait_for("No network at all", "QCheckBox")
    desktop.click_at(switch.x + 10, switch.centre[1])
    desktop.click("Look and language", "item")
    desktop.pick("Theme", "High contrast")
    desktop.shot("17-settings-contrast")
    desktop.pick("Language", "العربية")
    desktop.wait_for("توليد", "QPushButton")
    desktop.shot("18-arabic")
    settings = desktop.wait(lambda: saved(desktop, language="ar", theme="contrast", offline=True), "saved settings")
    assert settings["offline"] is True
    prompt, window = desktop.look("PromptEdit")[0], desktop.look("MainWindow")[0]
    assert prompt.centre[0] > window.centre[0]
    desktop.key("ctrl+comma")
    desktop.pick("اللغة", "English")
    desktop.wait_for("Generate", "QPushButton")


def saved(desktop: Desktop, **values: object) -> dict[str, object] | None:
    """The settings in the file, once they have these values."""
    content = json.loads((desktop.data / "settings.json").read_text(encoding="utf-8"))
    return content if all(content.get(name) == value for name, value in values.items()) else None


def test_after_a_crash_the_queue_goes_on_and_the_interrupted_job_is_offered(desktop: Desktop) -> None:
    desktop.click("Gallery", "tab")
    before = len(pictures(desktop))
    desktop.replace("Steps", "1000", "NumberBox")
    desktop.replace("Prompt", "a job that is cut short", "PromptEdit")
    desktop.key("ctrl+Return")
    desktop.wait_for_words("Step ")
    desktop.replace("Steps", "4", "NumberBox")
    desktop.replace("Prompt", "a job that waits", "PromptEdit")
    desktop.key("ctrl+Return")
    desktop.wait_for_words("1 job waiting")
    desktop.wait(lambda: kept(desktop) == {"running", "waiting"}, "both jobs on the disk")
    desktop.program.kill()
    desktop.program.wait()
    desktop.start(desktop.data)
    desktop.click("Queue", "tab")
    desktop.wait_for_words("1 job did not come to an end last time.")
    desktop.wait(lambda: len(pictures(desktop)) == before + 1, "the job that waited")
    desktop.shot("19-after-a-crash")
    desktop.click("Continue", "QPushButton")
    desktop.wait_for_words("Step ")
    desktop.key("Escape")
    desktop.wait_for_words("Cancelled")
    recipe = read_recipe(pictures(desktop)[-1])
    assert recipe is not None
    assert recipe.prompt == "a job that waits"
    desktop.click("Gallery", "tab")


def kept(desktop: Desktop) -> set[str]:
    """What the queue's file says of the jobs that are not over."""
    with closing(sqlite3.connect(desktop.data / "queue.sqlite3")) as queue:
        rows = queue.execute("SELECT status FROM jobs WHERE status IN ('running', 'waiting')")
        return {status for (status,) in rows}


def test_leaving_and_coming_back_finds_everything(desktop: Desktop) -> None:
    count = shown(desktop)
    desktop.key("ctrl+q")
    assert desktop.program.wait(60) == 0
    desktop.start(desktop.data)
    desktop.wait(lambda: shown(desktop) == count, "the pictures of the last time")
    desktop.shot("20-again")

"""The grid maker: values as typed, the jobs, the sheet; against a scripted engine and the real one."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.engine_client import EngineClient, engine_thread
from app.panels.grid import GridPanel
from app.services.grid_axes import MAX_PICTURES, Setting, axis_values, cells
from app.services.grid_sheet import make_sheet
from app.state.generation import GenerationState
from app.state.queue import QueueState
from engine.errors import InvalidValue
from engine.metadata import read_recipe
from tests.app.scripted import HandDrivenClient, make_request


@pytest.mark.parametrize(
    ("setting", "text", "labels"),
    [
        ("nothing", "", [""]),
        ("seed", "1, 2 ,42", ["seed 1", "seed 2", "seed 42"]),
        ("seed", "7-9", ["seed 7", "seed 8", "seed 9"]),
        ("steps", "10-20 (+5), 40", ["steps 10", "steps 15", "steps 20", "steps 40"]),
        ("guidance", "1-4 [3]", ["guidance 1", "guidance 2.5", "guidance 4"]),
        ("guidance", "1-2 (+0.5)", ["guidance 1", "guidance 1.5", "guidance 2"]),
        ("scheduler", "Euler a, dpmpp_2m_k", ["Euler a", "DPM++ 2M Karras"]),
        ("prompt", 'apple, "a pear, ripe"', ["apple", "a pear, ripe"]),
        ("model", "sfumato-icons, /models/x", ["sfumato-icons", "/models/x"]),
    ],
)
def test_values_as_typed(setting: Setting, text: str, labels: list[str]) -> None:
    assert [value.label for value in axis_values(setting, text)] == labels


@pytest.mark.parametrize(
    ("setting", "text", "sentence"),
    [
        ("seed", " , ", "There is no value for the seed; type some, divided by commas."),
        ("seed", "one", "The value 'one' for the seed is not a whole number; correct it."),
        ("steps", "5000", "The number of steps 5000 is out of range; choose a value from 1 to 1000."),
        ("steps", "9-3", "The range '9-3' leads nowhere; write it as 1-10 (+2), from the smaller to the larger."),
        ("seed", "1-100000", "The range '1-100000' has 100,000 values; give at most 100."),
        ("seed", ",".join(map(str, range(101))), "There are 101 values for the seed; give at most 100."),
        ("guidance", "1-2 [1]", "The range '1-2 [1]' has 1 values; give 2 to 100."),
        ("scheduler", "Fast", "The scheduler 'Fast' is unknown"),
    ],
)
def test_values_that_cannot_be_are_one_sentence(setting: Setting, text: str, sentence: str) -> None:
    with pytest.raises(InvalidValue) as error:
        axis_values(setting, text)
    assert str(error.value).startswith(sentence)


def test_cells_change_the_request() -> None:
    request = make_request("a red apple", count=4)
    found = cells(request, axis_values("prompt", "red, green"), axis_values("scheduler", "Euler, DPM++ 2M Karras"))
    made = [(cell.column, cell.row, cell.request.prompt, cell.request.scheduler) for cell in found]
    assert made == [
        (0, 0, "a red apple", "euler"),
        (1, 0, "a green apple", "euler"),
        (0, 1, "a red apple", "dpmsolver++"),
        (1, 1, "a green apple", "dpmsolver++"),
    ]
    assert found[3].request.sigma_schedule == "karras"
    assert {cell.request.count for cell in found} == {1}
    with pytest.raises(InvalidValue, match="does not contain 'blue'"):
        cells(request, axis_values("prompt", "blue, green"), axis_values("nothing", ""))
    many = axis_values("seed", "1-100")
    with pytest.raises(InvalidValue, match=f"at most {MAX_PICTURES}"):
        cells(request, many, many)


def test_the_sheet_has_every_picture_in_its_place(tmp_path: Path) -> None:
    colours = {(0, 0): "#ff0000", (1, 0): "#00ff00", (0, 1): "#0000ff"}
    pictures: dict[tuple[int, int], Path] = {}
    for place, colour in colours.items():
        pictures[place] = tmp_path / f"{place[0]}{place[1]}.png"
        Image.new("RGB", (100, 80), colour).save(pictures[place])
    labels = ["seed 1", "a very long label that has to be broken into lines or cut off at some place"]
    sheet = make_sheet(labels, ["guidance 3", "دليل 7"], pictures, {(1, 1): "There is not enough memory."})
    found = {sheet.getpixel((x, y)) for x in range(0, sheet.width, 7) for y in range(0, sheet.height, 7)}
    assert {(255, 0, 0), (0, 255, 0), (0, 0, 255), (0xE8, 0xE6, 0xE2)} <= found
    for (column, row), colour in colours.items():
        wanted = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        places = [
            (x, y) for x in range(0, sheet.width, 3) for y in range(0, sheet.height, 3)
            if sheet.getpixel((x, y)) == wanted
        ]  # fmt: skip
        assert len(places) >= 100 * 80 // 9 - 60
        assert (min(x for x, _ in places) > sheet.width // 2) == (column == 1)
        assert (min(y for _, y in places) > sheet.height // 2) == (row == 1)
    bare = make_sheet(["", ""], [""], {(0, 0): pictures[0, 0]}, {})
    assert bare.width < 230
    with pytest.raises(InvalidValue, match="fewer values"):
        make_sheet([""] * 400, [""], {(0, 0): pictures[0, 0]}, {})


def panel_of(qtbot: QtBot, generation: GenerationState, queue: QueueState) -> GridPanel:
    panel = GridPanel(generation, queue)
    qtbot.addWidget(panel)
    panel.resize(360, 420)
    panel.show()
    return panel


def fill(panel: GridPanel, across: tuple[Setting, str], down: tuple[Setting, str]) -> None:
    for side, (setting, text) in ((panel.across, across), (panel.down, down)):
        side.setting.setCurrentIndex(side.setting.findData(setting))
        side.values.setText(text)


def test_a_grid_by_mouse_and_keyboard(qtbot: QtBot, tmp_path: Path) -> None:
    client, generation = HandDrivenClient(), GenerationState()
    generation.folder, generation.width, generation.height = str(tmp_path), 64, 48
    queue = QueueState(client, None)
    panel = panel_of(qtbot, generation, queue)
    qtbot.waitUntil(lambda: bool(panel.message.text()))
    assert not panel.make.isEnabled()
    qtbot.keyClicks(panel.across.values, "1, x")
    qtbot.keyClicks(panel.down.values, "3, 5")
    qtbot.waitUntil(lambda: "'x'" in panel.message.text())
    assert not panel.make.isEnabled()
    qtbot.keyClick(panel.across.values, Qt.Key.Key_Backspace)
    qtbot.keyClick(panel.across.values, Qt.Key.Key_2)
    qtbot.waitUntil(panel.make.isEnabled)
    assert panel.message.text().startswith("4 ")
    qtbot.mouseClick(panel.make, Qt.MouseButton.LeftButton)
    assert panel.progress.isVisible()
    for number in itertools.count():
        if number == 2:
            client.failed("There is not enough memory; choose a smaller size.")
        else:
            list(client.whole_job(tmp_path))
        if number == 3:
            break
    assert [request.seed for request in client.submitted] == [1, 2, 1, 2]
    assert [request.guidance_scale for request in client.submitted] == [3, 3, 5, 5]
    qtbot.waitUntil(lambda: "-grid.png" in panel.message.text())
    [sheet] = tmp_path.glob("*-grid.png")
    recipe = read_recipe(sheet)
    assert recipe is not None
    assert ("Grid across", "seed 1, seed 2") in recipe.extras
    with qtbot.waitSignal(panel.show_wanted) as shown:
        qtbot.mouseClick(panel.last, Qt.MouseButton.LeftButton)
    assert shown.args == [str(sheet)]
    assert len(list(tmp_path.glob("*.png"))) == 4
    queue.close()


def test_a_grid_can_be_left_and_begun_again_in_a_new_window(qtbot: QtBot, tmp_path: Path) -> None:
    client, generation = HandDrivenClient(), GenerationState()
    generation.folder = str(tmp_path)
    queue = QueueState(client, None)
    panel = panel_of(qtbot, generation, queue)
    fill(panel, ("seed", "1-3"), ("nothing", ""))
    qtbot.waitUntil(panel.make.isEnabled)
    qtbot.mouseClick(panel.make, Qt.MouseButton.LeftButton)
    again = panel_of(qtbot, generation, queue)  # as after a change of language
    assert again.grid.progress == (0, 3)
    qtbot.mouseClick(again.make, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not again.grid.running)
    assert again.message.text().startswith("No picture of the grid was made: Cancelled")
    queue.close()


def test_swap_and_the_menu_of_schedulers(qtbot: QtBot) -> None:
    panel = panel_of(qtbot, GenerationState(), QueueState(HandDrivenClient(), None))
    fill(panel, ("scheduler", "Euler"), ("seed", "4"))
    menu = panel.across.pick.menu()
    next(action for action in menu.actions() if action.text() == "DPM++ 2M Karras").trigger()
    assert panel.across.values.text() == "Euler, DPM++ 2M Karras"
    qtbot.mouseClick(panel.swap, Qt.MouseButton.LeftButton)
    assert (panel.across.chosen, panel.across.values.text()) == ("seed", "4")
    assert (panel.down.chosen, panel.down.values.text()) == ("scheduler", "Euler, DPM++ 2M Karras")


def test_a_grid_of_the_real_engine(qtbot: QtBot, tmp_path: Path) -> None:
    client, generation = EngineClient(engine_thread()), GenerationState()
    generation.folder, generation.prompt, generation.device = str(tmp_path), "a red apple", "cpu"
    generation.width = generation.height = 128
    generation.steps, generation.seed = 2, 5
    queue = QueueState(client, None)
    panel = panel_of(qtbot, generation, queue)
    fill(panel, ("prompt", "apple, pear"), ("scheduler", "Euler, DDIM"))
    qtbot.waitUntil(panel.make.isEnabled)
    qtbot.mouseClick(panel.make, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.grid.running, timeout=60_000)
    assert "-grid.png" in panel.message.text()
    prompts = [recipe.prompt for path in tmp_path.glob("*-5*.png") if (recipe := read_recipe(path)) is not None]
    assert sorted(prompts) == ["a red apple"] * 2 + ["a red pear"] * 2
    queue.close()
    client.close()

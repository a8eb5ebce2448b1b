"""The page of switches: what is chosen there is in the next job, and what a recipe brings is shown there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.application import Application
from app.dialogs.speed import SpeedPage
from app.services.settings import Settings
from app.state.gallery_replay import replay_request
from app.widgets.hint import Hint
from engine.files import read_json
from engine.messages import ModelLoaded, ModelReleased, Recipe
from engine.resources_path import resource
from engine.switches import BACKENDS, OFF, Switches
from tests.app.fake_engine import FakeEngine

RECIPE = Recipe(
    prompt="an apple",
    model="sfumato-icons",
    scheduler="ddim",
    steps=4,
    guidance_scale=5.0,
    seed=1,
    width=128,
    height=128,
    program="Sfumato 1",
    extras=(("switches", json.dumps({"deep_cache": 3, "token_merging": 0.4})),),
)


@pytest.fixture
def page(program: Application, qtbot: QtBot) -> Iterator[SpeedPage]:
    page = SpeedPage(program.settings, program.client)
    qtbot.addWidget(page)
    yield page


def switches(program: Application) -> Switches:
    """Those of the job that would start now, which must be those of the settings."""
    chosen = program.generation.switches
    assert chosen == Switches.from_json(program.settings["switches"])
    return chosen


def test_each_switch_says_what_it_gained_and_lost(page: SpeedPage) -> None:
    (entry,) = (one for one in read_json(resource("switches.json"))["switches"] if one["switch"] == {"deep_cache": 3})
    told = [hint.text() for hint in page.findChildren(Hint) if hint.text().startswith("Measured")]
    (caching,) = (text for text in told if "every 3 steps" in text)
    assert f"every 3 steps: {round(100 * entry['time'][0])} % of the time, {round(entry['quality'])} dB" in caching
    for words in ("from 20 to 80 %", "25 %:", "50 %:", "bfloat16:", "float8:", "int8:"):
        assert any(words in text for text in told), words


def test_all_are_off_at_first(program: Application, page: SpeedPage) -> None:
    assert switches(program) == OFF
    assert page.deep_cache.currentData() == 1
    assert page.folder.text() == ""
    assert not page.compiled.isChecked()


def test_what_is_chosen_is_in_the_next_job(program: Application, page: SpeedPage, tmp_path: Path) -> None:
    for combo, value in ((page.deep_cache, 3), (page.token_merging, 0.5)):
        combo.setCurrentIndex(combo.findData(value))
        combo.activated.emit(combo.currentIndex())
    page.guidance[0].set_value(20)
    page.guidance[0].changed.emit(20)
    page.compiled.setChecked(True)
    page.folder.setText(str(tmp_path))
    page.folder.editingFinished.emit()
    expected = Switches(
        deep_cache=3, token_merging=0.5, guidance_from=0.2, compiled=True, final_autoencoder=str(tmp_path)
    )
    assert switches(program) == expected
    assert program.generation.request().switches == expected
    page.compiled.setChecked(False)
    assert not switches(program).compiled


def test_the_back_end_is_a_switch_too(program: Application, page: SpeedPage) -> None:
    assert [page.backend.itemData(index) for index in range(page.backend.count())] == list(BACKENDS)
    page.backend.setCurrentIndex(page.backend.findData("openvino"))
    page.backend.activated.emit(page.backend.currentIndex())
    assert switches(program) == Switches(backend="openvino")
    assert program.generation.request().switches.backend == "openvino"


def test_guidance_that_ends_before_it_begins_is_said(program: Application, page: SpeedPage) -> None:
    page.guidance[0].set_value(100)
    page.guidance[0].changed.emit(100)
    assert not page.problem.isHidden()
    assert switches(program) == OFF
    page.guidance[0].set_value(10)
    page.guidance[0].changed.emit(10)
    assert page.problem.isHidden()
    assert switches(program).guidance_from == 0.1


def test_a_recipe_brings_its_own_and_the_page_shows_them(program: Application, qtbot: QtBot) -> None:
    program.generation.apply(RECIPE)
    assert switches(program) == Switches(deep_cache=3, token_merging=0.4)
    page = SpeedPage(program.settings, program.client)
    qtbot.addWidget(page)
    assert page.deep_cache.currentData() == 3
    assert page.token_merging.currentData() == 0.4  # which the page does not offer otherwise
    program.generation.apply(Recipe(prompt="an apple", seed=1, program="Sfumato 1"))
    assert switches(program) == OFF


def test_a_replay_has_the_switches_of_its_picture(tmp_path: Path) -> None:
    assert replay_request(RECIPE, tmp_path).switches == Switches(deep_cache=3, token_merging=0.4)


def test_switches_of_the_file_that_cannot_be_are_told(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"switches": {"deep_cache": 99}}))
    settings = Settings(path)
    assert settings["switches"] == {}
    assert "switches" in settings.problems[0]


def test_the_memory_of_the_loaded_parts_is_shown(program: Application, fake: FakeEngine, qtbot: QtBot) -> None:
    loaded = ModelLoaded(
        job_id="", model="a", device="cpu", dtype="float32", seconds=1.0, held=(("unet", 1_719_000_000),)
    )
    page = SpeedPage(program.settings, program.client)
    qtbot.addWidget(page)
    assert page.held.isHidden()
    fake.say(loaded)
    qtbot.waitUntil(lambda: "1,719 MB" in page.held.text())
    fake.say(ModelReleased(job_id="", model="a"))
    qtbot.waitUntil(lambda: program.client.held == ())

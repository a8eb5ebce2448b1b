"""Settings reach the engine and the panels: memory mode, previews, precision, idle time, warm-up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot

from app.application import Application
from engine.messages import EngineReady
from engine.switches import OFF
from tests.app.fake_engine import FakeEngine

Make = Callable[..., Application]


def test_each_setting_is_told_to_the_engine(make_program: Make) -> None:
    engine = FakeEngine()
    program = make_program(engine)
    first = engine.settings
    assert (first.memory_mode, first.fine_previews, first.idle_seconds) == ("auto", False, 15 * 60.0)
    program.settings.set("memory_mode", "low")
    program.settings.set("previews", "fine")
    program.settings.set("idle_release_minutes", 2)
    now = engine.settings
    assert (now.memory_mode, now.fine_previews, now.idle_seconds) == ("low", True, 120.0)
    assert now.autoencoders == tuple(str(folder) for folder in program.settings.model_folders)
    assert program.generation.previews
    program.settings.set("previews", "off")
    assert not program.generation.previews
    assert not engine.settings.fine_previews


def test_the_precision_of_the_settings_is_that_of_the_request(make_program: Make) -> None:
    program = make_program(FakeEngine())
    panel = program.window.model
    assert (program.generation.request().dtype, panel.precision.currentData()) == ("auto", "auto")
    program.settings.set("precision", "bfloat16")
    assert (program.generation.request().dtype, panel.precision.currentData()) == ("bfloat16", "bfloat16")


def test_warm_up_begins_after_the_window_is_shown(make_program: Make, qtbot: QtBot) -> None:
    engine = FakeEngine()
    program = make_program(engine)
    assert program.window.isVisible()
    qtbot.waitUntil(lambda: bool(engine.warmed))
    assert engine.warmed == [(program.generation.model, program.generation.device, "auto", OFF)]


@pytest.mark.parametrize(("mode", "words"), [("fast", ""), ("balanced", "decoded in tiles"), ("low", "small pieces")])
def test_the_panel_says_how_the_picture_would_be_made(make_program: Make, qtbot: QtBot, mode: str, words: str) -> None:
    engine = FakeEngine()
    program = make_program(engine)
    facts = program.window.model.facts
    program.settings.set("memory_mode", mode)
    engine.say(EngineReady())
    qtbot.waitUntil(lambda: "GB" in facts.text() and words in facts.text(), timeout=20_000)
    assert "only" not in facts.text()

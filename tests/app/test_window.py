"""The window by mouse and keyboard on the scripted engine: generate, cancel, paste, settings, language, errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QToolButton, QWidget

from app import theme
from app.application import Application
from app.dialogs.crash import CrashDialog
from app.dialogs.settings import SettingsDialog
from app.panels.prompt_syntax import reweigh, spans
from app.panels.queue import QueuePanel
from app.services.gallery_bulk import Deleted
from app.single_instance import hand_over
from app.widgets.banner import Banner
from app.widgets.labelled import QuietCombo
from app.widgets.number import NumberBox
from engine.messages import JobFailed, Recipe
from tests.app.fake_engine import FakeEngine
from tests.conftest import ROOT

A1111 = "a blue house\nNegative prompt: fog\nSteps: 12, Sampler: Euler a, CFG scale: 4.5, Seed: 77, Size: 128x64"


@pytest.fixture
def ready(program: Application, qtbot: Any) -> Application:
    """A program that has read its model."""
    qtbot.waitUntil(lambda: program.generation.info is not None)
    return program


def click(widget: QWidget) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


def choose(combo: QuietCombo, value: object) -> None:
    """Choose the entry of this value as a user does."""
    combo.setFocus()
    combo.setCurrentIndex(combo.findData(value))
    combo.activated.emit(combo.currentIndex())


def paste(program: Application, text: str) -> None:
    edit = program.window.prompt.prompt
    edit.selectAll()
    QGuiApplication.clipboard().setText(text)
    edit.setFocus()
    QTest.keyClick(edit, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)


def test_one_click_makes_the_first_picture(ready: Application, fake: FakeEngine, qtbot: Any) -> None:
    panel = ready.window.prompt
    click(panel.generate)
    qtbot.waitUntil(lambda: len(fake.submitted) == 1)
    request = fake.submitted[0]
    assert (request.prompt, request.width, request.scheduler) == ("a detective, 3d icon", 128, "euler-a")
    assert panel.generate.accessibleName() == "Cancel"
    fake.play()
    qtbot.waitUntil(lambda: ready.run.picture is not None)
    assert Path(ready.run.picture.path).is_file()
    qtbot.waitUntil(lambda: panel.generate.accessibleName() == "Generate")


def test_keys_queue_and_cancel(ready: Application, fake: FakeEngine, qtbot: Any) -> None:
    window = ready.window
    window.prompt.prompt.setFocus()
    window.activateWindow()
    for _ in range(3):
        QTest.keyClick(window.prompt.prompt, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert [job.status for job in ready.queue.jobs] == ["running", "waiting", "waiting"]
    qtbot.waitUntil(lambda: len(fake.submitted) == 1)
    fake.play(4)
    qtbot.waitUntil(lambda: ready.run.step == 3)
    QTest.keyClick(window, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: ready.queue.jobs[0].status == "cancelled")
    assert fake.cancelled == [ready.queue.jobs[0].id]
    assert len({job.request.seed for job in ready.queue.jobs}) == 3


def test_a_locked_seed_stays_and_the_last_one_comes_back(ready: Application) -> None:
    field = ready.window.scheduler.seed
    field.box.selectAll()
    QTest.keyClicks(field.box.lineEdit(), "42")
    click(field.lock)
    assert [ready.generation.press().seed for _ in range(2)] == [42, 42]
    click(field.dice)
    click(field.last)
    assert (ready.generation.seed, ready.generation.seed_locked) == (42, True)


@pytest.mark.parametrize(
    ("field", "typed", "reason"),
    [
        ("steps", "5000", "5000 is out of range; choose from 1 to 1000."),
        ("steps", "many", "This is no whole number; type digits only."),
        ("guidance", "-3", "-3 is out of range; choose from 0 to 100."),
        ("width_field", "130", "130 is no multiple of 16; choose 128 or 144."),
    ],
)
def test_a_value_that_cannot_be_says_why(ready: Application, field: str, typed: str, reason: str) -> None:
    number = getattr(ready.window.scheduler, field)
    before = number.value
    number.box.selectAll()
    QTest.keyClicks(number.box.lineEdit(), typed)
    shown = [label.text() for label in number.findChildren(QLabel) if not label.isHidden()]
    assert reason in shown
    number.box.editingFinished.emit()
    assert number.value == before
    assert float(number.box.lineEdit().text()) == before


def test_a_double_click_on_the_name_resets(ready: Application) -> None:
    steps = ready.window.scheduler.steps
    ready.generation.steps = 7
    label = steps.findChild(QLabel)
    event = QEvent.Type.MouseButtonDblClick
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(label, QMouseEvent(event, QPointF(2, 2), label.mapToGlobal(QPointF(2, 2)), left, left, none))
    assert ready.generation.steps == ready.generation.info.steps


def test_the_plot_is_that_of_the_run(ready: Application, qtbot: Any) -> None:
    curve = ready.window.scheduler.curve
    ready.generation.steps = 9
    qtbot.waitUntil(lambda: len(curve.sigmas) in {9, 10}, timeout=60_000)
    before = curve.sigmas
    choose(ready.window.scheduler.scheduler, "euler")
    choose(ready.window.scheduler.spacing, "karras")
    qtbot.waitUntil(lambda: len(curve.sigmas) == 10 and curve.sigmas != before)
    assert list(curve.sigmas) == sorted(curve.sigmas, reverse=True)


def test_a_pasted_recipe_fills_all_panels(ready: Application, qtbot: Any) -> None:
    paste(ready, A1111)
    qtbot.waitUntil(lambda: ready.generation.seed == 77)
    state = ready.generation
    assert (state.prompt, state.negative_prompt, state.steps) == ("a blue house", "fog", 12)
    assert (state.scheduler, state.guidance_scale, state.width, state.height) == ("euler-a", 4.5, 128, 64)
    assert ready.window.prompt.negative.toPlainText() == "fog"
    assert not ready.window.prompt.negative.isHidden()
    assert ready.window.scheduler.steps.value == 12


def test_a_megabyte_of_text_is_refused_with_one_sentence(ready: Application) -> None:
    before = ready.generation.prompt
    paste(ready, "word " * 200_000)
    assert ready.generation.prompt == before
    assert ready.window.banner.text == (
        "The pasted text has 1,000,000 characters; a prompt takes at most 20,000, so paste less."
    )


def test_weights_go_up_and_down_by_keys(ready: Application) -> None:
    edit = ready.window.prompt.prompt
    ready.generation.prompt = "a red apple"
    cursor = edit.textCursor()
    cursor.setPosition(3)
    edit.setTextCursor(cursor)
    for _ in range(2):
        QTest.keyClick(edit, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert ready.generation.prompt == "a (red:1.2) apple"
    for _ in range(2):
        QTest.keyClick(edit, Qt.Key.Key_Down, Qt.KeyboardModifier.ControlModifier)
    assert ready.generation.prompt == "a red apple"


@pytest.mark.parametrize(
    ("text", "at", "up", "changed"),
    [
        ("<lora:glass:0.8> cup", 5, True, "<lora:glass:0.9> cup"),
        ("(cup:0.1)", 2, False, "(cup:0.1)"),
        ("(cup:0.9)", 2, True, "cup"),
        ("قطة سوداء", 1, True, "(قطة:1.1) سوداء"),
    ],
)
def test_reweigh(text: str, at: int, up: bool, changed: str) -> None:
    change = reweigh(text, at, at, up)
    assert change is not None
    assert text[: change.start] + change.text + text[change.end :] == changed


def test_spans_have_kinds() -> None:
    found = [(span.kind, span.start) for span in spans("(a:1.2) __b__ <lora:c:1> {d|e} BREAK \\(")]
    assert found == [
        *(("weight", 0), ("weight", 2), ("weight", 6), ("wildcard", 8), ("lora", 14), ("wildcard", 25)),
        ("keyword", 31),
    ]


def test_names_complete_while_typing(ready: Application) -> None:
    panel = ready.window.prompt
    panel.set_names({"lora": ["glass"], "embedding": [], "wildcard": ["animal"]})
    ready.generation.prompt = ""
    panel.prompt.setFocus()
    QTest.keyClicks(panel.prompt, "<gl")
    popup = panel.prompt._popup
    assert popup.isVisible()
    QTest.keyClick(popup, Qt.Key.Key_Return)
    assert ready.generation.prompt == "<lora:glass:1>"


def test_history_is_searched_and_taken(ready: Application, qtbot: Any) -> None:
    ready.prompts.remember("a house by the sea", "fog")
    ready.prompts.remember("a cat", "")
    click(ready.window.prompt.history)
    popup = next(widget for widget in QApplication.topLevelWidgets() if type(widget).__name__ == "HistoryPopup")
    QTest.keyClicks(popup.search, "sea")
    assert popup.list.count() == 1
    QTest.keyClick(popup.search, Qt.Key.Key_Return)
    assert (ready.generation.prompt, ready.generation.negative_prompt) == ("a house by the sea", "fog")


def test_styles_of_a1111_join_the_prompts(ready: Application, tmp_path: Path, qtbot: Any) -> None:
    file = tmp_path / "styles.csv"
    file.write_text('name,prompt,negative_prompt\nink,"{prompt}, ink","photo, blur"\nempty,,\n', encoding="utf-8")
    ready.intake.open([str(file)])
    qtbot.waitUntil(lambda: len(ready.prompts.styles) == 1)
    ready.generation.styles = ("ink",)
    request = ready.generation.request()
    assert (request.prompt, request.negative_prompt) == ("a detective, 3d icon, ink", "photo, blur")


def test_text_has_the_direction_of_its_letters(ready: Application) -> None:
    edit = ready.window.prompt.prompt
    for text, direction in (("a cat", Qt.LayoutDirection.LeftToRight), ("قطة", Qt.LayoutDirection.RightToLeft)):
        ready.generation.prompt = text
        assert edit.document().firstBlock().textDirection() == direction


def test_a_known_error_shows_its_remedy(ready: Application, fake: FakeEngine, qtbot: Any) -> None:
    ready.generate()
    qtbot.waitUntil(lambda: len(fake.submitted) == 1)
    job = fake.submitted[0].job_id
    fake.say(JobFailed(job_id=job, kind="OutOfMemory", message="There is not enough memory; choose a smaller size."))
    banner = ready.window.banner
    qtbot.waitUntil(lambda: banner.text != "")
    button = next(button for button in banner.buttons if button.text() == "Try at half the size")
    click(button)
    qtbot.waitUntil(lambda: len(fake.submitted) == 2)
    assert fake.submitted[1].width == 64
    assert banner.text == ""


def test_a_model_that_cannot_be_used_is_said_to_be_so_until_another_one_is_chosen(
    ready: Application, tmp_path: Path, qtbot: Any
) -> None:
    facts = ready.window.model.facts
    ready.generation.choose_model(str(tmp_path / "gone"))
    assert facts.text() == "Reading the model …"
    qtbot.waitUntil(lambda: facts.text() == "This model cannot be used.")
    button = next(button for button in ready.window.banner.buttons if button.text() == "Use the embedded model")
    click(button)
    qtbot.waitUntil(lambda: "Stable Diffusion" in facts.text())


def test_an_error_of_ours_is_reported_and_the_program_goes_on(ready: Application, qtbot: Any) -> None:
    try:
        raise ZeroDivisionError("on purpose")
    except ZeroDivisionError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    dialog = ready.window.findChild(CrashDialog)
    assert dialog is not None
    click(dialog.copy)
    text = QGuiApplication.clipboard().text()
    assert "ZeroDivisionError: on purpose" in text
    assert "Sfumato" in text
    assert "on purpose" in ready.paths.log.read_text(encoding="utf-8")
    click(dialog.go_on)
    assert ready.generation.request().prompt


def test_settings_take_effect_and_stay(ready: Application, make_program: Callable[..., Application]) -> None:
    ready.open_settings()
    dialog = ready.window.findChild(SettingsDialog)
    choose(dialog.theme, "light")
    assert theme.current() is theme.LIGHT
    dialog.show_page("network")
    dialog.offline.click()
    dialog.show_page("shortcuts")
    dialog.shortcuts.search.setText("seed")
    item = next(
        dialog.shortcuts.list.topLevelItem(i)
        for i in range(dialog.shortcuts.list.topLevelItemCount())
        if dialog.shortcuts.list.topLevelItem(i).text(0) == "Draw a new seed"
    )
    dialog.shortcuts.list.setCurrentItem(item)
    dialog.shortcuts.keys.setKeySequence("Ctrl+Q")
    dialog.shortcuts.keys.editingFinished.emit()
    assert "Quit" in dialog.shortcuts.problem.text()
    dialog.shortcuts.keys.setKeySequence("Ctrl+Alt+D")
    dialog.shortcuts.keys.editingFinished.emit()
    assert ready.window.commands["dice"].shortcut().toString() == "Ctrl+Alt+D"
    dialog.reject()
    ready.generation.steps = 33
    ready.window.close()
    again = make_program(FakeEngine())
    assert (again.settings["theme"], again.settings["offline"]) == ("light", True)
    assert again.window.commands["dice"].shortcut().toString() == "Ctrl+Alt+D"
    assert again.generation.steps == 33


def test_the_language_changes_while_a_job_runs(ready: Application, fake: FakeEngine, qtbot: Any) -> None:
    ready.generate()
    qtbot.waitUntil(lambda: len(fake.submitted) == 1)
    fake.play(3)
    first = ready.window
    ready.settings.set("language", "ar")
    qtbot.waitUntil(lambda: ready.window is not first)
    window = ready.window
    assert window.prompt.generate.accessibleName() == "إلغاء"
    assert window.layoutDirection() == Qt.LayoutDirection.RightToLeft
    assert window.prompt.mapTo(window, window.prompt.rect().topLeft()).x() > window.width() / 2
    assert window.scheduler.seed.box.layoutDirection() == Qt.LayoutDirection.LeftToRight
    qtbot.waitUntil(lambda: "Stable Diffusion" in window.model.facts.text())
    assert window.model.facts.text().startswith("\u200f")
    qtbot.waitUntil(lambda: ready.run.step == 2)
    fake.play()
    qtbot.waitUntil(lambda: ready.run.picture is not None)
    ready.settings.set("language", "en")
    qtbot.waitUntil(lambda: ready.window is not window)
    assert ready.window.prompt.generate.accessibleName() == "Generate"


def test_a_second_start_raises_the_first_and_hands_over_its_files(
    ready: Application, tmp_path: Path, qtbot: Any
) -> None:
    recipe = tmp_path / "recipe.txt"
    recipe.write_text(A1111, encoding="utf-8")
    ready.window.showMinimized()
    command = [sys.executable, "-m", "app", "window", "--data-folder", str(ready.paths.data), str(recipe)]
    second = subprocess.Popen(command, cwd=ROOT)
    qtbot.waitUntil(lambda: ready.generation.seed == 77, timeout=60_000)
    assert second.wait(60) == 0
    assert not ready.window.isMinimized()
    assert hand_over(tmp_path / "nobody", []) is False


def test_damaged_settings_are_kept_and_said(tmp_path: Path, make_program: Callable[..., Application]) -> None:
    (tmp_path / "settings.json").write_text('{"theme": "da', encoding="utf-8")
    program = make_program(FakeEngine())
    assert "damaged" in program.settings.problems[0]
    assert [path.read_text(encoding="utf-8") for path in tmp_path.glob("settings.damaged-*.json")] == ['{"theme": "da']


def test_a_file_of_no_known_kind_is_said(ready: Application, tmp_path: Path, qtbot: Any) -> None:
    data = QMimeData()
    data.setText(str(tmp_path))
    ready.intake.open([str(tmp_path / "notes.xyz")])
    qtbot.waitUntil(lambda: ready.window.banner.text.startswith("notes.xyz is no picture"))


def test_of_several_pictures_the_first_is_shown_and_the_gallery_takes_all(
    ready: Application, tmp_path: Path, qtbot: Any
) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    files = [outside / f"{number}.png" for number in range(5)]
    for number, file in enumerate(files):
        Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(file)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    ready.window.dropEvent(event)
    assert ready.window.banner.text == "5 pictures were opened; the first one is shown."
    assert ready.run.picture is not None
    assert ready.run.picture.path == str(files[0])
    [copy] = ready.window.banner.buttons
    assert copy.text() == "Copy them into the gallery"
    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(ready.gallery.ids) == 5, timeout=10_000)
    assert sorted(path.name for path in ready.gallery.folder.glob("*.png")) == [file.name for file in files]
    ready.intake.open([str(path) for path in ready.gallery.folder.glob("*.png")])
    assert not ready.window.banner.buttons  # they are there already


def test_every_control_has_a_name_and_says_what_it_does(ready: Application) -> None:
    unnamed: list[str] = []
    for panel in (ready.window.prompt, ready.window.model, ready.window.scheduler):
        for widget in panel.findChildren(QWidget):
            inner = isinstance(widget.parentWidget(), NumberBox) or widget.window() is not ready.window
            if widget.focusPolicy() == Qt.FocusPolicy.NoFocus or inner:
                continue
            text = widget.text() if isinstance(widget, QPushButton) else ""
            if not (widget.accessibleName() or text):
                unnamed.append(f"{widget.metaObject().className()} of {panel.metaObject().className()}")
            if widget.property("role") != "fold" and not (widget.toolTip() or widget.accessibleDescription()):
                unnamed.append(f"{widget.accessibleName()} has no tooltip")
    assert unnamed == []


def test_panels_below_others_come_after_the_first_paint(ready: Application, qtbot: Any) -> None:
    window = ready.window
    qtbot.waitUntil(lambda: not window.panels_to_come())
    names = ("gallery", "queue", "grid", "library")
    assert [type(window.panel(name)).__name__ for name in names] == [
        "GalleryPanel",
        "QueuePanel",
        "GridPanel",
        "LibraryPanel",
    ]
    ready.settings.set("language", "ar")
    qtbot.waitUntil(lambda: ready.window is not window)
    assert isinstance(ready.window.panel("queue"), QueuePanel)  # made at once where it is asked for
    qtbot.waitUntil(lambda: not ready.window.panels_to_come())


def test_what_was_in_front_is_there_again_before_the_first_paint(
    make_program: Callable[..., Application], qtbot: Any
) -> None:
    first = make_program(FakeEngine())
    assert "gallery" not in first.window.panels_to_come()
    first.window.show_panel("queue")
    qtbot.waitUntil(first.window.panel("queue").isVisible)
    first.window.close()
    again = make_program(FakeEngine())
    assert "queue" not in again.window.panels_to_come()
    assert "gallery" in again.window.panels_to_come()
    qtbot.waitUntil(again.window.panel("queue").isVisible)


def test_places_that_nobody_wrote_open_the_gallery(make_program: Callable[..., Application], tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"language": "en", "window": {"front": ["queue"]}}', encoding="utf-8")
    assert "gallery" not in make_program(FakeEngine()).window.panels_to_come()


def test_a_language_that_changes_before_the_first_paint_loses_nothing(
    make_program: Callable[..., Application], qtbot: Any
) -> None:
    """The window that was to begin everything is never painted: the next one begins it."""
    program = make_program(FakeEngine())
    first = program.window
    program.settings.set("language", "ar")
    qtbot.waitUntil(lambda: program.window is not first)
    qtbot.waitUntil(lambda: program.generation.info is not None and not program.window.panels_to_come())
    assert program.window.banner.text  # the welcome


def test_the_icon_of_the_empty_library_follows_the_theme(ready: Application, qtbot: Any) -> None:
    label = ready.window.panel("library").empty_icon
    ready.settings.set("theme", "dark")
    qtbot.waitUntil(lambda: theme.current() is theme.DARK)
    dark = label.pixmap().toImage()
    ready.settings.set("theme", "light")
    qtbot.waitUntil(lambda: label.pixmap().toImage() != dark)


def test_a_warning_that_another_covers_comes_back(ready: Application, qtbot: Any) -> None:
    banner = ready.window.banner
    banner.clear()
    ready.say_banner("The first thing went wrong.", "warning")
    ready.say_banner("Some news.", "info")
    ready.say_banner("The second thing went wrong.")
    first = ready.window
    ready.settings.set("language", "ar")
    qtbot.waitUntil(lambda: ready.window is not first)
    banner = ready.window.banner
    shown: list[str] = []
    while banner.text:
        shown.append(banner.text)
        click(next(button for button in banner.findChildren(QToolButton) if button.isVisible()))
    assert shown == ["The second thing went wrong.", "The first thing went wrong."]


def speak(program: Application, qtbot: Any, language: str) -> Banner:
    """The banner of the window in another language, when the one before is gone for good."""
    with qtbot.waitSignal(program.window.destroyed):
        program.settings.set("language", language)
    return program.window.banner


def close(banner: Banner) -> None:
    click(next(button for button in banner.findChildren(QToolButton) if button.isVisible()))


def test_messages_and_remedies_are_said_in_the_language_of_the_window(
    ready: Application, fake: FakeEngine, tmp_path: Path, qtbot: Any
) -> None:
    ready.generate()
    qtbot.waitUntil(lambda: len(fake.submitted) == 1)
    ready.intake.open([str(tmp_path / "notes.xyz")])
    said = "notes.xyz is no picture, model, recipe or styles.csv; choose one of these."
    qtbot.waitUntil(lambda: ready.window.banner.text == said)
    sentence = "There is not enough memory for this picture; choose a smaller size or a lower precision."
    fake.say(JobFailed(job_id=fake.submitted[0].job_id, kind="OutOfMemory", message=sentence))
    qtbot.waitUntil(lambda: ready.window.banner.text == sentence)
    banner = speak(ready, qtbot, "ar")
    assert banner.text == banner.accessibleName() == "لا تكفي الذاكرة لهذه الصورة؛ اختر حجمًا أصغر أو دقة أقل."
    assert [button.text() for button in banner.buttons] == ["المحاولة بنصف الحجم"]
    close(banner)
    assert banner.text == "الملف notes.xyz ليس صورة ولا نموذجًا ولا وصفة ولا styles.csv؛ اختر واحدًا منها."
    assert speak(ready, qtbot, "en").text == said


def test_what_panels_and_states_say_follows_the_language_too(ready: Application, qtbot: Any) -> None:
    """Also when the widget that said it is gone."""
    ready.window.banner.clear()
    paste(ready, "word " * 200_000)
    ready.window.prompt.count.lineEdit().clear()
    QTest.keyClicks(ready.window.prompt.count, "0")
    ready.queue.add_each(replace(ready.generation.request(), prompt="{a|b}" * 9), ready.paths.wildcards)
    qtbot.waitUntil(lambda: "choices" in ready.window.banner.text)
    unread = Recipe(prompt="a cat", steps=5000, extras=(("hires_steps", "many"),))
    ready.intake._take_recipe(unread)
    ready.gallery._deleted(Deleted((), failed=("The picture /a.png is not there any more; nothing was deleted.",) * 3))
    banner = speak(ready, qtbot, "ar")
    for words in (
        "الصورة \u2066/a.png\u2069 لم تعد موجودة؛ لم يُحذف شيء. وينطبق ذلك على اثنتين أخريين.",
        "أُخذت الوصفة ما عدا هذا: القيمة 5000 لـعدد الخطوات خارج المدى؛ اختر قيمة من 1 إلى 1000. "
        "لا يمكن قراءة قيمة hires_steps في الوصفة.",
        "للوصف أكثر من 500 خيار؛ وُضعت الأولى في قائمة الانتظار.",
        "القيمة 0 خارج المدى؛ اختر من 1 إلى 10000.",
        "في النص الملصق 1,000,000 حرفًا؛ يسع الوصف 20,000 حرفًا على الأكثر، فالصق أقل.",
    ):
        assert banner.text == words
        close(banner)
    assert banner.text == ""


COMFYUI = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5, "steps": 9, "cfg": 4.0, "sampler_name": "euler", "scheduler": "karras", "denoise": 1.0,
            "model": ["10", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dream.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 128, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a glass cup <lora:known:1>", "clip": ["10", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "fog", "clip": ["10", 1]}},
    "10": {
        "class_type": "LoraLoader",
        "inputs": {"lora_name": "styles/glass.safetensors", "strength_model": 0.7, "strength_clip": 0.7,
                   "model": ["4", 0], "clip": ["4", 1]},
    },
}  # fmt: skip


def test_loras_beside_an_imported_prompt_come_into_it(ready: Application, qtbot: Any) -> None:
    paste(ready, json.dumps(COMFYUI))
    qtbot.waitUntil(lambda: ready.generation.seed == 5)
    assert ready.generation.prompt == "a glass cup <lora:known:1> <lora:glass:0.7>"
    assert ready.window.prompt.prompt.toPlainText() == ready.generation.prompt


def test_a_recipe_of_ours_brings_all_its_settings(ready: Application, tmp_path: Path) -> None:
    ready.generation.init_image, ready.generation.hires_scale = str(tmp_path / "old.png"), 2.0
    extras = (("vae", "/vae.safetensors"), ("prompt_syntax", "compel"), ("hires_steps", "many"))
    left = ready.generation.apply(Recipe(prompt="a cat", program="Sfumato 0.1", extras=extras))
    state = ready.generation
    assert (state.vae, state.prompt_syntax, state.init_image, state.hires_scale) == (
        "/vae.safetensors", "compel", "", 1.0,
    )  # fmt: skip
    assert left == ["The recipe's value for hires_steps cannot be read."]


def test_the_memory_plan_of_a_recipe_holds_until_its_size_is_left(ready: Application) -> None:
    recipe = Recipe(program="Sfumato 0.1", width=640, height=768, extras=(("memory_plan", "tiles"),))
    assert ready.generation.apply(recipe) == []
    assert ready.generation.request().memory_plan == "tiles"
    ready.generation.steps = 9
    assert ready.generation.request().memory_plan == "tiles"
    ready.generation.width = 512
    assert ready.generation.request().memory_plan == ""
    ready.generation.apply(recipe)
    ready.generation.apply(replace(recipe, extras=()))
    assert ready.generation.request().memory_plan == ""
    assert "memory_plan" not in ready.generation.to_json()

"""The library's panel on the real library and client: searched, changed, fetched into, by mouse and keyboard."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QInputDialog, QMenu
from pytestqt.qtbot import QtBot
from shiboken6 import delete

from app.engine_client import EngineClient
from app.panels.library import LibraryPanel
from app.panels.library_details import LibraryDetails
from app.panels.library_downloads import DownloadsPage
from app.panels.library_model import EntryRole, PixmapRole
from app.panels.library_texts import card_text
from app.state.generation import GenerationState
from app.state.library import LibraryState
from engine.library_messages import DownloadItem, DownloadPaused, ModelMarks
from tests.app.fake_engine import FakeEngine
from tests.fixtures.hub_server import PIECE, HubServer, Repository
from tests.fixtures.model_files import embedding, lora, vae, write_safetensors

LONG = 20_000


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    tags = {"1_a": {"watercolour": 9, "wash": 5}}
    lora(folder / "loras" / "Ink.safetensors", metadata={"ss_tag_frequency": json.dumps(tags)})
    lora(folder / "loras" / "Neon.safetensors", context=2048, seed=1)
    vae(folder / "vae" / "soft.safetensors")
    embedding(folder / "embeddings" / "hands.safetensors")
    return folder


class Desk:
    """Panel, states and folder of one test."""

    def __init__(self, qtbot: QtBot, client: EngineClient, models: Path, network_off: Callable[[], bool]) -> None:
        self.qtbot = qtbot
        self.models = models
        self.generation = GenerationState()
        self.library = LibraryState(client, models.parent / "library.sqlite3", models, network_off=network_off)
        self.said: list[str] = []
        self.library.failed.connect(self.said.append)
        self.panel = LibraryPanel(
            self.library, LibraryDetails(self.library, self.generation), DownloadsPage(self.library)
        )
        self.panel.resize(400, 860)
        self.panel.show()

    def until(self, condition: Callable[[], object]) -> None:
        """Let the program go on until `condition` holds."""

        def holds() -> None:
            assert condition(), f"shown: {self.names()}, searched: {self.library.text!r}, said: {self.said}"

        self.qtbot.waitUntil(holds, timeout=LONG)

    def names(self) -> list[str]:
        """The models that are shown."""
        model = self.panel.model
        return [model.index(row).data(EntryRole).name for row in range(model.rowCount())]

    def click(self, name: str) -> None:
        """Click on a model."""
        view, model = self.panel.view, self.panel.model
        row = self.names().index(name)
        view.scrollTo(model.index(row))
        place = view.visualRect(model.index(row)).center()
        self.qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
        self.until(lambda: self.library.chosen is not None and self.library.chosen.name == name)


@pytest.fixture
def network() -> dict[str, bool]:
    return {"off": False}


@pytest.fixture
def desk(qtbot: QtBot, models: Path, network: dict[str, bool]) -> Iterator[Desk]:
    client = EngineClient(FakeEngine())
    desk = Desk(qtbot, client, models, lambda: network["off"])
    yield desk
    client.close()
    desk.library.close()
    # Here and now: what is collected in a thread of the pool takes its timers down in the wrong one.
    for made in (desk.panel, desk.library, desk.generation, client):
        delete(made)


@pytest.fixture
def full(desk: Desk) -> Desk:
    desk.library.scan()
    desk.until(lambda: len(desk.library.models + desk.library.loras) == 2 and len(desk.names()) == 4)
    return desk


def test_search_and_filters(full: Desk, qtbot: QtBot) -> None:
    assert full.names() == ["hands", "Ink", "Neon", "soft"]
    assert full.panel.status.text().startswith("4 model")
    qtbot.keyClicks(full.panel.search, "watercolour")
    full.until(lambda: full.names() == ["Ink"])
    qtbot.keyClicks(full.panel.search, " no such word")
    full.until(lambda: full.names() == [])
    assert full.panel.empty_text.isVisible() and full.panel.empty_button.text() == "Show all models"
    qtbot.mouseClick(full.panel.empty_button, Qt.MouseButton.LeftButton)
    full.until(lambda: len(full.names()) == 4)
    for combo, text, expected in (
        (full.panel.kind, "Autoencoder", ["soft"]),
        (full.panel.kind, "LoRA", ["Ink", "Neon"]),
        (full.panel.family, "SDXL", ["Neon"]),
    ):
        combo.setCurrentIndex(combo.findText(text))
        combo.activated.emit(combo.currentIndex())
        full.until(lambda expected=expected: full.names() == expected)


def test_details_words_and_notes(full: Desk, qtbot: QtBot) -> None:
    full.click("Ink")
    details = full.panel.details
    assert details.title.text() == "Ink" and "LoRA · SD 1 · float16" in details.facts.text()
    details.put_word("watercolour")
    details.put_word("watercolour")
    qtbot.mouseClick(details.use, Qt.MouseButton.LeftButton)
    assert full.generation.prompt.endswith("watercolour, <lora:Ink:1>")
    qtbot.keyClicks(details.notes, "for skies")
    full.click("soft")  # leaving saves at once
    qtbot.mouseClick(details.use, Qt.MouseButton.LeftButton)
    assert full.generation.vae == str(full.models / "vae" / "soft.safetensors")
    full.click("Ink")
    assert details.notes.toPlainText() == "for skies"
    full.library.hash(full.library.chosen.id)
    full.until(lambda: full.library.chosen.autov2)
    assert not details.hash.isVisible()
    with qtbot.waitSignal(full.library.pictures_wanted, timeout=LONG) as wanted:
        qtbot.mouseClick(details.pictures, Qt.MouseButton.LeftButton)
    marks = wanted.args[0]
    assert isinstance(marks, ModelMarks) and "Ink" in marks.names and full.library.chosen.autov2 in marks.hashes


def test_the_user_says_what_a_model_is(desk: Desk, models: Path) -> None:
    """Kind, family, use and prediction, each with a way back."""
    tensors = {
        "input_blocks.0.0.weight": (8, 4, 3, 3),
        "time_embed.0.weight": (8, 8),
        "out.2.weight": (4, 8, 3, 3),
        "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (8, 1024),
    }
    write_safetensors(models / "Two.safetensors", tensors)
    desk.library.scan()
    desk.until(lambda: "Two" in desk.names())
    desk.click("Two")
    menus = {action.text(): action.menu() for action in desk.panel.details.kind.menu().actions()}
    assert list(menus) == ["Kind", "Family", "Trained for", "Predicts"]

    def choose(menu: str, text: str) -> None:
        below = menus[menu]
        assert isinstance(below, QMenu)
        next(action for action in below.actions() if action.text() == text).trigger()

    choose("Predicts", "Velocity (v)")
    desk.until(lambda: desk.library.chosen.prediction == "v")
    assert "predicts velocity" in desk.panel.details.facts.text()
    choose("Family", "SD 1")
    desk.until(lambda: desk.library.chosen.family == "stable-diffusion")
    choose("Trained for", "Inpainting")
    desk.until(lambda: desk.library.chosen.variant == "inpaint")
    assert (models / "Two.sfumato.json").is_file()
    for menu, name in (("Family", "family"), ("Trained for", "variant"), ("Predicts", "prediction")):
        choose(menu, "As detected")
        detected = "stable-diffusion-2" if name == "family" else ""
        desk.until(lambda name=name, detected=detected: getattr(desk.library.chosen, name) == detected)
    assert not (models / "Two.sfumato.json").exists()


def test_rename_and_trash_by_keyboard(
    full: Desk, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("send2trash.plat_other.HOMETRASH_B", str(tmp_path / "Trash").encode())
    monkeypatch.setattr("send2trash.plat_other.HOMETRASH", str(tmp_path / "Trash"))
    full.click("Neon")
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("Rain", True))
    qtbot.keyClick(full.panel.view, Qt.Key.Key_F2)
    full.until(lambda: "Rain" in full.names() and full.library.chosen.name == "Rain")
    assert (full.models / "loras" / "Rain.safetensors").exists()
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("Ink", True))
    qtbot.keyClick(full.panel.view, Qt.Key.Key_F2)
    full.until(lambda: full.said)
    assert full.said == ["The name Ink.safetensors is taken; choose another one."]
    full.click("Rain")
    qtbot.keyClick(full.panel.view, Qt.Key.Key_Delete)
    full.until(lambda: "Rain" not in full.names())
    assert full.panel.trash_bar.isVisible() and "trash" in full.panel.trash_text.text()
    assert (tmp_path / "Trash" / "files" / "Rain.safetensors").exists()
    qtbot.mouseClick(full.panel.undo_button, Qt.MouseButton.LeftButton)
    full.until(lambda: "Rain" in full.names())
    assert (full.models / "loras" / "Rain.safetensors").exists() and not full.panel.trash_bar.isVisible()


def test_files_that_come_and_go_are_noticed(full: Desk) -> None:
    vae(full.models / "vae" / "new.safetensors", seed=5)
    full.until(lambda: "new" in full.names() and len(full.library.vaes) == 2)
    (full.models / "vae" / "new.safetensors").unlink()
    full.until(lambda: "new" not in full.names())


def test_panel_is_made_anew_while_the_state_lives_on(full: Desk, qtbot: QtBot, tmp_path: Path) -> None:
    picture = QImage(64, 64, QImage.Format.Format_RGB32)
    picture.fill(Qt.GlobalColor.darkCyan)
    assert picture.save(str(full.models / "loras" / "Ink.preview.png"))
    full.until(lambda: any(entry.preview for entry in full.library.entries))
    full.click("Ink")
    first = full.panel
    full.panel = LibraryPanel(full.library, LibraryDetails(full.library, full.generation), DownloadsPage(full.library))
    full.panel.show()
    first.close()
    delete(first)
    del first
    full.library.scan()
    full.library.search("ink")
    full.until(lambda: full.names() == ["Ink"] and not full.library.activity)
    index = full.panel.model.index(0)
    full.until(lambda: index.data(PixmapRole) is not None)
    assert full.panel.details.title.text() == "Ink"


def test_empty_library_says_what_to_do(desk: Desk, qtbot: QtBot) -> None:
    for path in desk.models.rglob("*.safetensors"):
        path.unlink()
    desk.library.scan()
    desk.until(lambda: desk.library.scanned and not desk.library.activity)
    assert desk.panel.empty_text.text().startswith("There are no models yet.")
    qtbot.mouseClick(desk.panel.empty_button, Qt.MouseButton.LeftButton)
    assert desk.panel.tabs.currentIndex() == 1
    desk.until(lambda: desk.panel.downloads._cards)
    assert len(desk.panel.downloads._cards) == len(desk.library.cards)
    assert [card_text(card) for card in desk.library.cards] == [card.summary for card in desk.library.cards]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    lora(tmp_path / "style.safetensors", seed=9, metadata={"filler": "x" * 500_000})
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        content = (tmp_path / "style.safetensors").read_bytes()
        server.repositories["org/style"] = Repository({"style.safetensors": content}, licence="mit")
        yield server


def test_a_list_read_before_an_event_does_not_undo_it(
    full: Desk, qtbot: QtBot, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hub.url
    full.library.planned.connect(full.library.fetch)
    full.library.plan("org/style")
    full.until(lambda: [item.state for item in full.library.downloads] == ["done"] and "style" in full.names())
    (item,) = full.library.downloads
    begun, go = threading.Event(), threading.Event()

    def late() -> list[DownloadItem]:
        begun.set()
        go.wait(LONG / 1000)
        return [replace(item, state="running")]

    monkeypatch.setattr(full.library._service, "items", late)
    full.library._list_downloads()
    assert begun.wait(LONG / 1000)
    full.library._tell(DownloadPaused(download=item.id))
    full.until(lambda: full.library.downloads[0].state == "paused")
    with qtbot.waitSignal(full.library.downloads_changed, timeout=LONG):
        go.set()
    assert full.library.downloads[0].state == "paused"


def test_download_with_pause(full: Desk, qtbot: QtBot, hub: HubServer) -> None:
    page = full.panel.downloads
    full.panel.tabs.setCurrentIndex(1)
    qtbot.keyClicks(page.source, "org/style")
    qtbot.keyClick(page.source, Qt.Key.Key_Return)
    full.until(page.plan.isVisible)
    assert "Licence: mit." in page.plan.facts.text()
    assert hub.served("cdn") == []
    hub.pace = lambda sent: full.library.pause(full.library.downloads[0].id) if sent == 12 * PIECE else None
    qtbot.mouseClick(page.plan.fetch, Qt.MouseButton.LeftButton)
    full.until(lambda: [item.state for item in full.library.downloads] in (["paused"], ["done"]))
    (item,) = full.library.downloads
    (row,) = page._rows.values()
    hub.pace = lambda _sent: None
    if item.state == "paused":
        assert row.state.text().startswith("Paused at ")
        qtbot.mouseClick(row.toggle, Qt.MouseButton.LeftButton)
    full.until(lambda: full.library.downloads[0].state == "done" and "style" in full.names())
    qtbot.mouseClick(row.toggle, Qt.MouseButton.LeftButton)
    full.until(lambda: full.names() == ["style"])
    assert full.panel.tabs.currentIndex() == 0


def test_what_cannot_be_fetched_is_said(full: Desk, qtbot: QtBot, hub: HubServer, network: dict[str, bool]) -> None:
    page = full.panel.downloads
    full.panel.tabs.setCurrentIndex(1)
    for text, said, off in (("org/nothing", "private or does not exist", False), ("org/style", "network is off", True)):
        network["off"] = off
        page.source.setText(text)
        qtbot.mouseClick(page.look, Qt.MouseButton.LeftButton)
        full.until(lambda said=said: said in page.problem.text())
        assert page.problem.isVisible() and page.look.isEnabled()

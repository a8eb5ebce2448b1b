"""A library in an empty folder, and a hub on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.library import Downloads, Library
from tests.fixtures.hub_server import HubServer


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def library(tmp_path: Path, models: Path) -> Library:
    return Library(tmp_path / "data" / "library.sqlite3", models)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The server, with the network allowed: it goes to loopback only."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def downloads(library: Library) -> Downloads:
    return Downloads(library, tokens=lambda _host: "", backoff=(0.01, 0.02, 0.02))

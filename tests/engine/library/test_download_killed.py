"""A download whose process is killed at random moments goes on from what it had."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.library import Downloads, Library
from engine.library_messages import DownloadDone
from tests.fixtures.hub_server import PIECE, HubServer, Repository, sha256
from tests.fixtures.model_files import write_safetensors

ROOT = Path(__file__).resolve().parents[3]


def _kills(library: Library, hub: HubServer, models: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    write_safetensors(models.parent / "made.safetensors", {"emb_params": (2600, 768)}, seed=seed)
    content = (models.parent / "made.safetensors").read_bytes()
    hub.repositories["org/e"] = Repository({"e.safetensors": content})
    downloads = Downloads(library, tokens=lambda _host: "")
    id = downloads.add(downloads.plan("org/e"))
    part = models / ".downloads" / id / "files" / "e.safetensors"
    moments = sorted(rng.randrange(len(content)) for _ in range(kills))
    code = (
        "import sys; from pathlib import Path; from engine.library import Downloads, Library\n"
        "library = Library(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "for event in Downloads(library, tokens=lambda host: '').run(sys.argv[3]): print(event, flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(library.database), str(models), id]
    environment = os.environ | {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url, "PYTHONPATH": str(ROOT)}
    there = 0
    for moment in moments:
        reached = threading.Event()
        # The server holds its breath where the kill comes, so that it comes at that byte and not after the end.
        hold = threading.Event()

        def pace(sent: int, at: int = moment, reached: threading.Event = reached, hold: threading.Event = hold) -> None:
            if sent + PIECE > at:
                reached.set()
                hold.wait(30)

        hub.pace = pace
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        arrived = reached.wait(30)
        process.kill()
        _, said = process.communicate()
        hold.set()
        assert arrived, said.decode()
        list(library.scan())
        assert library.entries() == []
        now = part.stat().st_size if part.exists() else 0
        assert now >= there
        assert part.read_bytes() == content[:now] if now else True
        there = now
    hub.pace = lambda _sent: None
    hub.requests.clear()
    assert [item.state for item in downloads.items()] == ["paused"]
    *_, last = downloads.run(id)
    assert isinstance(last, DownloadDone)
    assert hub.served("cdn") == [f"bytes={there}-" if there else ""]
    assert there > 0 or moments[-1] < 2 * PIECE
    (entry,) = library.entries()
    assert entry.sha256 == sha256(content) == sha256(Path(entry.path).read_bytes())


def test_killed_three_times(library: Library, hub: HubServer, models: Path) -> None:
    _kills(library, hub, models, kills=3, seed=1)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [2, 3])
def test_killed_twenty_times(library: Library, hub: HubServer, models: Path, seed: int) -> None:
    _kills(library, hub, models, kills=20, seed=seed)

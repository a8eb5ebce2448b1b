"""`sfumato models` through the real command, in a data folder of its own and with a hub on loopback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.catalog import EMBEDDED_MODEL, SCHEDULERS, model_folder
from engine.cli import main
from engine.library.curated import curated
from engine.library_messages import KINDS
from engine.loading.families import LABELS
from tests.fixtures.hub_server import HubServer, Repository, sha256
from tests.fixtures.model_files import lora, vae, write_safetensors

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


class Command:
    """Runs `sfumato models ...` as a user does, with a home of its own."""

    def __init__(self, folder: Path, hub: HubServer) -> None:
        self.models = folder / "data" / "Sfumato" / "models"
        self._environment = os.environ | {
            "HOME": str(folder),
            "XDG_DATA_HOME": str(folder / "data"),
            "HF_HUB_OFFLINE": "0",
            "HF_ENDPOINT": hub.url,
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "PYTHONPATH": str(ROOT),
        }

    def __call__(self, *words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app", "models", *words],
            capture_output=True,
            text=True,
            input=stdin,
            check=False,
            env=self._environment | environment,
            timeout=60,
        )

    def lines(self, *words: str) -> list[dict[str, Any]]:
        """The JSON lines that a command prints which ends well."""
        done = self(*words, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def sfumato(tmp_path: Path, hub: HubServer) -> Command:
    return Command(tmp_path, hub)


def test_scan_list_info_remove(sfumato: Command, tmp_path: Path) -> None:
    lora(tmp_path / "comfy" / "loras" / "ink.safetensors", metadata={"modelspec.trigger_phrase": "inkstyle"})
    vae(tmp_path / "comfy" / "vae" / "soft.safetensors")
    (tmp_path / "comfy" / "vae" / "bad.safetensors").write_bytes(b"nothing at all")
    done = sfumato("scan", "--add", str(tmp_path / "comfy"), "--hash")
    assert done.returncode == 0
    assert done.stdout.startswith("2 models (3 new, 0 changed, 0 gone, 1 damaged)")
    listed = sfumato.lines("list")
    assert [(one["name"], one["kind"], one["triggers"]) for one in listed] == [
        ("ink", "lora", ["inkstyle"]),
        ("soft", "vae", []),
    ]
    ink = tmp_path / "comfy" / "loras" / "ink.safetensors"
    assert listed[0]["autov2"] == sha256(ink.read_bytes())[:10]
    assert "ink" in sfumato("list", "INKSTYLE").stdout and "soft" not in sfumato("list", "inkstyle").stdout
    (info,) = sfumato.lines("info", listed[0]["autov2"])
    assert info["path"] == str(ink) and info["metadata"] == {"modelspec.trigger_phrase": "inkstyle"}
    assert "family: stable-diffusion\n" in sfumato("info", str(ink)).stdout
    (removed,) = sfumato.lines("remove", "ink")
    assert removed["paths"] == [str(ink)] and not ink.exists()
    assert (tmp_path / "data" / "Trash" / "files" / "ink.safetensors").exists()
    assert [one["name"] for one in sfumato.lines("list")] == ["soft"]


def test_pull(sfumato: Command, hub: HubServer, tmp_path: Path) -> None:
    lora(tmp_path / "style.safetensors", metadata={"filler": "x" * 300_000})
    content = (tmp_path / "style.safetensors").read_bytes()
    hub.repositories["org/style"] = Repository({"README.md": b"# Style", "style.safetensors": content}, licence="mit")
    dry = sfumato("pull", "org/style", "--dry-run")
    assert dry.returncode == 0 and "licence: mit" in dry.stderr and hub.served("cdn") == []
    unasked = sfumato("pull", "org/style")
    assert unasked.returncode == 2 and "add --yes" in unasked.stderr and hub.served("cdn") == []
    events = sfumato.lines("pull", "org/style", "--yes")
    names = [event["event"] for event in events]
    assert names[:2] == ["download_planned", "download_started"] and names[-1] == "download_done"
    assert {"download_progress", "download_verifying"} <= set(names)
    assert Path(events[-1]["path"]).read_bytes() == content
    (listed,) = sfumato.lines("list")
    assert (listed["sha256"], listed["licence"]) == (sha256(content), "mit")


def test_import_and_type(sfumato: Command, tmp_path: Path) -> None:
    vae(tmp_path / "soft.safetensors")
    (entry,) = sfumato.lines("import", str(tmp_path / "soft.safetensors"))
    assert entry["path"] == str(sfumato.models / "vae" / "soft.safetensors")
    write_safetensors(tmp_path / "odd.safetensors", {"some.weight": (4, 4)})
    refused = sfumato("import", str(tmp_path / "odd.safetensors"))
    assert refused.returncode == 2 and "name its kind" in refused.stderr
    (entry,) = sfumato.lines("import", str(tmp_path / "odd.safetensors"), "--kind", "lora")
    assert (entry["kind"], Path(entry["path"]).parent.name) == ("lora", "loras")
    (entry,) = sfumato.lines("type", "odd", "--kind", "vae", "--family", "stable-diffusion-xl")
    assert (entry["kind"], entry["family"]) == ("vae", "stable-diffusion-xl")


def test_the_type_of_a_file(sfumato: Command, tmp_path: Path) -> None:
    """The user's word counts, until it is taken back."""
    tensors = {
        "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
        "model.diffusion_model.time_embed.0.weight": (1280, 320),
        "model.diffusion_model.out.2.weight": (4, 320, 3, 3),
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024),
    }
    write_safetensors(tmp_path / "two.safetensors", tensors)
    (entry,) = sfumato.lines("import", str(tmp_path / "two.safetensors"))
    assert (entry["family"], entry["prediction"]) == ("stable-diffusion-2", "")
    (entry,) = sfumato.lines("type", "two", "--prediction", "v")
    assert (entry["family"], entry["prediction"]) == ("stable-diffusion-2", "v")
    (looked,) = sfumato.lines("info", entry["path"])
    assert looked["prediction"] == "v"
    (entry,) = sfumato.lines("type", "two", "--prediction", "detected")
    assert entry["prediction"] == ""
    # Nor does the file have to be in the library.
    (looked,) = sfumato.lines("type", str(tmp_path / "two.safetensors"), "--family", "stable-diffusion")
    assert looked["reason"].endswith("The user's word for its type stands over that.")
    assert (tmp_path / "two.sfumato.json").is_file()
    refused = sfumato("type", str(tmp_path / "two.safetensors"), "--kind", "vae")
    assert refused.returncode == 2 and "is in no folder of the library" in refused.stderr
    refused = sfumato("type", "two", "--prediction", "cake")
    assert refused.returncode == 2 and "choose one of epsilon, v" in refused.stderr


def test_convert(sfumato: Command, tmp_path: Path) -> None:
    (done,) = sfumato.lines(
        "convert", str(model_folder(EMBEDDED_MODEL)), str(tmp_path / "icons"), "--precision", "float32"
    )
    assert done == {"event": "model_converted", "path": str(tmp_path / "icons")}
    (entry,) = sfumato.lines("import", str(tmp_path / "icons"))
    assert (entry["precision"], entry["kind"]) == ("float32", "checkpoint")
    again = sfumato("convert", "icons", str(tmp_path / "icons"))
    assert again.returncode == 2 and "there already" in again.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("info", "nothing"), "no model 'nothing'"),
        (("remove", "nothing"), "no model 'nothing'"),
        (("list", "--kind", "cake"), "kind 'cake' is unknown"),
        (("list", "--order", "taste"), "order 'taste' is unknown"),
        (("scan", "--add", "/nowhere"), "does not exist"),
        (("scan", "--forget", "/nowhere"), "not one of the library's"),
        (("import", "/nowhere.safetensors"), "does not exist"),
        (("convert", "nothing", "out.safetensors"), "no model 'nothing'"),
        (("pull", "nonsense"), "neither a repository"),
        (("pull", "org/nothing"), "private or does not exist"),
        (("pull", "http://example.org/a.safetensors"), "not safe"),
        (("token",), "no token"),
    ],
)
def test_wrong_input_is_one_sentence(
    tmp_path: Path,
    hub: HubServer,
    words: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["models", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and len(err.splitlines()) == 1


def test_network_off_and_its_exit_code(sfumato: Command) -> None:
    done = sfumato("pull", "org/style", HF_HUB_OFFLINE="1")
    assert done.returncode == 2 and "The network is off" in done.stderr and len(done.stderr.splitlines()) == 1


def test_curated_list(sfumato: Command) -> None:
    cards = sfumato.lines("list", "--curated")
    assert len(cards) == len(curated()) >= 8
    for card in curated():
        assert card.family in LABELS and card.kind in KINDS
        assert card.scheduler in {entry.name for entry in SCHEDULERS}
        assert card.size < card.memory * 4 and card.licence and card.summary.endswith(".")
    assert "Stable Diffusion XL" in sfumato("list", "--curated").stdout

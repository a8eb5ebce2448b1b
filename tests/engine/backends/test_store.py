"""Exported networks are kept on disk by the hash of their weights, and made anew where their files are damaged."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
import torch

from engine.backends import store
from engine.backends.graphs import Graph, TextGraph, graphs_of
from engine.backends.store import MANIFEST, cache_folder, stored, trim
from engine.errors import Cancelled
from engine.models.clip_text import CLIPTextModel
from tests.fixtures.stable_diffusion import stable_diffusion


def nothing() -> None:
    pass


def text_encoder() -> CLIPTextModel:
    encoder = stable_diffusion().text_encoder
    assert encoder is not None
    return encoder


@pytest.fixture
def graph() -> Graph:
    return graphs_of("text_encoder", text_encoder())[0]


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_written_once(backend: str, graph: Graph, tmp_path: Path) -> None:
    path = stored(graph, backend, nothing, tmp_path)
    written = path.stat().st_mtime_ns
    assert stored(graph, backend, nothing, tmp_path) == path
    assert path.stat().st_mtime_ns == written
    assert [entry.name for entry in tmp_path.iterdir()] == [path.parent.name]


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
@pytest.mark.parametrize("damage", ["cut", "changed", "weights", "manifest", "missing"])
def test_damaged_files_are_made_anew(backend: str, damage: str, graph: Graph, tmp_path: Path) -> None:
    path = stored(graph, backend, nothing, tmp_path)
    whole = {entry.name: entry.read_bytes() for entry in path.parent.iterdir()}
    weights = next(entry for entry in path.parent.iterdir() if entry.name not in (path.name, MANIFEST))
    target = {"weights": weights, "manifest": path.parent / MANIFEST}.get(damage, path)
    content = target.read_bytes()
    if damage == "missing":
        target.unlink()
    else:
        middle = len(content) // 2
        changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        target.write_bytes(content[:middle] if damage in ("cut", "manifest") else changed)
    assert stored(graph, backend, nothing, tmp_path) == path
    assert weights.read_bytes() == whole[weights.name]
    assert target.read_bytes() != content[: len(content) // 2]


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("call", range(0, 12, 2))
def test_another_process_may_be_sooner_at_any_time(call: int, damaged: bool, graph: Graph, tmp_path: Path) -> None:
    """It exports the same meanwhile; whatever it left is used, and nothing else stays."""
    path = stored(graph, "onnx", nothing, tmp_path)
    content = path.read_bytes()
    if damaged:
        path.write_bytes(content[:-1])
    else:
        shutil.rmtree(path.parent)
    calls = iter(range(10**6))

    def meanwhile() -> None:
        if next(calls) == call:
            stored(graph, "onnx", nothing, tmp_path)

    assert stored(graph, "onnx", meanwhile, tmp_path) == path
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == [path.parent.name]


def test_other_weights_and_other_configurations_are_others(graph: Graph, tmp_path: Path) -> None:
    first = stored(graph, "onnx", nothing, tmp_path)
    encoder = text_encoder()
    with torch.no_grad():
        encoder.text_model.final_layer_norm.bias[0] += 1e-3
    assert stored(TextGraph("text_encoder", encoder), "onnx", nothing, tmp_path) != first
    encoder = text_encoder()
    encoder.change_config(num_attention_heads=1)
    assert stored(TextGraph("text_encoder", encoder), "onnx", nothing, tmp_path) != first


def _used(path: Path, days: float) -> None:
    when = time.time() - days * 86400
    os.utime(path, (when, when))


def made(folder: Path, name: str, days: float, size: int = 100) -> Path:
    """A folder like that of an exported model, last used so many days ago."""
    path = folder / name
    path.mkdir()
    for file, content in (("weights.bin", b"0" * size), (MANIFEST, b"{}")):
        (path / file).write_bytes(content)
        _used(path / file, days)
    return path


def test_those_not_used_for_longest_go_first(tmp_path: Path) -> None:
    for name, days in (("a", 2.0), ("b", 4.0), ("c", 3.0), ("d", 0.5)):
        made(tmp_path, name, days)
    trim(tmp_path, 4 * 102)
    assert len(list(tmp_path.iterdir())) == 4
    trim(tmp_path, 3 * 102)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "c", "d"}
    trim(tmp_path, 0)
    assert {path.name for path in tmp_path.iterdir()} == {"d"}  # it may be in use


def test_what_was_left_half_made_goes_when_it_is_old(tmp_path: Path) -> None:
    for name, days in ((".old", 2.0), (".new", 0.5)):
        path = made(tmp_path, name, days)
        (path / MANIFEST).unlink()
        _used(path, days)
    (tmp_path / "a file").write_text("")
    trim(tmp_path, 10**9)
    assert {path.name for path in tmp_path.iterdir()} == {".new", "a file"}


def test_use_makes_young_and_export_drops_the_old(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LIMIT_BYTES", 0)
    old = made(tmp_path, "old", 2.0)
    path = stored(graph, "onnx", nothing, tmp_path)
    assert (path.exists(), old.exists()) == (True, False)
    os.utime(path.parent / MANIFEST, (0, 0))
    stored(graph, "onnx", nothing, tmp_path)
    assert (path.parent / MANIFEST).stat().st_mtime > time.time() - 3600


def test_leaving_in_the_middle_leaves_nothing(graph: Graph, tmp_path: Path) -> None:
    calls = iter(range(10**6))

    def leave() -> None:
        if next(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        stored(graph, "onnx", leave, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_folder_of_the_cache_may_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "backends"
    monkeypatch.delenv("SFUMATO_CACHE")
    assert cache_folder().name == "backends"

"""Damaged and hostile files: a clear error in under a second each, nothing run, nothing written elsewhere."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.errors import KnownError
from engine.formats import pickle_convert
from engine.loading import detect
from engine.weights import load_tensors, read_header
from tests.engine.loading.damage import damaged


def survive(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """Show `count` damaged files to detection and reading; the most seconds of processor time that one call took."""
    files, cache, canary = tmp_path / "files", tmp_path / "cache", tmp_path / "canary"
    files.mkdir()
    monkeypatch.setenv("SFUMATO_CACHE", str(cache))
    refused = slowest = 0.0
    seen = 0
    for number, (suffix, content, must_fail) in enumerate(damaged(count, tmp_path, canary)):
        path = files / f"{number}{suffix}"
        path.write_bytes(content)
        seen += 1
        error = None
        for use in (detect, read_all):
            began = time.process_time()
            try:
                use(path)
            except KnownError as known:
                error = known
            slowest = max(slowest, time.process_time() - began)
        if error is not None:
            refused += 1
            assert str(path) in str(error)
            assert "\n" not in str(error)
            assert len(str(error)) < 600 + len(str(path))
        assert error is not None or not must_fail, (number, suffix, content[:80])
        path.unlink()
    assert seen == count
    assert refused > 0.6 * count
    assert not canary.exists(), "code of a file was run"
    assert not list(files.iterdir())
    beside = {path.name for path in tmp_path.iterdir()} - {"files", "cache", "whole.gguf"}
    assert not beside, "something was written elsewhere"
    if cache.exists():
        assert {path.suffix for path in cache.rglob("*") if path.is_file()} <= {".safetensors"}, "half-written files"
    return slowest


def read_all(path: Path) -> None:
    """Read every tensor of the file."""
    for _ in load_tensors(read_header(path), None):
        pass


def test_two_hundred_damaged_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    survive(200, tmp_path, monkeypatch)


@pytest.mark.campaign
def test_two_thousand_damaged_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only here time counts: alone in its process, and that of the processor, since other programs take theirs."""
    slowest = survive(2000, tmp_path, monkeypatch)
    assert slowest < 1, f"the slowest took {slowest:.2f} s"


def test_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "a.bin"
    torch.save({"weight": torch.ones(2, 2)}, path)
    pickle_convert.close()
    first = read_header(path)
    process = pickle_convert._process()._process
    assert process is not None
    process.kill()
    process.wait()
    torch.save({"weight": torch.ones(3, 2)}, path)
    second = read_header(path)
    assert (first["weight"].shape, second["weight"].shape) == ((2, 2), (3, 2))
    pickle_convert.close()

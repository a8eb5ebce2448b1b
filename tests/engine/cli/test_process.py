"""The command as a process of its own: Ctrl+C, streams, and what it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def names(folder: Path) -> list[str]:
    """The files in `folder`, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start the command with JSON on its stdout."""
    return subprocess.Popen(
        [sys.executable, "-m", "engine", *arguments, "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def events(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)["event"]


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize("moment", ["job_started", "model_loading", "step_done"])
def test_ctrl_c_leaves_nothing_behind(tiny_sd_folder: Path, tmp_path: Path, moment: str) -> None:
    # The size makes steps long enough to be left in the middle.
    out = str(tmp_path / "a.png")
    with start(
        "generate", "a", "--model", str(tiny_sd_folder), "--steps", "500", "--size", "160", "--out", out
    ) as process:
        seen: list[str] = []
        for event in events(process):
            seen.append(event)
            if event == moment and "image_done" not in seen:
                process.send_signal(signal.SIGINT)
                break
        seen.extend(events(process))
        assert process.wait(60) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert "image_done" not in seen
    assert "job_failed" not in seen
    if moment == "step_done":
        assert seen[-1] == "job_cancelled"
    assert names(tmp_path) == []


def test_a_reader_that_leaves_early_is_no_error(tiny_sd_folder: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "a.png")
    with start("generate", "a", "--model", str(tiny_sd_folder), "--steps", "2", "--out", out) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("arguments", [("generate", "a", "--steps", "0"), ("info", "none.png"), ("--help",)])
def test_wrong_words_do_not_cost_the_import_of_torch(arguments: tuple[str, ...]) -> None:
    code = f"import sys; from engine.cli import main; main({list(arguments)!r}); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)


def test_a_picture_does_not_cost_the_import_of_what_it_does_not_need(tiny_sd_folder: Path, tmp_path: Path) -> None:
    arguments = ["generate", "a", "--model", str(tiny_sd_folder), "--steps", "1", "--out", str(tmp_path / "a.png")]
    heavy = ("scipy", "sympy", "transformers", "accelerate", "torch._dynamo", "diffusers", "PySide6")
    code = (
        f"import sys; from engine.cli import main; assert main({arguments!r}) == 0\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"

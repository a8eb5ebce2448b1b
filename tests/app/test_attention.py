"""No sleep while jobs run, one notification when all is done, and systems that offer neither."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.attention import Attention
from app.services.notify import CommandNotifier, notifier
from app.services.sleep import CommandGuard, WindowsGuard, sleep_guard
from app.state.queue import QueueState
from tests.app.scripted import HandDrivenClient, make_request


class Recorder:
    """A guard and a notifier that remember what they were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def hold(self) -> None:
        self.asked.append("hold")

    def release(self) -> None:
        self.asked.append("release")

    def show(self, title: str, text: str) -> None:
        self.asked.append(f"show {text}" if title else text)


@pytest.mark.parametrize("looking", [False, True])
def test_sleep_is_held_off_until_nothing_waits_and_then_it_is_told(qtbot: Any, tmp_path: Path, looking: bool) -> None:
    client, recorder = HandDrivenClient(), Recorder()
    queue = QueueState(client, None)
    attention = Attention(queue, guard=recorder, notify=recorder, looking=lambda: looking)
    queue.add_all([make_request("a"), make_request("b")])
    list(client.whole_job(tmp_path))
    list(client.whole_job(tmp_path))
    attention.close()
    told = [] if looking else ["show 2 picture(s) finished."]
    assert recorder.asked[:2] == ["hold", "hold"]
    assert [word for word in recorder.asked if word.startswith("show")] == told
    assert "release" in recorder.asked[2:]


def test_a_pause_lets_the_computer_sleep(qtbot: Any, tmp_path: Path) -> None:
    client, recorder = HandDrivenClient(), Recorder()
    queue = QueueState(client, None)
    attention = Attention(queue, guard=recorder, notify=recorder)
    queue.add_all([make_request("a"), make_request("b")])
    queue.pause()
    list(client.whole_job(tmp_path))
    attention.close()
    assert recorder.asked == ["hold", "release", "release"]


def test_a_guard_runs_a_program_and_ends_it() -> None:
    guard = CommandGuard(["cat"])
    guard.hold()
    process = guard._process  # noqa: SLF001
    guard.hold()
    assert guard.holding
    assert guard._process is process  # noqa: SLF001
    guard.release()
    guard.release()
    assert not guard.holding
    assert process is not None
    assert process.returncode is not None


@pytest.mark.skipif(os.name != "posix", reason="kills a process the POSIX way")
def test_the_computer_may_sleep_again_after_a_crash(root: Path) -> None:
    script = (
        "import os, signal; from app.services.sleep import CommandGuard; g = CommandGuard(['cat']); g.hold();"
        "print(g._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == -9
    pid = int(done.stdout)
    # `cat` has nobody left who writes to it.
    for _ in range(2000):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        os.sched_yield()
    else:
        pytest.fail("the guard outlived its program")


def test_systems_without_the_means_are_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    guard = CommandGuard(["no-such-program-of-any-system"])
    guard.hold()
    guard.release()
    CommandNotifier(["no-such-program-of-any-system"]).show("title", "text")
    WindowsGuard().hold()
    assert len(caplog.records) >= 3


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_every_platform_has_its_means(platform: str) -> None:
    assert hasattr(sleep_guard(platform), "hold")
    assert hasattr(notifier(platform), "show")

"""What events make of a download in the list, and whether a list that was read is newer than what is known."""

from __future__ import annotations

import pytest

from app.state.downloads import after, newer
from engine.library_messages import (
    DownloadDone,
    DownloadEvent,
    DownloadFailed,
    DownloadItem,
    DownloadPaused,
    DownloadProgress,
    DownloadRetrying,
    DownloadVerifying,
)

RUNNING = DownloadItem(
    id="d", title="A model", source="org/model", state="running", done=5, total=20, speed=2.0, seconds_left=7.0
)
PROGRESS = DownloadProgress(download="d", file="a", done=9, total=20, speed=3.0, seconds_left=4.0)


@pytest.mark.parametrize(
    ("event", "state", "done", "message", "path"),
    [
        (PROGRESS, "running", 9, "", ""),
        (DownloadRetrying(download="d", message="The connection was lost.", seconds=1), "running", 5, "The connec", ""),
        (DownloadVerifying(download="d", file="a"), "verifying", 5, "", ""),
        (DownloadPaused(download="d"), "paused", 5, "", ""),
        (DownloadDone(download="d", path="/m/a", seconds=9), "done", 20, "", "/m/a"),
        (DownloadFailed(download="d", kind="KnownError", message="No room."), "failed", 5, "No room.", ""),
    ],
)
def test_what_an_event_shows(event: DownloadEvent, state: str, done: int, message: str, path: str) -> None:
    item = after(RUNNING, event)
    assert item is not None
    assert (item.state, item.done, item.path) == (state, done, path)
    assert item.message.startswith(message) and bool(item.message) == bool(message)
    # Time left and speed are those of bytes that come in.
    assert (item.speed, item.seconds_left) == ((3.0, 4.0) if event is PROGRESS else (0.0, None))


def test_an_event_that_shows_nothing_changes_nothing() -> None:
    assert after(RUNNING, DownloadEvent(download="d")) is None


def test_a_list_that_was_read_before_an_event_does_not_undo_it() -> None:
    waiting = DownloadItem(id="d", title="A model", source="org/model", state="waiting", done=0, total=20)
    paused = after(RUNNING, DownloadPaused(download="d"))
    assert newer(None, waiting, heard_since=False) is waiting
    assert newer(RUNNING, waiting, heard_since=False) is RUNNING  # it has begun since
    assert paused is not None and newer(RUNNING, paused, heard_since=False) is paused
    assert newer(RUNNING, paused, heard_since=True) is RUNNING

"""What the events of a download make of its place in the list. Imported with the library, not before."""

from __future__ import annotations

from dataclasses import replace

from engine.library_messages import (
    DownloadDone,
    DownloadEvent,
    DownloadFailed,
    DownloadItem,
    DownloadPaused,
    DownloadProgress,
    DownloadRetrying,
    DownloadStarted,
    DownloadVerifying,
)


def after(item: DownloadItem, event: DownloadEvent) -> DownloadItem | None:
    """The item once `event` has happened to it; None where that shows nothing."""
    match event:
        case DownloadStarted():
            return replace(item, state="running", done=event.resumed, total=event.plan.size, message="")
        case DownloadProgress():
            return replace(
                item,
                state="running",
                done=event.done,
                total=event.total,
                speed=event.speed,
                seconds_left=event.seconds_left,
                message="",
            )
        case DownloadDone():
            return replace(_at_rest(item), state="done", done=item.total, path=event.path)
        case DownloadFailed():
            return replace(_at_rest(item), state="failed", message=event.message)
        case DownloadRetrying():
            return replace(_at_rest(item), message=event.message)
        case DownloadVerifying():
            return replace(_at_rest(item), state="verifying")
        case DownloadPaused():
            return replace(_at_rest(item), state="paused")
        case _:
            return None


def _at_rest(item: DownloadItem) -> DownloadItem:
    """The item while no bytes come in."""
    return replace(item, speed=0.0, seconds_left=None)


def newer(known: DownloadItem | None, read: DownloadItem, *, heard_since: bool) -> DownloadItem:
    """Which holds of an item that is `known` and the same in a list that was `read`.

    A list that was read while events came in (`heard_since`) may be older than what they said.
    """
    if known is None:
        return read
    runs = known.state in {"running", "verifying"} and read.state in {"running", "waiting"}
    return known if heard_since or runs else read

"""One of several processes of a training run, started by a test; prints what its weights are in the end."""

from __future__ import annotations

import sys
from pathlib import Path

from accelerate import PartialState

from engine.training.cache import digest
from engine.training.checkpoint import load_checkpoint
from engine.training.events import Done, Progress
from engine.training.session import Session
from engine.training.unet import UNetSettings, train_unet


def main(settings: UNetSettings) -> None:
    """Train, and print rank, steps, last loss and a hash of the weights."""
    sessions: list[Session] = []
    begin = Session.__init__

    def remember(self: Session, *args: object, **options: object) -> None:
        begin(self, *args, **options)
        sessions.append(self)

    Session.__init__ = remember
    events = list(train_unet(settings))
    losses = [event.loss for event in events if isinstance(event, Progress)]
    done = events[-1]
    assert isinstance(done, Done)
    PartialState().wait_for_everyone()
    saved = load_checkpoint(Path(settings.out) / "unet.checkpoint.pt")["step"]
    # One write, so that the lines of two processes do not mix.
    sys.stdout.write(
        f"{PartialState().process_index} {done.step} {saved} {losses[-1]} {digest(sessions[0].network, '')}\n"
    )


if __name__ == "__main__":
    main(UNetSettings.from_file(sys.argv[1]))

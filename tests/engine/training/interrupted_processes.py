"""One of several processes of a training run that is interrupted, its checkpoint slow to write; started by a test."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

from engine.training import session
from engine.training.events import Progress
from engine.training.unet import UNetSettings, train_unet

SECONDS = 3.0


def main(settings: UNetSettings) -> None:
    """Train until the first report, and leave with the code of an interrupted program."""
    save = session.save_checkpoint

    def slowly(path: Path, content: dict[str, Any]) -> None:
        time.sleep(SECONDS)
        save(path, content)

    session.save_checkpoint = slowly
    stop = threading.Event()
    for event in train_unet(settings, stop):
        if isinstance(event, Progress):
            stop.set()
    sys.exit(130)


if __name__ == "__main__":
    main(UNetSettings.from_file(sys.argv[1]))

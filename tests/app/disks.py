"""Disks that are full or read-only, also for root: small ones of their own, mounted for a test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


class Disk:
    """A disk of some kilobytes at `path`."""

    def __init__(self, path: Path, kilobytes: int) -> None:
        self.path = path
        path.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(path))

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.path / "filler").open("wb") as file:
            for size in (4096, 1):
                try:
                    while True:
                        os.write(file.fileno(), bytes(size))
                except OSError:
                    continue

    def free(self) -> None:
        """Make the room free again that `fill` took."""
        (self.path / "filler").unlink()

    def protect(self, on: bool = True) -> None:
        """Let nobody write, not even root."""
        _mount("-o", "remount,ro" if on else "remount,rw", str(self.path))

    def take_away(self) -> None:
        """Unplug it."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=False, capture_output=True)


def _mount(*arguments: str) -> None:
    if sys.platform != "linux":
        pytest.skip("disks of their own are mounted on Linux only")
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this user may not mount a disk: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 3 MB."""
    made = Disk(tmp_path / "disk", 3072)
    yield made
    made.take_away()

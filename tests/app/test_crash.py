"""`kill -9` of a process with a busy queue: nothing that was promised is lost, and the next start goes on by itself."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from engine.metadata import read_recipe

CHILD = ["-m", "tests.app.crash_child"]


class Promises:
    """What the killed programs had said, over all starts."""

    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.ended: set[str] = set()
        self.ready: list[str] = []
        self.problems: list[str] = []
        self.restored: dict[str, str] = {}

    def take(self, output: str) -> None:
        # A last line without its end was never said.
        lines = output[: output.rfind("\n") + 1].splitlines()
        self.restored = {}
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "stored":
                self.stored.add(rest)
            elif word == "ended":
                assert rest.split()[1] == "done", line
                self.ended.add(rest.split()[0])
            elif word == "ready":
                self.ready.append(rest)
            elif word == "problem":
                self.problems.append(rest)
            elif word == "restored":
                self.restored[rest.split()[0]] = rest.split()[1]


def run_and_kill(root: Path, data: Path, pictures: Path, moment: tuple[int, float], promises: Promises) -> None:
    """Start the program, wait until it has promised so many things, and kill it so many seconds later."""
    promised, seconds = moment
    process = subprocess.Popen(
        [sys.executable, *CHILD, str(data), str(pictures)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    output = process.stdout
    assert output is not None
    said = ""
    works = False
    for line in output:
        said += line
        works = works or line.startswith("ready-to-work")
        promised -= works
        if promised < 0:
            break
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    said += output.read()
    output.close()
    assert process.wait() == -9, said
    promises.take(said)


def check(data: Path, promises: Promises) -> None:
    """Everything promised is there, as a later start will find it."""
    assert promises.problems == []
    with closing(sqlite3.connect(data / "gallery.sqlite3")) as gallery:
        rows = {row[0] for row in gallery.execute("SELECT path FROM pictures")}
    for path in promises.ready:
        with Image.open(path) as image:
            image.load()
        assert read_recipe(Path(path)) is not None
        assert path in rows
    with closing(sqlite3.connect(data / "queue.sqlite3")) as queue:
        kept = {row[0] for row in queue.execute("SELECT id FROM jobs WHERE status IN ('waiting', 'running')")}
    assert promises.stored - promises.ended <= kept


def expected_next(data: Path) -> set[str]:
    """The jobs that the next start has to show: all that wait, and those under way of which something is left to do."""
    if not (data / "queue.sqlite3").exists():
        return set()
    with closing(sqlite3.connect(data / "queue.sqlite3")) as queue:
        rows = queue.execute("SELECT id, status, made, json_extract(request, '$.count') FROM jobs").fetchall()
    return {
        id for id, status, made, count in rows if status == "waiting" or (status == "running" and made < (count or 1))
    }


def campaign(root: Path, tmp_path: Path, moments: int) -> Promises:
    data, pictures = tmp_path / "data", tmp_path / "pictures"
    data.mkdir()
    pictures.mkdir()
    rng = random.Random(moments)
    promises = Promises()
    for number in range(moments):
        # By what was promised, so that a slow machine is killed as late as a fast one; then anywhere within a picture.
        moment = (rng.randrange(40 if moments > 3 else 12) if number else 10, rng.uniform(0.0, 0.3))
        expected = expected_next(data)
        run_and_kill(root, data, pictures, moment, promises)
        check(data, promises)
        assert expected <= set(promises.restored)
    assert promises.ready
    return promises


def test_nothing_promised_is_lost_when_the_program_is_killed(root: Path, tmp_path: Path) -> None:
    campaign(root, tmp_path, 3)


@pytest.mark.campaign
def test_nothing_promised_is_lost_at_fifty_moments(root: Path, tmp_path: Path) -> None:
    promises = campaign(root, tmp_path, 50)
    print(f"50 kills: {len(promises.ready)} pictures announced, {len(promises.stored)} jobs kept, none lost")

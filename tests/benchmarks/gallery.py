"""What the gallery costs at 100,000 pictures: first screen, search, scrolling.

Run: `python tests/benchmarks/gallery.py [--rows 100000] [--seconds 10]`; it prints one line of JSON. The rows are made
once in a temporary folder (30 s); a few hundred picture files stand for all of them. The targets: first screen 0.5 s,
search 50 ms, no gap over 50 ms in the event loop while scrolling, measured by a timer of 5 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("LANG", "C.UTF-8")
os.environ.setdefault("FONTCONFIG_FILE", str(ROOT / "tests" / "fonts.conf"))

from PIL import Image  # noqa: E402
from PySide6.QtCore import QEventLoop, QTimer  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402

from app.panels.gallery import GalleryPanel  # noqa: E402
from app.services.gallery_records import GalleryFilter, NewPicture  # noqa: E402
from app.services.gallery_scan import fingerprint  # noqa: E402
from app.services.gallery_store import open_store  # noqa: E402
from app.state.gallery import GalleryState  # noqa: E402
from app.state.generation import GenerationState  # noqa: E402
from app.state.queue import QueueState  # noqa: E402
from engine.messages import Recipe  # noqa: E402
from engine.metadata import encode_png  # noqa: E402
from tests.app.scripted import HandDrivenClient  # noqa: E402

FILES = 400
START, APART = 1_700_000_000_000_000, 10_000_000
COMMON = ("red", "blue", "green", "old", "small")
BEGINNINGS = ("ap", "ber", "cas", "dro", "el", "fo", "gra", "hi", "ju", "ki", "lo", "mo")
ENDS = ("ple", "ry", "tle", "ne", "k", "x", "ss", "ll", "ng", "te", "ud", "on")
WORDS = tuple(beginning + end for beginning in BEGINNINGS for end in ENDS)
SEARCHES = (
    "apple",
    "r",
    "red",
    "apple berry",
    "pple",
    "apple berry castle drone",
    "nothing here",
    "red small elk moon",
)


def fill(folder: Path, rows: int) -> None:
    """Make the picture files and the database."""
    chance = random.Random(1)
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    kinds: list[tuple[str, str]] = []
    for number in range(FILES):
        shade = tuple(chance.randrange(256) for _ in range(3))
        path = pictures / f"file-{number:03}.png"
        path.write_bytes(encode_png(Image.effect_noise((512, 512), 80).convert("RGB").point(lambda v: v), None))
        with Image.open(path) as image:
            Image.blend(image.convert("RGB"), Image.new("RGB", image.size, shade), 0.6).save(path)
        kinds.append((str(path), fingerprint(path)))
    with open_store(folder / "gallery.sqlite3") as store:
        for start in range(0, rows, 2000):
            store.add(_row(chance, pictures, number, kinds) for number in range(start, min(start + 2000, rows)))
        store.rate([START + APART * number for number in range(0, rows, 37)], 4)


def _row(chance: random.Random, pictures: Path, number: int, kinds: list[tuple[str, str]]) -> NewPicture:
    path, print_ = kinds[number % FILES]
    # Rows need paths of their own; those beyond the files are links to them.
    own = pictures / f"{number:06}.png"
    os.link(path, own)
    words = [chance.choice(COMMON), *(chance.choice(WORDS) for _ in range(20))]
    status = own.stat()
    return NewPicture(
        path=str(own),
        made=START + APART * number,
        bytes=status.st_size,
        modified=status.st_mtime_ns,
        fingerprint=f"{number:06}-{print_}",
        width=512,
        height=512,
        recipe=Recipe(
            prompt=" ".join(words),
            negative_prompt="blurry, low quality",
            model_name=chance.choice("abcdef"),
            scheduler="euler",
            seed=chance.randrange(2**32),
            steps=20,
        ),
    )


class Gaps:
    """Records the longest times between two ticks of a timer of 5 ms."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._last = perf_counter()
        self._timer = QTimer(interval=5)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = perf_counter()
        self.gaps.append(now - self._last)
        self._last = now

    def restart(self) -> None:
        """Forget what was recorded."""
        self.gaps.clear()
        self._last = perf_counter()

    @property
    def longest_ms(self) -> float:
        """The longest gap so far."""
        return round(1000 * max(self.gaps, default=0.0), 1)

    @property
    def p99_ms(self) -> float:
        """The gap that 99 of 100 stay below."""
        return round(1000 * sorted(self.gaps)[int(0.99 * len(self.gaps))], 1) if self.gaps else 0.0


def until(condition: Callable[[], bool], seconds: float = 30.0) -> float:
    """Run the event loop until `condition`; how long that took."""
    began = perf_counter()
    loop = QEventLoop()
    check = QTimer(interval=1)
    check.timeout.connect(lambda: loop.quit() if condition() or perf_counter() - began > seconds else None)
    check.start()
    loop.exec()
    return perf_counter() - began


def painted(panel: GalleryPanel) -> bool:
    """Whether every picture on the screen is drawn."""
    rows = panel.view.visible_rows()
    return bool(rows) and all(
        (picture := panel.model.picture(row)) is not None and panel.model.pixmap(picture) is not None for row in rows
    )


def measure(folder: Path, rows: int, seconds: float) -> dict[str, object]:
    """Open the gallery, search it, scroll it."""
    app = QApplication.instance() or QApplication([])
    result: dict[str, object] = {"rows": rows}
    for name in ("first start", "second start"):
        began = perf_counter()
        gallery = GalleryState(folder / "gallery.sqlite3", folder / "pictures", folder / "thumbnails")
        client = HandDrivenClient()
        queue = QueueState(client, None, gallery)
        panel = GalleryPanel(gallery, GenerationState(), queue)
        panel.resize(420, 900)
        panel.show()
        app.processEvents()
        until(lambda panel=panel: panel.model.rowCount() > 0)
        result[f"{name}: rows on the screen, s"] = round(perf_counter() - began, 3)
        until(lambda panel=panel: painted(panel))
        result[f"{name}: pictures on the screen, s"] = round(perf_counter() - began, 3)
        if name == "first start":
            panel.close()
            gallery.close()
            panel.deleteLater()
    gaps = Gaps()
    until(lambda: gallery.whole)
    result["all rows, longest gap, ms"] = gaps.longest_ms
    scans: list[object] = []
    gallery.scanned.connect(scans.append)
    until(lambda: bool(scans), 120)
    result["scan of the folder beside it, longest gap, ms"] = gaps.longest_ms
    result |= _searches(gallery, panel)
    result |= _scrolling(gallery, panel, gaps, seconds)
    panel.close()
    gallery.close()
    return result


def _searches(gallery: GalleryState, panel: GalleryPanel) -> dict[str, object]:
    worst = 0.0
    found: dict[str, float] = {}
    resets: list[int] = []
    gallery.reset.connect(lambda: resets.append(len(gallery.ids)))
    for words in SEARCHES:
        for wanted in (
            GalleryFilter(words=words),
            GalleryFilter(words=words, stars=4),
            GalleryFilter(words=words, seed="1"),
        ):
            resets.clear()
            gallery.set_filter(wanted)
            took = 1000 * until(lambda: bool(resets))
            worst = max(worst, took)
            found.setdefault(words, round(took, 1))
            until(lambda: gallery.whole)
    gallery.set_filter(GalleryFilter())
    until(lambda: gallery.whole and panel.model.rowCount() > 1000)
    return {"search, longest until the first page is there, ms": round(worst, 1), "searches, ms": found}


def _scrolling(gallery: GalleryState, panel: GalleryPanel, gaps: Gaps, seconds: float) -> dict[str, object]:
    bar = panel.view.verticalScrollBar()
    state = {"place": 0.0, "frames": 0}
    chance = random.Random(2)

    def move() -> None:
        state["frames"] += 1
        # Steady scrolling as by a wheel, and now and then a jump as by the scroll bar.
        if state["frames"] % 120 == 0:
            bar.setValue(chance.randrange(bar.maximum()))
        else:
            bar.setValue((bar.value() + 40) % bar.maximum())

    timer = QTimer(interval=16)
    timer.timeout.connect(move)
    gaps.restart()
    timer.start()
    began = perf_counter()
    until(lambda: perf_counter() - began > seconds, seconds + 5)
    timer.stop()
    settle = until(lambda: painted(panel))
    return {
        "scrolling, longest gap, ms": gaps.longest_ms,
        "scrolling, 99th percentile, ms": gaps.p99_ms,
        "frames": state["frames"],
        "after it pictures are there within, s": round(settle, 3),
        "shown": len(gallery.ids),
    }


def main() -> None:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, help="keep the database here and use it again")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp())
    try:
        if not (folder / "gallery.sqlite3").exists():
            fill(folder, chosen.rows)
        shutil.rmtree(folder / "thumbnails", ignore_errors=True)
        print(json.dumps(measure(folder, chosen.rows, chosen.seconds)))
    finally:
        if chosen.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

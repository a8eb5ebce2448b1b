"""Does the window react all the time? The real program with the real engine, in a process of its own.

python tests/benchmarks/window.py [--platform offscreen] [--pictures 20] [--cold]     start, gaps, previews
python tests/benchmarks/window.py --cancel [--moments 20] [--size 512]                cancel at SD 1.5's size (5 GB)
python tests/benchmarks/window.py --soak [--pictures 500]         memory, with another model after every 10 pictures

`--platform xcb` needs a display (xvfb-run -s "-screen 0 1366x768x24" python tests/benchmarks/window.py --platform xcb).
A timer of 5 ms in the event loop notes when it is late. `--cold` drops the files of torch and Qt from the page cache.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

INTERVAL = 5
# Pictures until another model is chosen, and until the first use of everything is past; steps of each.
SOAK_SWITCH, SOAK_SETTLED, SOAK_STEPS = 10, 20, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", default="offscreen", choices=["offscreen", "xcb"])
    parser.add_argument("--pictures", type=int, help="20 without a word; 500 with --soak")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--cancel", action="store_true")
    parser.add_argument("--soak", action="store_true")
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.pictures = options.pictures or (500 if options.soak else 20)
    if options.began is not None:
        session = cancel_session if options.cancel else soak_session if options.soak else gaps_session
        print(json.dumps(session(options)), flush=True)
        return
    if options.cold:
        _drop_from_cache()
    with tempfile.TemporaryDirectory() as name:
        _prepare(Path(name), options)
        environment = {**os.environ, "QT_QPA_PLATFORM": options.platform}
        began = time.time()
        command = [sys.executable, __file__, *sys.argv[1:], "--began", str(began), "--folder", name]
        done = subprocess.run(command, env=environment, check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603
    if not done.stdout:
        raise SystemExit(f"the session ended with {done.returncode} and no report")
    report = json.loads(done.stdout.splitlines()[-1]) | {"exit code of the session": done.returncode}
    print("\n".join(f"{name:32} {value}" for name, value in report.items()))


def _prepare(folder: Path, options: argparse.Namespace) -> None:
    from engine.catalog import EMBEDDED_MODEL, model_folder

    if not options.cancel:
        shutil.copytree(model_folder(EMBEDDED_MODEL), folder / "second")
        return
    import torch

    from tests.fixtures.stable_diffusion import SD15, stable_diffusion

    stable_diffusion(SD15).to(torch.float16).save_pretrained(folder / "sd15")


def _drop_from_cache() -> None:
    """Ask the system to forget the libraries' files; those that another process has mapped stay."""
    import importlib.util

    for package in ("torch", "PySide6", "numpy"):
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            for path in Path(place).rglob("*"):
                if path.is_file() and path.stat().st_size > 2**16:
                    with path.open("rb") as file:
                        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# ---------------------------------------------------------------------------------------------------- inside


class Gaps:
    """Notes how late a timer of `INTERVAL` ms is, by stage."""

    def __init__(self) -> None:
        from PySide6.QtCore import Qt, QTimer

        self.stage = "start"
        self.late: list[tuple[str, float]] = []
        self._last = perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(INTERVAL)

    def _tick(self) -> None:
        now = perf_counter()
        self.late.append((self.stage, (now - self._last) * 1000))
        self._last = now

    def report(self) -> dict[str, str]:
        """Longest gap and 99th percentile in ms, altogether and by stage."""
        stages = dict.fromkeys(stage for stage, _ in self.late)
        parts = {"all": [gap for _, gap in self.late]}
        parts |= {stage: [gap for where, gap in self.late if where == stage] for stage in stages}
        return {
            f"gaps ms, {name}": f"longest {max(gaps):.1f}, p99 {_percentile(gaps, 0.99):.1f}, of {len(gaps)}"
            for name, gaps in parts.items()
        }


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * len(ordered)))]


def wait(until: Callable[[], bool], seconds: float = 600) -> None:
    """Run the event loop until something is so."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop, end = QEventLoop(), perf_counter() + seconds
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() or perf_counter() > end else None)
    timer.start(2)
    if not until():
        loop.exec()
    if not until():
        raise SystemExit("the program did not get there")


def _open(options: argparse.Namespace) -> tuple[Any, Gaps, float]:
    # As `app.__main__` and `app.application.main` do it.
    from app.imports import import_application

    build = import_application().build
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from app.collector import Collector

    qt = QApplication([sys.argv[0]])
    Collector(qt).start()
    program = build([], data_folder=options.folder / "data")
    program.show()
    reacted: list[float] = []
    gaps: list[Gaps] = []

    def first() -> None:
        reacted.append(time.time() - options.began)
        gaps.append(Gaps())

    # Behind the events of showing and painting, hence after the first paint.
    QTimer.singleShot(0, lambda: QTimer.singleShot(0, first))
    wait(lambda: bool(gaps))
    return program, gaps[0], reacted[0]


def gaps_session(options: argparse.Namespace) -> dict[str, str]:
    program, gaps, reacted = _open(options)
    generation, queue, run = program.generation, program.queue, program.run
    steps: list[Any] = []
    shown: list[Any] = []
    program.client.step_done.connect(steps.append)
    run.preview_changed.connect(shown.append)
    gaps.stage = "import of torch"
    wait(lambda: program.client.ready)
    gaps.stage = "model load"
    wait(lambda: generation.info is not None)

    def make(stage: str, count: int = 1) -> float:
        gaps.stage, generation.count = stage, count
        began = perf_counter()
        program.generate()
        wait(lambda: queue.running is None and not program.client.busy)
        return perf_counter() - began

    first = make("first picture")
    seconds = make(f"{options.pictures} pictures", options.pictures)
    made, previews = len(steps), sum(preview is not None for preview in shown)
    gaps.stage = "cancel"
    generation.count = 50
    program.generate()
    before = len(steps)
    wait(lambda: len(steps) > before + 3)
    began = perf_counter()
    run.cancel()
    told = perf_counter() - began
    wait(lambda: not program.client.busy)
    stopped = perf_counter() - began
    embedded = generation.model
    generation.choose_model(str(options.folder / "second"))
    wait(lambda: generation.info is not None)
    make("another model")
    generation.choose_model(embedded)
    wait(lambda: generation.info is not None)
    make("back again")
    report = {
        "window reacts after s": f"{reacted:.3f}",
        "first picture s": f"{first:.2f}",
        f"{options.pictures} pictures s": f"{seconds:.2f}",
        "steps, previews": f"{made}, {previews}",
        "cancelled said after ms": f"{told * 1000:.1f}",
        "engine idle after ms": f"{stopped * 1000:.1f}",
        **gaps.report(),
        "one preview ms": f"{_preview_ms():.3f}",
    }
    program.window.close()  # as a person does; it closes the program
    return report


def _preview_ms() -> float:
    import torch

    from engine.catalog import EMBEDDED_MODEL, model_folder
    from engine.pipelines.base import DiffusionPipeline
    from engine.preview import FILE_NAME, read_preview

    folder = model_folder(EMBEDDED_MODEL)
    pipeline: Any = DiffusionPipeline.from_pretrained(folder)
    preview = read_preview(folder / "vae" / FILE_NAME, pipeline.latent_channels)
    side = pipeline.unet.config.sample_size
    latents = torch.randn(1, pipeline.latent_channels, side, side)
    times: list[float] = []
    for _ in range(200):
        began = perf_counter()
        preview(latents)
        times.append((perf_counter() - began) * 1000)
    return statistics.median(times)


def cancel_session(options: argparse.Namespace) -> dict[str, str]:
    program, gaps, _ = _open(options)
    generation, queue, run = program.generation, program.queue, program.run
    wait(lambda: program.client.ready and generation.info is not None)
    gaps.stage = "one step"
    generation.choose_model(str(options.folder / "sd15"))
    wait(lambda: generation.info is not None)
    generation.steps, generation.count, generation.guidance_scale = 1, 1, 7.5
    generation.width = generation.height = options.size
    generation.scheduler, generation.sigma_schedule = "ddim", "default"
    phases: list[tuple[str, float]] = []
    run.phase_changed.connect(lambda phase: phases.append((phase, perf_counter())))

    def whole() -> float:
        began = perf_counter()
        program.generate()
        wait(lambda: queue.running is None and not program.client.busy, 1200)
        return perf_counter() - began

    whole()  # loads the model
    length = whole()
    decoding = phases[-1][1] - next(at for phase, at in reversed(phases) if phase == "decoding")
    told: list[float] = []
    idle: dict[str, list[float]] = {"encoding or denoising": [], "decoding": []}
    rng = random.Random(0)  # noqa: S311 - moments, not secrets
    for number in range(options.moments):
        moment = rng.uniform(0, length - 0.1)
        generation.prompt = f"a picture, number {number}"  # encoded anew each time
        program.generate()
        end = perf_counter() + moment
        wait(lambda end=end: perf_counter() >= end)
        phase = "decoding" if run.phase == "decoding" else "encoding or denoising"
        began = perf_counter()
        if queue.running is None:
            continue
        run.cancel()
        wait(lambda: run.phase in {"cancelled", "done"})
        told.append(perf_counter() - began)
        wait(lambda: not program.client.busy)
        idle[phase].append(perf_counter() - began)
        print(f"{moment:.2f} s: {phase}, idle after {idle[phase][-1]:.3f} s", file=sys.stderr, flush=True)
    report = {"job s, decoding s": f"{length:.2f}, {decoding:.2f}", "told after s, longest": f"{max(told):.4f}"}
    for phase, seconds in idle.items():
        if seconds:
            words = f"median {statistics.median(seconds):.3f}, p95 {_percentile(seconds, 0.95):.3f}"
            report[f"idle after s, {phase}"] = f"{words}, longest {max(seconds):.3f}, of {len(seconds)}"
    report |= gaps.report()
    program.window.close()  # as a person does; it closes the program
    return report


def soak_session(options: argparse.Namespace) -> dict[str, str]:
    import psutil

    program, gaps, _ = _open(options)
    generation, queue, process = program.generation, program.queue, psutil.Process()
    wait(lambda: program.client.ready and generation.info is not None)
    models, used = [generation.model, str(options.folder / "second")], list[float]()
    generation.steps, generation.count = SOAK_STEPS, SOAK_SWITCH
    for number in range(options.pictures // SOAK_SWITCH):
        generation.choose_model(models[number % 2])
        wait(lambda: generation.info is not None)
        generation.prompt = f"a red apple, number {number}"
        program.generate()
        wait(lambda: queue.running is None and not program.client.busy)
        gaps.late.clear()  # what measures is not to grow
        used.append(process.memory_info().rss / 1e6)
        print(f"{(number + 1) * SOAK_SWITCH}: {used[-1]:.1f} MB", file=sys.stderr, flush=True)
    settled = used[min(SOAK_SETTLED // SOAK_SWITCH, len(used)) - 1]
    program.window.close()  # as a person does; it closes the program
    return {
        f"after {SOAK_SETTLED} pictures MB": f"{settled:.1f}",
        f"after {options.pictures} pictures MB": f"{used[-1]:.1f}, {used[-1] / settled - 1:+.2%}",
        "most MB": f"{max(used):.1f}",
    }


if __name__ == "__main__":
    main()

"""A process of its own that makes pictures and says how much memory it took: Linux only, for the tests beside it.

python tests/engine/memory_child.py '{"request": {...}, "settings": {...}}' prints one JSON object with bytes: `base`
before a model is loaded, `peak` of the whole process, and `phases`: the peak while loading and encoding, at the steps,
and while decoding, from where the decoder is there and what left for it is gone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from engine.messages import EngineSettings, GenerateRequest, ImageDone, JobFailed, ModelLoaded  # noqa: E402
from engine.warmup import import_torch  # noqa: E402


def status(name: str) -> int:
    """A figure of this process in bytes: `VmHWM`, the peak, or `VmRSS`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


def forget_peak() -> None:
    """Let the peak begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def call_when_decoder_is_there(then: Callable[[], None]) -> None:
    """Call `then` whenever the decoder has taken the place of what made the steps: no event says so."""
    from engine.run_picture import Job

    let_work = Job.let_work

    def observed(job: Job, *groups: str) -> None:
        let_work(job, *groups)
        if groups == ("vae",):
            then()

    Job.let_work = observed


def measure(request: GenerateRequest, settings: EngineSettings) -> dict[str, Any]:
    """Make the pictures of `request`; returns the figures."""
    import_torch()
    from engine.runner import Runner

    runner, phases, paths = Runner(settings), {"loading": 0, "denoising": 0, "decoding": 0}, []
    base, last = status("VmRSS"), "loading"

    def begin(phase: str) -> None:
        nonlocal last
        phases[last] = max(phases[last], status("VmHWM"))
        forget_peak()
        last = phase

    call_when_decoder_is_there(lambda: begin("decoding"))
    for event in runner.run(request):
        if isinstance(event, JobFailed):
            raise SystemExit(event.report or event.message)
        if isinstance(event, ModelLoaded | ImageDone):
            begin("denoising")
        if isinstance(event, ImageDone):
            paths.append(event.path)
    return {"base": base, "peak": max(phases.values()), "phases": phases, "end": status("VmRSS"), "paths": paths}


def main() -> None:
    given = json.loads(sys.argv[1])
    print(
        json.dumps(measure(GenerateRequest.from_values(given["request"]), EngineSettings(**given.get("settings", {}))))
    )


if __name__ == "__main__":
    main()

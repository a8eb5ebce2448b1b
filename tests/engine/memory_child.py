"""A process of its own that makes pictures and says how much memory it took: Linux only, for the tests beside it.

python tests/engine/memory_child.py '{"request": {...}, "settings": {...}}' prints one JSON object with bytes: `base`
before a model is loaded, `peak` of the whole process, and `phases`: the peak while loading and encoding, at the steps,
and while decoding.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from engine.messages import EngineSettings, GenerateRequest, ImageDone, JobFailed, ModelLoaded, StepDone  # noqa: E402
from engine.warmup import import_torch  # noqa: E402


def status(name: str) -> int:
    """A figure of this process in bytes: `VmHWM`, the peak, or `VmRSS`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


def forget_peak() -> None:
    """Let the peak begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def measure(request: GenerateRequest, settings: EngineSettings) -> dict[str, Any]:
    """Make the pictures of `request`; returns the figures."""
    import_torch()
    from engine.runner import Runner

    runner, phases, paths = Runner(settings), {"loading": 0, "denoising": 0, "decoding": 0}, []
    base, last, plans = status("VmRSS"), "loading", []
    steps = 0
    for event in runner.run(request):
        if isinstance(event, JobFailed):
            raise SystemExit(event.report or event.message)
        if isinstance(event, ModelLoaded | StepDone | ImageDone):
            phases[last] = max(phases[last], status("VmHWM"))
            forget_peak()
            last = "denoising"
        if isinstance(event, StepDone):
            steps = event.index + 1
            last = "decoding" if steps == event.total else "denoising"
        if isinstance(event, ImageDone):
            paths.append(event.path)
    plans.append(status("VmRSS"))
    return {"base": base, "peak": max(phases.values()), "phases": phases, "end": plans[-1], "paths": paths}


def main() -> None:
    given = json.loads(sys.argv[1])
    print(
        json.dumps(measure(GenerateRequest.from_values(given["request"]), EngineSettings(**given.get("settings", {}))))
    )


if __name__ == "__main__":
    main()

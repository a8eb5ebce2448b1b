"""Does memory grow? Many pictures, with another model every so many; the embedded one and a copy of it.

python tests/benchmarks/memory_soak.py [--pictures 500] [--switch 10] [--steps 4]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from engine.catalog import EMBEDDED_MODEL, model_folder, read_model  # noqa: E402 - found through the line above
from engine.messages import EngineSettings, GenerateRequest, ImageDone, JobFailed  # noqa: E402
from engine.runner import Runner  # noqa: E402

SETTLED = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--switch", type=int, default=10)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        used = soak(Path(name), options)
    first, last = used[min(SETTLED, len(used)) - 1], used[-1]
    print(f"after {min(SETTLED, len(used))}: {first:.1f} MB; after {len(used)}: {last:.1f} MB; {last / first - 1:+.2%}")
    print(f"highest {max(used):.1f} MB")


def soak(folder: Path, options: argparse.Namespace) -> list[float]:
    """Make the pictures; returns the resident memory in MB after each."""
    models = [model_folder(EMBEDDED_MODEL), Path(shutil.copytree(model_folder(EMBEDDED_MODEL), folder / "second"))]
    info = read_model(models[0])
    runner = Runner(EngineSettings(records=str(folder / "records"), records_bytes=50 * 2**20))
    process, used = psutil.Process(), []
    for number in range(options.pictures):
        request = GenerateRequest(
            prompt=f"a red apple, number {number}",
            model=str(models[number // options.switch % 2]),
            scheduler="dpmsolver++",
            steps=options.steps,
            guidance_scale=info.guidance_scale,
            seed=number,
            width=info.width,
            height=info.height,
            folder=str(folder),
            record=True,
        )
        for event in runner.run(request):
            if isinstance(event, JobFailed):
                raise SystemExit(event.report or event.message)
            if isinstance(event, ImageDone):
                Path(event.path).unlink()
        used.append(process.memory_info().rss / 1e6)
        if number % 20 == 19:
            print(f"{number + 1}: {used[-1]:.1f} MB", file=sys.stderr, flush=True)
    return used


if __name__ == "__main__":
    main()

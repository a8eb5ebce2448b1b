"""From Ctrl+C to the end of the process, at moments drawn uniformly over a step (or over the decoding).

python tests/benchmarks/cancel.py [--size 160] [--moments 20]     a tiny model at a size that makes steps longer
python tests/benchmarks/cancel.py --sd15 [--moments 20]           Stable Diffusion 1.5's size, 512 pixels, 4 GB
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.fixtures.stable_diffusion import SD15, Size, stable_diffusion  # noqa: E402 - found through the line above


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sd15", action="store_true")
    parser.add_argument("--size", type=int)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--decode", action="store_true", help="cancel after the last step instead of inside the second")
    options = parser.parse_args()
    rng = random.Random(0)  # noqa: S311 - moments, not secrets
    with tempfile.TemporaryDirectory() as folder:
        _write_model(Path(folder) / "model", SD15 if options.sd15 else Size())
        size = options.size or (512 if options.sd15 else 160)
        seconds = [_cancelled_after(Path(folder), size, rng, decode=options.decode) for _ in range(options.moments)]
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    print(f"from Ctrl+C to exit: median {statistics.median(ordered):.3f} s, 95th percentile {p95:.3f} s, ", end="")
    print(f"longest {ordered[-1]:.3f} s, of {len(ordered)}")


def _write_model(folder: Path, size: Size) -> None:
    import torch

    # Half precision on disk, converted when loaded: it is the computing that is measured.
    stable_diffusion(size).to(torch.float16 if size is SD15 else torch.float32).save_pretrained(folder)


def _cancelled_after(folder: Path, size: int, rng: random.Random, *, decode: bool) -> float:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    steps = "2" if decode else "100"
    command = [sys.executable, "-m", "engine", "generate", "an owl", "--model", str(folder / "model"), "--json"]
    command += ["--steps", steps, "--size", str(size), "--out", str(out / "a.png")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        step_seconds = 0.0
        for line in process.stdout or ():
            event = json.loads(line)
            if event["event"] == "step_done":
                step_seconds = event["seconds"]
                if event["index"] == (1 if decode else 0):
                    break
        time.sleep(rng.uniform(0, min(step_seconds, 0.5) if decode else step_seconds))
        began = perf_counter()
        process.send_signal(signal.SIGINT)
        code = process.wait()
        took = perf_counter() - began
    left = [path.name for path in out.iterdir()]
    if (code, left) != (130, []):
        raise SystemExit(f"exit code {code}, files left: {left}")
    print(f"step of {step_seconds:.2f} s left after {took:.3f} s", flush=True)
    return took


if __name__ == "__main__":
    main()

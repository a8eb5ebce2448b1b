"""From Ctrl+C to the end of the process, at moments drawn uniformly over a step (or over the decoding).

python tests/benchmarks/cancel.py [--size 256] [--moments 20]     a model as small as the embedded one
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.fixtures.stable_diffusion import SD15, Size, stable_diffusion  # noqa: E402 - found through the line above

ICONS = Size(unet=(128, 192), vae=(32, 64, 128, 128), text=256, groups=32, head=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sd15", action="store_true")
    parser.add_argument("--size", type=int)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--decode", action="store_true", help="cancel after the last step instead of inside the second")
    options = parser.parse_args()
    rng = random.Random(0)  # noqa: S311 - moments, not secrets
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_model(folder / "model", SD15 if options.sd15 else ICONS)
        command = [sys.executable, "-m", "engine", "generate", "an owl", "--model", str(folder / "model"), "--json"]
        command += [
            "--size",
            str(options.size or (512 if options.sd15 else 256)),
            "--out",
            str(folder / "out" / "a.png"),
        ]
        command += ["--steps", "2" if options.decode else "100"]
        span = _decode_seconds(folder, command) if options.decode else None
        seconds = [_cancelled_after(folder, command, rng, span) for _ in range(options.moments)]
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    print(f"from Ctrl+C to exit: median {statistics.median(ordered):.3f} s, 95th percentile {p95:.3f} s, ", end="")
    print(f"longest {ordered[-1]:.3f} s, of {len(ordered)}")


def _write_model(folder: Path, size: Size) -> None:
    import torch

    (folder.parent / "out").mkdir()
    # Half precision on disk, converted when loaded: it is the computing that is measured.
    stable_diffusion(size).to(torch.float16).save_pretrained(folder)


@contextmanager
def _until_step(command: list[str], index: int) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """Start the command and give the process and the seconds of step `index` as soon as that is done."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            event = json.loads(line)
            if event["event"] == "step_done" and event["index"] == index:
                yield process, event["seconds"]
                return
        raise SystemExit(f"no step {index}: {process.stderr.read() if process.stderr else ''}")


def _decode_seconds(folder: Path, command: list[str]) -> float:
    with _until_step(command, 1) as (process, _):
        began = perf_counter()
        for line in process.stdout or ():
            if json.loads(line)["event"] == "image_done":
                (folder / "out" / "a.png").unlink()
                return perf_counter() - began
    raise SystemExit("no picture was made")


def _cancelled_after(folder: Path, command: list[str], rng: random.Random, decode_seconds: float | None) -> float:
    """Seconds from the signal to the end, at a random moment of the second step, or of the decoding after it."""
    with _until_step(command, 0 if decode_seconds is None else 1) as (process, step_seconds):
        # Writing the picture is at the end of the decoding, and is not left any more.
        wait = rng.uniform(0, step_seconds if decode_seconds is None else 0.8 * decode_seconds)
        time.sleep(wait)
        began = perf_counter()
        process.send_signal(signal.SIGINT)
        code = process.wait()
        took = perf_counter() - began
    left = [path.name for path in (folder / "out").iterdir()]
    if (code, left) != (130, []):
        raise SystemExit(f"exit code {code}, files left: {left}")
    print(f"left {took:.3f} s after a signal at {wait:.2f} s", flush=True)
    return took


if __name__ == "__main__":
    main()

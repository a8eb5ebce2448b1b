"""The most memory that a checkpoint in float16 takes when it runs in bfloat16, beside Diffusers.

Each measurement is a process of its own: it loads a Stable Diffusion 1.5 of random weights (2.1 GB, float16, a folder
that is made first and removed at the end), makes one guided step and decodes the picture. Memory is what the process
held at most in RAM, as the kernel counts it (`ru_maxrss`, in which pages of mapped files count too).

    python -m tests.benchmarks.peak_memory [--size 256] [--rounds 3] [--folder TEMPORARY]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.loading import MAKE, ROOT
from tests.benchmarks.results import Figure, Keeper, add_results_option
from tests.benchmarks.timing import Ratio, machine

RUN = """
images = pipeline(
    "a red apple", num_inference_steps=1, guidance_scale=5.0, height={size}, width={size},
    generator=torch.Generator().manual_seed(0), output_type="pt",
)
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
OURS = """
from engine.warmup import import_torch
import_torch()
import torch
from engine.pipelines.base import DiffusionPipeline
pipeline = DiffusionPipeline.from_pretrained({path!r}, dtype=torch.bfloat16)
pipeline.set_progress_bar_config(disable=True)
"""
# What the program does with a request, under the plan that needs least.
OURS_LOW = """
import resource
from engine.messages import EngineSettings, GenerateRequest, ImageDone
from engine.runner import Runner
import tempfile
with tempfile.TemporaryDirectory() as folder:
    request = GenerateRequest(
        prompt="a red apple", model={path!r}, scheduler="ddim", steps=1, guidance_scale=5.0, seed=0, width={size},
        height={size}, folder=folder, dtype="bfloat16", previews=False,
    )
    events = list(Runner(EngineSettings(memory_mode={mode!r})).run(request))
assert any(isinstance(event, ImageDone) for event in events), events[-1]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
THEIRS = """
import warnings
warnings.simplefilter("ignore")
import torch
from diffusers import StableDiffusionPipeline
pipeline = StableDiffusionPipeline.from_pretrained({path!r}, torch_dtype=torch.bfloat16, safety_checker=None)
pipeline.set_progress_bar_config(disable=True)
"""


def subjects(path: str, size: int) -> dict[str, str]:
    """The program of each process."""
    ways = {"ours": OURS + RUN, "Diffusers": THEIRS + RUN}
    named = {name: code.format(path=path, size=size) for name, code in ways.items()}
    modes = {f"ours, memory mode {mode}": OURS_LOW.format(path=path, size=size, mode=mode) for mode in ("fast", "low")}
    return named | modes


def peak_of(code: str) -> int:
    """The bytes that a process which runs `code` held at most."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return int(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None)
    add_results_option(parser)
    options = parser.parse_args()
    keeper = Keeper(options.results)
    place = Path(tempfile.mkdtemp(prefix="sfumato-peak-", dir=options.folder))
    try:
        folder, file = place / "folder", place / "model.safetensors"
        make = MAKE.format(root=str(ROOT), folder=str(folder), file=str(file))
        subprocess.run([sys.executable, "-c", make], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})  # noqa: S603
        file.unlink()
        peaks: dict[str, list[int]] = {}
        for _ in range(options.rounds):
            for name, code in subjects(str(folder), options.size).items():
                peaks.setdefault(name, []).append(peak_of(code))
            keeper.keep(_figures(peaks, options))
        table = _table(peaks, options)
        keeper.keep(_figures(peaks, options), table)
        print(table)
    finally:
        shutil.rmtree(place)


def _figures(peaks: dict[str, list[int]], options: argparse.Namespace) -> list[Figure]:
    title = f"Peak memory, float16 folder in bfloat16, {options.size} pixels"
    theirs = peaks["Diffusers"]
    return [
        Figure(f"{title}: {name} to Diffusers", tuple(a / b for a, b in zip(values, theirs, strict=True)), 0.8)
        for name, values in peaks.items()
        if name != "Diffusers"
    ]


def _table(peaks: dict[str, list[int]], options: argparse.Namespace) -> str:
    lines = [
        "### Peak memory, Stable Diffusion 1.5's size, float16 folder run in bfloat16: load, one guided step, decode, "
        f"{options.size} pixels",
        "",
        f"{machine()}; {options.rounds} rounds.",
        "",
        "| | GB | to Diffusers |",
        "|---|---|---|",
    ]
    for name, values in peaks.items():
        ratio = Ratio(tuple(one / other for one, other in zip(values, peaks["Diffusers"], strict=True)))
        lines.append(f"| {name} | {statistics.median(values) / 1e9:.2f} | {ratio} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()

"""From a cold process to a picture: our command and our library against a five-line Diffusers script.

Every run is a new process; the three take turns, so that whatever else the machine does meets all of them. Printed are
medians in seconds from the start of the process to the end of the first denoising step and to the end of the process,
their ratios to Diffusers, and how far the pictures are apart.

    python -m tests.benchmarks.cold_start [--model FOLDER] [--steps 20] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from tests.benchmarks.results import Figure, Keeper, add_results_option

ROOT = Path(__file__).resolve().parents[2]
PROMPT = "a red apple, 3d icon"
SCRIPT = """
import torch
from {library} import StableDiffusionPipeline
pipe = StableDiffusionPipeline.from_pretrained({model!r}, dtype=torch.float32)
told = lambda pipe, index, timestep, tensors: print("step_done", flush=True) or tensors
pipe({prompt!r}, num_inference_steps={steps}, guidance_scale={guidance}, generator=torch.Generator().manual_seed(1),
     callback_on_step_end=told).images[0].save({out!r})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "resources" / "models" / "sfumato-icons")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=5)
    add_results_option(parser)
    options = parser.parse_args()
    keeper = Keeper(options.results)
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(options, Path(folder))
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for name, command in commands.items():
            _run(command)  # fills the page cache for all of them
            print(f"warmed up: {name}", flush=True)
        for _ in range(options.rounds):
            for name, command in commands.items():
                times[name].append(_run(command))
            keeper.keep(_figures(times))
        _report(times)
        _compare(Path(folder))


def _commands(options: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    config = json.loads((options.model / "scheduler" / "scheduler_config.json").read_text())
    command = [
        sys.executable,
        "-m",
        "engine",
        "generate",
        PROMPT,
        "--model",
        str(options.model),
        "--seed",
        "1",
        "--json",
    ]
    command += [
        "--steps",
        str(options.steps),
        "--guidance",
        str(options.guidance),
        "--scheduler",
        config["_class_name"],
    ]
    command += ["--out", str(folder / "command.png"), "--overwrite"]

    def script(library: str) -> list[str]:
        values = {"model": str(options.model), "steps": options.steps, "guidance": options.guidance, "prompt": PROMPT}
        code = SCRIPT.format(library=library, out=str(folder / f"{library}.png"), **values)
        return [sys.executable, "-W", "ignore", "-c", code]

    return {"sfumato command": command, "engine library": script("engine"), "diffusers": script("diffusers")}


def _run(command: list[str]) -> tuple[float, float]:
    """Seconds to the first step and to the end."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    began = perf_counter()
    first = None
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            if first is None and "step_done" in line:
                first = perf_counter() - began
        process.wait()
        ended = perf_counter() - began
        if process.returncode or first is None:
            raise SystemExit(f"{command[:4]} failed: {process.stderr.read() if process.stderr else ''}")
    return first, ended


def _figures(times: dict[str, list[tuple[float, float]]]) -> list[Figure]:
    """Ours to Diffusers, to the first step and to the end of the process."""
    figures: list[Figure] = []
    for column, words in enumerate(("to the first step", "to the end")):
        for name, seconds in times.items():
            if name != "diffusers":
                pairs = zip(seconds, times["diffusers"], strict=True)
                bar = 0.40 if column == 0 else None
                title = f"Cold process, embedded model, {words}: {name} to Diffusers"
                figures.append(Figure(title, tuple(ours[column] / theirs[column] for ours, theirs in pairs), bar))
    return figures


def _report(times: dict[str, list[tuple[float, float]]]) -> None:
    medians = {name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in times.items()}
    reference = medians["diffusers"]
    print(f"{'':16} {'first step':>10} {'ratio':>6} {'whole':>8} {'ratio':>6} {'shorter by':>10}")
    for name, (first, whole) in medians.items():
        ratios = f"{first / reference[0]:6.2f} {whole:7.2f}s {whole / reference[1]:6.2f} {reference[1] - whole:9.2f}s"
        print(f"{name:16} {first:9.2f}s {ratios}")


def _compare(folder: Path) -> None:
    reference, *others = (_pixels(folder / f"{name}.png") for name in ("diffusers", "engine", "command"))
    for name, pixels in zip(("library", "command"), others, strict=True):
        print(f"largest difference of the {name}'s picture: {np.abs(pixels - reference).max() / 255:.4f}")


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


if __name__ == "__main__":
    main()

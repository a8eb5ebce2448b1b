"""How long a Stable Diffusion 1.5 of random weights takes to load, beside Diffusers, and how much memory.

    python -m tests.benchmarks.loading [--rounds 3] [--folder TEMPORARY]

Each measurement is a process of its own, from its start until every weight was touched; ours and Diffusers' take
turns. The checkpoint (2.1 GB, float16) is made first, as a folder and as one file, and removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.results import Figure, Keeper, add_results_option

ROOT = Path(__file__).resolve().parents[2]
TOUCH = """
import resource
total = 0.0
size = 0
for name in ("unet", "vae", "text_encoder"):
    for parameter in getattr(pipeline, name).parameters():
        # One number of each page: the page is in memory then.
        total += float(parameter.detach().reshape(-1)[:: 4096 // parameter.element_size()].float().sum())
        size += parameter.nbytes
print(time.time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, size)
"""
OURS = """
import time, sys
began = float(sys.argv[1])
from engine.warmup import import_torch
import_torch()
import torch
from engine.loading import load_pipeline
pipeline = load_pipeline({path!r}, dtype=torch.{dtype})
"""
THEIRS = """
import time, sys, warnings
began = float(sys.argv[1])
warnings.simplefilter("ignore")
import torch
from diffusers import StableDiffusionPipeline
{load}
"""
_OPTIONS = "torch_dtype=torch.{dtype}, safety_checker=None"
LOADS = {
    "folder": f"pipeline = StableDiffusionPipeline.from_pretrained({{path!r}}, {_OPTIONS})",
    "file": "pipeline = StableDiffusionPipeline.from_single_file("
    f"{{path!r}}, config={{folder!r}}, local_files_only=True, {_OPTIONS})",
}
MAKE = """
import sys, torch
sys.path.insert(0, {root!r})
from engine.loading.configurations import family_configuration
from engine.loading.single_file import CLASSES
from engine.weights import build_on_meta
from engine.pipelines.convert import save_single_file
from engine.pipelines.single_file import load_pipeline
from engine.loading.clip_vocabulary import clip_merges, clip_vocabulary
from engine.prompts.tokenizer import CLIPTokenizer
import engine
content = family_configuration("stable-diffusion")
parts = {{}}
for name, cls in (("unet", "UNet2DConditionModel"), ("vae", "AutoencoderKL"), ("text_encoder", "CLIPTextModel")):
    model = build_on_meta(lambda: CLASSES[cls].from_config(content[name])).half().to_empty(device="cpu")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.02)
    parts[name] = model
merges = clip_merges()
tokenizer = CLIPTokenizer(clip_vocabulary(merges), merges)
scheduler = engine.PNDMScheduler.from_config(content["scheduler"])
pipeline = engine.StableDiffusionPipeline(
    **parts, tokenizer=tokenizer, scheduler=scheduler, safety_checker=None, feature_extractor=None
)
pipeline.save_pretrained({folder!r})
save_single_file(pipeline, __import__("pathlib").Path({file!r}), torch.float16)
"""


def run(code: str) -> tuple[float, float, float]:
    """Seconds, peak of memory and size of the weights in bytes, as the process tells."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    command = [sys.executable, "-c", code, str(time.time())]
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout  # noqa: S603
    seconds, peak, size = (float(number) for number in output.split()[-3:])
    return seconds, peak, size


def main() -> None:
    """Measure and print a table, and JSON in its last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None)
    add_results_option(parser)
    arguments = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="sfumato-loading-", dir=arguments.folder))
    try:
        folder, file = place / "folder", place / "model.safetensors"
        subprocess.run(  # noqa: S603
            [sys.executable, "-c", MAKE.format(root=str(ROOT), folder=str(folder), file=str(file))],
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        print(json.dumps(measure(folder, file, arguments.rounds, Keeper(arguments.results))))
    finally:
        shutil.rmtree(place)


def measure(folder: Path, file: Path, rounds: int, keeper: Keeper) -> list[dict[str, float | str]]:
    """The medians of each case, printed as they come."""
    rows: list[dict[str, float | str]] = []
    figures: list[Figure] = []
    for kind, path in (("folder", folder), ("file", file)):
        for dtype in ("float16", "float32"):
            ours, theirs = [], []
            load = LOADS[kind].format(path=str(path), folder=str(folder), dtype=dtype)
            for _ in range(rounds):
                ours.append(run(OURS.format(path=str(path), dtype=dtype) + TOUCH))
                theirs.append(run(THEIRS.format(load=load) + TOUCH))
            mine, other = (statistics.median(sample[0] for sample in samples) for samples in (ours, theirs))
            ratios = [one[0] / two[0] for one, two in zip(ours, theirs, strict=True)]
            figures.append(Figure(f"Loading Stable Diffusion 1.5, {kind}, {dtype}: to Diffusers", tuple(ratios)))
            keeper.keep(figures)
            size = ours[0][2] / 1e9
            peak, their_peak = (max(sample[1] for sample in samples) / 1e9 for samples in (ours, theirs))
            print(
                f"{kind:7}{dtype:8} ours {mine:5.2f} s, Diffusers {other:5.2f} s, "
                f"ratio {statistics.median(ratios):.2f}; "
                f"weights {size:.2f} GB, peak {peak:.2f} GB (+{peak - size:.2f}), Diffusers {their_peak:.2f} GB",
                flush=True,
            )
            rows.append(
                {"kind": kind, "dtype": dtype, "ours": mine, "theirs": other, "ratio": statistics.median(ratios)}
                | {"peak_over_weights": peak - size}
            )
    return rows


if __name__ == "__main__":
    main()

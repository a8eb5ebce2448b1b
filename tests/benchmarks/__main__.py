"""Run the benchmarks, each in a process of its own, and write what they say as Markdown.

    python -m tests.benchmarks [NAME ...] [--out results.md] [--device cpu] [--list]

The two that take a window, a trained model or the network are left out unless they are named.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Benchmark:
    """One command: `python -m tests.benchmarks.<module> <arguments>`.

    Attributes:
        markdown: whether it prints Markdown; else its text is quoted as it is.
        on_device: whether it takes `--device`.
        asked_only: whether it runs only when it is named.
    """

    module: str
    arguments: Sequence[str] = ()
    markdown: bool = False
    on_device: bool = False
    asked_only: bool = False


BENCHMARKS = {
    "step": Benchmark("denoising_step", ("--wins",), markdown=True, on_device=True),
    "step-bfloat16": Benchmark("denoising_step", ("--dtype", "bfloat16"), markdown=True, on_device=True),
    "backends": Benchmark("backends", markdown=True),
    "backends-float32": Benchmark("backends", ("--dtype", "float32", "--onnx"), markdown=True),
    "decode": Benchmark("decode", ("--wins",), markdown=True, on_device=True),
    "whole-picture": Benchmark(
        "whole_picture", ("--size", "256", "--batch", "1", "2", "4"), markdown=True, on_device=True
    ),
    "peak-memory": Benchmark("peak_memory", markdown=True),
    "cold-start": Benchmark("cold_start"),
    "loading": Benchmark("loading"),
    "cancel": Benchmark("cancel"),
    "scheduler-overhead": Benchmark("scheduler_overhead"),
    "scheduler-convergence": Benchmark("scheduler_convergence"),
    "gallery": Benchmark("gallery"),
    "library": Benchmark("library"),
    "memory": Benchmark("memory_soak"),
    "window": Benchmark("window", asked_only=True),
    "icon-quality": Benchmark("icon_quality", asked_only=True),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--out", type=Path, help="file for the results, in place of the terminal")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; choose of {', '.join(BENCHMARKS)}")
    names = options.names or [name for name, one in BENCHMARKS.items() if not one.asked_only]
    if options.list:
        print("\n".join(names))
        return 0
    sections: list[str] = []
    failed = False
    for name in names:
        section, code = _run(name, BENCHMARKS[name], options.device)
        failed |= code != 0
        sections.append(section)
        if options.out is None:
            print(section, flush=True)
        else:
            options.out.write_text("\n".join(["# Benchmarks", "", *sections]), encoding="utf-8")
    return int(failed)


def _run(name: str, benchmark: Benchmark, device: str) -> tuple[str, int]:
    """Return what a benchmark said, as Markdown, and its exit code."""
    command = [sys.executable, "-m", f"tests.benchmarks.{benchmark.module}", *benchmark.arguments]
    if benchmark.on_device:
        command += ["--device", device]
    print(f"{name} ...", file=sys.stderr, flush=True)
    began = perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    text = done.stdout.strip()
    # Benchmarks that print Markdown tell of their rounds first.
    text = text[text.find("### ") :] if benchmark.markdown and "### " in text else f"### {name}\n\n```\n{text}\n```"
    if done.returncode:
        text += f"\n\nIt failed with exit code {done.returncode}:\n\n```\n{done.stderr.strip()}\n```"
    return f"{text}\n\n{perf_counter() - began:.0f} s\n", done.returncode


if __name__ == "__main__":
    raise SystemExit(main())

"""One guided step of a UNet of Stable Diffusion 1.5's size, with random weights, beside Diffusers and beside its bound.

The bound is what the step cannot do without: its convolutions, linear layers and attentions, recorded in the plain path
and replayed alone. The networks share their weights, and all subjects take turns.

    python -m tests.benchmarks.denoising_step [--size 512] [--rounds 7] [--device cpu] [--dtype float32] [--wins]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import diffusers
import torch
from torch import Tensor, nn

from engine.models.exact import Win, without
from engine.models.unet_2d_condition import UNet2DConditionModel
from tests.benchmarks.replay import recorded, replay
from tests.benchmarks.timing import ROUNDS, Subject, Times, machine, take_turns

UNET: dict[str, Any] = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
TOKENS, SCALE = 77, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    options = parser.parse_args()
    dtype, device = getattr(torch, options.dtype), options.device
    ours, theirs = same_weights(UNet2DConditionModel, diffusers.UNet2DConditionModel, UNET, device, dtype)
    latents = torch.randn(2, 4, options.size // SCALE, options.size // SCALE, device=device, dtype=dtype)
    prompt = torch.randn(2, TOKENS, UNET["cross_attention_dim"], device=device, dtype=dtype)

    def step(network: nn.Module) -> Tensor:
        return network(latents, 500, prompt, return_dict=False)[0]

    title = f"One guided step, Stable Diffusion 1.5's size, {options.size} pixels, {options.dtype}"
    report(title, lambda: step(ours), lambda: step(theirs), options)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that benchmarks of a network have in common."""
    parser.add_argument("--size", type=int, default=512, help="pixels of the picture's side")
    parser.add_argument("--wins", action="store_true", help="measure without all and without each exact win, too")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, help="threads of torch; by default as many as cores")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")


def same_weights(
    ours: Callable[..., nn.Module],
    theirs: Callable[..., nn.Module],
    config: dict[str, Any],
    device: str,
    dtype: torch.dtype,
) -> tuple[nn.Module, nn.Module]:
    """Return both networks with one and the same set of random weights."""
    warnings.simplefilter("ignore")
    with torch.device("meta"):
        networks = ours(**config), theirs(**config)
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, Tensor] = {}
    for name, entry in networks[0].state_dict().items():
        fan_in = max(entry[0].numel(), 1) if entry.ndim > 1 else 1
        drawn = torch.empty(entry.shape).normal_(0, fan_in**-0.5, generator=generator)
        weights[name] = (drawn if entry.ndim > 1 else drawn * 0.1 + name.endswith("norm.weight")).to(device, dtype)
    for network in networks:
        network.load_state_dict(weights, assign=True)
        network.eval()
    return networks


@torch.no_grad()
def report(title: str, ours: Subject, theirs: Subject, options: argparse.Namespace) -> None:
    """Measure both and the bound, and print a table in Markdown."""
    if options.threads:
        torch.set_num_threads(options.threads)

    def plain(run: Subject, *wins: Win) -> object:
        with without(*wins):
            return run()

    calls = recorded(lambda: plain(ours))
    subjects: dict[str, Subject] = {
        "ours": ours,
        "Diffusers": theirs,
        "bound": lambda: replay(calls),
    }
    if options.wins:
        subjects["plain path"] = lambda: plain(ours)
        subjects |= {f"without {win.value}": lambda win=win: plain(ours, win) for win in Win}
    reference = theirs()
    errors = {
        name: _difference(run(), reference) for name, run in subjects.items() if name not in ("Diffusers", "bound")
    }
    times = take_turns(subjects, options.rounds, options.device, options.clock, lambda line: print(line, flush=True))
    print(_table(title, times, errors, options))


def _difference(ours: object, theirs: object) -> float:
    """Return the largest difference over the largest value."""
    if not isinstance(ours, Tensor) or not isinstance(theirs, Tensor):
        raise TypeError
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def _table(title: str, times: Times, errors: dict[str, float], options: argparse.Namespace) -> str:
    lines = [
        f"### {title}",
        "",
        f"{machine(options.device)}; {options.clock} clock, {options.rounds} rounds.",
        "",
        "| | seconds | to Diffusers | to the bound | largest difference from Diffusers |",
        "|---|---|---|---|---|",
    ]
    for name in times.seconds:
        error = f"{errors[name]:.1e}" if name in errors else ""
        to_diffusers, to_bound = times.ratio(name, "Diffusers"), times.ratio(name, "bound")
        lines.append(f"| {name} | {times.median(name):.3f} | {to_diffusers} | {to_bound} | {error} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

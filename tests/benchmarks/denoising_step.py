"""One guided step of a UNet with random weights, beside Diffusers and beside its bound.

The bound is what the step cannot do without: its convolutions, linear layers and attentions, recorded in the plain path
and replayed alone. The networks share their weights, and all subjects take turns. Ours is given what a run keeps from
step to step, as at every step but the first; Diffusers' has nothing of the kind. With `--compile` (on a GPU always)
ours with compiled blocks, and all of it as one CUDA graph there, and Diffusers' under `torch.compile` take turns with
them.

    python -m tests.benchmarks.denoising_step [--model sd15] [--size 512] [--batch 1] [--rounds 7] [--device cpu]
        [--dtype float32] [--wins] [--compile]
"""

from __future__ import annotations

import argparse
import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import diffusers
import torch
from torch import Tensor, nn

from engine.models.compilation import compile_blocks
from engine.models.cuda_graph import record_calls
from engine.models.exact import Win, without
from engine.models.prompt_keys import PromptKeys
from engine.models.time_embeddings import TimeEmbeddings
from engine.models.unet_2d_condition import UNet2DConditionModel
from tests.benchmarks.networks import KINDS, kind_of, step_inputs
from tests.benchmarks.replay import recorded, replay
from tests.benchmarks.results import Figure, Keeper, add_results_option, ratio
from tests.benchmarks.timing import ROUNDS, Subject, Times, digits, machine, take_turns

THEIRS, BOUND = "Diffusers", "bound"


@dataclass(frozen=True)
class Comparison:
    """What is measured.

    Attributes:
        title: what a table says of it.
        ours, theirs: both do the same.
        bars: what the median of a subject's ratio to another one has to be below.
        more: further subjects.
    """

    title: str
    ours: Subject
    theirs: Subject
    bars: Mapping[tuple[str, str], float | None]
    more: Mapping[str, Subject] = field(default_factory=dict[str, Subject])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, size=None)
    parser.add_argument("--model", choices=KINDS, default="sd15")
    parser.add_argument("--batch", type=int, default=1, help="pictures at once; each step computes two samples of each")
    parser.add_argument("--compile", action="store_true", help="measure compiled networks, too, which takes minutes")
    options = parser.parse_args()
    kind = kind_of(options.model)
    dtype, device = getattr(torch, options.dtype), options.device
    size = options.size or kind.size
    ours, theirs = same_weights(UNet2DConditionModel, diffusers.UNet2DConditionModel, kind.unet, device, dtype)
    inputs = step_inputs(kind.unet, options.batch, size, device, dtype)
    calls = {"ours": functools.partial(ours, **kept_of_a_run(device)), THEIRS: theirs}
    if options.compile or device != "cpu":
        calls |= _compiled(ours, theirs, kind.unet, device)
    subjects = {name: lambda call=call: call(**inputs)[0] for name, call in calls.items()}
    pictures = "" if options.batch == 1 else f", {options.batch} pictures"
    report(
        Comparison(
            title=f"One guided step, {kind.words}, {size} pixels, {options.dtype}{pictures}",
            ours=subjects.pop("ours"),
            theirs=subjects.pop(THEIRS),
            bars=_bars(options) if size == kind.size and options.batch == 1 else _bars(None),
            more=subjects,
        ),
        options,
    )


def _bars(options: argparse.Namespace | None) -> Mapping[tuple[str, str], float | None]:
    """What is asked of each ratio that is kept, by what is measured; nothing of other sizes than the usual ones."""
    pairs = [("ours", THEIRS), ("ours", BOUND), *((COMPILED, theirs) for theirs in THEIRS_COMPILED)]
    bars: dict[tuple[str, str], float | None] = dict.fromkeys(pairs)
    if options is None or options.model == "tiny":
        return bars
    if options.device != "cpu":
        return bars | {("ours", THEIRS): 0.85, (COMPILED, THEIRS_COMPILED[0]): 0.95}
    if options.model == "sd15":
        bars[("ours", THEIRS)] = {"float32": 0.85, "bfloat16": 0.75}.get(options.dtype)
        bars[("ours", BOUND)] = 1.15 if options.dtype == "float32" else None
    return bars


def add_options(parser: argparse.ArgumentParser, size: int | None = 512) -> None:
    """Add the options that benchmarks of a network have in common."""
    parser.add_argument("--size", type=int, default=size, help="pixels of the picture's side")
    parser.add_argument("--wins", action="store_true", help="measure without all and without each exact win, too")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, help="threads of torch; by default as many as cores")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    add_results_option(parser)


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
        network.to(device).eval()
    return networks


def kept_of_a_run(device: str) -> dict[str, Any]:
    """What a pipeline gives the U-Net beside its inputs in a run; the first call fills it."""
    return {
        "prompt_keys": PromptKeys(),
        "step_time": TimeEmbeddings(torch.tensor([900, 500, 100], device=device)).at(1),
    }


COMPILED = "ours, compiled"
THEIRS_COMPILED = ("Diffusers, torch.compile", "Diffusers, torch.compile with CUDA graphs")


def _compiled(ours: nn.Module, theirs: nn.Module, config: dict[str, Any], device: str) -> dict[str, Callable[..., Any]]:
    """Networks with the weights of these, ours compiled by blocks, theirs whole."""
    compiled = _twin(UNet2DConditionModel, config, ours)
    compile_blocks(compiled, torch.device(device))
    if device != "cpu":
        record_calls(compiled)
    calls: dict[str, Callable[..., Any]] = {
        # A graph computes the keys anew; whose they are tells it which calls are of one run.
        COMPILED: compiled if device == "cpu" else functools.partial(compiled, **kept_of_a_run(device)),
        THEIRS_COMPILED[0]: torch.compile(_twin(diffusers.UNet2DConditionModel, config, theirs)),
    }
    if device != "cpu":
        twin = _twin(diffusers.UNet2DConditionModel, config, theirs)
        calls[THEIRS_COMPILED[1]] = torch.compile(twin, mode="reduce-overhead")
    return calls


def _twin(make: Callable[..., nn.Module], config: dict[str, Any], other: nn.Module) -> nn.Module:
    with torch.device("meta"):
        network = make(**config)
    network.load_state_dict(other.state_dict(), assign=True)
    return network.eval()


@torch.no_grad()
def report(compared: Comparison, options: argparse.Namespace) -> None:
    """Measure both and the bound, keep the figures, and print a table in Markdown."""
    if options.threads:
        torch.set_num_threads(options.threads)

    def plain(run: Subject, *wins: Win) -> object:
        with without(*wins):
            return run()

    ours = compared.ours
    calls = recorded(lambda: plain(ours))
    subjects: dict[str, Subject] = {"ours": ours, THEIRS: compared.theirs, BOUND: lambda: replay(calls)}
    subjects |= compared.more
    if options.wins:
        subjects["plain path"] = lambda: plain(ours)
        subjects |= {f"without {win.value}": lambda win=win: plain(ours, win) for win in Win}
    reference = compared.theirs()
    errors = {name: _difference(run(), reference) for name, run in subjects.items() if name not in (THEIRS, BOUND)}
    keeper = Keeper(options.results, options.device)
    times = take_turns(
        subjects,
        options.rounds,
        options.device,
        options.clock,
        told=lambda line: print(line, flush=True),
        each=lambda times: keeper.keep(_figures(compared, times)),
    )
    table = _table(compared.title, times, errors, options)
    keeper.keep(_figures(compared, times), table)
    print(table)


def _figures(compared: Comparison, times: Times) -> list[Figure]:
    pairs = {pair: bar for pair, bar in compared.bars.items() if set(pair) <= set(times.seconds)}
    return [
        ratio(f"{compared.title}: {subject} to {peer}", times, subject, peer, bar)
        for (subject, peer), bar in pairs.items()
    ]


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
        to_diffusers, to_bound = times.ratio(name, THEIRS), times.ratio(name, BOUND)
        lines.append(f"| {name} | {digits(times.median(name))} | {to_diffusers} | {to_bound} | {error} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

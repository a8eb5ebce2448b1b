"""One guided step of a UNet of Stable Diffusion 1.5's size in OpenVINO, beside plain OpenVINO and beside Diffusers.

Ours is the back end of the program, compiled for the size of the run; "plain OpenVINO" is Diffusers' own UNet through
`openvino.convert_model`, compiled as it comes out of it. Both are asked for the same precision; on a processor without
it OpenVINO computes in float32, and where float32 is faster the program does. All have the same random weights and take
turns.

    python -m tests.benchmarks.backends [--size 512] [--rounds 7] [--dtype bfloat16] [--onnx] [--steady] [--no-half]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import diffusers
import torch
from torch import Tensor, nn

from engine.backends import packages
from engine.backends.openvino_session import computes_in, has_instructions
from engine.backends.parts import Backend
from engine.models.unet_2d_condition import UNet2DConditionModel
from tests.benchmarks.denoising_step import same_weights
from tests.benchmarks.networks import SCALE, SD15, TOKENS, kind_of
from tests.benchmarks.results import Figure, Keeper, add_results_option, ratio
from tests.benchmarks.timing import ROUNDS, Subject, Times, machine, take_turns

OURS, PLAIN, ONNX = "ours, OpenVINO", "plain OpenVINO", "ours, ONNX Runtime"
HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


class WithoutDict(nn.Module):
    """Diffusers' UNet as a function of tensors, which is all that a converter takes."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor) -> Tensor:
        return self.unet(sample, timestep, encoder_hidden_states, return_dict=False)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="pixels of the picture's side")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dtype", choices=tuple(HINTS), default="bfloat16")
    parser.add_argument("--onnx", action="store_true", help="measure ONNX Runtime, in float32, too")
    parser.add_argument("--steady", action="store_true", help="measure Diffusers in float32, too")
    parser.add_argument(
        "--no-half", action="store_true", help="leave out Diffusers in half precision: minutes a step without AVX-512"
    )
    add_results_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["SFUMATO_CACHE"] = cache
        print(measured(options))


@torch.no_grad()
def measured(options: argparse.Namespace) -> str:
    """Measure, and return a table in Markdown."""
    ours, theirs = same_weights(UNet2DConditionModel, diffusers.UNet2DConditionModel, SD15, "cpu", torch.float32)
    side = options.size // SCALE
    latents = torch.randn(1, 4, side, side).repeat(2, 1, 1, 1)  # the same for both halves, as in guidance
    prompt = torch.randn(2, TOKENS, SD15["cross_attention_dim"])
    reference = theirs(latents, 500, prompt, return_dict=False)[0]
    steps: dict[str, Callable[[], Tensor]] = {
        OURS: _ours(Backend("openvino", options.dtype), ours, latents, prompt),
        PLAIN: _plain(theirs, options.dtype, latents, prompt),
    }
    if options.onnx:
        steps[ONNX] = _ours(Backend("onnx", "float32"), ours, latents, prompt)
    if options.dtype == "float32" or options.steady:
        steps["Diffusers float32"] = lambda: theirs(latents, 500, prompt, return_dict=False)[0]
    if options.dtype != "float32" and not options.no_half:
        half = theirs.to(dtype=getattr(torch, options.dtype)) if not options.steady else _copy(theirs, options.dtype)
        given = [tensor.to(getattr(torch, options.dtype)) for tensor in (latents, prompt)]
        steps[f"Diffusers {options.dtype}"] = lambda: half(given[0], 500, given[1], return_dict=False)[0]
    errors = {name: _difference(step().float(), reference) for name, step in steps.items()}
    subjects: dict[str, Subject] = dict(steps)
    keeper = Keeper(options.results)
    times = take_turns(
        subjects,
        options.rounds,
        told=lambda line: print(line, flush=True),
        each=lambda times: keeper.keep(_figures(times, options)),
    )
    table = _table(times, errors, options)
    keeper.keep(_figures(times, options), table)
    return table


def _figures(times: Times, options: argparse.Namespace) -> list[Figure]:
    """Each of ours to plain OpenVINO and to Diffusers, as far as they were measured."""
    title = f"{_title(options)}: "
    bars = {(OURS, PLAIN): 1.0, (OURS, "Diffusers bfloat16"): 0.58} if options.size == kind_of("sd15").size else {}
    peers = [name for name in times.seconds if name not in (OURS, ONNX)]
    pairs = [(subject, peer) for subject in (OURS, ONNX) if subject in times.seconds for peer in peers]
    return [
        ratio(f"{title}{subject} to {peer}", times, subject, peer, bars.get((subject, peer))) for subject, peer in pairs
    ]


def _title(options: argparse.Namespace) -> str:
    return f"One guided step in OpenVINO, Stable Diffusion 1.5's size, {options.size} pixels, {options.dtype}"


def _ours(backend: Backend, unet: nn.Module, latents: Tensor, prompt: Tensor) -> Callable[[], Tensor]:
    network = backend.part("unet", unet, lambda: None)
    return lambda: network(latents, 500, prompt, return_dict=False)[0]


def _plain(unet: nn.Module, dtype: str, latents: Tensor, prompt: Tensor) -> Callable[[], Tensor]:
    openvino = packages.openvino()
    inputs = (latents, torch.full((2,), 500.0), prompt)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = openvino.convert_model(WithoutDict(unet), example_input=inputs)
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": HINTS[dtype if has_instructions(dtype) else "float32"],
    }
    compiled = openvino.compile_model(model, "CPU", options)
    given = [tensor.numpy() for tensor in inputs]
    return lambda: torch.from_numpy(compiled(given)[0])


def _copy(network: nn.Module, dtype: str) -> Any:
    copy = diffusers.UNet2DConditionModel(**SD15)
    copy.load_state_dict(network.state_dict())
    return copy.eval().to(dtype=getattr(torch, dtype))


def _difference(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def _table(times: Times, errors: dict[str, float], options: argparse.Namespace) -> str:
    diffusers_name = list(times.seconds)[-1]
    computed = computes_in(options.dtype)
    lines = [
        f"### {_title(options)}",
        "",
        f"{machine()}; {options.rounds} rounds; ours computes in {computed} here.",
        "",
        f"| | seconds | to plain OpenVINO | to {diffusers_name} | largest difference from Diffusers float32 |",
        "|---|---|---|---|---|",
    ]
    for name in times.seconds:
        ratios = times.ratio(name, PLAIN), times.ratio(name, diffusers_name)
        lines.append(f"| {name} | {times.median(name):.3f} | {ratios[0]} | {ratios[1]} | {errors[name]:.1e} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

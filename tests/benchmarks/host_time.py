"""What asking for one guided step takes, apart from computing it: what a quick GPU waits for at batch 1.

The layers are those of the true network, but 32 channels wide, on one thread, and convolutions and attentions give
zeros of the right shape, so that next to nothing is computed. What is left is Python, PyTorch's way to each operation,
and its memory: the same as before a GPU, but for the driver's call at each operation. Ours takes the ways that it takes
there, and is given what a run keeps from step to step.

    python -m tests.benchmarks.host_time [--model sd15] [--rounds 7]
"""

from __future__ import annotations

import argparse
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import diffusers
import torch
from torch import Tensor

from engine.models import side_by_side
from engine.models.exact import Win, without
from engine.models.unet_2d_condition import UNet2DConditionModel
from tests.benchmarks.denoising_step import THEIRS, kept_of_a_run, same_weights
from tests.benchmarks.networks import KINDS, is_xl, kind_of, step_inputs
from tests.benchmarks.results import Keeper, add_results_option, ratio
from tests.benchmarks.timing import ROUNDS, Subject, machine, take_turns

WIDTH, PIXELS, CALLS = 32, 64, 10
# Ways that a processor takes and a GPU does not.
OF_PROCESSORS = (
    Win.WINOGRAD,
    Win.LARGER_TILES,
    Win.SMALL_IMAGES,
    Win.DOUBLING,
    Win.FEED_FORWARD,
    Win.WIDER,
    Win.KEPT_MEMORY,
    Win.SHARED_HALVES,
)
FEWER_OPERATIONS = (Win.PROMPT_KEYS, Win.TIME_EMBEDDINGS, Win.SIDE_BY_SIDE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=KINDS, default="sd15")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    add_results_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    kind = kind_of(options.model)
    unet = narrowed(kind.unet)
    with mock.patch.object(side_by_side, "DEVICES", frozenset({"cpu"})), nothing_computed(), torch.no_grad():
        ours, theirs = same_weights(UNet2DConditionModel, diffusers.UNet2DConditionModel, unet, "cpu", torch.float32)
        # As a scheduler gives it.
        inputs = step_inputs(unet, 1, PIXELS, "cpu", torch.float32) | {"timestep": torch.tensor(500)}
        kept = kept_of_a_run("cpu")

        def steps_of_ours(*more: Win) -> None:
            with without(*OF_PROCESSORS, *more):
                for _ in range(CALLS):
                    ours(**inputs, **kept)

        def steps_of_theirs() -> None:
            for _ in range(CALLS):
                theirs(**inputs)

        subjects: dict[str, Subject] = {"ours": steps_of_ours, THEIRS: steps_of_theirs}
        subjects |= {f"without {win.value}": lambda win=win: steps_of_ours(win) for win in FEWER_OPERATIONS}
        times = take_turns(subjects, options.rounds, clock="cpu")
    name = f"Asking for one guided step, {kind.words}, nothing computed: ours to {THEIRS}"
    figure = ratio(name, times, "ours", THEIRS, None)
    lines = [f"{name}: {figure}", machine(), "", "| | ms | to Diffusers |", "|---|---|---|"]
    for subject in times.seconds:
        milliseconds = times.median(subject) / CALLS * 1000
        lines.append(f"| {subject} | {milliseconds:.1f} | {times.ratio(subject, THEIRS)} |")
    text = "\n".join(lines)
    Keeper(options.results, "cpu").keep([figure], text)
    print(text)


def narrowed(unet: dict[str, Any]) -> dict[str, Any]:
    """The configuration `unet` with as many layers, all of them `WIDTH` wide."""
    stages = len(unet.get("block_out_channels", range(4)))
    narrow = unet | {"block_out_channels": (WIDTH,) * stages, "cross_attention_dim": WIDTH, "attention_head_dim": 1}
    if is_xl(unet):
        narrow |= {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + WIDTH}
    return narrow


@contextmanager
def nothing_computed() -> Generator[None]:
    """Let convolutions and attentions give zeros while the block runs, for whoever asks."""

    def convolution(
        x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, *_: Any
    ) -> Tensor:
        by, around = _first(stride), _first(padding)
        sides = [(side + 2 * around - weight.shape[2]) // by + 1 for side in x.shape[2:]]
        return x.new_zeros(len(x), len(weight), *sides)

    def attention(query: Tensor, *_: Any, **_options: Any) -> Tensor:
        return torch.zeros_like(query)

    functional = torch.nn.functional
    with (
        mock.patch.object(functional, "conv2d", convolution),
        mock.patch.object(functional, "scaled_dot_product_attention", attention),
    ):
        yield


def _first(numbers: Any) -> int:
    return numbers if isinstance(numbers, int) else numbers[0]


if __name__ == "__main__":
    main()

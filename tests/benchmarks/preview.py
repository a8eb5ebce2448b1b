"""What the preview of a step costs, as a share of one guided step of Stable Diffusion 1.5's size.

    python -m tests.benchmarks.preview [--size 512] [--rounds 7] [--device cpu] [--dtype float32]

A preview is made as the program makes it: the map from latents to colours, and the picture's bytes on the CPU. Its
weights are random, and shaped like those that are fitted for an autoencoder of factor 8.
"""

from __future__ import annotations

import argparse

import torch

from engine.models.unet_2d_condition import UNet2DConditionModel
from engine.preview import REACH, REDUCTION, LinearPreview
from tests.benchmarks.networks import SCALE, SD15, step_inputs
from tests.benchmarks.random_weights import with_random_weights
from tests.benchmarks.results import Keeper, add_results_option, ratio
from tests.benchmarks.timing import ROUNDS, machine, take_turns

BAR = 0.01


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    add_results_option(parser)
    options = parser.parse_args()
    dtype = getattr(torch, options.dtype)
    unet = with_random_weights(UNet2DConditionModel, SD15).to(options.device, dtype)
    inputs = step_inputs(SD15, 1, options.size, options.device, dtype)
    colours = 3 * (SCALE // REDUCTION) ** 2
    preview = LinearPreview(torch.randn(colours, 4, REACH, REACH) * 0.1, torch.zeros(colours))
    title = f"Preview of a step, Stable Diffusion 1.5's size, {options.size} pixels, {options.dtype}: to the step"
    keeper = Keeper(options.results, options.device)
    times = take_turns(
        {"preview": lambda: preview(inputs["sample"][:1]), "step": lambda: unet(**inputs)},
        options.rounds,
        options.device,
        told=lambda line: print(line, flush=True),
        each=lambda times: keeper.keep([ratio(title, times, "preview", "step", BAR)]),
    )
    print(f"### {title}\n\n{machine(options.device)}; {options.rounds} rounds.\n")
    print(f"{1000 * times.median('preview'):.2f} ms of {times.median('step'):.2f} s: {times.ratio('preview', 'step')}")


if __name__ == "__main__":
    main()

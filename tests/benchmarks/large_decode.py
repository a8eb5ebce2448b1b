"""The most memory that decoding a very large picture tile by tile takes, Stable Diffusion's autoencoder in size.

The decoding is a process of its own, in float32 on the processor; memory is what it held at most in RAM, with PyTorch,
weights and the finished picture, as the kernel counts it (`ru_maxrss`). Some ten minutes on two cores.

    python -m tests.benchmarks.large_decode [--size 4096]
"""

from __future__ import annotations

import argparse
from time import perf_counter

from tests.benchmarks.decode import SCALE
from tests.benchmarks.peak_memory import peak_of
from tests.benchmarks.results import Figure, Keeper, add_results_option
from tests.benchmarks.timing import machine

BAR = 6.0
DECODE = """
import resource
import torch
from engine.images import postprocess
from engine.models.autoencoder_kl import AutoencoderKL
from tests.benchmarks.decode import VAE
from tests.benchmarks.random_weights import with_random_weights

vae = with_random_weights(AutoencoderKL, VAE)
vae.tile_sample_min_size, vae.tile_latent_min_size = 512, 64
vae.enable_tiling()
latents = torch.randn(1, 4, {side}, {side}, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    (picture,) = postprocess(vae.decode(latents).sample)
assert picture.size == ({size}, {size})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=4096, help="pixels of the picture's side")
    add_results_option(parser)
    options = parser.parse_args()
    began = perf_counter()
    peak = peak_of(DECODE.format(side=options.size // SCALE, size=options.size)) / 1e9
    name = f"Decoding a picture tile by tile, Stable Diffusion's size, {options.size} pixels, float32: peak memory"
    figure = Figure(name, (peak,), BAR if options.size == parser.get_default("size") else None, "GB", "runs")
    text = f"### {name}\n\n{machine()}; {figure}, {perf_counter() - began:.0f} s.\n"
    Keeper(options.results).keep([figure], text)
    print(text)


if __name__ == "__main__":
    main()

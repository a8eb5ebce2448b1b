"""The decoding of one picture by an autoencoder of Stable Diffusion's size, beside Diffusers and beside its bound.

python -m tests.benchmarks.decode [--size 512] [--rounds 7] [--device cpu] [--dtype float32] [--wins]
"""

from __future__ import annotations

import argparse
from typing import Any

import diffusers
import torch
from torch import Tensor

from engine.models.autoencoder_kl import AutoencoderKL
from tests.benchmarks.denoising_step import (
    BOUND,
    THEIRS,
    Comparison,
    add_options,
    report,
    same_weights,
)

VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
SCALE = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    options = parser.parse_args()
    dtype, device = getattr(torch, options.dtype), options.device
    ours, theirs = same_weights(AutoencoderKL, diffusers.AutoencoderKL, VAE, device, dtype)
    latents = torch.randn(1, 4, options.size // SCALE, options.size // SCALE, device=device, dtype=dtype)

    def decode(network: Any) -> Tensor:
        return network.decode(latents, return_dict=False)[0]

    title = f"Decoding a picture, Stable Diffusion's size, {options.size} pixels, {options.dtype}"
    bars = {("ours", THEIRS): None, ("ours", BOUND): None}
    report(Comparison(title, lambda: decode(ours), lambda: decode(theirs), bars), options)


if __name__ == "__main__":
    main()

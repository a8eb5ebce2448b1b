"""Tiny training sets and settings: seconds, not hours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.training.unet import UNetSettings

SIDE = 16
COUNT = 12
TINY_UNET: dict[str, Any] = {
    "block_out_channels": [16, 16],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}


@pytest.fixture(scope="session")
def icons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coloured squares with two captions each, in two styles."""
    folder = tmp_path_factory.mktemp("icons")
    chance = np.random.default_rng(0)
    lines: list[str] = []
    for i in range(COUNT):
        pixels = np.full((SIDE, SIDE, 3), 255, dtype=np.uint8)
        pixels[4:12, 4:12] = chance.integers(0, 256, 3)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
        style = "flat icon" if i % 2 else "3d icon"
        entry = {"file": f"{i:02d}.png", "captions": [f"square {i}, {style}", f"a square {i}, {style}"], "style": style}
        lines.append(json.dumps(entry))
    (folder / "captions.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def unet_settings(icons: Path, tiny_sd_folder: Path, tmp_path: Path) -> Callable[..., UNetSettings]:
    """Make settings of a run of a few steps in float32; keyword arguments change them."""

    def make(**changes: Any) -> UNetSettings:
        settings: dict[str, Any] = {
            "images": str(icons),
            "out": str(tmp_path / "run"),
            "vae": str(tiny_sd_folder / "vae"),
            "text_encoder": str(tiny_sd_folder / "text_encoder"),
            "tokenizer": str(tiny_sd_folder / "tokenizer"),
            "resolution": SIDE,
            "model": TINY_UNET,
            "steps": 4,
            "batch_size": 4,
            "warmup_steps": 2,
            "precision": "no",
            "device": "cpu",
            "log_steps": 2,
            "sample_steps": 2,
            "sample_prompts": ["square 1, flat icon"],
        }
        return UNetSettings.from_dict(settings | changes)

    return make

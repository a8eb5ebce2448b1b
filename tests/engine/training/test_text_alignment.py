"""The text encoder's alignment: what a caption foretells comes to be its image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import ConfigError, KnownError, MissingFile
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.clip_text import CLIPTextModel
from engine.prompts.tokenizer import CLIPTokenizer
from engine.training.events import CheckpointSaved, Done, Measured, Progress
from engine.training.text_alignment import TextAlignmentSettings, to_blocks, train_text_alignment
from tests.engine.training.conftest import COUNT, SIDE


@pytest.fixture
def make(icons: Path, tiny_sd_folder: Path, tmp_path: Path) -> Callable[..., TextAlignmentSettings]:
    """Make settings of a short run; keyword arguments change them."""

    # Of few tokens: among many, a fresh encoder finds the one that tells two captions apart only after a while.
    config = CLIPTextModel.from_pretrained(tiny_sd_folder / "text_encoder").config
    torch.manual_seed(0)
    encoder = CLIPTextModel.from_config(dict(config) | {"max_position_embeddings": 16})
    encoder.save_pretrained(tmp_path / "text_encoder")
    # Latents that differ by about 1, as those of a trained autoencoder do.
    tiny = AutoencoderKL.from_pretrained(tiny_sd_folder / "vae")
    vae = AutoencoderKL.from_config(dict(tiny.config) | {"scaling_factor": 60 * tiny.config.scaling_factor})
    vae.load_state_dict(tiny.state_dict())
    vae.save_pretrained(tmp_path / "vae")

    def settings(**changes: Any) -> TextAlignmentSettings:
        parts = {name: str(tiny_sd_folder / name) for name in ("vae", "text_encoder", "tokenizer")}
        run = {"images": str(icons), "out": str(tmp_path / "run"), "resolution": SIDE, "precision": "no"}
        short = {"steps": 2, "batch_size": 6, "log_steps": 1, "warmup_steps": 0, "device": "cpu", "blocks": 2}
        parts |= {name: str(tmp_path / name) for name in ("vae", "text_encoder")}
        return TextAlignmentSettings.from_dict(parts | run | short | changes)

    return settings


def test_captions_come_to_foretell_their_images(make: Callable[..., TextAlignmentSettings], tmp_path: Path) -> None:
    settings = make(steps=200, learning_rate=1e-2, ema_decay=0.9, log_steps=10)
    events = list(train_text_alignment(settings))
    losses = [event.loss for event in events if isinstance(event, Progress)]
    assert losses[-1] < losses[0] / 2
    measured = next(event for event in events if isinstance(event, Measured))
    assert measured.figures["top1"] > 3 / COUNT
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.reason, done.folder) == ("steps", tmp_path / "run" / "aligned" / "text_encoder")
    CLIPTextModel.from_pretrained(done.folder)
    CLIPTokenizer.from_pretrained(done.folder.with_name("tokenizer"))


def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    make: Callable[..., TextAlignmentSettings], tmp_path: Path
) -> None:
    whole = [event.loss for event in train_text_alignment(make(steps=4)) if isinstance(event, Progress)]
    run = train_text_alignment(make(steps=4, out=str(tmp_path / "parts")))
    first: list[float] = []
    for event in run:
        if isinstance(event, Progress):
            first.append(event.loss)
        if len(first) == 2:  # noqa: PLR2004
            run.close()
            break
    events = list(train_text_alignment(make(steps=4, out=str(tmp_path / "parts"))))
    assert any(isinstance(event, CheckpointSaved) for event in events)
    assert first + [event.loss for event in events if isinstance(event, Progress)] == whole


def test_blocks_are_cut_row_by_row() -> None:
    latents = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    blocks = to_blocks(latents, 2)
    assert blocks.shape == (2, 4, 3 * 2 * 3)
    assert torch.equal(blocks[1, 1], latents[1, :, :2, 3:].flatten())
    assert torch.equal(blocks[0, 2], latents[0, :, 2:, :3].flatten())


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"blocks": 3}, ConfigError, "blocks cannot be 3: it must divide"),
        ({"images": "nowhere"}, MissingFile, "nowhere"),
    ],
)
def test_wrong_settings_are_told_and_nothing_is_written(
    make: Callable[..., TextAlignmentSettings],
    tmp_path: Path,
    changes: dict[str, Any],
    error: type[KnownError],
    words: str,
) -> None:
    with pytest.raises(error) as raised:
        list(train_text_alignment(make(**changes)))
    assert words in str(raised.value)
    assert not (tmp_path / "run" / "aligned").exists()

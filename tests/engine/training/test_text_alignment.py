"""The text encoder's alignment: what a caption foretells comes to be its image, and captions of other words with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import BadFile, ConfigError, KnownError, MissingFile
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.clip_text import CLIPTextModel
from engine.prompts.tokenizer import CLIPTokenizer
from engine.training.events import CheckpointSaved, Done, Measured, Progress
from engine.training.neighbours import read_neighbours
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


def write(path: Path, *rows: Any) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


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


def test_a_word_that_no_caption_has_learns_what_it_may_mean(
    make: Callable[..., TextAlignmentSettings], tmp_path: Path
) -> None:
    rows = [{"caption": "zebra", "images": [3, 5], "shares": [1, 0]}]
    path = write(tmp_path / "neighbours.jsonl", *rows)
    settings = make(steps=100, learning_rate=1e-2, ema_decay=0.5, neighbours=path, neighbour_share=0.9, log_steps=10)
    losses = [event.loss for event in train_text_alignment(settings) if isinstance(event, Progress)]
    # Nine of ten samples are one word with one image.
    assert losses[-1] < losses[0] / 2


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


def test_what_a_caption_may_mean_is_drawn_by_its_shares(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    rows = [("a", [7, 2], [0.75, 0.25]), ("b", [1, 0], [0, 0.5])]
    write(path, *({"caption": text, "images": images, "shares": shares} for text, images, shares in rows))
    neighbours = read_neighbours(path, 8)
    chance = (np.arange(4000) + 0.5) / 4000
    captions, images = neighbours.draw(np.zeros(4000), chance)
    assert set(captions) == {0}
    assert (images == 7).mean() == 0.75  # noqa: PLR2004
    captions, images = neighbours.draw(np.full(4000, 0.999), chance)
    assert (set(captions), set(images)) == ({1}, {0})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"images": [0], "shares": [1]}, '"caption", a text, and has None'),
        ({"caption": "a", "images": [12], "shares": [1]}, "numbers from 0 to 11, and has [12]"),
        ({"caption": "a", "images": [], "shares": []}, "numbers from 0 to 11, and has []"),
        ({"caption": "a", "images": [1], "shares": [0]}, "not all 0, and has [0]"),
        ({"caption": "a", "images": [1], "shares": [float("nan")]}, "not all 0, and has [nan]"),
        ({"caption": "a", "images": [1, 2], "shares": [0.5, 0.5]}, "has 2 images, and the first line has 1"),
        (["a"], "needs a JSON object"),
    ],
)
def test_an_odd_line_is_named(tmp_path: Path, row: Any, words: str) -> None:
    path = tmp_path / "n.jsonl"
    write(path, {"caption": "b", "images": [0], "shares": [1]}, row)
    with pytest.raises(BadFile) as raised:
        read_neighbours(path, 12)
    assert words in str(raised.value)
    assert "line 2" in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"blocks": 3}, ConfigError, "blocks cannot be 3: it must divide"),
        ({"neighbours": "nowhere.jsonl"}, MissingFile, "nowhere.jsonl is missing"),
        ({"neighbour_share": 1.0}, ConfigError, "neighbour_share cannot be 1.0"),
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

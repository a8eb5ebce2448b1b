"""Distillation of the text encoder: it learns the teacher's meaning at the end token and at the padding."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import BadFile, ConfigError, MissingFile
from engine.models.clip_text import CLIPTextModel
from engine.prompts.tokenizer import CLIPTokenizer
from engine.training.checkpoint import load_checkpoint
from engine.training.events import Done, Measured, Progress
from engine.training.text_encoder import (
    Batches,
    TextEncoderSettings,
    distillation_loss,
    draw_positions,
    load_phrases,
    train_text_encoder,
)

TINY_TEXT: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 12,
}
Make = Callable[..., TextEncoderSettings]


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty phrases whose embeddings lie in four directions, by their first letter."""
    folder = tmp_path_factory.mktemp("sentences")
    phrases = [f"{letter}{'xyz'[i % 3]}{'uvw' * (i % 2)}" for letter in "abcd" for i in range(10)]
    directions = np.random.default_rng(0).normal(size=(4, 6))
    (folder / "phrases.txt").write_text("\n".join(phrases) + "\n")
    np.save(folder / "embeddings.npy", np.repeat(directions, 10, axis=0).astype(np.float16))
    return folder


@pytest.fixture
def make(sentences: Path, tiny_sd_folder: Path, tmp_path: Path) -> Make:
    def settings(**changes: Any) -> TextEncoderSettings:
        base: dict[str, Any] = {
            "sentences": str(sentences),
            "tokenizer": str(tiny_sd_folder / "tokenizer"),
            "out": str(tmp_path / "run"),
            "model": TINY_TEXT,
            "steps": 4,
            "batch_size": 8,
            "warmup_steps": 2,
            "precision": "no",
            "device": "cpu",
            "log_steps": 2,
        }
        return TextEncoderSettings.from_dict(base | changes)

    return settings


def test_a_run_learns_measures_and_saves_model_and_tokenizer(make: Make) -> None:
    events = list(train_text_encoder(make(steps=150, learning_rate=1e-2, ema_decay=0.9, contrastive_weight=0.0)))
    losses = [event.loss for event in events if isinstance(event, Progress)]
    assert losses[-1] < 0.3 * losses[0]
    figures = [event.figures for event in events if isinstance(event, Measured)][-1]
    assert figures["cosine_end"] > 0.9
    assert figures["cosine_padding"] > 0.8
    done = events[-1]
    assert isinstance(done, Done)
    model = CLIPTextModel.from_pretrained(done.folder)
    tokenizer = CLIPTokenizer.from_pretrained(done.folder.parent / "tokenizer")
    assert model.config.vocab_size == len(tokenizer)
    assert model.config.eos_token_id == tokenizer.eos_token_id


def test_a_resumed_run_is_bit_for_bit_the_run_that_was_not_stopped(make: Make, tmp_path: Path) -> None:
    list(train_text_encoder(make(steps=20, out=str(tmp_path / "whole"))))
    parts = make(steps=20, out=str(tmp_path / "parts"))
    stop = threading.Event()
    for event in train_text_encoder(parts, stop):
        if isinstance(event, Progress):
            stop.set()
    list(train_text_encoder(parts))
    first, second = (load_checkpoint(tmp_path / name / "text_encoder.checkpoint.pt") for name in ("whole", "parts"))
    assert first["step"] == second["step"] == 20
    assert torch.equal(first["losses"], second["losses"])
    assert all(torch.equal(first["network"][key], second["network"][key]) for key in first["network"])


def test_phrases_are_cut_and_filled_as_pipelines_do_it(sentences: Path, tiny_sd_folder: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(tiny_sd_folder / "tokenizer")
    phrases = load_phrases(sentences, tokenizer, longest=5)
    texts = (sentences / "phrases.txt").read_text().split()
    expected = tokenizer(texts, padding="max_length", max_length=5, truncation=True, return_tensors="pt").input_ids
    assert np.array_equal(phrases.ids, expected.numpy())
    assert phrases.lengths.tolist() == [min(5, 2 + len(text)) for text in texts]
    assert np.allclose(np.linalg.norm(phrases.targets.astype(np.float32), axis=1), 1, atol=2e-3)


def test_batches_hold_every_phrase_and_reach_every_position(make: Make, sentences: Path, tiny_sd_folder: Path) -> None:
    phrases = load_phrases(sentences, CLIPTokenizer.from_pretrained(tiny_sd_folder / "tokenizer"), longest=12)
    batches = Batches(phrases, np.arange(40), make(batch_size=5))
    widths: set[int] = set()
    seen: dict[bytes, int] = {}
    for number in range(320):  # forty epochs: 20 blocks of 16 batches
        ids, lengths, targets = batches.take(number, torch.Generator().manual_seed(number))
        assert ids.shape[1] >= int(lengths.max())
        assert targets.shape == (5, 6)
        widths.add(ids.shape[1])
        for row, length in zip(ids.numpy(), lengths, strict=True):
            key = row[: int(length)].tobytes()
            seen[key] = seen.get(key, 0) + 1
    assert max(widths) == 12
    assert sum(seen.values()) == 1600
    assert set(seen) == {row[:length].tobytes() for row, length in zip(phrases.ids, phrases.lengths, strict=True)}


def test_the_loss_is_zero_for_the_teachers_own_vectors() -> None:
    torch.manual_seed(0)
    targets = torch.nn.functional.normalize(torch.randn(3, 6), dim=-1)
    perfect = targets.unsqueeze(1).expand(3, 2, 6).clone()
    assert float(distillation_loss(perfect, targets, 0.0, 0.05)) == pytest.approx(0.0, abs=1e-6)
    perfect[0, 1] = -targets[0]  # one of three rows: cosine -1, squared distance 4
    assert float(distillation_loss(perfect, targets, 0.0, 0.05)) == pytest.approx((2 + 4) / 3, rel=1e-4)


def test_the_contrastive_part_asks_for_the_own_target() -> None:
    targets = torch.eye(4)
    own = targets.unsqueeze(1)
    other = targets.roll(1, dims=0).unsqueeze(1)
    assert float(distillation_loss(own, targets, 1.0, 0.05)) < 1e-6
    apart = 1 + 2  # cosine 0, squared distance 2
    assert float(distillation_loss(other, targets, 1.0, 0.05)) == pytest.approx(apart + 20, rel=1e-3)


def test_positions_are_the_end_and_any_later_one() -> None:
    lengths = torch.tensor([3, 8]).repeat_interleave(500)
    ends, later = draw_positions(lengths, 8, torch.Generator().manual_seed(0)).T
    assert torch.equal(ends, lengths - 1)
    assert set(later[:500].tolist()) == {2, 3, 4, 5, 6, 7}
    assert set(later[500:].tolist()) == {7}


def test_wrong_phrases_are_named(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "sentences"
    folder.mkdir()
    with pytest.raises(MissingFile, match=r"phrases\.txt is missing"):
        list(train_text_encoder(make(sentences=str(folder))))
    (folder / "phrases.txt").write_text("a\nb\n")
    np.save(folder / "embeddings.npy", np.zeros((3, 6), dtype=np.float16))
    with pytest.raises(BadFile, match=r"has the shape \[3, 6\], but .* has 2 lines"):
        list(train_text_encoder(make(sentences=str(folder))))
    (folder / "embeddings.npy").write_bytes(b"no array")
    with pytest.raises(BadFile, match="is not a NumPy array"):
        list(train_text_encoder(make(sentences=str(folder))))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"temperature": 0.0}, "temperature cannot be 0.0"),
        ({"model": {**TINY_TEXT, "vocab_size": 5}}, "vocab_size cannot be 5; the tokenizer has"),
        (
            {"model": {**TINY_TEXT, "hidden_act": "tanh"}},
            "hidden_act cannot be 'tanh'; it must be one of \"quick_gelu\"",
        ),
    ],
)
def test_wrong_settings_are_named(make: Make, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        list(train_text_encoder(make(**changes)))
    assert text in str(raised.value)

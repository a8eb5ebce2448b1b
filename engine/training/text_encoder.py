"""Distils a small `CLIPTextModel` from a sentence encoder: words that no caption has get a meaning too.

Teacher embeddings are given as an array. The student learns to give them, through a projection that is kept in the
checkpoint only, at the end token and at the padding after it: cross-attention sees all positions.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import BadFile, ConfigError, MissingFile
from engine.models.clip_text import CLIPTextModel
from engine.prompts.tokenizer import CLIPTokenizer
from engine.training.config import StageSettings
from engine.training.dataset import Order
from engine.training.events import Done, Event, Measured, Prepared
from engine.training.session import Session

HELD_OUT = 2000  # phrases kept from training, to measure on
CANDIDATES = 1000  # other phrases among which the right one must be found
BUCKET = 16  # batches of similar length are cut from this many batches at a time


def default_text_encoder() -> dict[str, Any]:
    """Return the configuration of a small text encoder."""
    return {
        "hidden_size": 256,
        "intermediate_size": 1024,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "max_position_embeddings": 32,
        "hidden_act": "gelu",
    }


@dataclass(frozen=True, kw_only=True)
class TextEncoderSettings(StageSettings):
    """Settings of the distillation.

    Attributes:
        sentences: folder with `phrases.txt` (one a line) and `embeddings.npy` (phrases, width), of the teacher.
        tokenizer: folder of a CLIP tokenizer; the model gets its vocabulary.
        model: configuration of the `CLIPTextModel`; vocabulary, special tokens and projection are filled in.
        contrastive_weight, temperature: of the cross-entropy of finding the own teacher embedding in the batch.
    """

    sentences: str
    tokenizer: str
    model: Mapping[str, Any] = field(default_factory=default_text_encoder)
    contrastive_weight: float = 0.1
    temperature: float = 0.05
    steps: int = 6000
    batch_size: int = 512
    ema_decay: float = 0.998
    warmup_steps: int = 300
    decay_share: float = 0.6

    def check(self) -> None:
        super().check()
        self.require("contrastive_weight", self.contrastive_weight >= 0, "0 or more")
        self.require("temperature", self.temperature > 0, "more than 0")


class Student(nn.Module):
    """The text encoder with the projection to the teacher's space."""

    def __init__(self, encoder: CLIPTextModel, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        hidden = encoder.config.hidden_size
        self.projection = nn.Linear(hidden, width)
        # Hidden states have unit variance after their norm; so scaled, the first outputs have the targets' length.
        nn.init.normal_(self.projection.weight, std=(hidden * width) ** -0.5)
        nn.init.zeros_(self.projection.bias)

    def forward(self, input_ids: Tensor, positions: Tensor) -> Tensor:
        """Return the projected hidden states at `positions` (batch, chosen), as (batch, chosen, width)."""
        states = self.encoder(input_ids, return_dict=False)[0]
        rows = torch.arange(len(states), device=states.device).unsqueeze(1)
        return self.projection(states[rows, positions])


@dataclass(frozen=True)
class Phrases:
    """Tokenised phrases with their teacher embeddings.

    Attributes:
        ids: (phrases, longest), begin and end tokens included, filled with the end token.
        lengths: tokens of each phrase, begin and end included.
        targets: (phrases, width), unit length.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    targets: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.lengths)


def load_phrases(folder: Path, tokenizer: CLIPTokenizer, longest: int) -> Phrases:
    """Read and tokenise the phrases of `folder`; raises `MissingFile` or `BadFile` where a part is missing or odd."""
    texts, targets = folder / "phrases.txt", folder / "embeddings.npy"
    for path in (texts, targets):
        if not path.is_file():
            raise MissingFile(f"{path} is missing; the distillation needs phrases.txt and embeddings.npy.")
    phrases = texts.read_text(encoding="utf-8").splitlines()
    try:
        embeddings = np.load(targets, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise BadFile(f"{targets} is not a NumPy array; make it again.") from error
    if embeddings.ndim != 2 or len(embeddings) != len(phrases):  # noqa: PLR2004
        raise BadFile(f"{targets} has the shape {list(embeddings.shape)}, but {texts} has {len(phrases)} lines.")
    rows = tokenize(tokenizer, phrases, longest)
    norms = np.linalg.norm(embeddings.astype(np.float32), axis=1, keepdims=True)
    return Phrases(*rows, (embeddings / np.maximum(norms, 1e-6)).astype(np.float16))


def tokenize(
    tokenizer: CLIPTokenizer, texts: Sequence[str], longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (ids, lengths): texts as `longest` tokens, cut or filled with the end token as pipelines do it."""
    ids = np.full((len(texts), longest), tokenizer.pad_token_id, dtype=np.int64)
    lengths = np.empty(len(texts), dtype=np.int64)
    for start in range(0, len(texts), 10_000):
        part = tokenizer(list(texts[start : start + 10_000]), truncation=True, max_length=longest)
        for row, tokens in enumerate(part.input_ids, start):
            lengths[row] = len(tokens)
            ids[row, : len(tokens)] = tokens
    return ids, lengths


def draw_positions(lengths: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Return, for each row, its end token and one position by chance from there to the last, as (batch, 2)."""
    ends = lengths - 1
    later = ends + (torch.rand(len(ends), generator=generator) * (width - ends)).long()
    return torch.stack([ends, later], dim=1)


def distillation_loss(projected: Tensor, targets: Tensor, contrastive_weight: float, temperature: float) -> Tensor:
    """Return the loss between projected states (batch, positions, width) and unit targets (batch, width).

    The mean over positions of 1 - cosine plus squared distance, times their number; and the contrastive cross-entropy
    at the first position.
    """
    wanted = targets.unsqueeze(1)
    cosine = functional.cosine_similarity(projected, wanted, dim=-1)
    loss = (1 - cosine + (projected - wanted).square().sum(-1)).sum(1).mean()
    if not contrastive_weight:
        return loss
    ends = functional.normalize(projected[:, 0], dim=-1)
    rows = torch.arange(len(ends), device=ends.device)
    return loss + contrastive_weight * functional.cross_entropy(ends @ targets.T / temperature, rows)


def train_text_encoder(settings: TextEncoderSettings, stop: threading.Event | None = None) -> Generator[Event]:
    """Train, and write the averaged model to `out`/text_encoder and the tokenizer to `out`/tokenizer.

    A checkpoint in `out` is resumed; `stop`, once set, ends the run after the present step with a checkpoint, and so
    does closing the generator. Raises a `KnownError` for settings, phrases or checkpoints that cannot be used.
    """
    tokenizer = CLIPTokenizer.from_pretrained(settings.tokenizer)
    config = complete_config(settings.model, tokenizer)
    torch.manual_seed(settings.seed)
    encoder = CLIPTextModel.from_config(config)
    phrases = load_phrases(Path(settings.sentences), tokenizer, encoder.config.max_position_embeddings)
    held_out = np.random.default_rng(settings.seed).permutation(len(phrases))
    held_out, train = np.split(held_out, [min(HELD_OUT, len(phrases) // 10)])
    yield Prepared(
        "text_encoder", 0, f"{len(train)} phrases to train, {len(held_out)} to measure", len(phrases), len(phrases)
    )
    session = Session("text_encoder", settings, Student(encoder, phrases.targets.shape[1]), stop)
    yield session.started()
    batches = Batches(phrases, np.sort(train), settings)
    try:
        while session.running():
            _step(session, settings, batches)
            yield from session.reports()
            if session.samples_due():
                yield measure(session, phrases, held_out)
    except GeneratorExit:
        list(session.save())
        raise
    yield from session.close()
    yield from _finish(session, tokenizer, phrases, held_out)


def complete_config(model: Mapping[str, Any], tokenizer: CLIPTokenizer) -> dict[str, Any]:
    """Return `model` with what the tokenizer decides; raises `ConfigError` where it says otherwise."""
    decided = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    for key, value in decided.items():
        if model.get(key, value) != value:
            raise ConfigError(f"model: {key} cannot be {model[key]!r}; the tokenizer has {value}: leave it out.")
    return {"projection_dim": model.get("hidden_size", 512)} | dict(model) | decided


class Batches:
    """Batches of phrases of similar length, with as much padding as it takes to train every position."""

    def __init__(self, phrases: Phrases, train: NDArray[np.int64], settings: TextEncoderSettings) -> None:
        self._phrases, self._train = phrases, train
        self._size = settings.batch_size
        self._order = Order(np.ones(len(train)), settings.seed)

    def take(self, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return (ids, lengths, targets) of batch `number` of the endless sequence."""
        block, place = divmod(number, BUCKET)
        chosen = self._train[self._order.take(block * BUCKET * self._size, BUCKET * self._size)]
        by_length = chosen[np.argsort(self._phrases.lengths[chosen], kind="stable")]
        # Which bucket a batch takes is scattered, or lengths would rise and fall in a rhythm of 16 steps.
        place = (place * 7 + block) % BUCKET
        rows = np.sort(by_length[place * self._size : (place + 1) * self._size])
        lengths = self._phrases.lengths[rows]
        shortest, longest = int(lengths.max()), self._phrases.ids.shape[1]
        chance = float(torch.rand((), generator=generator))
        width = shortest + round((longest - shortest) * chance**2)
        targets = torch.from_numpy(self._phrases.targets[rows].astype(np.float32))
        return torch.from_numpy(self._phrases.ids[rows, :width]), torch.from_numpy(lengths), targets


def _step(session: Session[Student], settings: TextEncoderSettings, batches: Batches) -> None:
    world, rank = session.accelerator.num_processes, session.accelerator.process_index
    generator = session.generator()
    ids, lengths, targets = batches.take(session.step * world + rank, generator)
    positions = draw_positions(lengths, ids.shape[1], generator)
    projected = session.compute(ids.to(session.device), positions.to(session.device)).float()
    loss = distillation_loss(projected, targets.to(session.device), settings.contrastive_weight, settings.temperature)
    session.backward(loss)
    session.update()


@torch.no_grad()
def measure(session: Session[Student], phrases: Phrases, held_out: NDArray[np.int64]) -> Measured:
    """Return the mean cosine at the end token and at the last padding, and how often the own teacher embedding is
    among the 5 nearest of 1,000 held-out ones (`top5`)."""
    ends: list[Tensor] = []
    cosines: list[Tensor] = []
    for start in range(0, len(held_out), 250):
        rows = held_out[start : start + 250]
        ids, lengths = torch.from_numpy(phrases.ids[rows]), torch.from_numpy(phrases.lengths[rows])
        positions = torch.stack([lengths - 1, torch.full_like(lengths, ids.shape[1] - 1)], dim=1)
        with session.accelerator.autocast():
            projected = session.ema.model(ids.to(session.device), positions.to(session.device)).float().cpu()
        targets = torch.from_numpy(phrases.targets[rows].astype(np.float32))
        ends.append(functional.normalize(projected[:, 0], dim=-1))
        cosines.append(functional.cosine_similarity(projected, targets.unsqueeze(1), dim=-1))
    if not ends:
        return Measured("text_encoder", session.step, {})
    cosine = torch.cat(cosines).mean(dim=0)
    found = torch.cat(ends)[:CANDIDATES]
    similar = found @ torch.from_numpy(phrases.targets[held_out[: len(found)]].astype(np.float32)).T
    nearest = similar.topk(min(5, len(found)), dim=-1).indices
    top5 = (nearest == torch.arange(len(found)).unsqueeze(1)).any(dim=-1).float().mean()
    figures = {"cosine_end": float(cosine[0]), "cosine_padding": float(cosine[1]), "top5": float(top5)}
    return Measured("text_encoder", session.step, figures)


def _finish(
    session: Session[Student], tokenizer: CLIPTokenizer, phrases: Phrases, held_out: NDArray[np.int64]
) -> Iterator[Event]:
    figures: Mapping[str, float] = {}
    reason = session.clock.reason or "interrupted"
    if reason != "interrupted" and session.accelerator.is_main_process:
        measured = measure(session, phrases, held_out)
        yield measured
        figures = measured.figures
        session.ema.model.encoder.save_pretrained(session.folder / "text_encoder")
        tokenizer.save_pretrained(session.folder / "tokenizer")
    session.accelerator.wait_for_everyone()  # the next stage reads it in every process
    yield Done("text_encoder", session.step, session.folder / "text_encoder", reason, session.clock.seconds, figures)

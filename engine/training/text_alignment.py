"""Aligns a trained text encoder with pictures: its last states foretell the latents of what a caption shows.

A denoiser learns what captions show through noise, at every noise level again: slowly, where the pictures are few and
all different. What those levels share, the mean picture of a caption, is a plain regression here, without noise and at
a fraction of the cost of a denoiser's step. The denoiser finds it in the states that cross-attention sees anyway, and
is left with the details. Ramesh et al. 2022 (arXiv 2204.06125, section 2.2) put such a step between text and picture
as a model of its own, the prior; here it is the text encoder itself, so the result is a plain Stable Diffusion folder.

The latents are cut into equal blocks, and as many states at the end of the padded prompt give one block each, through
a linear head that only the checkpoint keeps. Long prompts take places of the first blocks.

What captions show comes to lie in the embeddings of their tokens, and words that no caption has are left behind: in the
end they learn to say what the title says that is nearest to them in the given text encoder (`unseen_words`).
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import ConfigError
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.clip_text import CLIPTextModel
from engine.prompts.tokenizer import CLIPTokenizer
from engine.training.cache import caption_table, encode_latents
from engine.training.config import StageSettings
from engine.training.dataset import CaptionedImages, Order, load_images
from engine.training.events import Done, Event, Measured, Prepared
from engine.training.session import Session
from engine.training.text_encoder import tokenize
from engine.training.unseen_words import teach_unseen_words

MEASURED = 500  # images whose first caption is asked for


@dataclass(frozen=True, kw_only=True)
class TextAlignmentSettings(StageSettings):
    """Settings of the alignment.

    Attributes:
        images: folder or list of captioned images (`engine.training.dataset.load_images`).
        vae, text_encoder, tokenizer: folders of the parts that are trained already.
        resolution: side of the images in pixels.
        blocks: along each side of the latents; their square is the number of states that foretell one block each.
        style_weights: how often images of a style are shown, relative to 1.
    """

    images: str
    vae: str
    text_encoder: str
    tokenizer: str
    resolution: int = 128
    blocks: int = 4
    style_weights: Mapping[str, float] = field(default_factory=dict[str, float])
    steps: int = 6000
    learning_rate: float = 1.5e-3
    decay_share: float = 0.7
    ema_decay: float = 0.998

    def check(self) -> None:
        super().check()
        for key in ("resolution", "blocks"):
            self.require(key, getattr(self, key) >= 1, "1 or more")


class Foresight(nn.Module):
    """The text encoder with the head that reads blocks of latents from its last states."""

    def __init__(self, encoder: CLIPTextModel, blocks: int, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.blocks = blocks
        self.head = nn.Linear(encoder.config.hidden_size, width)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Token ids (batch, tokens) -> blocks of latents (batch, blocks, width)."""
        return self.head(self.encoder(input_ids, return_dict=False)[0][:, -self.blocks :])


def to_blocks(latents: Tensor, side: int) -> Tensor:
    """Cut latents (batch, channels, height, width) into `side` x `side` blocks (batch, side^2, values), row by row."""
    batch, channels, height, width = latents.shape
    cut = latents.reshape(batch, channels, side, height // side, side, width // side)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, side * side, -1)


@dataclass(frozen=True)
class Samples:
    """What captions show.

    Attributes:
        ids: (distinct captions, tokens).
        blocks: (images, blocks, width), float16.
        captions, offsets: rows of `ids` for each image (`engine.training.cache.caption_table`).
    """

    ids: NDArray[np.int64]
    blocks: NDArray[np.float16]
    captions: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def batch(self, images: NDArray[np.int64], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return (ids, blocks) in float32: a caption of each image by chance, and the image's blocks."""
        chance = torch.rand(len(images), generator=generator, dtype=torch.float64).numpy()
        counts = np.diff(self.offsets)[images]
        rows = self.captions[self.offsets[images] + (chance * counts).astype(np.int64)]
        return torch.from_numpy(self.ids[rows]), torch.from_numpy(self.blocks[images].astype(np.float32))


def aligned_folder(out: Path) -> Path:
    """Return the folder of the aligned text encoder for the run's folder `out`; its tokenizer stands beside it."""
    return out / "aligned" / "text_encoder"


def train_text_alignment(settings: TextAlignmentSettings, stop: threading.Event | None = None) -> Generator[Event]:
    """Train, and write the averaged text encoder to `out`/aligned/text_encoder and its tokenizer beside it.

    A checkpoint in `out` is resumed; `stop`, once set, ends the run after the present step with a checkpoint, and so
    does closing the generator. Raises a `KnownError` for settings, images, parts or checkpoints that cannot be used.
    """
    data = load_images(settings.images, settings.resolution)
    tokenizer = CLIPTokenizer.from_pretrained(settings.tokenizer)
    encoder = CLIPTextModel.from_pretrained(settings.text_encoder)
    vae = AutoencoderKL.from_pretrained(settings.vae).requires_grad_(False)
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    side, states = settings.resolution // factor, encoder.config.max_position_embeddings
    if side % settings.blocks or settings.blocks**2 >= states:
        raise ConfigError(
            f"blocks cannot be {settings.blocks}: it must divide the latents' side of {side}, and its square must be "
            f"less than the text encoder's {states} tokens."
        )
    width = vae.config.latent_channels * (side // settings.blocks) ** 2
    torch.manual_seed(settings.seed)
    session = Session("text_alignment", settings, Foresight(encoder, settings.blocks**2, width), stop)
    vae.to(session.device)
    with session.accelerator.main_process_first():  # the others find what it has written
        latents = yield from encode_latents(session.folder / "cache", data, vae)
    samples = make_samples(data, latents, tokenizer, settings.blocks, states)
    yield session.started()
    order = Order(data.weights(settings.style_weights), settings.seed)
    try:
        while session.running():
            _step(session, settings.batch_size, samples, order)
            yield from session.reports()
            if session.samples_due():
                yield measure(session, samples)
    except GeneratorExit:
        list(session.save())
        raise
    yield from session.close()
    yield from _finish(session, settings, tokenizer, data, samples)


def make_samples(
    data: CaptionedImages, latents: NDArray[np.float16], tokenizer: CLIPTokenizer, side: int, states: int
) -> Samples:
    """Return the captions as tokens, and the latents as blocks."""
    texts, captions, offsets = caption_table(data)
    ids, _ = tokenize(tokenizer, texts, states)
    blocks = to_blocks(torch.from_numpy(latents), side).numpy()
    return Samples(ids, blocks, captions, offsets)


def _step(session: Session[Foresight], batch_size: int, samples: Samples, order: Order) -> None:
    world, rank = session.accelerator.num_processes, session.accelerator.process_index
    generator = session.generator()
    images = order.take((session.step * world + rank) * batch_size, batch_size)
    ids, blocks = samples.batch(images, generator)
    foretold = session.compute(ids.to(session.device)).float()
    session.backward(functional.mse_loss(foretold, blocks.to(session.device)))
    session.update()


@torch.no_grad()
def measure(session: Session[Foresight], samples: Samples) -> Measured:
    """Return how often the first caption of an image foretells latents that are nearest to its own (`top1`), or have
    it among the 5 nearest (`top5`), of all images, by cosine once the mean is taken off."""
    count = len(samples.blocks)
    asked = np.linspace(0, count - 1, min(MEASURED, count)).astype(np.int64)
    ids = torch.from_numpy(samples.ids[samples.captions[samples.offsets[asked]]])
    with session.accelerator.autocast():
        parts = [session.ema.model(part.to(session.device)).float().cpu() for part in ids.split(250)]
    real = torch.from_numpy(samples.blocks.astype(np.float32)).flatten(1)
    mean = real.mean(0)
    foretold = functional.normalize(torch.cat(parts).flatten(1) - mean, dim=-1)
    nearest = (foretold @ functional.normalize(real - mean, dim=-1).T).topk(min(5, count), dim=-1).indices
    right = nearest == torch.from_numpy(asked).unsqueeze(1)
    figures = {"top1": float(right[:, 0].float().mean()), "top5": float(right.any(dim=-1).float().mean())}
    return Measured("text_alignment", session.step, figures)


def _finish(
    session: Session[Foresight],
    settings: TextAlignmentSettings,
    tokenizer: CLIPTokenizer,
    data: CaptionedImages,
    samples: Samples,
) -> Iterator[Event]:
    folder = aligned_folder(session.folder)
    figures: Mapping[str, float] = {}
    reason = session.clock.reason or "interrupted"
    if reason != "interrupted" and session.accelerator.is_main_process:
        measured = measure(session, samples)
        yield measured
        figures = measured.figures
        given = CLIPTextModel.from_pretrained(settings.text_encoder)
        encoder = session.ema.model.encoder.cpu()
        seen = set(np.unique(samples.ids).tolist())
        for done, words in teach_unseen_words(encoder, given, tokenizer, data, seen, settings.blocks**2):
            yield Prepared("text_alignment", session.step, "unseen words taught", done, words)
        encoder.save_pretrained(folder)
        tokenizer.save_pretrained(folder.with_name("tokenizer"))
    session.accelerator.wait_for_everyone()  # the next stage reads it in every process
    yield Done("text_alignment", session.step, folder, reason, session.clock.seconds, figures)

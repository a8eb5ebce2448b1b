"""Latents and text embeddings, computed once and kept in the run's folder as float16 arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.files import atomic_path, read_json, write_json
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.clip_text import CLIPTextModel
from engine.prompts.tokenizer import CLIPTokenizer
from engine.training.dataset import CaptionedImages, to_tensor_range
from engine.training.events import Prepared

EMPTY = ""  # the caption of unconditional samples; always row 0


@dataclass(frozen=True)
class Encoded:
    """The training set as the denoiser sees it.

    Attributes:
        latents: (images, channels, height, width), float16, scaled for diffusion.
        texts: (distinct captions, tokens, width), float16; row 0 is the empty caption.
        captions: rows of `texts`, those of one image after those of another.
        offsets: where the captions of each image begin in `captions`; one more entry than images.
    """

    latents: NDArray[np.float16]
    texts: NDArray[np.float16]
    captions: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def batch(self, images: NDArray[np.int64], dropout: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return (latents, text embeddings) in float32: a caption of each image by chance, or the empty one."""
        counts = np.diff(self.offsets)[images]
        chance = torch.rand(2, len(images), generator=generator).numpy()
        rows = self.captions[self.offsets[images] + (chance[0] * counts).astype(np.int64)]
        rows = np.where(chance[1] < dropout, 0, rows)
        latents = torch.from_numpy(self.latents[images].astype(np.float32)).contiguous(
            memory_format=torch.channels_last
        )
        return latents, torch.from_numpy(self.texts[rows].astype(np.float32))


@dataclass(frozen=True)
class Encoders:
    """The trained parts that stay as they are while the denoiser learns, in eval mode."""

    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer


def caption_table(data: CaptionedImages) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Return (distinct captions, the empty one first; row of each caption; offsets of each image)."""
    rows = {EMPTY: 0}
    captions = [rows.setdefault(text, len(rows)) for item in data.items for text in item.captions]
    offsets = np.cumsum([0, *(len(item.captions) for item in data.items)])
    return list(rows), np.array(captions, dtype=np.int64), offsets


def encode_all(
    folder: Path, data: CaptionedImages, encoders: Encoders, batch: int = 64
) -> Generator[Prepared, None, Encoded]:
    """Yield progress and return the `Encoded` set, taken from `folder` where it fits data and encoders."""
    latents = yield from encode_latents(folder, data, encoders.vae, batch)
    texts, captions, offsets = caption_table(data)
    path, key = folder / "texts.npy", digest(encoders.text_encoder, "\n".join(texts))
    if _keys(folder).get("texts") != key:
        yield from _fill(path, _embeddings(encoders, texts, batch), len(texts), "captions")
        _remember(folder, "texts", key)
    # Embeddings need not fit in memory; a mapped file is read where it is needed.
    return Encoded(latents, np.load(path, mmap_mode="r"), captions, offsets)


def encode_latents(
    folder: Path, data: CaptionedImages, vae: AutoencoderKL, batch: int = 64
) -> Generator[Prepared, None, NDArray[np.float16]]:
    """Yield progress and return the latents of all images, taken from `folder` where they fit data and autoencoder."""
    path, key = folder / "latents.npy", digest(vae, str(data.pixels.shape), data.pixels)
    if _keys(folder).get("latents") != key:
        yield from _fill(path, _latents(vae, data.pixels, batch), len(data.pixels), "images")
        _remember(folder, "latents", key)
    return np.load(path)


def _keys(folder: Path) -> dict[str, Any]:
    path = folder / "keys.json"
    return read_json(path) if path.is_file() else {}


def _remember(folder: Path, name: str, key: str) -> None:
    write_json(folder / "keys.json", _keys(folder) | {name: key})


def digest(model: nn.Module, text: str, pixels: NDArray[np.uint8] | None = None) -> str:
    """Return a hash of weights, text and pixels, by which cached arrays are known to fit."""
    summary = hashlib.blake2b(text.encode(), digest_size=16)
    for tensor in model.state_dict().values():
        summary.update(tensor.detach().cpu().contiguous().numpy().data)
    for image in () if pixels is None else pixels:
        summary.update(np.ascontiguousarray(image).data)
    return summary.hexdigest()


def _fill(path: Path, parts: Iterator[NDArray[np.float16]], total: int, what: str) -> Iterator[Prepared]:
    """Write the rows of `parts` into one array file, whole or not at all."""
    with atomic_path(path) as temporary:
        array: NDArray[np.float16] | None = None
        done = 0
        for part in parts:
            if array is None:
                array = np.lib.format.open_memmap(
                    temporary, mode="w+", dtype=np.float16, shape=(total, *part.shape[1:])
                )
            array[done : done + len(part)] = part
            done += len(part)
            yield Prepared("data", 0, f"{what} encoded", done, total)
        if array is not None:
            array.flush()


@torch.no_grad()
def _latents(vae: AutoencoderKL, pixels: NDArray[np.uint8], batch: int) -> Iterator[NDArray[np.float16]]:
    scaling: float = vae.config.scaling_factor
    for start in range(0, len(pixels), batch):
        images = to_tensor_range(pixels[start : start + batch]).to(vae.device)
        yield (vae.encode(images).latent_dist.mean * scaling).cpu().numpy().astype(np.float16)


@torch.no_grad()
def _embeddings(encoders: Encoders, texts: Sequence[str], batch: int) -> Iterator[NDArray[np.float16]]:
    for start in range(0, len(texts), batch):
        part = encoders.tokenizer(
            list(texts[start : start + batch]), padding="max_length", truncation=True, return_tensors="pt"
        )
        states = encoders.text_encoder(part.input_ids.to(encoders.text_encoder.device), return_dict=False)[0]
        yield states.cpu().numpy().astype(np.float16)

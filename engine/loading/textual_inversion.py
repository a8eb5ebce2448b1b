"""Textual inversion (https://arxiv.org/abs/2208.01618): words of one's own, each of one or several vectors.

Read in the forms of A1111's web interface (`string_to_param`, or `emb_params` as safetensors), of Diffusers
(`{token: vectors}`) and of SDXL (`clip_l` and `clip_g`), and out of the bundles that OneTrainer adds to its adapters
(`bundle_emb.NAME...`). Nothing is added to a tokenizer or a text encoder: `Words` goes to `engine.prompts.encode`,
which puts the vectors where the prompt spells the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import BadFile
from engine.formats.read import read_header
from engine.loading.tensors import read_tensors

FIRST, SECOND = "text_encoder", "text_encoder_2"
# Names of tensors that say nothing of the word.
_A1111 = ("string_to_param.*", "emb_params", "*")
_ENCODERS = {"clip_l": FIRST, "text_encoders_0": FIRST, "clip_g": SECOND, "text_encoders_1": SECOND}
# A word in an adapter's file; its name may have dots. Kinds such as `clip_l_out` are of what a text encoder gives, not
# of what it takes, and are left out.
BUNDLE = "bundle_emb."
_BUNDLED = re.compile(rf"{re.escape(BUNDLE)}(.+)\.(string_to_param\.\*|emb_params|clip_l|clip_g)")
# The width of a single vector tells SDXL's second text encoder, and that of Stable Diffusion 2, from the first.
_WIDTH_OF_SECOND = 1280

Words = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class TextualInversion:
    """A word: what prompts call it, and its vectors (vectors, channels) for each text encoder.

    `alias` is the name inside of the file, where it differs from the file's.
    """

    name: str
    vectors: Mapping[str, Tensor]
    alias: str = ""

    def __len__(self) -> int:
        return max(len(vectors) for vectors in self.vectors.values())


def read_embedding(path: Path) -> TextualInversion:
    """Read the word in the file `path`, which prompts call by the name of the file.

    Raises:
        MissingFile: there is no such file.
        BadFile: it is damaged, carries code, or is no embedding.
    """
    header = read_header(path)
    found = _vectors(header.tensors)
    if found is None:
        names = ", ".join(list(header.tensors)[:3]) or "nothing"
        raise BadFile(f"{path} is no embedding: it holds {names}; choose a file of textual inversion.")
    keys, alias = found
    tensors = read_tensors(path, list(keys.values()))
    vectors = {encoder: _checked(path, key, tensors[key]) for encoder, key in keys.items()}
    if len({len(rows) for rows in vectors.values()}) > 1:
        raise BadFile(
            f"{path} has {[len(rows) for rows in vectors.values()]} vectors for its text encoders; it is damaged."
        )
    if list(vectors) == [FIRST] and vectors[FIRST].shape[1] == _WIDTH_OF_SECOND:
        vectors = {SECOND: vectors[FIRST]}
    alias = alias or header.metadata.get("name", "")
    return TextualInversion(path.stem, vectors, "" if alias == path.stem else alias)


def _vectors(names: Iterable[str]) -> tuple[dict[str, str], str] | None:
    """Return text encoder -> name of its tensor, and the word that the file is for; None for other files."""
    present = list(names)
    of_encoders = {_ENCODERS[name]: name for name in present if name in _ENCODERS}
    if of_encoders:
        return of_encoders, ""
    for name in _A1111:
        if name in present:
            return {FIRST: name}, ""
    params = [name for name in present if name.startswith("string_to_param.")]
    if len(params) == 1:
        return {FIRST: params[0]}, params[0].partition(".")[2].strip("*")
    if len(present) == 1 and not present[0].endswith((".weight", ".bias")):
        return {FIRST: present[0]}, present[0]
    return None


def _checked(path: Path, key: str, vectors: Tensor) -> Tensor:
    """Return vectors (vectors, channels) in single precision."""
    if vectors.ndim == 1:
        vectors = vectors[None]
    if vectors.ndim != 2 or not vectors.numel() or not vectors.is_floating_point():
        raise BadFile(f"{path}: {key} has the shape {list(vectors.shape)}; an embedding is a few vectors.")
    return vectors.to(torch.float32)


def is_bundled(key: str) -> bool:
    """Whether the tensor `key` of an adapter's file is part of a word that `read_bundled` reads."""
    return _BUNDLED.fullmatch(key) is not None


def read_bundled(path: Path) -> list[TextualInversion]:
    """Return the words that the adapter file `path` brings along; there are none in most.

    Raises `BadFile` for vectors that are none.
    """
    names: dict[str, dict[str, str]] = {}
    for key in read_header(path).tensors:
        match = _BUNDLED.fullmatch(key)
        if match is not None:
            names.setdefault(match[1], {})[_ENCODERS.get(match[2], FIRST)] = key
    if not names:
        return []
    tensors = read_tensors(path, [key for keys in names.values() for key in keys.values()])
    return [
        TextualInversion(word, {encoder: _checked(path, key, tensors[key]) for encoder, key in keys.items()})
        for word, keys in names.items()
    ]


def as_words(embeddings: Iterable[TextualInversion]) -> Words:
    """Return `embeddings` as `engine.prompts.encode` takes them; each is known by its name and its alias.

    Of two with one name the first counts.
    """
    words: Words = {}
    for embedding in embeddings:
        for name in (embedding.name, embedding.alias):
            if name:
                words.setdefault(name, dict(embedding.vectors))
    return words


def words_in(prompt: str, files: Mapping[str, Path]) -> Words:
    """Read those of `files` (name -> file, as `find_files` gives them) whose names are words of `prompt`, no others."""
    text = prompt.lower()
    wanted = sorted({path for name, path in files.items() if _is_word(name.lower(), text)})
    return as_words(map(read_embedding, wanted))


def _is_word(name: str, text: str) -> bool:
    """Whether `name` stands in `text` and is no part of a longer word."""
    return name in text and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None

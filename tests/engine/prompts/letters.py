"""A tokenizer whose every single-letter word is one token, so that chunks can be written down as texts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from tokenizers import pre_tokenizers

from engine.prompts.chunks import Chunk
from engine.prompts.tokenizer import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
Runs = list[tuple[str, float]]


def letter_tokenizer(pad: str = END) -> CLIPTokenizer:
    """CLIP's tokenizer without merges: 75 tokens in a chunk, a token for every letter."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), START, END]
    return CLIPTokenizer({word: index for index, word in enumerate(words)}, pad_token=pad)


def runs(tokenizer: CLIPTokenizer, chunks: Sequence[Chunk]) -> list[Runs]:
    """Each chunk as texts with their weights, neighbours of one weight together."""
    described: list[Runs] = []
    for chunk in chunks:
        pairs = list(zip(chunk.tokens, chunk.weights, strict=True))
        described.append(
            [
                (tokenizer.decode([token for token, _ in group]), weight)
                for weight, group in ((weight, list(group)) for weight, group in groupby(pairs, lambda pair: pair[1]))
            ]
        )
    return described

"""Train a small tokenizer of CLIP's kind: byte-level BPE, lower case, `</w>` at the end of each word.

The files are those of OpenAI's CLIP (Radford et al. 2021) as published with Stable Diffusion: `vocab.json` holds 256
bytes, the same 256 at the end of a word, one entry per merge, then `<|startoftext|>` and `<|endoftext|>`. The last is
thus the largest id, which is what a text encoder with `eos_token_id` 2 looks for when it pools.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from engine.errors import InvalidValue
from engine.files import write_atomic, write_json

START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
CLIP_PATTERN = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
BYTES = 256


def byte_symbols() -> list[str]:
    """The 256 printable characters that stand for bytes, in CLIP's order: printable bytes first, then the others."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [byte for byte in range(BYTES) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(BYTES + index) for index in range(len(rest))]


def train_merges(word_counts: Mapping[str, int], count: int) -> list[tuple[str, str]]:
    """Learn the `count` most frequent merges from words and how often each occurs (Sennrich et al. 2016).

    Raises `InvalidValue` when the words do not yield so many.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    split = pre_tokenizers.Split(Regex(CLIP_PATTERN), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    # The trainer counts its alphabet in vocab_size; asking for a full double alphabet more never stops it too early.
    trainer = trainers.BpeTrainer(
        vocab_size=count + 2 * BYTES, end_of_word_suffix=WORD_END, initial_alphabet=byte_symbols(), show_progress=False
    )
    repeated = (" ".join([word] * times) for word, times in sorted(word_counts.items()))
    tokenizer.train_from_iterator(repeated, trainer)
    merges = [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]
    if len(merges) < count:
        raise InvalidValue(f"The words yield {len(merges)} merges, not {count}; choose a smaller vocabulary.")
    return merges[:count]


def write_tokenizer(word_counts: Mapping[str, int], out: Path, size: int = 6144, max_length: int = 32) -> None:
    """Train on `word_counts` and write the folder `out`, which `transformers.CLIPTokenizer` loads.

    Args:
        size: entries of the vocabulary, special tokens included.
        max_length: tokens of a prompt, special tokens included.
    """
    merges = train_merges(word_counts, size - 2 * BYTES - 2)
    symbols = byte_symbols()
    entries = [*symbols, *(symbol + WORD_END for symbol in symbols), *(left + right for left, right in merges)]
    entries += [START, END]
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    if len(vocabulary) != size:
        raise InvalidValue(f"The vocabulary has {len(vocabulary)} different entries, not {size}.")
    specials = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": max_length, "do_lower_case": True}
    text = "\n".join(["#version: 0.2", *(f"{left} {right}" for left, right in merges)]) + "\n"
    write_atomic(out / "vocab.json", json.dumps(vocabulary, ensure_ascii=False).encode())
    write_atomic(out / "merges.txt", text.encode())
    write_json(out / "tokenizer_config.json", config | specials | {"add_prefix_space": False, "errors": "replace"})
    write_json(out / "special_tokens_map.json", dict(specials))

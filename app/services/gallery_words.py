"""How prompts are cut into words for searching, also in scripts that put no space between them."""

from __future__ import annotations

import re
from functools import cache

# Scripts without spaces: CJK, kana, Thai, Lao, Burmese, Khmer. Each letter is indexed as a word of its own, and what
# is searched for as a phrase of them.
_UNSPACED = "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])"
_MAX_WORDS = 16


def spaced(text: str) -> str:
    """`text` with the letters of unspaced scripts apart."""
    return _unspaced().sub(r" \1 ", text)


def search_words(text: str) -> list[str]:
    """The words of a search; at most sixteen, since more never narrow it."""
    return [word for word in text.split() if any(letter.isalnum() for letter in word)][:_MAX_WORDS]


def beginnings(words: list[str]) -> str:
    """The full-text query for prompts that have a word beginning with each of `words`."""
    return " AND ".join(
        f"{_quoted(spaced(word).strip())}{'' if _unspaced().fullmatch(word[-1]) else '*'}" for word in words
    )


def anywhere(words: list[str]) -> str:
    """The trigram query for prompts that have each of `words` anywhere; "" where one is too short for that."""
    return "" if any(len(word) < 3 for word in words) else " AND ".join(map(_quoted, words))


@cache
def _unspaced() -> re.Pattern[str]:
    # Compiled when the first prompt is stored or searched: 5 ms, most of what the gallery's modules take at the start.
    return re.compile(_UNSPACED)


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""').replace("\0", " ") + '"'

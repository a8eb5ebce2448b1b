"""Known errors in the user's language.

Engine and services know no Qt and write whole English sentences with the values in them. `said_here` finds the sentence
that a text was made of (`error_sentences`) and says it again in the language of the window; what is not named there
stays as it is.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from app.error_sentences import REWORDED, SENTENCES, WORDS
from app.i18n import isolated

_VALUE = re.compile(r"\{\d\}")


def said_here(text: str) -> str:
    """The known error `text` in the language of the window; a text that is none comes back unchanged.

    A value may be a sentence itself, such as the reason why something is as the rest says.
    """
    if text in WORDS:
        return _translated(text)
    for template, sentence, pieces in _templates():
        # Compiling all patterns takes a tenth of a second.
        if not all(piece in text for piece in pieces):
            continue
        match = _pattern(template).fullmatch(text)
        if match is not None:
            return _translated(sentence).format(*map(_value, match.groups()))
    return text


def _value(text: str) -> str:
    said = said_here(text)
    return isolated(said) if Path(said).is_absolute() else said


def _translated(text: str) -> str:
    return QCoreApplication.translate("errors", text)


@cache
def _templates() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """What each sentence is in the engine and here, and its words between the values; the most particular first."""
    sentences = {**{sentence: sentence for sentence in SENTENCES}, **REWORDED}
    found = [(template, said, tuple(filter(None, _VALUE.split(template)))) for template, said in sentences.items()]
    return tuple(sorted(found, key=lambda one: -sum(map(len, one[2]))))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What a sentence looks like with values in it."""
    # Words of ours first: beside another value nothing else says where they end.
    value = "(" + "|".join(map(re.escape, sorted(WORDS, key=len, reverse=True))) + "|.*?)"
    return re.compile(value.join(map(re.escape, _VALUE.split(template))), re.DOTALL)

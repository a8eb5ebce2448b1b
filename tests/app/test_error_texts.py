"""Known errors in other languages: every sentence named is one that the code writes, and none of ours is forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.error_texts import REWORDED, SENTENCES, WORDS, said_here
from app.i18n import Languages
from engine import errors
from engine.catalog import LIMITS
from engine.errors import KnownError
from tests.conftest import ROOT

KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, KnownError)}
# Asked of each other by parts of the program, never by a user.
INSIDE = {"There is no list of {0}; ask for model or scheduler."}


@pytest.fixture
def arabic(qapp: QApplication) -> Iterator[None]:
    """The program speaks Arabic."""
    languages = Languages(qapp)
    languages.use("ar")
    yield
    languages.forget()


def template(node: ast.expr) -> str | None:
    """The text of a plain or formatted string, with {0}, {1}, ... for its values."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    numbers = iter(range(len(node.values)))
    parts = (str(part.value) if isinstance(part, ast.Constant) else f"{{{next(numbers)}}}" for part in node.values)
    return "".join(parts)


def texts(folder: Path, *, raised: bool = False) -> Iterator[str]:
    """Every text in the code below `folder`; with `raised` those that known errors are made of."""
    for path in folder.rglob("*.py"):
        if path.name == "error_texts.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if raised:
                made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS
                found = template(node.args[0]) if made and node.args else None
            else:
                found = template(node) if isinstance(node, ast.expr) else None
            if found is not None:
                yield found


def test_every_sentence_is_one_of_the_code() -> None:
    written = {*texts(ROOT / "engine"), *texts(ROOT / "app")}
    assert {*SENTENCES, *REWORDED} - written == set()


def test_no_sentence_of_the_window_is_forgotten() -> None:
    assert set(texts(ROOT / "app", raised=True)) - {*SENTENCES, *INSIDE} == set()


@pytest.mark.parametrize(
    ("english", "said"),
    [
        (
            "The disk that holds /home/a; b/Pictures is full, so the queue cannot be saved; free some space.",
            "القرص الذي فيه /home/a; b/Pictures ممتلئ، فلا يمكن حفظ قائمة الانتظار؛ أخلِ مساحة.",
        ),
        (
            "The picture /a (1).png cannot be read (Unsupported (odd) format); it may be damaged.",
            "لا يمكن قراءة الصورة /a (1).png (Unsupported (odd) format)؛ قد تكون تالفة.",
        ),
        ("This is no sentence of ours.", "This is no sentence of ours."),
    ],
)
def test_values_stay_as_they_are(arabic: None, english: str, said: str) -> None:  # noqa: ARG001
    assert said_here(english) == said


def test_the_names_of_limits_are_words_of_ours(arabic: None) -> None:  # noqa: ARG001
    assert {limit.name for limit in LIMITS.values()} - set(WORDS) == set()
    with pytest.raises(KnownError) as caught:
        LIMITS["hires_steps"].check(5000)
    assert said_here(str(caught.value)) == "القيمة 5000 لـعدد خطوات المرور الثاني خارج المدى؛ اختر قيمة من 0 إلى 1000."


def test_advice_for_the_command_line_is_another_in_the_window() -> None:
    text = "The folder /p cannot be written to; choose another one with --out."
    assert said_here(text) == "The pictures folder /p cannot be written to; choose another one in the settings."

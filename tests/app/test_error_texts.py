"""Known errors in other languages: every sentence named is one that the code writes, and none of ours is forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.error_sentences import REWORDED, SENTENCES, WORDS
from app.error_texts import said_here
from app.i18n import Languages, isolated
from engine import errors
from engine.catalog import LIMITS
from engine.errors import KnownError
from engine.loading.families import HELPERS
from tests.conftest import ROOT

KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, KnownError)}
# Asked of each other by parts of the program, never by a user.
INSIDE = {"There is no list of {0}; ask for model or scheduler."}
# Where the engine says what is wrong with a model, a prompt or a run.
SHOWN = (
    *("backends", "files.py", "formats", "library", "loading", "prompts", "records.py", "switches.py"),
    *("run_memory.py", "run_model.py", "run_passes.py", "run_picture.py", "run_precision.py", "run_preview.py"),
    *(
        "run_prompt.py",
        "run_record.py",
        "run_switches.py",
        "weights/entries.py",
        "weights/modules.py",
        "weights/reading.py",
    ),
)
# What only programs that call the engine can ask for, or the command line alone says.
UNSEEN = {
    "A prompt cannot be planned for {0} steps; take at least 1.",
    "A {0} is not loaded from one file; choose one of {1}.",
    "The compiling is switched by true or false, not by {0}.",
    "The kind {0} is unknown; choose one of {1}, {2}.",
    "The library has no model {0}; `sfumato models list` shows those it has, `sfumato models scan` looks again.",
    "The order {0} is unknown; choose one of {1}.",
    "The switches cannot be {0}; give an object of names and values.",
    "a prompt must be a text, not {0} ({1}).",
    "max_length {0} leaves no room for the two end tokens; use at least 2.",
    "padding can be True, False, 'longest' or 'max_length', not {0}.",
    "return_tensors can be 'pt' or None, not {0}.",
    "the text has {0} tokens; this encoder takes at most {1}: truncate it.",
    "the texts have different numbers of tokens; ask for padding=True to get one tensor.",
    "this UNet needs {0}, which the call does not give; pass it.",
    "{0} has the shape {1}; this call needs {2} rows, as sample has.",
    "{0} of {1} is a {2}, which cannot be loaded from one file.",
}
# The marks around a path, which are not seen.
ISOLATES = dict.fromkeys(map(ord, "\u2066\u2069"))
# So general that every sentence would fit it: how the tensors of an adapter are wrong.
PIECES = {"{0}: {1} {2} {3}"}


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
    """Every text in the code below `folder`, or in that file; with `raised` those that known errors are made of."""
    for path in [folder] if folder.is_file() else folder.rglob("*.py"):
        if path.name.startswith("error_sentences"):
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


def test_no_sentence_of_the_engine_that_a_user_meets_is_forgotten() -> None:
    said = {text for part in SHOWN for text in texts(ROOT / "engine" / part, raised=True)}
    assert said - {*SENTENCES, *REWORDED} == UNSEEN | PIECES


def test_no_reason_of_the_detection_is_forgotten() -> None:
    """What is given as a reason, and the texts that go into one."""
    found: set[str] = set()
    for name in ("detection.py", "detect_folder.py"):
        for node in ast.walk(ast.parse((ROOT / "engine" / "loading" / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "reason":
                found.add(template(node.value) or "")
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"reason", "said", "facts"}:
                found.add(template(node.value) or "")
            elif isinstance(node, ast.FunctionDef) and node.name in {"_because", "_why_unknown"}:
                found |= {
                    template(part.value) or "" for part in ast.walk(node) if isinstance(part, ast.Return) and part.value
                }
    assert "Its U-Net has {0}: {1}." in found
    assert found - {""} - {*SENTENCES} == set()
    assert {label for _, label, _ in HELPERS} - {*WORDS} == set()


@pytest.mark.parametrize(
    ("english", "said"),
    [
        (
            "Its U-Net has 4 input channels, prompts of 768 numbers; whether it predicts noise or velocity, nothing in "
            "the file tells: Stable Diffusion 1.",
            "لشبكة U-Net فيه 4 من قنوات الإدخال، وأوصاف من 768 من الأعداد؛ ولا شيء في الملف يدل على ما يتنبأ به: "
            "الضوضاء أم السرعة: Stable Diffusion 1.",
        ),
        (
            "Its tensors change those of another model (it meets prompts of 2048 numbers). "
            "The user's word for its type stands over that.",
            "موتّراته تغيّر موتّرات نموذج آخر (يلتقي بأوصاف من 2048 من الأعداد). وما قاله المستخدم عن نوعه مقدَّم على ذلك.",
        ),
        (
            "It is a T5 text encoder, which is known but not supported yet.",
            "إنه مرمّز نص T5، وهو معروف لكنه غير مدعوم بعد.",
        ),
        (
            "The disk that holds /home/a; b/Pictures is full, so the queue cannot be saved; free some space.",
            "القرص الذي فيه /home/a; b/Pictures ممتلئ، فلا يمكن حفظ قائمة الانتظار؛ أخلِ مساحة.",
        ),
        (
            "The picture /a (1).png cannot be read (Unsupported (odd) format); it may be damaged.",
            "لا يمكن قراءة الصورة /a (1).png (Unsupported (odd) format)؛ قد تكون تالفة.",
        ),
        (
            "/m/a b.safetensors is cut short: 10 of 2,000 bytes; download it again.",
            "/m/a b.safetensors مبتور: 10 من 2,000 من البايتات؛ نزّله من جديد.",
        ),
        (
            "/m.ckpt is refused, because it would call os.system; "
            "download the model as safetensors from somebody you trust.",
            "رُفض /m.ckpt لأن it would call os.system؛ نزّل النموذج بصيغة safetensors من جهة تثق بها.",
        ),
        (
            "/f.safetensors cannot be loaded. It is a model of FLUX.1, which is known but not supported yet.",
            "لا يمكن تحميل /f.safetensors. إنه نموذج من FLUX.1، وهو معروف لكنه غير مدعوم بعد.",
        ),
        (
            'The closing brace at line 1, column 4 ("a } b") has no opening one; '
            "add it, or write \\} for a plain brace.",
            'قوس الإغلاق في السطر 1، العمود 4 ("a } b"): ليس له قوس فتح؛ أضف ما ينقص، أو اكتب \\} للقوس نفسه.',
        ),
        ("This is no sentence of ours.", "This is no sentence of ours."),
    ],
)
def test_values_stay_as_they_are(arabic: None, english: str, said: str) -> None:  # noqa: ARG001
    assert said_here(english).translate(ISOLATES) == said


def test_a_path_reads_from_left_to_right_among_words_that_do_not(arabic: None) -> None:  # noqa: ARG001
    assert "\u2066/f.safetensors\u2069" in said_here(
        "/f.safetensors cannot be loaded. It is a model of FLUX.1, which is known but not supported yet."
    )
    assert isolated("/pictures") == "\u2066/pictures\u2069"


def test_the_names_of_limits_are_words_of_ours(arabic: None) -> None:  # noqa: ARG001
    assert {limit.name for limit in LIMITS.values()} - set(WORDS) == set()
    with pytest.raises(KnownError) as caught:
        LIMITS["hires_steps"].check(5000)
    assert said_here(str(caught.value)) == "القيمة 5000 لـعدد خطوات المرور الثاني خارج المدى؛ اختر قيمة من 0 إلى 1000."


def test_advice_for_the_command_line_is_another_in_the_window() -> None:
    text = "The folder /p cannot be written to; choose another one with --out."
    assert said_here(text) == "The pictures folder /p cannot be written to; choose another one in the settings."

"""Choices and wildcards: the same seed gives the same text, and what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import InvalidValue
from engine.prompts import expand, expand_all, wildcard_names


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wildcards."""
    path = tmp_path_factory.mktemp("wildcards")
    (path / "sub").mkdir()
    (path / "color.txt").write_text("# colours\nred\n100% blue #1\n", encoding="utf-8")
    (path / "sub" / "deep.txt").write_text("deep __color__\n", encoding="utf-8")
    (path / "loop.txt").write_text("__loop__\n", encoding="utf-8")
    (path / "open.txt").write_text("{a|b\n", encoding="utf-8")
    (path / "lost.txt").write_text("__gone__\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "a (b:1.2), [c|d] <lora:n:0.5> AND e: 100% #1 $5 // f /* g */ h_i (o__o)",
        "two\n\nlines  with   spaces ",
        "C:\\path",
    ],
)
def test_texts_without_choices_stay_as_they_are(text: str) -> None:
    assert expand(text, 1) == text


@pytest.mark.parametrize(
    ("template", "possible"),
    [
        ("{a|b}", {"a", "b"}),
        ("x {a|b} 100% #1 (o__o) [c|d]", {"x a 100% #1 (o__o) [c|d]", "x b 100% #1 (o__o) [c|d]"}),
        ("{2$$a|b|c}", {"a,b", "a,c", "b,a", "b,c", "c,a", "c,b"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{1-2$$a|b}", {"a", "b", "a,b", "b,a"}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("{0::a|1::b}", {"b"}),
        ("__color__", {"red", "100% blue #1"}),
        ("__sub/deep__", {"deep red", "deep 100% blue #1"}),
        ("__col*__", {"red", "100% blue #1"}),
        ("{__color__|x}", {"red", "100% blue #1", "x"}),
        (r"\{a\} {b|b}", {"{a} b"}),
        ("${c=!{a|b}}${c} ${c}", {"a a", "b b"}),
        ("${c=a}", {""}),
        ("{!a|b}", {"a", "b"}),
        ("# comment {\na {b|c}\n# __gone__\nd # no comment", {"a b\nd # no comment", "a c\nd # no comment"}),
    ],
)
def test_choices(template: str, possible: set[str], folder: Path) -> None:
    made = [expand(template, seed, folder) for seed in range(40)]
    assert set(made) == possible
    assert made == [expand(template, seed, folder) for seed in range(40)]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a {b|c", r'opening brace at line 1, column 3 \("a \{b\|c"\) has no closing one'),
        ("# note\na\n b } c", r"closing brace at line 3, column 4 .* has no opening one"),
        ("{a|{b}", "opening brace at line 1, column 1"),
        ("a\n__gone__", r"wildcard __gone__ at line 2, column 1 .* is unknown; put gone.txt into"),
        ("__lost__", "wildcard __gone__ in another wildcard is unknown"),
        ("__../color__", "is unknown"),
        ("__open__", "opening brace at line 1, column 1 .* of the wildcard __open__"),
        ("__loop__", "refers to itself"),
        ("${c}", "cannot be made"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(template: str, message: str, folder: Path) -> None:
    with pytest.raises(InvalidValue, match=message):
        expand(template, 1, folder)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="set a folder of wildcards"):
        expand("__color__", 1)
    with pytest.raises(InvalidValue, match="does not exist"):
        expand("__color__", 1, tmp_path / "none")


def test_patterns_of_wildcards(folder: Path) -> None:
    """A star stands for any name, also behind a slash, where the library would see a comment begin."""
    assert expand_all("__sub/*__", folder) == expand_all("__sub/deep__", folder)
    assert expand("__sub/*__, a", 3, folder).removesuffix(", a") in expand_all("__sub/deep__", folder)
    with pytest.raises(InvalidValue, match=r"wildcard __none/\*__ at line 1"):
        expand("__none/*__", 0, folder)


def test_names(folder: Path) -> None:
    assert wildcard_names(folder) == ["color", "loop", "lost", "open", "sub/deep"]
    assert wildcard_names(None) == []


def test_every_text_of_a_template_comes_once(tmp_path: Path) -> None:
    (tmp_path / "colour.txt").write_text("red\ngreen\n")
    found = expand_all("a __colour__ {apple|pear|pear}, (x:1.2) #1", tmp_path)
    assert sorted(found) == [f"a {c} {f}, (x:1.2) #1" for c in ("green", "red") for f in ("apple", "pear")]
    assert expand_all("no choice") == ["no choice"]
    assert len(expand_all("{a|b|c}{d|e|f}{g|h|i}", limit=5)) == 5
    with pytest.raises(InvalidValue, match="unknown"):
        expand_all("__nothing__", tmp_path)

"""Prompts that change with the steps, joined prompts, and adapters in prompts, as in A1111's interface."""

from __future__ import annotations

import random

import pytest

from engine.errors import InvalidValue
from engine.prompts import AdapterTag, plan, spans
from engine.prompts.schedules import schedule
from engine.prompts.tags import split_at_and, take_tags


def turns(*texts: str, steps: int = 10) -> list[tuple[int, str]]:
    """The texts in turn, one a step."""
    return [(step, texts[(step - 1) % len(texts)]) for step in range(1, steps + 1)]


# Ten steps: the examples of the documentation of `get_learned_conditioning_prompt_schedules`, and more.
SCHEDULES: list[tuple[str, list[tuple[int, str]]]] = [
    ("test", [(10, "test")]),
    ("a [b:3]", [(3, "a "), (10, "a b")]),
    ("a [b: 3]", [(3, "a "), (10, "a b")]),
    ("a [b:3 ]", [(3, "a "), (10, "a b")]),
    ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
    ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
    ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
    ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
    ("a [unbalanced", [(10, "a [unbalanced")]),
    ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
    ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
    ("[a|(b:1.1)]", turns("a", "(b:1.1)")),
    ("[fe|]male", turns("female", "male")),
    ("[fe|||]male", turns("female", "male", "male", "male")),
    ("[a|b|c]", turns("a", "b", "c")),
    ("[a:b:0.3]", [(3, "a"), (10, "b")]),
    ("[a:b:1.0]", [(10, "a")]),
    ("[a:b:1]", [(1, "a"), (10, "b")]),
    ("[a:b:0]", [(10, "b")]),
    ("[a::0.3]", [(3, "a"), (10, "")]),
    ("[a:0.3]", [(3, ""), (10, "a")]),
    ("[::3]", [(3, ""), (10, "")]),
    ("[a:b:99]", [(10, "a")]),
    ("[a:b:-1]", [(10, "b")]),
    ("[a:b:+3]", [(3, "a"), (10, "b")]),
    ("[a:b:1e1]", [(10, "a")]),
    ("[a:b]", [(10, "[a:b]")]),
    ("[a:b:c]", [(10, "[a:b:c]")]),
    ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
    ("[a:b:3] [c:d:0.7]", [(3, "a c"), (7, "b c"), (10, "b d")]),
    ("(a [b:c:5]:1.2)", [(5, "(a b:1.2)"), (10, "(a c:1.2)")]),
    ("[[a|b]:c:2]", [(1, "a"), (2, "b"), *[(step, "c") for step in range(3, 11)]]),
    ("[[a:b:2]|c]", [(1, "a"), (2, "c"), *[(step, "b" if step % 2 else "c") for step in range(3, 11)]]),
    (r"\[a:b:3\]", [(10, r"\[a:b:3\]")]),
    (r"[a\:b:3]", [(3, ""), (10, r"a\:b")]),
    # a bar outside of brackets, or a backslash before nothing, is no part of A1111's grammar: nothing is scheduled
    ("a | [b:3]", [(10, "a | [b:3]")]),
    ("(a|b) [b:3]", [(10, "(a|b) [b:3]")]),
    ("[a|b:3]", [(10, "[a|b:3]")]),
    ("[b:3] \\", [(10, "[b:3] \\")]),
]


@pytest.mark.parametrize(("prompt", "expected"), SCHEDULES)
def test_schedule(prompt: str, expected: list[tuple[int, str]]) -> None:
    assert schedule(prompt, 10) == expected


def test_shares_and_steps_of_a_hundred() -> None:
    prompt = "a [b:c:0.25] and [d:e:0.75][ f::0.6][ g:0.25] [h:i:0.5]"
    assert schedule(prompt, 100) == [
        (25, "a b and d f h"),
        (50, "a c and d f g h"),
        (60, "a c and d f g i"),
        (75, "a c and d g i"),
        (100, "a c and e g i"),
    ]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a [b:.5] c", [(10, "a b c")]),
        ("a [b:1.5] c", [(5, "a  c"), (10, "a b c")]),
        ("a [b:13] c", [(3, "a  c"), (10, "a b c")]),
        ("a [b:3] c", [(10, "a b c")]),
    ],
)
def test_a_second_pass_counts_on(prompt: str, expected: list[tuple[int, str]]) -> None:
    assert schedule(prompt, 10, before=10) == expected
    assert plan(prompt, "", "a1111", 10, 10).is_constant is (len(expected) == 1)


def test_deep_nesting_is_read() -> None:
    deep = "[" * 5000 + "a" + ":1]" * 5000
    assert schedule(deep, 3) == [(1, ""), (3, "a")]
    assert schedule("(" * 9000, 3) == [(3, "(" * 9000)]


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a", [("a", 1)]),
        ("a AND b", [("a ", 1), (" b", 1)]),
        ("a :1.2 AND b : 0.5", [("a", 1.2), (" b", 0.5)]),
        ("a:2 AND b:-1 AND c", [("a", 2), (" b", -1), (" c", 1)]),
        ("a:2", [("a", 2)]),
        ("a AND (b:1.2)", [("a ", 1), (" (b:1.2)", 1)]),
        ("aANDb", [("aANDb", 1)]),
        ("a and b", [("a and b", 1)]),
        ("a AND", [("a ", 1), ("", 1)]),
        ("a\nAND b:.5", [("a\n", 1), (" b", 0.5)]),
        ("a:1.2:3", [("a:1.2", 3)]),
        ("a:b", [("a:b", 1)]),
    ],
)
def test_and(prompt: str, parts: list[tuple[str, float]]) -> None:
    assert [(text.rstrip(), weight) for text, weight in split_at_and(prompt)] == [
        (text.rstrip(), weight) for text, weight in parts
    ]


@pytest.mark.parametrize(
    ("prompt", "text", "tags"),
    [
        ("a <lora:ink:0.8> b", "a  b", [AdapterTag("ink", 0.8, 0.8)]),
        ("<lora:ink>", "", [AdapterTag("ink", 1, 1)]),
        ("<lora:ink:0.5:0.9>", "", [AdapterTag("ink", 0.5, 0.9)]),
        ("<lora:ink:te=0.5:unet=0.9>", "", [AdapterTag("ink", 0.5, 0.9)]),
        ("<lora:ink:0.7:unet=0>", "", [AdapterTag("ink", 0.7, 0)]),
        ("<lyco:a b/c:-1>", "", [AdapterTag("a b/c", -1, -1)]),
        ("<lora:a:1><lora:b:2>x", "x", [AdapterTag("a", 1, 1), AdapterTag("b", 2, 2)]),
        ("a < b > c", "a < b > c", []),
    ],
)
def test_adapters_in_prompts(prompt: str, text: str, tags: list[AdapterTag]) -> None:
    assert take_tags(prompt) == (text, tuple(tags), ())


@pytest.mark.parametrize("prompt", ["<lora:ink:strong>", "<lora: :1>", "(a:1.2.3)", "<lora:x:te=y>"])
def test_what_cannot_be_meant_is_named(prompt: str) -> None:
    with pytest.raises(InvalidValue, match="in the prompt"):
        plan(prompt)


def test_plan_says_what_each_step_is_conditioned_on() -> None:
    planned = plan("[a:b:0.5] AND c:0.5 <lora:ink:0.8>", "[d|e] <lora:x:1>", "a1111", 4)
    texts = [
        ([(one.clauses[0].text, weight) for one, weight in parts], against.clauses[0].text.partition(" ")[0])
        for parts, against in map(planned.at, range(4))
    ]
    assert texts == [
        ([("a", 1), ("c", 0.5)], "d"),
        ([("a", 1), ("c", 0.5)], "e"),
        ([("b", 1), ("c", 0.5)], "d"),
        ([("b", 1), ("c", 0.5)], "e"),
    ]
    assert planned.adapters == (AdapterTag("ink", 0.8, 0.8),)
    assert planned.notes == ("<lora:x:1> in the negative prompt counts as text; put it into the prompt.",)
    assert not planned.is_constant
    assert plan("<hypernet:x:1> a").notes == (
        "<hypernet:x:1> in the prompt is of a kind that is not known here, and was left out.",
    )


def test_plan_follows_the_steps_that_are_made_in_fact() -> None:
    planned = plan("[a:b:0.5]", "", "a1111", 20).for_steps(10)
    assert [planned.at(index)[0][0][0].clauses[0].text for index in (4, 5)] == ["a", "b"]


def test_syntaxes_and_steps_are_checked() -> None:
    with pytest.raises(InvalidValue, match="'x' is unknown; choose one of a1111, compel, plain"):
        plan("a", "", "x")
    with pytest.raises(InvalidValue, match="0 steps"):
        plan("a", "", "a1111", 0)
    assert plan("(a:1.2)", "", "plain").at(0)[0][0][0].clauses[0].segments[0] == ("(a:1.2)", 1)


def test_spans_say_what_is_what() -> None:
    prompt = "a (b:1.2) [c] [d:e:0.5] [f|g] {x|y} __z__ <lora:n:1> AND \\( BREAK h\n# note"
    found = [(prompt[span.start : span.end].strip(), span.kind, round(span.weight, 3)) for span in spans(prompt)]
    for expected in [
        ("b", "text", 1.2),
        (":1.2)", "weight", 1),
        ("c", "text", 0.909),
        ("d", "text", 1),
        (":0.5]", "schedule", 1),
        ("|", "alternate", 1),
        ("|", "choice", 1),
        ("__z__", "wildcard", 1),
        ("<lora:n:1>", "adapter", 1),
        ("AND", "and", 1),
        ("\\(", "escape", 1),
        ("BREAK", "break", 1),
        ("# note", "comment", 1),
    ]:
        assert expected in found
    compel = 'a (b c)++ ("d", "e").blend(1, 2)'
    kinds = {compel[span.start : span.end]: span.kind for span in spans(compel, "compel")}
    assert kinds["++"] == "weight"
    assert kinds[".blend"] == "operator"


def test_spans_cover_any_prompt() -> None:
    letters = random.Random(7)
    pieces = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "|",
        ":",
        "0.5",
        ":1.2)",
        "a",
        " ",
        "\\",
        "\n",
        "#",
        "__",
        "<lora:",
        ">",
        "AND",
        "BREAK",
    ]
    for _ in range(400):
        prompt = "".join(letters.choice(pieces) for _ in range(letters.randint(0, 30)))
        for syntax in ("a1111", "compel", "plain"):
            found = spans(prompt, syntax)
            assert "".join(prompt[span.start : span.end] for span in found) == prompt
            assert all(one.end == next_one.start for one, next_one in zip(found, found[1:], strict=False))

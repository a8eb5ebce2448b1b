"""What prompts in compel's syntax mean: after its documentation (doc/syntax.md) and its own examples."""

from __future__ import annotations

import pytest

from engine.errors import InvalidValue
from engine.prompts import AdapterTag
from engine.prompts.compel import parse_compel

UP, DOWN = 1.1, 0.9
Parts = list[tuple[str, float]]

# A prompt, and its texts with their weights.
SINGLE: list[tuple[str, Parts]] = [
    ("", [("", 1)]),
    ("fire flames", [("fire flames", 1)]),
    ("fire (flames)", [("fire flames", 1)]),
    ("fire ((flames))", [("fire flames", 1)]),
    ('fire "flames"', [("fire flames", 1)]),
    ("fire, flames", [("fire, flames", 1)]),
    ("fire, flames , fire", [("fire, flames , fire", 1)]),
    ("cat hot-dog eating", [("cat hot-dog eating", 1)]),
    ("Dalí", [("Dalí", 1)]),
    ("(flames)0.5", [("flames", 0.5)]),
    ("(flames).5", [("flames", 0.5)]),
    ("(flames)2", [("flames", 2)]),
    ("(flames).attend(0.5)", [("flames", 0.5)]),
    ("flames.attend(0.5)", [("flames", 0.5)]),
    ('"flames".attend(0.5)', [("flames", 0.5)]),
    ("(fire flames)0.5", [("fire flames", 0.5)]),
    ("(flames)+", [("flames", UP)]),
    ("flames+", [("flames", UP)]),
    ('"flames"+', [("flames", UP)]),
    ("flames.attend(+)", [("flames", UP)]),
    ("(flames)-", [("flames", DOWN)]),
    ("flames-", [("flames", DOWN)]),
    ("flames--", [("flames", DOWN * DOWN)]),
    ("fire (flames)0.5", [("fire", 1), ("flames", 0.5)]),
    ("fire flames++", [("fire", 1), ("flames", UP * UP)]),
    ("flowers fire++ flames", [("flowers", 1), ("fire", UP * UP), ("flames", 1)]),
    ("(flowers)--- flames+++", [("flowers", DOWN**3), ("flames", UP**3)]),
    ("(pretty flowers)+, the flames", [("pretty flowers", UP), (", the flames", 1)]),
    ("fire (flames (trees)1.5)2.0", [("fire", 1), ("flames", 2), ("trees", 3)]),
    ("a man (picking apricots+)++", [("a man", 1), ("picking", UP * UP), ("apricots", UP**3)]),
    # what does not fit stays text
    ("a badly formed +test prompt", [("a badly formed +test prompt", 1)]),
    ("a badly (formed test prompt", [("a badly (formed test prompt", 1)]),
    ("a badly (formed +test )prompt", [("a badly formed +test prompt", 1)]),
    ("(((a badly (formed +test )prompt", [("(((a badly formed +test prompt", 1)]),
    ("(a (ba)dly (f)ormed +test prompt", [("(a ba dly f ormed +test prompt", 1)]),
    (r"hot\+ \(dog\)", [("hot+ (dog)", 1)]),
]


@pytest.mark.parametrize(("prompt", "expected"), SINGLE)
def test_weights(prompt: str, expected: Parts) -> None:
    (clause,) = parse_compel(prompt).encodable.clauses
    assert [text for text, _ in clause.segments] == [text for text, _ in expected]
    assert [weight for _, weight in clause.segments] == pytest.approx([weight for _, weight in expected])


# A prompt, how its parts are joined, whether weights are normalised, and the parts with their weights.
JOINED: list[tuple[str, str, bool, list[tuple[Parts, float]]]] = [
    ('("fire", "flames").and()', "concat", True, [([("fire", 1)], 1), ([("flames", 1)], 1)]),
    ('("fire", "flames").and(2,1)', "concat", True, [([("fire", 1)], 2), ([("flames", 1)], 1)]),
    ('("fire", "flames").add(2, 1)', "concat", True, [([("fire", 1)], 2), ([("flames", 1)], 1)]),
    ('("(fire)2.0", "flames-").and()', "concat", True, [([("fire", 2)], 1), ([("flames", DOWN)], 1)]),
    ("(mountain, man).blend()", "blend", True, [([("mountain", 1)], 1), ([("man", 1)], 1)]),
    ("((mountain), (tall man)).blend()", "blend", True, [([("mountain", 1)], 1), ([("tall man", 1)], 1)]),
    ('("fire", "fire flames").blend(0.7, 0.3)', "blend", True, [([("fire", 1)], 0.7), ([("fire flames", 1)], 0.3)]),
    ('("fire").blend(0.7)', "blend", True, [([("fire", 1)], 0.7)]),
    ('("fire", " ").blend(0.7, 1)', "blend", True, [([("fire", 1)], 0.7), ([("", 1)], 1)]),
    (
        '("fire flames (hot)++", "eyes--").blend(1,-0.5,no_normalize)',
        "blend",
        False,
        [([("fire flames", 1), ("hot", UP * UP)], 1), ([("eyes", DOWN * DOWN)], -0.5)],
    ),
    ('("a, b", "c. d").and()', "concat", True, [([("a , b", 1)], 1), ([("c . d", 1)], 1)]),
]


@pytest.mark.parametrize(("prompt", "join", "normalise", "expected"), JOINED)
def test_blends_and_conjunctions(prompt: str, join: str, normalise: bool, expected: list[tuple[Parts, float]]) -> None:
    read = parse_compel(prompt).encodable
    assert (read.join, read.normalise, read.emphasis) == (join, normalise, "lerp")
    assert [clause.weight for clause in read.clauses] == [weight for _, weight in expected]
    for clause, (parts, _) in zip(read.clauses, expected, strict=True):
        assert [text for text, _ in clause.segments] == [text for text, _ in parts]
        assert [weight for _, weight in clause.segments] == pytest.approx([weight for _, weight in parts])


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a cat.swap(dog)", r"\.swap\(\), which is not known here"),
        ('("fire", "flames").and(2)', "2 parts but .and.. has 1 weights"),
        ('("fire", "flames").blend(0.7, 0.3, 0.1)', "2 parts but .blend.. has 3"),
        ('("fire", "flames").blend(1, -1)', "add up to 0"),
        ('("fire", "flames").blend(x)', "write numbers"),
        ("(" * 200 + "a" + ")" * 200, "nest too deep"),
        ("useLora(ink, x)", "has the strength 'x'"),
    ],
)
def test_what_cannot_be_meant_is_named(prompt: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        parse_compel(prompt)


def test_adapters() -> None:
    read = parse_compel("a cat useLora(ink, 0.8) withLora(paper)")
    assert read.adapters == (AdapterTag("ink", 0.8, 0.8), AdapterTag("paper", 1, 1))
    assert read.encodable.clauses[0].text == "a cat"

"""What prompts in A1111's syntax mean: the exact chunks and weights, written down by hand.

Sources: the description of the syntax in the wiki of AUTOMATIC1111/stable-diffusion-webui ("Features"), the examples in
the documentation of its functions (`modules/prompt_parser.py`) and the rules of its chunks
(`modules/sd_hijack_clip.py`): 75 tokens each, a comma at most 20 tokens back ends a chunk early.
"""

from __future__ import annotations

import pytest

from engine.errors import InvalidValue
from engine.prompts import chunk_ends, token_count
from engine.prompts.attention import parse_attention
from engine.prompts.chunks import chunk_segments
from engine.prompts.segments import Segment
from tests.engine.prompts.letters import Runs, letter_tokenizer, runs

UP, DOWN = 1.1, 1 / 1.1


def many(count: int, letter: str = "x") -> str:
    """`count` words."""
    return " ".join([letter] * count)


# A prompt, and the texts with weights of each of its chunks.
TABLE: list[tuple[str, list[Runs]]] = [
    # plain texts
    ("", [[]]),
    (" ", [[]]),
    ("a", [[("a", 1)]]),
    ("a b, c", [[("a b , c", 1)]]),
    ("A B", [[("a b", 1)]]),
    ("a\nb", [[("a b", 1)]]),
    # round brackets: times 1.1
    ("(a)", [[("a", UP)]]),
    ("((a))", [[("a", UP * UP)]]),
    ("(((a)))", [[("a", UP * UP * UP)]]),
    ("((((((a))))))", [[("a", UP**6)]]),
    ("a (b) c", [[("a", 1), ("b", UP), ("c", 1)]]),
    ("(a b) c", [[("a b", UP), ("c", 1)]]),
    ("(a)(b)", [[("ab", UP)]]),
    ("(a) (b)", [[("a", UP), ("b", UP)]]),
    ("(a, b, (c))", [[("a , b ,", UP), ("c", UP * UP)]]),
    # square brackets: divided by 1.1
    ("[a]", [[("a", DOWN)]]),
    ("[[a]]", [[("a", DOWN * DOWN)]]),
    ("[[[a]]]", [[("a", DOWN**3)]]),
    ("a [b] c", [[("a", 1), ("b", DOWN), ("c", 1)]]),
    ("([a])", [[("a", DOWN * UP)]]),
    ("[(a)]", [[("a", UP * DOWN)]]),
    ("[(a) b]", [[("a", UP * DOWN), ("b", DOWN)]]),
    # weights of one's own
    ("(a:1.3)", [[("a", 1.3)]]),
    ("(a:0.5)", [[("a", 0.5)]]),
    ("(a:2)", [[("a", 2)]]),
    ("(a:.5)", [[("a", 0.5)]]),
    ("(a:1.)", [[("a", 1)]]),
    ("(a:0)", [[("a", 0)]]),
    ("(a:-1.5)", [[("a", -1.5)]]),
    ("(a:+1.5)", [[("a", 1.5)]]),
    ("(a: 1.3)", [[("a", 1.3)]]),
    ("(a:1.3 )", [[("a", 1.3)]]),
    ("(a : 1.3)", [[("a", 1.3)]]),
    ("(a b, c:1.25)", [[("a b , c", 1.25)]]),
    ("x (a:1.2) (b:0.8) y", [[("x", 1), ("a", 1.2), ("b", 0.8), ("y", 1)]]),
    ("((a:1.3))", [[("a", 1.3 * UP)]]),
    ("((a:1.3):2)", [[("a", 1.3 * 2)]]),
    ("(a (b:1.5) c:2)", [[("a", 2), ("b", 3), ("c", 2)]]),
    ("(a (b:1.5) c)", [[("a", UP), ("b", 1.5 * UP), ("c", UP)]]),
    ("[a:1.3)", [[("a : 1 . 3 )", DOWN)]]),
    ("([a]:1.3)", [[("a", DOWN * 1.3)]]),
    ("[(a:1.3)]", [[("a", 1.3 * DOWN)]]),
    # colons that are no weight
    ("a:b", [[("a : b", 1)]]),
    ("(a:b)", [[("a : b", UP)]]),
    ("(a:b:1.2)", [[("a : b", 1.2)]]),
    ("(a::1.2)", [[("a :", 1.2)]]),
    ("a:1.2", [[("a : 1 . 2", 1)]]),
    ("a:1.2)", [[("a : 1 . 2 )", 1)]]),
    # brackets without a partner
    ("(a", [[("a", UP)]]),
    ("((a", [[("a", UP * UP)]]),
    ("[a", [[("a", DOWN)]]),
    ("a (b c", [[("a", 1), ("b c", UP)]]),
    ("a)", [[("a )", 1)]]),
    ("a]", [[("a ]", 1)]]),
    ("a) b (c", [[("a ) b", 1), ("c", UP)]]),
    ("(a]", [[("a ]", UP)]]),
    ("[a)", [[("a )", DOWN)]]),
    ("(a [b) c]", [[("a", UP), ("b", UP * DOWN), ("c", DOWN)]]),
    ("()", [[]]),
    ("a () b", [[("a b", 1)]]),
    ("a(b)c", [[("a", 1), ("b", UP), ("c", 1)]]),
    # escapes
    (r"\(a\)", [[("( a )", 1)]]),
    (r"\[a\]", [[("[ a ]", 1)]]),
    (r"(\(a\):1.5)", [[("( a )", 1.5)]]),
    (r"\\(a)", [[("\\", 1), ("a", UP)]]),
    (r"a \b", [[("a b", 1)]]),
    (r"(a\))", [[("a )", UP)]]),
    (r"(a\:1.3)", [[("a", 1.3)]]),
    ("a\\", [[("a", 1)]]),
    # the example of the documentation
    (
        "a (((b:1.3)) [c] d (e:0.5), f, (((g))).",
        [
            [
                ("a", 1),
                ("b", 1.3 * UP * UP),
                ("c", DOWN * UP),
                ("d", UP),
                ("e", 0.5 * UP),
                (", f ,", UP),
                ("g", UP**4),
                (".", UP),
            ]
        ],
    ),
    # BREAK
    ("a BREAK b", [[("a", 1)], [("b", 1)]]),
    ("a, BREAK, b", [[("a ,", 1)], [(", b", 1)]]),
    ("(a) BREAK (b:0.9)", [[("a", UP)], [("b", 0.9)]]),
    ("a BREAK", [[("a", 1)]]),
    ("BREAK a", [[], [("a", 1)]]),
    ("a BREAK BREAK b", [[("a", 1)], [], [("b", 1)]]),
    ("a\nBREAK\nb", [[("a", 1)], [("b", 1)]]),
    ("a BREAKS b", [[("a breaks b", 1)]]),
    ("a break b", [[("a break b", 1)]]),
    # brackets around a BREAK multiply its mark -1 as well, and so make a word of it
    ("(a BREAK b)", [[("a", UP), ("break", -UP), ("b", UP)]]),
    # chunks of 75
    (many(75), [[(many(75), 1)]]),
    (many(76), [[(many(75), 1)], [("x", 1)]]),
    (many(160), [[(many(75), 1)], [(many(75), 1)], [(many(10), 1)]]),
    (f"{many(70)} (y y y y y y:1.2)", [[(many(70), 1), (many(5, "y"), 1.2)], [("y", 1.2)]]),
    (f"{many(10)} BREAK {many(80)}", [[(many(10), 1)], [(many(75), 1)], [(many(5), 1)]]),
    # a comma within 20 tokens ends the chunk
    (f"{many(60)}, {many(20, 'y')}", [[(f"{many(60)} ,", 1)], [(many(20, "y"), 1)]]),
    (f"{many(60)}, {many(14, 'y')}", [[(f"{many(60)} , {many(14, 'y')}", 1)]]),
    (f"{many(60)}, {many(15, 'y')}", [[(f"{many(60)} ,", 1)], [(many(15, "y"), 1)]]),
    (f"{many(54)}, {many(20, 'y')} z", [[(f"{many(54)} , {many(20, 'y')}", 1)], [("z", 1)]]),
    (f"{many(55)}, {many(19, 'y')} z", [[(f"{many(55)} ,", 1)], [(f"{many(19, 'y')} z", 1)]]),
    (f"{many(74)}, y", [[(f"{many(74)} ,", 1)], [("y", 1)]]),
    (f"{many(75)}, y", [[(many(75), 1)], [(", y", 1)]]),
    (
        f"{many(60)}, (y y y:1.5) {many(13, 'z')}",
        [[(f"{many(60)} ,", 1)], [("y y y", 1.5), (many(13, "z"), 1)]],
    ),
    (
        f"{many(60)}, {many(20, 'y')}, {many(60, 'z')}",
        [[(f"{many(60)} ,", 1)], [(f"{many(20, 'y')} , {many(54, 'z')}", 1)], [(many(6, "z"), 1)]],
    ),
    (
        f"{many(60)}, {many(40, 'y')}, {many(40, 'z')}",
        [[(f"{many(60)} ,", 1)], [(f"{many(40, 'y')} , {many(34, 'z')}", 1)], [(many(6, "z"), 1)]],
    ),
]
assert len(TABLE) >= 80


@pytest.mark.parametrize(("prompt", "expected"), TABLE)
def test_chunks_and_weights(prompt: str, expected: list[Runs]) -> None:
    tokenizer = letter_tokenizer()
    chunks = chunk_segments(tokenizer, parse_attention(prompt))
    described = runs(tokenizer, chunks)
    assert [_joined([text for text, _ in chunk]) for chunk in described] == [
        _joined([text for text, _ in chunk]) for chunk in expected
    ]
    assert [_weights(chunk) for chunk in described] == [pytest.approx(_weights(chunk), rel=1e-12) for chunk in expected]


def _joined(texts: list[str]) -> list[str]:
    """The words one by one."""
    return " ".join(texts).split()


def _weights(chunk: Runs) -> list[float]:
    """The weight of every token; of the words that are no letters, of every letter."""
    return [weight for text, weight in chunk for _ in text.replace(" ", "")]


# The examples of `parse_prompt_attention`, with spaces where they belong.
@pytest.mark.parametrize(
    ("prompt", "segments"),
    [
        ("normal text", [("normal text", 1)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1),
                ("house", 1.5730000000000004),
                (" ", 1.1),
                ("on", 1),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641000000000006),
                (".", 1.1),
            ],
        ),
    ],
)
def test_segments_of_the_documentation(prompt: str, segments: list[tuple[str, float]]) -> None:
    assert parse_attention(prompt) == tuple(Segment(*segment) for segment in segments)


def test_a_weight_that_is_no_number_is_named() -> None:
    with pytest.raises(InvalidValue, match=r"'1\.2\.3' in the prompt '\(a:1\.2\.3\)'"):
        parse_attention("(a:1.2.3)")


def test_where_chunks_end_is_known_without_a_model() -> None:
    tokenizer = letter_tokenizer()
    tokens = tokenizer.tokenize(f"{many(60)}, {many(20, 'y')}")
    assert chunk_ends(tokens) == [61, 81]
    assert chunk_ends([]) == [0]
    assert token_count(tokenizer, parse_attention(f"{many(60)}, {many(20, 'y')}")) == (95, 150)
    assert token_count(tokenizer, parse_attention("a (b:1.2)")) == (2, 75)

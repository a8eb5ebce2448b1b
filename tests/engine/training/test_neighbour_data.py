"""Words that are no caption, and the emoji nearest to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.training.data import neighbours
from engine.training.data.neighbours import make_rows, nearest_owners

# A teacher of three meanings: feline, canine, and neither.
MEANINGS = {
    "cat": (1, 0, 0.2),
    "kitten": (0.9, 0.1, 0.2),
    "dog": (0, 1, 0.2),
    "puppy": (0.1, 0.9, 0.2),
    "tax": (0, 0, -1),
}


@pytest.fixture(autouse=True)
def teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    def embed(texts: list[str], _teacher: Path) -> np.ndarray:
        return np.array([MEANINGS[text] for text in texts], dtype=np.float16)

    monkeypatch.setattr(neighbours, "embed", embed)


def icon(emoji: str, style: str, label: str, *tags: str) -> dict[str, object]:
    captions = [f"{text}, {style}" for text in (label, *tags)]
    return {"emoji": emoji, "style": style, "label": label, "tags": list(tags), "captions": captions}


ICONS = [icon("A", "flat icon", "cat"), icon("A", "3d icon", "cat"), icon("B", "drawn icon", "dog")]


def test_a_word_gets_the_pictures_that_are_nearest_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "NEAREST", 2)
    rows = make_rows(ICONS, ["kitten", "puppy"], set(), tmp_path)
    assert [row["caption"] for row in rows] == ["kitten, 3d icon", "puppy, 3d icon"]
    # The picture of an emoji is the one in 3d, where there is one.
    assert [row["images"] for row in rows] == [[1, 2], [2, 1]]
    for row in rows:
        assert row["shares"][0] > row["shares"][1]
        assert sum(row["shares"]) == pytest.approx(1, abs=1e-3)


def test_captions_held_out_words_and_words_near_to_nothing_are_left_out(tmp_path: Path) -> None:
    rows = make_rows(ICONS, ["cat", "kitten", "tax", "puppy"], {"puppy"}, tmp_path)
    assert [row["caption"] for row in rows] == ["kitten, 3d icon"]


def test_a_name_with_a_held_out_word_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "NEAREST", 1)
    rows = make_rows([*ICONS, icon("C", "3d icon", "dog", "puppy")], ["kitten"], {"puppy"}, tmp_path)
    assert rows[0]["images"] == [1]


def test_an_owner_is_as_near_as_the_nearest_of_its_names() -> None:
    names = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    found, near = nearest_owners(np.array([[0, 1]], dtype=np.float32), names, np.array([0, 0, 1]), 2)
    assert found.tolist() == [[0, 1]]
    assert near[0] == pytest.approx([1, 0.8])

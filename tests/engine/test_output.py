"""Outputs are dataclasses and ordered dicts at once."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import pytest

from engine.output import Output


@dataclass
class Pair(Output):
    first: int
    second: int | None = None


def test_attribute_key_index_and_tuple_are_the_same_value() -> None:
    pair = Pair(1, 2)
    assert (pair.first, pair["first"], pair[0], pair.to_tuple()[0], next(iter(pair.values()))) == (1, 1, 1, 1, 1)
    assert pair[:2] == (1, 2)
    assert isinstance(pair, dict)


def test_none_has_no_place() -> None:
    pair = Pair(1)
    assert pair.second is None
    assert pair.to_tuple() == (1,)
    with pytest.raises(KeyError):
        _ = pair["second"]


def test_assignment_reaches_both_sides() -> None:
    pair = Pair(1, 2)
    pair.first = 5
    assert pair["first"] == 5
    pair["second"] = 6
    assert pair.second == 6


def test_copies_are_whole() -> None:
    for other in (copy.deepcopy(Pair(1, 2)), pickle.loads(pickle.dumps(Pair(1, 2)))):  # noqa: S301
        assert isinstance(other, Pair)
        assert other.to_tuple() == (1, 2)

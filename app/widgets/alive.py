"""Answers that come late: a widget that was asked for may be gone by then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QObject
from shiboken6 import isValid

T = TypeVar("T")


def while_alive(owner: QObject, take: Callable[[T], object]) -> Callable[[T], None]:
    """`take`, as long as `owner` is there; afterwards answers are dropped."""

    def take_if_alive(answer: T) -> None:
        if isValid(owner):
            take(answer)

    return take_if_alive

"""Lines that end in an ellipsis, and names of files in right-to-left windows."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from app.widgets.elided import ElidedLabel

NAME = "2026-11-27-221130-99.png"


def ink(image: QImage) -> list[int]:
    """The columns in which something is painted."""
    ground = image.pixel(0, 0)
    columns, rows = range(image.width()), range(image.height())
    return [x for x in columns if any(image.pixel(x, y) != ground for y in rows)]


def test_a_long_line_takes_no_more_room_than_it_is_given(qtbot: Any) -> None:
    label = ElidedLabel()
    qtbot.addWidget(label)
    label.setText("Step 3 of 20 · picture 1 of 4 · 0.21 s per step · 12 s left")
    label.resize(120, 20)
    assert label.minimumSizeHint().width() == 0
    assert label.shown().endswith("…")
    assert label.text().endswith("left")
    label.resize(2000, 20)
    assert label.shown() == label.text()


def test_names_of_files_read_from_left_to_right_on_the_side_where_lines_begin(qtbot: Any) -> None:
    pictures: dict[Qt.LayoutDirection, QImage] = {}
    for direction in (Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft):
        window = QWidget()
        qtbot.addWidget(window)
        window.setLayoutDirection(direction)
        label = ElidedLabel.of_file(window)
        label.setText(NAME)
        label.resize(400, 24)
        pictures[direction] = label.grab().toImage()
    left, right = (pictures[direction] for direction in pictures)
    assert ink(left)[0] < 5
    assert ink(right)[-1] > right.width() - 5
    # The same letters in the same order: moved as a whole, not mirrored.
    width = ink(left)[-1] - ink(left)[0] + 1
    assert width == ink(right)[-1] - ink(right)[0] + 1
    first, second = left.copy(ink(left)[0], 0, width, 24), right.copy(ink(right)[0], 0, width, 24)
    assert first == second

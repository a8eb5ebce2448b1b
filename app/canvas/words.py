"""Numbers as words of the canvas: times, sizes, scales. Digits stay as they are in every language."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


def per_step(seconds: float) -> str:
    """The speed, with as many digits as can be read."""
    if seconds < 0.0995:
        text = QCoreApplication.translate("Canvas", "{number} ms per step")
        return text.format(number=round(seconds * 1000))
    text = QCoreApplication.translate("Canvas", "{number} s per step")
    return text.format(number=f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}")


def time_left(seconds: float) -> str:
    """How long it will take still."""
    whole = round(seconds)
    if whole < 60:
        text = QCoreApplication.translate("Canvas", "{number} s left")
        return text.format(number=f"{seconds:.1f}" if seconds < 10 else whole)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        text = QCoreApplication.translate("Canvas", "{minutes} min {seconds} s left")
        return text.format(minutes=minutes, seconds=rest)
    hours, minutes = divmod(minutes, 60)
    text = QCoreApplication.translate("Canvas", "{hours} h {minutes} min left")
    return text.format(hours=hours, minutes=minutes)


def percent(scale: float) -> str:
    """A scale, as in "150 %"."""
    value = scale * 100
    return f"{value:.0f} %" if value >= 10 else f"{value:.1f} %"

"""Numbers of the command line: in, with errors that name the value, and out."""

from __future__ import annotations

import typer


def whole_number(text: str) -> int:
    """`text` as a whole number."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no whole number.") from None


def number(text: str) -> float:
    """`text` as a number."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number.") from None


def whole_number_option(help_text: str) -> typer.models.OptionInfo:
    """An option that takes a whole number."""
    return typer.Option(parser=whole_number, metavar="N", help=help_text)


def number_option(help_text: str) -> typer.models.OptionInfo:
    """An option that takes a number."""
    return typer.Option(parser=number, metavar="X", help=help_text)


def duration(seconds: float) -> str:
    """Minutes and seconds, or hours, as a clock shows them."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

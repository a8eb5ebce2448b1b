"""Numbers of the command line, with errors that name the value."""

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

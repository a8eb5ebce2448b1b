"""The commands put together, and what becomes of their errors."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Sequence

import typer

from engine.cli.export import export
from engine.cli.generate import generate
from engine.cli.info import info
from engine.cli.models import program as models
from engine.cli.schedulers import schedulers
from engine.cli.train import text_to_image
from engine.errors import KnownError, OutOfMemory


def run(argv: Sequence[str]) -> int:
    """Run one command; every error becomes one sentence on stderr and an exit code."""
    program = typer.Typer(
        name="sfumato",
        help="Make pictures from words with diffusion models, offline.",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    program.command()(generate)
    program.command()(info)
    program.command()(export)
    program.command()(schedulers)
    train = typer.Typer(name="train", help="Train models of your own.", no_args_is_help=True)
    train.command()(text_to_image)
    # A callback keeps `train` a group of commands, which one command alone would not be.
    train.callback()(_train)
    program.add_typer(train)
    program.add_typer(models())
    try:
        code = program(args=list(argv), prog_name="sfumato", standalone_mode=False)
    except typer.TyperException as error:
        return _failed(argv, type(error).__name__, error.format_message(), error.exit_code)
    except typer.Abort:
        return 130
    except KnownError as error:
        return _failed(argv, type(error).__name__, str(error), 1 if isinstance(error, OutOfMemory) else 2)
    except BrokenPipeError:
        # The reader of our output has gone; what is left to flush must not fail a second time at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # Any of the options that name a file or folder may have one that no file can have.
        if error.errno != errno.ENAMETOOLONG:
            return _reported(argv, error)
        return _failed(argv, "InvalidValue", f"The name {error.filename!r} is too long; choose a shorter one.", 2)
    except Exception as error:  # the outermost border: a report instead of a bare crash
        return _reported(argv, error)
    return code if isinstance(code, int) else 0


def _train() -> None:
    """Train models of your own."""


def _reported(argv: Sequence[str], error: Exception) -> int:
    print(traceback.format_exc(), file=sys.stderr)
    return _failed(argv, type(error).__name__, f"Sfumato failed ({error!r}); please report the text above.", 1)


def _failed(argv: Sequence[str], kind: str, message: str, code: int) -> int:
    if "--json" in argv:
        print(json.dumps({"event": "job_failed", "kind": kind, "message": message, "wrong_input": code == 2}))
    if message:  # none when help was shown instead
        print(f"sfumato: {message}", file=sys.stderr)
    return code

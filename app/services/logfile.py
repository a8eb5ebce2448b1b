"""The log file: what the program did and what went wrong, kept small; no Qt."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
BYTES, FILES = 1_000_000, 3


def start_log(path: Path) -> logging.Handler:
    """Write the log of the packages `app` and `engine` to `path`, or to stderr where that cannot be; the handler."""
    handler: logging.Handler
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=BYTES, backupCount=FILES, encoding="utf-8", delay=True)
    except OSError:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    for name in ("app", "engine"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    return handler


def end_log(handler: logging.Handler) -> None:
    """Let go of the file."""
    for name in ("app", "engine"):
        logging.getLogger(name).removeHandler(handler)
    handler.close()

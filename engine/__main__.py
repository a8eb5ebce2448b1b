"""`python -m engine`: the command line of the engine, without any front end."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from engine.cli import main

    sys.exit(main())

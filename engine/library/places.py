"""Where the library's database and the program's own model folder are, for the command line and the window alike."""

from __future__ import annotations

from pathlib import Path

NAME = "Sfumato"
MODELS = "models"
DATABASE = "library.sqlite3"


def data_folder() -> Path:
    """The folder of the user's data, as the system has it."""
    import platformdirs

    return Path(platformdirs.user_data_dir(NAME, appauthor=False))

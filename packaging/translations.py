"""Bring the translations up to the code: `python packaging/translations.py`.

Gathers the texts of `app/` into `resources/i18n/*.ts` with Qt's lupdate, and makes the `.qm` files of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "resources" / "i18n"
LANGUAGES = ("en", "ar")


def tool(name: str) -> str:
    """The path of one of Qt's programs beside the running Python."""
    return str(Path(sys.executable).with_name(f"pyside6-{name}"))


def gather() -> None:
    """Put every text of the window into the `.ts` files; English needs only those with plural forms."""
    sources = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "app").rglob("*.py"))
    for language in LANGUAGES:
        plural = ["-pluralonly"] if language == "en" else []
        target = str((FOLDER / f"sfumato_{language}.ts").relative_to(ROOT))
        options = ["-no-obsolete", "-locations", "none", "-source-language", "en", "-target-language", language]
        command = [tool("lupdate"), *plural, *options, *sources, "-ts", target]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def release(folder: Path = FOLDER) -> None:
    """Make the `.qm` files in `folder`."""
    for language in LANGUAGES:
        target = folder / f"sfumato_{language}.qm"
        source = FOLDER / f"sfumato_{language}.ts"
        subprocess.run([tool("lrelease"), "-silent", str(source), "-qm", str(target)], cwd=ROOT, check=True)


if __name__ == "__main__":
    gather()
    release()

"""Another program on the same screen: it has a picture to drag, and puts a text on the clipboard.

python tests/app/other_program.py --picture FILE --text FILE
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QDrag, QMouseEvent, QPixmap
from PySide6.QtWidgets import QApplication, QLabel

TITLE = "Other program"
SIDE = 120


class Picture(QLabel):
    """A picture that can be dragged away as a file."""

    def __init__(self, file: Path | None) -> None:
        super().__init__("nothing")
        self._file = file
        self.setWindowTitle(TITLE)
        self.setWindowFlag(Qt.WindowType.WindowStaysOnTopHint)
        self.setFixedSize(SIDE, SIDE)
        if file is not None:
            self.setPixmap(QPixmap(str(file)).scaled(SIDE, SIDE))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        if self._file is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(self._file))])
        drag = QDrag(self)
        drag.setMimeData(data)
        drag.exec(Qt.DropAction.CopyAction)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--text", type=Path)
    options = parser.parse_args()
    app = QApplication(sys.argv[:1])
    window = Picture(options.picture)
    window.move(0, 0)
    window.show()
    if options.text is not None:
        app.clipboard().setText(options.text.read_text(encoding="utf-8"))
    return app.exec()


if __name__ == "__main__":
    sys.exit(main())

"""A screen of its own with a window manager, the program on it, and hands that press its keys and buttons.

Input goes through the X server and `xdotool`, as a person's does. What is on the screen the program says itself, by the
names that a screen reader would read out: the second half of this file runs inside it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("Xvfb", "xdotool", "openbox", "import", "xprop")
WIDTH, HEIGHT = 1366, 768
# Until something is on the screen; only a program that hangs ever waits so long.
PATIENCE = 60.0
MOVES = 12


def missing() -> str:
    """The programs that this machine lacks for it, or ""."""
    return ", ".join(name for name in NEEDED if shutil.which(name) is None)


@dataclass(frozen=True, slots=True)
class Seen:
    """Something on the screen: what it is called, what it says, and where it is."""

    kind: str
    name: str
    text: str
    x: int
    y: int
    width: int
    height: int
    enabled: bool
    checked: bool
    window: str

    @property
    def centre(self) -> tuple[int, int]:
        """The point to click at."""
        return self.x + self.width // 2, self.y + self.height // 2


class Desktop:
    """The screen and the program on it; to be left with `close`."""

    def __init__(self, data: Path, *, shots: Path | None = None, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
        self._stack = ExitStack()
        self._shots = shots
        self.size = size
        self.data = data
        self.environment = {
            **os.environ,
            "DISPLAY": self._screen(),
            "QT_QPA_PLATFORM": "xcb",
            "LANG": "C.UTF-8",
            "FONTCONFIG_FILE": str(ROOT / "tests" / "fonts.conf"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(ROOT),
        }
        try:
            self._start("openbox", "--sm-disable")
            self.wait(self._managed, "the window manager")
            self.program = self.start(data)
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------------------------------------------ processes

    def _screen(self) -> str:
        read, write = os.pipe()
        width, height = self.size
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
        # Once its last client has left, a server begins anew, and refuses one that comes just then: 5 in 40.
        command.append("-noreset")
        server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
        self._stack.callback(_end, server)
        os.close(write)
        with os.fdopen(read) as pipe:
            return f":{pipe.readline().strip()}"

    def _managed(self) -> bool:
        said = subprocess.run(
            ["xprop", "-root", "_NET_SUPPORTING_WM_CHECK"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return "window id" in said.stdout

    def _start(self, *command: str, **pipes: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, env=self.environment, text=True, **pipes)
        self._stack.callback(_end, process)
        return process

    def start(self, data: Path, *files: str) -> subprocess.Popen[str]:
        """Start the program on a data folder and wait until its window is there."""
        self.program = self._start(
            sys.executable, __file__, str(data), *files, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.wait(lambda: bool(self.look("MainWindow")), "the window")
        return self.program

    @contextmanager
    def other_program(self, *arguments: str) -> Iterator[tuple[int, int]]:
        """Start a second program with a picture to drag or a text on the clipboard; gives the point to drag from."""
        process = self._start(sys.executable, str(ROOT / "tests" / "app" / "other_program.py"), *arguments)
        try:
            window = self.wait(lambda: self.windows_called("Other program"), "the other program")[0]
            x, y = self.place_of(window)
            yield x + 60, y + 60
        finally:
            _end(process)

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    # ------------------------------------------------------------------------------------------------ eyes

    def look(self, kind: str = "") -> list[Seen]:
        """What is on the screen; of one class of widgets where `kind` is given."""
        program = self.program
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write("look\n")
        program.stdin.flush()
        line = program.stdout.readline()
        if not line:
            raise AssertionError(f"the program ended with {program.wait()}")
        return [seen for seen in (Seen(**row) for row in json.loads(line)) if not kind or seen.kind == kind]

    def find(self, name: str, kind: str = "", *, within: str = "") -> Seen | None:
        """The thing called `name`, or that says it; None where it is not on the screen."""
        found = [seen for seen in self.look(kind) if name in (seen.name, seen.text) and within in seen.window]
        return found[-1] if found else None

    def says(self, words: str) -> bool:
        """Whether something on the screen has these words in its text."""
        return any(words in seen.text for seen in self.look())

    def wait(self, until: Callable[[], Any], what: str) -> Any:
        """Wait for `until` and return what it returned."""
        end = time.monotonic() + PATIENCE
        while not (got := until()):
            if time.monotonic() > end:
                self.shot("timeout")
                raise AssertionError(f"{what} did not come")
            time.sleep(0.05)
        return got

    def wait_for(self, name: str, kind: str = "", *, enabled: bool = True, within: str = "") -> Seen:
        """Wait until the thing called `name` is there and can be used."""

        def there() -> Seen | None:
            seen = self.find(name, kind, within=within)
            return seen if seen is not None and (seen.enabled or not enabled) else None

        return self.wait(there, name)

    def wait_for_words(self, words: str) -> None:
        """Wait until something on the screen says `words`."""
        self.wait(lambda: self.says(words), words)

    def windows_called(self, title: str) -> list[str]:
        """The ids of the windows with this title, of any program."""
        command = ["xdotool", "search", "--onlyvisible", "--name", title]
        found = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return found.stdout.split()

    def place_of(self, window: str) -> tuple[int, int]:
        """Where a window's upper left corner is."""
        command = ["xdotool", "getwindowgeometry", "--shell", window]
        said = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout
        values = dict(line.split("=") for line in said.split())
        return int(values["X"]), int(values["Y"])

    def shot(self, name: str) -> None:
        """Keep a picture of the screen."""
        if self._shots is not None:
            self._shots.mkdir(parents=True, exist_ok=True)
            command = ["import", "-window", "root", str(self._shots / f"{name}.png")]
            subprocess.run(command, env=self.environment, check=True)

    # ------------------------------------------------------------------------------------------------ hands

    def _do(self, *arguments: object) -> None:
        subprocess.run(["xdotool", *map(str, arguments)], env=self.environment, check=True)

    def click(self, name: str, kind: str = "", *, button: int = 1, times: int = 1, within: str = "") -> Seen:
        """Click in the middle of the thing called `name`, once it is there."""
        seen = self.wait_for(name, kind, within=within)
        self.click_at(*seen.centre, button=button, times=times)
        return seen

    def click_at(self, x: int, y: int, *, button: int = 1, times: int = 1) -> None:
        """Click at a point of the screen."""
        self._do("mousemove", "--sync", x, y, "click", "--repeat", times, "--delay", 60, button)

    def move_to(self, x: int, y: int) -> None:
        """Move the pointer."""
        self._do("mousemove", x, y)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press at one point, move in small steps, and let go at another."""
        self._do("mousemove", "--sync", *start, "mousedown", 1)
        for part in range(1, MOVES + 1):
            x = start[0] + (end[0] - start[0]) * part // MOVES
            y = start[1] + (end[1] - start[1]) * part // MOVES
            self._do("mousemove", x, y, "sleep", "0.03")
        self._do("mousemove", end[0] + 1, end[1], "sleep", "0.1", "mousemove", *end, "sleep", "0.2", "mouseup", 1)

    def key(self, *keys: str) -> None:
        """Press keys, such as `ctrl+Return`, one after another."""
        for key in keys:
            self._do("key", "--clearmodifiers", key)

    def type(self, text: str) -> None:
        """Type text into what has the focus."""
        self._do("type", "--delay", 8, text)

    def replace(self, name: str, text: str, kind: str = "", *, within: str = "") -> None:
        """Click into a field, and type over what stands there."""
        self.click(name, kind, within=within)
        self.key("ctrl+a")
        self.type(text)

    def pick(self, field: str, entry: str, *, within: str = "") -> None:
        """Choose an entry of a list that unfolds."""
        self.click(field, within=within)
        self.click(entry, "item")


def _end(process: subprocess.Popen[Any]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


# -------------------------------------------------------------------------------------------- inside the program


def inside(arguments: list[str]) -> int:
    """The program itself, which answers each line on its input with what is on the screen."""
    sys.path.insert(0, str(ROOT))
    from PySide6.QtCore import QSocketNotifier, QTimer

    from app import application

    def answer() -> None:
        if not sys.stdin.readline():
            notifier.setEnabled(False)
            return
        print(json.dumps(seen_now()), flush=True)

    notifier: QSocketNotifier

    def begin() -> None:
        nonlocal notifier
        notifier = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read)
        notifier.activated.connect(answer)

    original = application.Application.show

    def show(program: Any) -> None:
        original(program)
        QTimer.singleShot(0, begin)

    application.Application.show = show  # the one thing added: its eyes open with its window
    return application.main(arguments[1:], Path(arguments[0]))


def seen_now() -> list[dict[str, Any]]:
    """All that can be seen of the program's windows, by name, text and place on the screen."""
    from PySide6.QtWidgets import QApplication

    rows: list[dict[str, Any]] = []
    modal = QApplication.activePopupWidget() or QApplication.activeModalWidget()
    for window in QApplication.topLevelWidgets():
        if window.isVisible():
            _see_window(window, rows, modal is None or window is modal)
    return rows


def _see_window(window: Any, rows: list[dict[str, Any]], in_reach: bool) -> None:
    from PySide6.QtWidgets import QAbstractItemView, QMenu, QMenuBar, QTabBar, QWidget

    title = window.windowTitle() or type(window).__name__
    for widget in (window, *window.findChildren(QWidget)):
        if not widget.isVisible() or widget.window() is not window:
            continue
        area = widget.visibleRegion().boundingRect()
        if area.isEmpty():
            continue
        rows.append(_row(widget, type(widget).__name__, widget.accessibleName(), _text(widget), area, title, in_reach))
        if isinstance(widget, QMenu | QMenuBar):
            for action in widget.actions():
                text = action.text().replace("&", "").split("\t")[0]
                rows.append(_row(widget, "action", "", text, widget.actionGeometry(action), title, in_reach))
                rows[-1]["enabled"] = action.isEnabled() and in_reach
                rows[-1]["checked"] = action.isChecked()
        elif isinstance(widget, QTabBar):
            for index in range(widget.count()):
                rows.append(_row(widget, "tab", "", widget.tabText(index), widget.tabRect(index), title, in_reach))
        elif isinstance(widget, QAbstractItemView) and widget.model() is not None:
            _see_items(widget, rows, title, in_reach)


def _see_items(view: Any, rows: list[dict[str, Any]], title: str, in_reach: bool) -> None:
    from PySide6.QtCore import Qt

    model, port = view.model(), view.viewport()
    for number in range(min(model.rowCount(view.rootIndex()), 60)):
        index = model.index(number, 0, view.rootIndex())
        area = view.visualRect(index).intersected(port.rect())
        if area.isEmpty():
            continue
        text = str(index.data(Qt.ItemDataRole.DisplayRole) or "")
        said = str(index.data(Qt.ItemDataRole.AccessibleTextRole) or "")
        rows.append(_row(port, "item", said, text, area, title, in_reach))
        rows[-1]["checked"] = view.selectionModel().isSelected(index)


def _row(widget: Any, kind: str, name: str, text: str, area: Any, window: str, in_reach: bool) -> dict[str, Any]:
    corner = widget.mapToGlobal(area.topLeft())
    ratio = widget.devicePixelRatio()
    checked = getattr(widget, "isChecked", None)
    return {
        "kind": kind,
        "name": name,
        "text": text,
        "x": round(corner.x() * ratio),
        "y": round(corner.y() * ratio),
        "width": round(area.width() * ratio),
        "height": round(area.height() * ratio),
        "enabled": widget.isEnabled() and in_reach,
        "checked": bool(checked()) if callable(checked) else False,
        "window": window,
    }


def _text(widget: Any) -> str:
    for name in ("currentText", "text", "toPlainText"):
        read = getattr(widget, name, None)
        if callable(read):
            return str(read()).strip()
    return ""


if __name__ == "__main__":
    sys.exit(inside(sys.argv[1:]))

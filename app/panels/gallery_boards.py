"""The menus of stars and boards."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QInputDialog, QLineEdit, QMenu, QWidget

from app.services.gallery_records import ANY_BOARD, NO_BOARD
from app.state.gallery import GalleryState
from app.theme import icon


class BoardMenus(QObject):
    """Fills menus anew each time they are opened; `chosen` gives the ids of the chosen pictures."""

    def __init__(self, gallery: GalleryState, chosen: Callable[[], list[int]], panel: QWidget) -> None:
        super().__init__(panel)
        self._gallery = gallery
        self._chosen = chosen
        self._panel = panel

    def fill_boards(self, menu: QMenu) -> None:
        """Which board is shown, and what can be done with it."""
        menu.clear()
        shown = self._gallery.filter.board
        entries = [(ANY_BOARD, self.tr("All pictures")), (NO_BOARD, self.tr("On no board"))]
        entries += [(board.id, f"{board.name}  ({board.count:,})") for board in self._gallery.boards]
        for id, text in entries:
            action = menu.addAction(
                text.replace("&", "&&"), lambda _checked=False, id=id: self._gallery.refine(board=id)
            )
            action.setCheckable(True)
            action.setChecked(id == shown)
            if id == NO_BOARD:
                menu.addSeparator()
        menu.addSeparator()
        menu.addAction(icon("plus"), self.tr("New board…"), lambda: self._new_board([]))
        if shown > 0:
            menu.addAction(icon("pencil"), self.tr("Rename this board…"), self._rename_board)
            menu.addAction(
                icon("x"), self.tr("Remove this board, keep its pictures"), lambda: self._gallery.drop_board(shown)
            )

    def fill_stars(self, menu: QMenu) -> None:
        """So many stars for the chosen pictures."""
        menu.clear()
        for stars in range(5, -1, -1):
            text = "★" * stars if stars else self.tr("No stars")
            menu.addAction(
                f"{text}\t{stars}", lambda _checked=False, stars=stars: self._gallery.rate(self._chosen(), stars)
            )

    def fill_moves(self, menu: QMenu) -> None:
        """Boards for the chosen pictures."""
        menu.clear()
        chosen = self._chosen()
        for board in self._gallery.boards:
            text = board.name.replace("&", "&&")
            menu.addAction(text, lambda _checked=False, id=board.id: self._gallery.move(chosen, id))
        menu.addAction(icon("plus"), self.tr("New board…"), lambda: self._new_board(chosen))
        menu.addSeparator()
        menu.addAction(self.tr("Take off the board"), lambda: self._gallery.move(chosen, NO_BOARD))

    def _new_board(self, ids: list[int]) -> None:
        name, accepted = QInputDialog.getText(self._panel, self.tr("New board"), self.tr("Name of the board"))
        if accepted:
            self._gallery.make_board(name, ids)

    def _rename_board(self) -> None:
        board = next((board for board in self._gallery.boards if board.id == self._gallery.filter.board), None)
        if board is None:
            return
        name, accepted = QInputDialog.getText(
            self._panel, self.tr("Rename board"), self.tr("Name of the board"), QLineEdit.EchoMode.Normal, board.name
        )
        if accepted:
            self._gallery.rename_board(board.id, name)

"""What the gallery is narrowed by, besides the words: model, scheduler, seed, size, date, rating."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from PySide6.QtCore import QDate, QRegularExpression, Qt
from PySide6.QtGui import QRegularExpressionValidator
from PySide6.QtWidgets import (
    QComboBox,
    QDateEdit,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QToolButton,
    QWidget,
)

from app.state.gallery import GalleryState
from app.theme import GAP, ICON, SPACE, icon, set_role
from app.widgets.labelled import QuietCombo, labelled
from engine.catalog import scheduler_entry
from engine.errors import UnknownName


class StarButtons(QWidget):
    """Five stars to press; `value` of them are full. A press on the last full one empties them all."""

    def __init__(self, name: str, tip: str, changed: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.value = 0
        self._changed = changed
        self.setAccessibleName(name)
        self.setToolTip(tip)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self.buttons: list[QToolButton] = []
        for number in range(1, 6):
            button = QToolButton(self)
            button.setIcon(icon("star"))
            button.setCheckable(True)
            button.setAutoRaise(True)
            button.setToolTip(tip)
            button.setAccessibleName(self.tr("%n star(s)", "", number))
            button.clicked.connect(lambda _checked=False, stars=number: self._pressed(stars))
            layout.addWidget(button)
            self.buttons.append(button)
        layout.addStretch(1)

    def _pressed(self, stars: int) -> None:
        self.show_value(0 if stars == self.value else stars)
        self._changed(self.value)

    def show_value(self, stars: int) -> None:
        """Fill so many stars without saying that it changed."""
        self.value = stars
        for number, button in enumerate(self.buttons, 1):
            button.setChecked(number <= stars)


class FilterForm(QWidget):
    """The form behind the gallery's funnel; every change narrows the gallery at once."""

    def __init__(self, gallery: GalleryState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._gallery = gallery
        self._filling = False
        self.model = QuietCombo(self.tr("Model"), self.tr("Show only pictures that this model made."))
        self.scheduler = QuietCombo(self.tr("Scheduler"), self.tr("Show only pictures made with this scheduler."))
        self.seed = self._line(
            self.tr("Seed"), self.tr("Show only pictures of this seed."), r"\d{0,20}", self.tr("Any")
        )
        self.picture_size = self._line(
            self.tr("Size"),
            self.tr("Show only pictures of this width and height in pixels, such as 512x768."),
            r"\d{0,5}(\s*[x×]\s*\d{0,5})?",
            self.tr("Any"),
        )
        self.date = QuietCombo(self.tr("Made"), self.tr("Show only pictures made in this time."))
        for label, days in (
            (self.tr("Any time"), 0),
            (self.tr("Today"), 1),
            (self.tr("Last 7 days"), 7),
            (self.tr("Last 30 days"), 30),
            (self.tr("From … to …"), -1),
        ):
            self.date.addItem(label, days)
        self.since, self.until = self._day(self.tr("First day")), self._day(self.tr("Last day"))
        self.stars = StarButtons(
            self.tr("At least so many stars"),
            self.tr("Show only pictures with at least so many stars."),
            lambda value: gallery.refine(stars=value),
        )
        self.clear = QPushButton(self.tr("Show all pictures"))
        set_role(self.clear, "link")
        self._arrange()
        self._connect()
        self._fill()
        self._show()

    def _line(self, name: str, tip: str, pattern: str, empty: str) -> QLineEdit:
        line = QLineEdit()
        line.setAccessibleName(name)
        line.setToolTip(tip)
        line.setPlaceholderText(empty)
        line.setValidator(QRegularExpressionValidator(QRegularExpression(pattern), line))
        line.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # digits of seeds and sizes are not mirrored
        return line

    def _day(self, name: str) -> QDateEdit:
        edit = QDateEdit(QDate.currentDate())
        edit.setCalendarPopup(True)
        edit.setAccessibleName(name)
        edit.setToolTip(name)
        edit.setVisible(False)
        return edit

    def _arrange(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, SPACE)
        layout.setHorizontalSpacing(GAP)
        layout.setVerticalSpacing(GAP)
        layout.addWidget(labelled(self.model), 0, 0)
        layout.addWidget(labelled(self.scheduler), 0, 1)
        layout.addWidget(labelled(self.seed), 1, 0)
        layout.addWidget(labelled(self.picture_size), 1, 1)
        layout.addWidget(labelled(self.date), 2, 0)
        layout.addWidget(labelled(self.stars), 2, 1)
        layout.addWidget(self.since, 3, 0)
        layout.addWidget(self.until, 3, 1)
        layout.addWidget(self.clear, 4, 0, 1, 2, Qt.AlignmentFlag.AlignLeading)
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(1, 1)

    def _connect(self) -> None:
        refine = self._gallery.refine
        self.model.activated.connect(lambda _row: refine(model=self.model.currentData()))
        self.scheduler.activated.connect(lambda _row: refine(scheduler=self.scheduler.currentData()))
        self.seed.textEdited.connect(lambda text: refine(seed=text.strip()))
        self.picture_size.textEdited.connect(self._size_edited)
        self.date.activated.connect(lambda _row: self._date_chosen())
        for edit in (self.since, self.until):
            edit.dateChanged.connect(lambda _date: self._date_chosen())
        self.clear.clicked.connect(self._clear)
        self._gallery.values_changed.connect(self._fill)
        self._gallery.filter_changed.connect(self._show)

    def _clear(self) -> None:
        self.picture_size.clear()
        self.date.setCurrentIndex(0)
        self._date_chosen()
        wanted = self._gallery.filter
        self._gallery.set_filter(type(wanted)(words=wanted.words, board=wanted.board))

    def _size_edited(self, text: str) -> None:
        width, _, height = text.lower().replace("×", "x").replace(" ", "").partition("x")
        self._gallery.refine(width=int(width or 0), height=int(height or 0))

    def _date_chosen(self) -> None:
        days = self.date.currentData()
        for edit in (self.since, self.until):
            edit.setVisible(days == -1)
        if days == -1:
            first, last = sorted((self.since.date(), self.until.date()), key=QDate.toJulianDay)
            self._gallery.refine(since=_midnight(first), until=_midnight(last.addDays(1)))
        else:
            today = _midnight(QDate.currentDate().addDays(1 - days)) if days else 0
            self._gallery.refine(since=today, until=0)

    def _fill(self) -> None:
        for combo, values, chosen in (
            (self.model, self._gallery.models, self._gallery.filter.model),
            (self.scheduler, self._gallery.schedulers, self._gallery.filter.scheduler),
        ):
            combo.clear()
            combo.addItem(self.tr("Any"), "")
            for value in values:
                combo.addItem(_label(value) if combo is self.scheduler else value, value)
            _choose(combo, chosen)

    def _show(self) -> None:
        wanted = self._gallery.filter
        _choose(self.model, wanted.model)
        _choose(self.scheduler, wanted.scheduler)
        if self.seed.text().strip() != wanted.seed:
            self.seed.setText(wanted.seed)
        if not wanted.width and not wanted.height and not self.picture_size.hasFocus():
            self.picture_size.clear()
        if not wanted.since and not wanted.until and self.date.currentData() != -1:
            self.date.setCurrentIndex(0)
        self.stars.show_value(wanted.stars)
        self.clear.setEnabled(not type(wanted)(words=wanted.words, board=wanted.board) == wanted)


def search_icon_button(name: str, text: str, *, checkable: bool = False) -> QToolButton:
    """A quiet button that is only an icon."""
    button = QToolButton()
    button.setIcon(icon(name))
    button.setIconSize(button.iconSize().scaled(ICON, ICON, Qt.AspectRatioMode.KeepAspectRatio))
    button.setAutoRaise(True)
    button.setCheckable(checkable)
    button.setToolTip(text)
    button.setAccessibleName(text)
    return button


def _choose(combo: QComboBox, value: str) -> None:
    combo.setCurrentIndex(max(combo.findData(value), 0))


def _label(scheduler: str) -> str:
    try:
        return scheduler_entry(scheduler).label
    except UnknownName:
        return scheduler


def _midnight(day: QDate) -> int:
    moment = datetime(day.year(), day.month(), day.day()) if day.isValid() else datetime.combine(datetime.now(), time())
    return int(moment.timestamp() * 1_000_000)

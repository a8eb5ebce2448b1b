"""The downloads: a line to paste a name or link into, what is under way, and models to begin with."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.error_texts import said_here
from app.panels.library_texts import card_text, family_label, kind_label, lead, size_text
from app.state.library import LibraryState
from app.theme import GAP, MARGIN, SPACE, icon, set_role
from app.widgets.progress_bar import ProgressBar
from engine.library_messages import Card, DownloadItem, DownloadPlan

STEPS = 1000


class DownloadsPage(QScrollArea):
    """Shows the downloads and the curated list of a `LibraryState`.

    Signals:
        show_wanted(str): the finished model at this path shall be shown in the library.
    """

    show_wanted = Signal(str)

    def __init__(self, library: LibraryState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._library = library
        self._rows: dict[str, DownloadRow] = {}
        self._cards: list[CardRow] = []
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        body = QWidget()
        body.setObjectName("scrolled")
        layout = QVBoxLayout(body)
        layout.setContentsMargins(MARGIN, GAP, MARGIN, MARGIN)
        layout.setSpacing(GAP)
        layout.addLayout(self._source_row())
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        set_role(self.problem, "error")
        self.problem.hide()
        layout.addWidget(self.problem)
        self.plan = PlanCard()
        self.plan.hide()
        self.plan.agreed.connect(self._agreed)
        self.plan.variant_wanted.connect(lambda variant: library.plan(self._asked, variant))
        layout.addWidget(self.plan)
        self.running = QVBoxLayout()
        self.running.setSpacing(GAP)
        layout.addLayout(self.running)
        self.token = QPushButton(self.tr("Access token …"))
        set_role(self.token, "link")
        self.token.setToolTip(
            self.tr("Some models ask for an account. Its token is kept in this computer's keyring and nowhere else.")
        )
        self.token.clicked.connect(self.ask_for_token)
        layout.addWidget(self.token, 0, Qt.AlignmentFlag.AlignLeading)
        title = lead(QLabel(self.tr("Models to begin with")))
        set_role(title, "section")
        layout.addSpacing(GAP)
        layout.addWidget(title)
        self.curated = QVBoxLayout()
        self.curated.setSpacing(GAP)
        layout.addLayout(self.curated)
        layout.addStretch(1)
        self.setWidget(body)
        self._asked = ""
        library.downloads_changed.connect(self._show)
        library.planned.connect(self._planned)
        library.plan_failed.connect(self._plan_failed)
        self._show()

    def _source_row(self) -> QHBoxLayout:
        self.source = QLineEdit()
        self.source.setPlaceholderText(self.tr("owner/name of the hub, or a link"))
        self.source.setAccessibleName(self.tr("What to download"))
        self.source.setToolTip(
            self.tr(
                "A repository such as owner/name, a file of it as owner/name:file, or a link that begins with https."
            )
        )
        self.source.setClearButtonEnabled(True)
        self.source.addAction(icon("link"), QLineEdit.ActionPosition.LeadingPosition)
        self.source.returnPressed.connect(self.look_up)
        self.look = QPushButton(self.tr("Look up"))
        self.look.clicked.connect(self.look_up)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.source, 1)
        row.addWidget(self.look)
        return row

    def look_up(self) -> None:
        """Ask the server what the line would bring."""
        if self.source.text().strip():
            self._ask(self.source.text().strip(), "")

    def ask_for_token(self) -> None:
        """Ask for the hub's access token; an empty one forgets it."""
        mode = QLineEdit.EchoMode.Password
        words = self.tr("Token of the hub; leave it empty to forget the one that is kept")
        token, agreed = QInputDialog.getText(self, self.tr("Access token"), words, mode)
        if agreed:
            self._library.store_token(token)

    def _ask(self, source: str, variant: str) -> None:
        self.problem.hide()
        self.plan.hide()
        self._asked = source
        self.look.setEnabled(False)
        self._library.plan(source, variant)

    def _planned(self, plan: DownloadPlan) -> None:
        self.look.setEnabled(True)
        self.plan.show_plan(plan)
        self.plan.show()
        self.ensureWidgetVisible(self.plan)

    def _plan_failed(self, text: str) -> None:
        self.look.setEnabled(True)
        self.problem.setText(said_here(text))
        self.problem.show()
        self.ensureWidgetVisible(self.problem)

    def _agreed(self, plan: DownloadPlan) -> None:
        self.plan.hide()
        self.source.clear()
        self._library.fetch(plan)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        self._show()

    def _show(self) -> None:
        items = {item.id: item for item in self._library.downloads}
        for id in [id for id in self._rows if id not in items]:
            row = self._rows.pop(id)
            row.hide()
            row.deleteLater()
        for id, item in items.items():
            if id not in self._rows:
                self._rows[id] = DownloadRow(self._library)
                self._rows[id].show_wanted.connect(self.show_wanted)
                self.running.insertWidget(0, self._rows[id])
            self._rows[id].show_item(item)
        # The cards take a tenth of a second: they come when somebody looks at the page.
        if not self._cards and self._library.cards and self.isVisible():
            for card in self._library.cards:
                row = CardRow(card)
                row.wanted.connect(lambda card: self._ask(card.source, card.variant))
                self._cards.append(row)
                self.curated.addWidget(row)


class PlanCard(QFrame):
    """What a download would bring: licence, size, room on the disk; fetched only after a press.

    Signals:
        agreed(DownloadPlan): the user wants it.
        variant_wanted(str): the user wants another variant.
    """

    agreed = Signal(object)
    variant_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        set_role(self, "card")
        self._plan: DownloadPlan | None = None
        self.title, self.facts, self.terms = (_wrapped(role) for role in ("title", "hint", "warning"))
        self.variants = QHBoxLayout()
        self.variants.setSpacing(SPACE)
        self.fetch = QPushButton(self.tr("Download"))
        self.fetch.setIcon(icon("download"))
        self.fetch.clicked.connect(lambda: self.agreed.emit(self._plan))
        self.close_button = QPushButton(self.tr("Not now"))
        set_role(self.close_button, "link")
        self.close_button.clicked.connect(self.hide)
        buttons = QHBoxLayout()
        buttons.addWidget(self.fetch)
        buttons.addWidget(self.close_button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, GAP, MARGIN, GAP)
        layout.setSpacing(SPACE)
        for widget in (self.title, self.facts, self.terms):
            layout.addWidget(widget)
        layout.addLayout(self.variants)
        layout.addSpacing(SPACE)
        layout.addLayout(buttons)

    def show_plan(self, plan: DownloadPlan) -> None:
        """Show what `plan` says."""
        self._plan = plan
        self.title.setText(plan.title)
        files = self.tr("%n file(s)", "", len(plan.files))
        licence = plan.licence or self.tr("not stated")
        self.facts.setText(
            self.tr("{files}, {size}; {free} free on the disk. Licence: {licence}.").format(
                files=files, size=size_text(plan.size), free=size_text(plan.free), licence=licence
            )
        )
        too_large = plan.size > plan.free
        warnings = [self.tr("There is not enough room on the disk.")] if too_large else []
        if plan.gated:
            warnings.append(self.tr("Its terms have to be accepted first at {page}.").format(page=plan.page))
        self.terms.setText(" ".join(warnings))
        self.terms.setVisible(bool(warnings))
        self.fetch.setEnabled(not too_large)
        while (item := self.variants.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for variant in plan.others if len(plan.others) > 1 else ():
            button = QPushButton(variant or self.tr("full precision"))
            set_role(button, "chip")
            button.setCheckable(True)
            button.setChecked(variant == plan.variant)
            button.clicked.connect(lambda _checked, variant=variant: self.variant_wanted.emit(variant))
            self.variants.addWidget(button)
        self.variants.addStretch(1)


class DownloadRow(QFrame):
    """One download: how far it is, how fast, how long still; pause, resume, remove.

    Signals:
        show_wanted(str): the finished model shall be shown.
    """

    show_wanted = Signal(str)

    def __init__(self, library: LibraryState) -> None:
        super().__init__()
        set_role(self, "card")
        self._library = library
        self._item: DownloadItem | None = None
        self.title, self.state = _wrapped(""), _wrapped("hint")
        self.bar = ProgressBar()
        self.bar.setRange(0, STEPS)
        self.bar.setTextVisible(False)
        self.toggle, self.remove = QToolButton(), QToolButton()
        self.toggle.clicked.connect(self._toggle)
        self.remove.setIcon(icon("x"))
        self.remove.clicked.connect(lambda: self._library.forget(self._item.id) if self._item else None)
        top = QHBoxLayout()
        top.setSpacing(SPACE)
        top.addWidget(self.title, 1)
        top.addWidget(self.toggle)
        top.addWidget(self.remove)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, GAP, GAP, GAP)
        layout.setSpacing(SPACE)
        layout.addLayout(top)
        layout.addWidget(self.bar)
        layout.addWidget(self.state)

    def show_item(self, item: DownloadItem) -> None:
        """Show how the download is doing."""
        self._item = item
        self.title.setText(item.title)
        self.bar.setVisible(item.state != "done")
        self.bar.setRange(0, STEPS if item.total > 0 else 0)
        self.bar.setValue(STEPS * item.done // item.total if item.total > 0 else 0)
        self.bar.setAccessibleName(self.tr("Progress of {title}").format(title=item.title))
        self.state.setText(self._text(item))
        set_role(self.state, "error" if item.state == "failed" else "hint")
        running = item.state in {"running", "verifying", "waiting"}
        name, tip = ("pause", self.tr("Pause")) if running else ("play", self.tr("Go on"))
        if item.state == "done":
            name, tip = "eye", self.tr("Show it in the library")
        self.toggle.setIcon(icon(name))
        gone = (
            self.tr("Take it from this list") if item.state == "done" else self.tr("Give up and delete what is there")
        )
        for button, text in ((self.toggle, tip), (self.remove, gone)):
            button.setToolTip(text)
            button.setAccessibleName(f"{text}: {item.title}")

    def _text(self, item: DownloadItem) -> str:
        amount = self.tr("{done} of {total}").format(done=size_text(item.done), total=size_text(item.total))
        match item.state:
            case "done":
                return self.tr("In the library, {size}").format(size=size_text(item.total))
            case "failed":
                return said_here(item.message)
            case "paused":
                return self.tr("Paused at {amount}").format(amount=amount)
            case "verifying":
                return self.tr("Comparing the hash")
            case "waiting":
                return self.tr("Waiting for its turn")
            case _:
                pass
        if item.message:
            return said_here(item.message)
        parts = [amount]
        if item.speed > 0:
            parts.append(self.tr("{size} per second").format(size=size_text(int(item.speed))))
        if item.seconds_left is not None:
            parts.append(self._left(item.seconds_left))
        return " · ".join(parts)

    def _left(self, seconds: float) -> str:
        """A duration that is still to come, rounded as one says it."""
        if seconds >= 5400:
            hours = round(seconds / 3600)
            return self.tr("%n hour(s) left", "", hours)
        if seconds >= 90:
            minutes = round(seconds / 60)
            return self.tr("%n minute(s) left", "", minutes)
        whole = max(round(seconds), 1)
        return self.tr("%n second(s) left", "", whole)

    def _toggle(self) -> None:
        if self._item is None:
            return
        if self._item.state == "done":
            self.show_wanted.emit(self._item.path)
        elif self._item.state in {"running", "verifying", "waiting"}:
            self._library.pause(self._item.id)
        else:
            self._library.resume(self._item.id)


class CardRow(QFrame):
    """A model of the curated list.

    Signals:
        wanted(Card): the user wants to know what fetching it would bring.
    """

    wanted = Signal(object)

    def __init__(self, card: Card) -> None:
        super().__init__()
        set_role(self, "card")
        self.card = card
        title, facts, summary = _wrapped(""), _wrapped("hint"), _wrapped("hint")
        title.setText(card.title)
        summary.setText(card_text(card))
        parts = (kind_label(card.kind), family_label(card.family), size_text(card.size), card.licence)
        facts.setText(" · ".join(parts))
        facts.setToolTip(
            self.tr("Needs about {memory} of memory; does well with {steps} steps and guidance {guidance}.").format(
                memory=size_text(card.memory), steps=card.steps, guidance=card.guidance
            )
        )
        self.button = QToolButton()
        self.button.setIcon(icon("download"))
        self.button.setToolTip(self.tr("Look at size and licence, then download"))
        self.button.setAccessibleName(self.tr("Download {title}").format(title=card.title))
        self.button.clicked.connect(lambda: self.wanted.emit(self.card))
        texts = QVBoxLayout()
        texts.setSpacing(SPACE // 2)
        for label in (title, summary, facts):
            texts.addWidget(label)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(MARGIN, GAP, GAP, GAP)
        layout.addLayout(texts, 1)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignVCenter)


def _wrapped(role: str) -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    if role:
        set_role(label, role)
    return lead(label)

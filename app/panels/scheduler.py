"""The scheduler panel: how the noise is taken away, how large the picture is, and what it starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from app.catalog_texts import catalog_text
from app.error_texts import said_here
from app.panels.sizes import sizes_like
from app.state.generation import GenerationState
from app.theme import GAP, SPACE, icon, set_role
from app.widgets.alive import while_alive
from app.widgets.card import Card
from app.widgets.curve import NoiseCurve
from app.widgets.labelled import QuietCombo, labelled
from app.widgets.number import NumberField
from app.widgets.seed import SeedField
from engine.catalog import LIMITS, SCHEDULERS, SIGMA_SCHEDULES, ModelInfo, scheduler_entry
from engine.errors import KnownError

PLOT_DELAY = 60


class SchedulerPanel(QWidget):
    """Binds scheduler, steps, guidance, seed, size and what a picture starts from to the state."""

    def __init__(self, generation: GenerationState, client: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._generation = generation
        self._client = client
        self._plot_timer = QTimer(self)
        self._plot_timer.setSingleShot(True)
        self._plot_timer.setInterval(PLOT_DELAY)
        self._plot_timer.timeout.connect(self._ask_for_plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(GAP, 0, GAP, GAP)
        layout.setSpacing(GAP)
        for card in (self._sampling_card(), self._size_card(), self._start_card(), self._second_card()):
            layout.addWidget(card)
        layout.addStretch(1)
        generation.changed.connect(self._state_changed)
        generation.info_changed.connect(self._show_info)
        self._show_info(generation.info)

    # ------------------------------------------------------------------------------------------------ cards

    def _sampling_card(self) -> Card:
        card = Card(self.tr("Sampling"), parent=self)
        self.scheduler = QuietCombo(
            self.tr("Scheduler"),
            self.tr("The way noise is taken away step by step. It changes speed, sharpness and how pictures vary."),
            self,
        )
        self.scheduler.setMaxVisibleItems(24)
        self.advice = QLabel(self)
        self.advice.setWordWrap(True)
        set_role(self.advice, "hint")
        self.spacing = QuietCombo(
            self.tr("Sigma schedule"),
            self.tr("Where along the way from noise to picture the steps are spent."),
            self,
        )
        self.steps = self._number(
            "steps",
            self.tr("Steps"),
            self.tr("How many times noise is taken away. More steps: finer and slower; beyond 30 little changes."),
            slider=(1, 60),
        )
        self.guidance = self._number(
            "guidance_scale",
            self.tr("Guidance"),
            self.tr("How strictly the picture follows the prompt. High values look harsh, low ones wander off."),
            decimals=1,
            step=0.5,
            slider=(1, 15),
        )
        self.rescale = self._number(
            "guidance_rescale",
            self.tr("Guidance rescale"),
            self.tr("Takes back the glare that strong guidance brings; 0 is off, 0.7 is usual for v models."),
            decimals=2,
            step=0.05,
            slider=(0, 1),
        )
        self.curve = NoiseCurve(self)
        self.curve.setAccessibleName(self.tr("Noise at each step"))
        self.curve.setToolTip(self.tr("The noise left at each step of exactly the run that would start now."))
        for widget in (
            *(labelled(self.scheduler), self.advice, self.steps, self.guidance),
            *(labelled(self.spacing), self.curve, self.rescale),
        ):
            card.body.addWidget(widget)
        self.scheduler.activated.connect(self._scheduler_chosen)
        self.spacing.activated.connect(self._spacing_chosen)
        return card

    def _size_card(self) -> Card:
        card = Card(self.tr("Picture"), parent=self)
        self.seed = SeedField(self)
        self.seed.changed.connect(lambda value: self._generation.set("seed", int(value)))
        self.seed.dice_wanted.connect(self._generation.draw_seed)
        self.seed.last_wanted.connect(self._generation.reuse_seed)
        self.seed.locked_changed.connect(lambda locked: self._generation.set("seed_locked", locked))
        self._generation.bind("seed", self, self.seed.set_value)
        self._generation.bind("seed_locked", self, self.seed.set_locked)
        self.width_field = self._number(
            "width", self.tr("Width"), self.tr("Pixels from side to side. Far from the model's size things double."),
            step=8,
        )  # fmt: skip
        self.height_field = self._number(
            "height", self.tr("Height"), self.tr("Pixels from top to bottom. Far from the model's size things double."),
            step=8,
        )  # fmt: skip
        self.swap = QToolButton(self)
        self.swap.setIcon(icon("arrow-left-right"))
        self.swap.setToolTip(self.tr("Swap width and height"))
        self.swap.setAccessibleName(self.tr("Swap width and height"))
        self.swap.clicked.connect(self._swap)
        self.presets = QuietCombo(
            self.tr("Size"), self.tr("Sizes with about as many pixels as the model was trained with."), self
        )
        self.presets.activated.connect(self._preset_chosen)
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.width_field, 1, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.swap, 0, Qt.AlignmentFlag.AlignBottom)
        row.addWidget(self.height_field, 1, Qt.AlignmentFlag.AlignTop)
        card.body.addWidget(self.seed)
        card.body.addWidget(labelled(self.presets))
        card.body.addLayout(row)
        return card

    def _start_card(self) -> Card:
        self.start_card = Card(self.tr("Start from a picture"), folded=True, parent=self)
        self.start_name = QLabel(self)
        set_role(self.start_name, "hint")
        self.start_name.setWordWrap(True)
        self.start_choose = QToolButton(self)
        self.start_choose.setIcon(icon("image-plus"))
        self.start_choose.setToolTip(self.tr("Choose a picture that the run starts from"))
        self.start_choose.setAccessibleName(self.tr("Choose a picture that the run starts from"))
        self.start_choose.clicked.connect(self._choose_start)
        self.start_clear = QToolButton(self)
        self.start_clear.setIcon(icon("x"))
        self.start_clear.setToolTip(self.tr("Start from noise again"))
        self.start_clear.setAccessibleName(self.tr("Start from noise again"))
        self.start_clear.clicked.connect(self._clear_start)
        self.strength = self._number(
            "strength",
            self.tr("Strength"),
            self.tr("How much of the picture may change: 0 keeps it, 1 keeps nothing of it."),
            decimals=2,
            step=0.05,
            slider=(0, 1),
        )
        row = QHBoxLayout()
        row.addWidget(self.start_name, 1)
        row.addWidget(self.start_choose)
        row.addWidget(self.start_clear)
        self.start_card.body.addLayout(row)
        self.start_card.body.addWidget(self.strength)
        self._generation.bind("init_image", self, self._show_start)
        return self.start_card

    def _second_card(self) -> Card:
        card = Card(self.tr("Second pass at a larger size"), folded=True, parent=self)
        hint = QLabel(self.tr("Makes the picture, enlarges it, and paints its detail again. 1 is off."), self)
        hint.setWordWrap(True)
        set_role(hint, "hint")
        self.hires_scale = self._number(
            "hires_scale",
            self.tr("Enlarge by"),
            self.tr("How many times larger the finished picture is; 1 leaves the second pass out."),
            decimals=2,
            step=0.25,
            slider=(1, 4),
        )
        self.hires_strength = self._number(
            "hires_strength",
            self.tr("Strength of the second pass"),
            self.tr("How much the second pass may change; 0.3 sharpens, 0.6 invents."),
            decimals=2,
            step=0.05,
            slider=(0, 1),
        )
        self.hires_steps = self._number(
            "hires_steps",
            self.tr("Steps of the second pass"),
            self.tr("0 takes as many as the first pass."),
            slider=(0, 60),
        )
        for widget in (hint, self.hires_scale, self.hires_strength, self.hires_steps):
            card.body.addWidget(widget)
        if self._generation.hires_scale > 1:
            card.set_folded(False)
        return card

    # ------------------------------------------------------------------------------------------------ parts

    def _number(self, name: str, label: str, tip: str, **look: Any) -> NumberField:
        field = NumberField(label, LIMITS[name], tip, parent=self, **look)
        field.changed.connect(lambda value: self._generation.set(name, value))
        field.reset_wanted.connect(lambda: self._generation.reset(name))
        self._generation.bind(name, self, field.set_value)
        return field

    # ------------------------------------------------------------------------------------------------ what users do

    def _scheduler_chosen(self, index: int) -> None:
        name = self.scheduler.itemData(index)
        if self._generation.sigma_schedule not in scheduler_entry(name).sigma_schedules:
            self._generation.sigma_schedule = "default"
        self._generation.scheduler = name

    def _spacing_chosen(self, index: int) -> None:
        self._generation.sigma_schedule = self.spacing.itemData(index)

    def _swap(self) -> None:
        width, height = self._generation.width, self._generation.height
        self._generation.width, self._generation.height = height, width

    def _preset_chosen(self, index: int) -> None:
        size = self.presets.itemData(index)
        if size is not None:
            self._generation.width, self._generation.height = size

    def _choose_start(self) -> None:
        from PySide6.QtWidgets import QFileDialog

        kinds = self.tr("Pictures") + " (*.png *.jpg *.jpeg *.webp)"
        path, _ = QFileDialog.getOpenFileName(self, self.tr("Start from a picture"), "", kinds)
        if path:
            self._generation.init_image = path

    def _clear_start(self) -> None:
        self._generation.mask_image = ""
        self._generation.init_image = ""

    # ------------------------------------------------------------------------------------------------ what is shown

    def _state_changed(self, name: str) -> None:
        if name in {"scheduler", "sigma_schedule"}:
            self._show_scheduler()
        if name in {"width", "height"}:
            self._show_presets()
        if name in _PLOTTED:
            self._plot_timer.start()

    def _show_info(self, info: ModelInfo | None) -> None:
        prediction = info.prediction if info else "epsilon"
        with QSignalBlocker(self.scheduler):
            self.scheduler.clear()
            for entry in SCHEDULERS:
                if entry.task == "text to image" and prediction in entry.predictions:
                    self.scheduler.addItem(entry.label, entry.name)
                    place = self.scheduler.count() - 1
                    self.scheduler.setItemData(place, catalog_text(entry.advice), Qt.ItemDataRole.ToolTipRole)
        for field in (self.width_field, self.height_field):
            field.box.multiple = info.size_multiple if info else 1
        self._show_scheduler()
        self._show_presets()
        self._plot_timer.start()

    def _show_scheduler(self) -> None:
        entry = scheduler_entry(self._generation.scheduler)
        place = self.scheduler.findData(entry.name)
        if place < 0:
            self.scheduler.addItem(entry.label, entry.name)
            place = self.scheduler.count() - 1
        self.scheduler.setCurrentIndex(place)
        self.advice.setText(
            self.tr("{advice} Usual: {fewest} to {most} steps.").format(
                advice=catalog_text(entry.advice), fewest=entry.steps[0], most=entry.steps[1]
            )
        )
        with QSignalBlocker(self.spacing):
            self.spacing.clear()
            for name in entry.sigma_schedules:
                self.spacing.addItem(catalog_text(name.title()), name)
                place = self.spacing.count() - 1
                self.spacing.setItemData(place, catalog_text(SIGMA_SCHEDULES[name]), Qt.ItemDataRole.ToolTipRole)
            self.spacing.setCurrentIndex(max(self.spacing.findData(self._generation.sigma_schedule), 0))
        self.spacing.setEnabled(self.spacing.count() > 1)

    def _show_presets(self) -> None:
        info = self._generation.info
        width, height = self._generation.width, self._generation.height
        base = (info.width, info.height, info.size_multiple) if info else (512, 512, 8)
        with QSignalBlocker(self.presets):
            self.presets.clear()
            for label, size in sizes_like(*base):
                self.presets.addItem(f"{label}   {size[0]} × {size[1]}", size)
            here = next((i for i in range(self.presets.count()) if self.presets.itemData(i) == (width, height)), -1)
            if here < 0:
                self.presets.addItem(self.tr("Own size") + f"   {width} × {height}", None)
                here = self.presets.count() - 1
            self.presets.setCurrentIndex(here)

    def _show_start(self, path: str) -> None:
        self.start_name.setText(Path(path).name if path else self.tr("None: the picture starts from noise."))
        self.start_clear.setEnabled(bool(path))
        self.strength.setEnabled(bool(path))
        if path:
            self.start_card.set_folded(False)

    # ------------------------------------------------------------------------------------------------ plot

    def _ask_for_plot(self) -> None:
        try:
            request = self._generation.request()
        except KnownError as error:
            self.curve.show_words(said_here(str(error)))
            return
        if not self.curve.sigmas:
            self.curve.show_words(self.tr("The plot is coming …"))
        self._client.schedule(request, while_alive(self, self._plot_known))

    def _plot_known(self, schedule: Any) -> None:
        self.curve.show_sigmas([float(sigma) for sigma in schedule.sigmas])


_PLOTTED = {"scheduler", "sigma_schedule", "steps", "width", "height", "strength", "init_image", "model"}

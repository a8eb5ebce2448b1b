"""A progress bar that is painted together with the rest of the window."""

from __future__ import annotations

from PySide6.QtWidgets import QProgressBar


class ProgressBar(QProgressBar):
    """Qt's, without its haste.

    `QProgressBar.setValue` paints at once, and with it everything else that waits to be painted: once more per step of
    a run, for milliseconds each.
    """

    def setValue(self, value: int) -> None:  # noqa: N802
        """Show `value` with the next paint."""
        if value == self.value():
            return
        self.setUpdatesEnabled(False)
        super().setValue(value)
        self.setUpdatesEnabled(True)

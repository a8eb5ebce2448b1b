"""Where a picture lies in a window onto it: zoom and pan as arithmetic, without a widget.

`scale` is device pixels of the screen for each pixel of the picture, so 1.0 is "100 %" on every screen. `centre` is the
point of the picture, in its pixels, that lies in the middle of the window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# A single pixel of the picture is then a square of 64 pixels.
LARGEST = 64.0
SMALLEST = 0.02
# Stops of the keys and buttons; the wheel goes in between.
STOPS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)


@dataclass(frozen=True, slots=True)
class Viewport:
    """A picture of `width` x `height` pixels seen through a `window` of logical pixels, each `ratio` device pixels.

    `fitted` views follow the size of the window.
    """

    width: int = 1
    height: int = 1
    window: tuple[float, float] = (1.0, 1.0)
    ratio: float = 1.0
    scale: float = 1.0
    centre: tuple[float, float] = (0.5, 0.5)
    fitted: bool = True

    @property
    def logical(self) -> float:
        """Logical pixels of the window for each pixel of the picture."""
        return self.scale / self.ratio

    @property
    def fit_scale(self) -> float:
        """The largest scale at which all of it is seen; small ones are enlarged in whole steps, 8 times at most."""
        across = min(self.window[0] / self.width, self.window[1] / self.height) * self.ratio
        if across >= 2:
            across = min(float(int(across)), 8.0)
        return min(max(across, SMALLEST), LARGEST)

    @property
    def origin(self) -> tuple[float, float]:
        """Where the picture's first pixel lies in the window."""
        return (
            self.window[0] / 2 - self.centre[0] * self.logical,
            self.window[1] / 2 - self.centre[1] * self.logical,
        )

    @property
    def can_pan(self) -> bool:
        """Whether a part of the picture lies outside the window."""
        across, down = self.width * self.logical, self.height * self.logical
        return across > self.window[0] + 0.5 or down > self.window[1] + 0.5

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """The point of the picture under a point of the window."""
        left, top = self.origin
        return (x - left) / self.logical, (y - top) / self.logical

    def to_window(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the picture lies in the window."""
        left, top = self.origin
        return left + x * self.logical, top + y * self.logical

    def fit(self) -> Viewport:
        """The whole picture, in the middle."""
        return replace(self, scale=self.fit_scale, centre=(self.width / 2, self.height / 2), fitted=True)

    def resized(self, window: tuple[float, float], ratio: float) -> Viewport:
        """The same view through another window; a fitted one fits again."""
        changed = replace(self, window=(max(window[0], 1.0), max(window[1], 1.0)), ratio=ratio)
        return changed.fit() if self.fitted else changed.kept()

    def of_picture(self, width: int, height: int) -> Viewport:
        """The view for another picture: of the same size it stays where it is, else it fits."""
        if (width, height) == (self.width, self.height):
            return self
        return replace(self, width=max(width, 1), height=max(height, 1)).fit()

    def zoomed(self, scale: float, at: tuple[float, float] | None = None) -> Viewport:
        """At another scale, with the point of the picture under `at` (the middle without one) staying where it is."""
        scale = min(max(scale, SMALLEST), LARGEST)
        point = at or (self.window[0] / 2, self.window[1] / 2)
        held = self.to_picture(*point)
        factor = self.ratio / scale
        centre = (
            held[0] - (point[0] - self.window[0] / 2) * factor,
            held[1] - (point[1] - self.window[1] / 2) * factor,
        )
        return replace(self, scale=scale, centre=centre, fitted=False).kept()

    def stepped(self, direction: int, at: tuple[float, float] | None = None) -> Viewport:
        """At the next stop in (`direction` 1) or out (-1)."""
        if direction > 0:
            scale = next((stop for stop in STOPS if stop > self.scale * 1.001), LARGEST)
        else:
            scale = next((stop for stop in reversed(STOPS) if stop < self.scale * 0.999), SMALLEST)
        return self.zoomed(scale, at)

    def moved(self, across: float, down: float) -> Viewport:
        """The picture moved by so many logical pixels of the window."""
        centre = (self.centre[0] - across / self.logical, self.centre[1] - down / self.logical)
        return replace(self, centre=centre, fitted=False).kept()

    def kept(self) -> Viewport:
        """Moved back so far that the window shows no more emptiness than it must."""
        centre = (
            _kept(self.centre[0], self.width, self.window[0] / self.logical),
            _kept(self.centre[1], self.height, self.window[1] / self.logical),
        )
        return replace(self, centre=centre)


def _kept(centre: float, length: int, seen: float) -> float:
    if seen >= length:
        return length / 2
    return min(max(centre, seen / 2), length - seen / 2)

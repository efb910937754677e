"""Line charts: at most two points per column, at most one redraw a second, only while on the screen."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from textual.color import Color
from textual.widget import Widget
from textual_plotext import PlotextPlot

from firstwatch.tui import formats
from firstwatch.tui.state import app_of

_AXIS_COLUMNS = 12
_TICK_COLUMNS = 20
_FRAME_ROWS = 2
REDRAW_MS = 1_000


@dataclass(frozen=True, eq=False)
class Series:
    """One line: int64 times over float64 values, and the theme's name of its colour."""

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    tone: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One point beside the lines, such as a fill."""

    time_ms: int
    value: float
    sign: str
    tone: str


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line, such as a stop."""

    value: float
    tone: str


@dataclass(frozen=True, eq=False)
class Drawing:
    """All that a chart shows. Two drawings of equal ``version`` are the same picture."""

    version: tuple[object, ...]
    lines: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    levels: tuple[Level, ...] = ()
    is_percent: bool = False
    has_times: bool = True
    """Whether the times are written below; False where another chart below has them."""


class Chart(PlotextPlot):
    """Shows one drawing."""

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = title
        self._drawing: Drawing | None = None
        self._drawn: tuple[object, ...] | None = None
        self._drawn_ms = -REDRAW_MS

    def on_mount(self) -> None:
        super().on_mount()
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._draw_anew())

    def on_resize(self) -> None:
        self._draw_anew()

    def draw(self, drawing: Drawing) -> None:
        """Show the drawing, unless it is the same, not on the screen, or a second has not passed."""
        self._drawing = drawing
        state = (drawing.version, self.size, self.app.theme)
        now_ms = app_of(self).now_ms()
        if state == self._drawn or not self.is_on_screen:
            return
        if abs(now_ms - self._drawn_ms) < REDRAW_MS and self._drawn is not None:
            # The next snapshot or the next beat comes within a second.
            return
        self._drawn_ms = now_ms
        self._drawn = state
        self._plot_it(drawing)
        self.refresh()

    def _draw_anew(self) -> None:
        self._drawn = None
        if self._drawing is not None:
            self.draw(self._drawing)

    def _plot_it(self, drawing: Drawing) -> None:
        plt = self.plt
        plt.clear_figure()
        # Only the axes that carry labels: rows are dear in a small pane.
        plt.xaxes(drawing.has_times, False)
        plt.yaxes(True, False)
        lines = [line for line in drawing.lines if len(line.times)]
        if not lines:
            return
        columns = max(4, self.content_size.width - _AXIS_COLUMNS)
        for line in lines:
            times, values = reduce_to(line.times, line.values, columns)
            plt.plot(times.tolist(), values.tolist(), color=_rgb(self, line.tone), marker="braille")
        for mark in drawing.marks:
            plt.scatter([mark.time_ms], [mark.value], color=_rgb(self, mark.tone), marker=mark.sign)
        for level in drawing.levels:
            plt.hline(level.value, _rgb(self, level.tone))
        first = min(int(line.times[0]) for line in lines)
        last = max(int(line.times[-1]) for line in lines)
        # Labels that would touch are dropped by plotext in no certain order.
        gaps = max(1, min(3, self.content_size.width // _TICK_COLUMNS - 1))
        ticks = [first + (last - first) * step // gaps for step in range(gaps + 1)]
        if not drawing.has_times:
            ticks = []
        plt.xticks([float(tick) for tick in ticks], _time_labels(ticks))
        low = min([float(line.values.min()) for line in lines] + [level.value for level in drawing.levels])
        high = max([float(line.values.max()) for line in lines] + [level.value for level in drawing.levels])
        # Two labels on one row: plotext takes either, by the hash of the day.
        steps = max(0, min(3, (self.content_size.height - _FRAME_ROWS) // 2 - 1)) if high > low else 0
        heights = [low + (high - low) * step / max(1, steps) for step in range(steps + 1)]
        write = formats.percent if drawing.is_percent else _short
        plt.yticks(heights, [write(height) for height in heights])


def reduce_to(
    times: NDArray[np.int64], values: NDArray[np.float64], columns: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return at most two points per column, the lowest and the highest in it, in their order."""
    count = len(times)
    if count <= 2 * columns:
        return times, values
    edges = np.linspace(0, count, columns + 1).astype(np.int64)
    kept = [
        start + offset
        for start, end in itertools.pairwise(edges.tolist())
        for offset in sorted((int(values[start:end].argmin()), int(values[start:end].argmax())))
    ]
    return times[kept], values[kept]


def _time_labels(ticks: Sequence[int]) -> list[str]:
    is_long = bool(ticks) and ticks[-1] - ticks[0] > 3 * 86_400_000
    return [formats.moment(tick)[2:10] if is_long else formats.short_moment(tick) for tick in ticks]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.4g}"


def _rgb(widget: Widget, tone: str) -> tuple[int, int, int]:
    return Color.parse(widget.app.theme_variables[tone]).rgb

"""Chart: the candles with what the text in the editor means on them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from rich.text import Text
from textual.app import ComposeResult

from firstwatch.manager.build_views import PreviewView, TradeMark
from firstwatch.manager.run_views import Candles
from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.trading.orders import Side
from firstwatch.trading.symbols import pair_of
from firstwatch.tui.build import Build
from firstwatch.tui.panes.editor import no_text
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.state import KeyOf, app_of
from firstwatch.tui.widgets.candles import CandleChart, Mark, Track, Truth, draw_candles
from firstwatch.tui.widgets.chart import Chart
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.plot import View

_ENTRIES = {Side.LONG: "L", Side.SHORT: "S"}
_SEEN_TRADES, _BEFORE = 4, 8
"""Trades that are in sight at first, and bars before them."""
_SIDES = {Side.LONG: "l", Side.SHORT: "s"}


class PreviewChart(Chart, can_focus=True):
    """The chart; it has the focus, since nothing else in its pane takes keys."""


class PreviewPane(Pane):
    """The newest picture of the text. While the text is broken it is dimmed, and it is said why."""

    ID = PaneId.PREVIEW
    TITLE = "Chart"
    ACTIONS = (
        "chart.nearer",
        "chart.farther",
        "chart.earlier",
        "chart.later",
        "build.market",
        "build.test",
        "build.run",
        "build.save",
    )

    _pictured: PreviewView | None = None
    _drawn: CandleChart | None = None
    """The data of its chart."""
    _subject: tuple[str, ...] = ()
    _first_bars = 0
    """So many bars are shown at first, of each draft and market."""

    def compose(self) -> ComposeResult:
        yield Paragraph(id="picture-said")
        yield PreviewChart()

    def on_mount(self) -> None:
        super().on_mount()
        self.watch(app_of(self), "build", self._on_state, init=False)

    def run_ids(self) -> tuple[str, ...]:
        return ()

    @property
    def chart(self) -> Chart | None:
        """The chart, if there is a picture."""
        return self.query_one(PreviewChart) if app_of(self).build.preview is not None else None

    def show(self, snapshot: ManagerSnapshot) -> None:
        del snapshot
        app = app_of(self)
        build = app.build
        preview, chart = build.preview, self.query_one(PreviewChart)
        old = why_old(build, app.key_of)
        said = self.query_one("#picture-said", Paragraph)
        said.set_class(preview is None, "empty")
        said.set_class(preview is not None and bool(old), "-old")
        said.set_text(old or ("" if preview is None else preview.summary))
        if preview is None or preview.candles is None:
            self.set_note("" if build.text is None else build.text.setup.symbol)
            self.set_subtitle("")
            chart.say("")
            return
        timeframe = preview.candles.timeframe.value
        subject = (build.text.draft if build.text is not None else "", preview.symbol, timeframe)
        if subject != self._subject:
            self._subject, self._first_bars = subject, _bars_of_newest(preview)
        if preview is not self._pictured:
            self._pictured, self._drawn = preview, replace(chart_of(preview), first_bars=self._first_bars)
        drawn, is_old = self._drawn, bool(old)
        assert drawn is not None
        self.set_note(f"{pair_of(preview.symbol)} {timeframe}")
        self.set_subtitle("" if is_old else preview.condition)
        chart.plot(
            subject,
            (preview, is_old),
            partial(_dimmed if is_old else draw_candles, drawn),
            total=len(preview.candles),
            usual=drawn.usual,
        )

    def focus_pane(self) -> None:
        self.query_one(PreviewChart).focus()


def why_old(build: Build, key_of: KeyOf) -> str:
    """Return why there is no picture of the text as it stands; empty: there is one."""
    text = build.text
    if text is None:
        return no_text(key_of) if build.is_open else ""
    if text.problems:
        return "Not this text: the last one without a mistake" if build.preview else "The text has a mistake"
    if not text.setup.symbol and text.setup.venue:
        return f"No market is chosen: {key_of('build.market')} chooses one."
    if build.problem:
        return f"{build.problem} Another market: {key_of('build.market')}."
    return "It is being computed…" if build.preview is None or build.is_late else ""


def _dimmed(drawn: CandleChart, view: View, width: int, height: int, colours: Mapping[str, str]) -> Text:
    picture = draw_candles(drawn, view, width, height, colours)
    picture.style = "dim"
    return picture


def chart_of(preview: PreviewView) -> CandleChart:
    """Return the data of the chart; the picture has candles."""
    candles = preview.candles
    assert candles is not None
    sides = list(dict.fromkeys(trade.side for trade in preview.trades))
    legend = "  ".join(f"{_ENTRIES[side]} {side.value}" for side in Side if side in sides)
    return CandleChart(
        Candles(candles.time_ms, candles.open, candles.high, candles.low, candles.close),
        tuple(mark for trade in preview.trades for mark in _marks(trade)),
        operands=preview.operands,
        tracks=tuple(_tracks(preview)),
        truths=tuple(_truths(preview)),
        legend=f"{legend}  X exit",
    )


def _bars_of_newest(preview: PreviewView) -> int:
    """Return the bars since the first of the newest trades began: so many that some are in sight."""
    candles = preview.candles
    if candles is None or not preview.trades:
        return 0
    first = preview.trades[-_SEEN_TRADES:][0]
    return len(candles) - candles.index_at(first.entry_ms) + _BEFORE


def _marks(trade: TradeMark) -> Iterator[Mark]:
    yield Mark(trade.entry_ms, trade.entry_price, _ENTRIES[trade.side])
    if trade.exit_ms is not None and trade.exit_price is not None:
        yield Mark(trade.exit_ms, trade.exit_price, "X")


def _tracks(preview: PreviewView) -> Iterator[Track]:
    if preview.stop is not None:
        yield Track("stop", preview.stop, "╌")
    if preview.target is not None:
        yield Track("target", preview.target, "┄")


def _truths(preview: PreviewView) -> Iterator[Truth]:
    if preview.holds is not None:
        yield Truth("condition", (("━", preview.holds),), is_lit=True)
    for kind, label in (("entry", "entry"), ("exit", "exit")):
        parts = tuple(
            (_SIDES[side], preview.signals[kind, side]) for side in Side if (kind, side) in preview.signals
        )
        if parts:
            yield Truth(label, parts)

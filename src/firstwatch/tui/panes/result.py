"""Test Result: what the chosen test has found; of two or more, what differs in them."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.test_views import BacktestView, TestDetails, TestView
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.tui.lists import found
from firstwatch.tui.lists.tests import KIND_WORDS, progress_text
from firstwatch.tui.panes.pane import PaneId, TabbedPane
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.chart import Chart
from firstwatch.tui.widgets.drawn import Drawn
from firstwatch.tui.widgets.equity_curve import EquityChart, draw_equity
from firstwatch.tui.widgets.lazy_pages import LazyPages, page_id
from firstwatch.tui.widgets.listing import Listing
from firstwatch.tui.widgets.overlay import PnlCurve, draw_overlay
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.plot import View
from firstwatch.tui.widgets.status_lines import KeyLine
from firstwatch.tui.widgets.study_plots import Slice, StudyMap, draw_map, draw_months, draw_slice
from firstwatch.tui.widgets.tab_strip import TabStrip
from firstwatch.tui.widgets.table import Column, KeyedTable, Line

_BACKTEST_TABS = ("Summary", "Trades", "Equity", "Exits", "Drawdowns", "Months")
_TABS: Mapping[JobKind, tuple[str, ...]] = {
    JobKind.BACKTEST: _BACKTEST_TABS,
    JobKind.BASELINE: _BACKTEST_TABS,
    JobKind.CROSS_VALIDATION: ("Folds",),
    JobKind.OPTIMISATION: ("Best", "Map", "Front"),
    JobKind.USEFULNESS: ("Usefulness",),
}
_COMPARED_TABS = ("Compare", "Curves")
_SOME_NOTES = 6


class EmptyResult(Paragraph, can_focus=True):
    """What is said in place of a result; it has the focus where there is no list."""


class Page(Vertical):
    """A page of the result."""

    @abstractmethod
    def show(self, shown: Sequence[TestDetails]) -> None:
        """Show what these tests have found; at least one."""

    def focus_page(self) -> None:
        """Focus the list, if there is one."""
        for table in self.query(KeyedTable):
            table.focus()
            return

    @property
    def chart(self) -> Chart | None:
        """The chart that zooms and pans; None: there is none."""
        return None


class ListPage(Page):
    """A list of a backtest's parts."""

    def __init__(
        self,
        name: str,
        columns: Sequence[Column],
        make: Callable[[BacktestView], Sequence[Line]],
        empty: str,
    ) -> None:
        super().__init__(id=page_id(name))
        self._list = Listing(columns, empty=empty, id=f"{name.lower()}-of-test")
        self._make = make

    def compose(self) -> ComposeResult:
        yield self._list

    def show(self, shown: Sequence[TestDetails]) -> None:
        backtest = shown[0].backtest
        if backtest is not None:
            self._list.set_made((shown[0].view.key,), lambda: self._make(backtest))


class SummaryPage(Page):
    """Figures with their references, notes and, on a high screen, the curve of equity."""

    def compose(self) -> ComposeResult:
        yield Listing(found.FIGURES, empty="", id="figures")
        yield Paragraph(id="notes", classes="said")
        yield Drawn(id="result-curve")

    def show(self, shown: Sequence[TestDetails]) -> None:
        backtest = shown[0].backtest
        if backtest is None:
            return
        self.query_one(Listing).set_made((shown[0].view.key,), lambda: found.figure_lines(backtest))
        notes = self.query_one("#notes", Paragraph)
        notes.show_if(bool(backtest.notes))
        more = len(backtest.notes) - _SOME_NOTES
        last = [f"… {more} more"] if more > 0 else []
        notes.set_text("\n".join([*(f"note: {each}" for each in backtest.notes[:_SOME_NOTES]), *last]))
        curve = self.query_one(Drawn)
        if (drawn := _equity(backtest)) is not None:
            curve.show(shown[0].view.key, lambda *place: draw_equity(drawn, View(), *place))


class EquityPage(Page):
    """Equity at each close, and the drawdown from its peak below it."""

    def compose(self) -> ComposeResult:
        yield Chart()

    @property
    def chart(self) -> Chart:
        return self.query_one(Chart)

    def show(self, shown: Sequence[TestDetails]) -> None:
        backtest = shown[0].backtest
        drawn = None if backtest is None else _equity(backtest)
        if drawn is None:
            return
        count = len(drawn.time_ms)
        self.chart.plot(
            shown[0].view.key,
            count,
            lambda *place: draw_equity(drawn, *place),
            total=count,
            usual=lambda _: count,
        )


class MonthsPage(Page):
    """Returns by month."""

    def compose(self) -> ComposeResult:
        yield Drawn()

    def show(self, shown: Sequence[TestDetails]) -> None:
        backtest = shown[0].backtest
        if backtest is not None:
            self.query_one(Drawn).show(shown[0].view.key, partial(draw_months, backtest.months))


class FoldsPage(Page):
    """The folds of a cross-validation, their verdict, and their spread."""

    def compose(self) -> ComposeResult:
        yield Paragraph(classes="verdict")
        yield Listing(found.FOLDS, empty="", id="folds")
        yield Paragraph(id="spread", classes="said")

    def show(self, shown: Sequence[TestDetails]) -> None:
        said = shown[0].found
        word = {True: "PASSED", False: "FAILED"}.get(said.get("passed"), "NO VERDICT")  # type: ignore[arg-type]
        self.query_one(".verdict", Paragraph).set_text(f"{word}  {said.get('rule', '')}")
        self.query_one(Listing).set_made((shown[0].view.key,), lambda: found.fold_lines(said))
        self.query_one("#spread", Paragraph).set_text(found.spread_text(said))


class UsefulnessPage(Page):
    """The conditions of the algorithm, the most useful first."""

    def compose(self) -> ComposeResult:
        yield Listing(found.CONDITIONS, empty="It has no condition.", id="conditions")
        yield Paragraph(classes="said")

    def show(self, shown: Sequence[TestDetails]) -> None:
        said = shown[0].found
        self.query_one(Listing).set_made((shown[0].view.key,), lambda: found.condition_lines(said))
        self.query_one(Paragraph).set_text(found.usefulness_text(said))


class BestPage(Page):
    """The winner of a study, honest figures beside it, and a slice of the parameter under the cursor."""

    _shown: TestDetails | None = None

    def compose(self) -> ComposeResult:
        yield Paragraph(classes="verdict")
        yield Listing(found.PARAMETERS, empty="No trial is done yet.", id="parameters")
        yield Drawn(id="slice")
        yield Paragraph(classes="said")

    def show(self, shown: Sequence[TestDetails]) -> None:
        self._shown = shown[0]
        said = shown[0].found
        self.query_one(".verdict", Paragraph).set_text(found.winner_text(said))
        self.query_one(".said", Paragraph).set_text(found.honest_text(said))
        self.query_one(Listing).set_made((shown[0].view.key,), lambda: found.parameter_lines(said))
        self._draw()

    @on(KeyedTable.CursorMoved)
    def _draw(self) -> None:
        name = self.query_one(Listing).table.cursor_key
        details = self._shown
        if details is None or name is None:
            return
        points = (details.found.get("slices") or {}).get(name)
        best = ((details.found.get("best") or {}).get("parameters") or {}).get(name)
        if points:
            self.query_one(Drawn).show(
                (details.view.key, name), partial(draw_slice, Slice(name, points, best))
            )


class MapPage(Page):
    """A map of the two parameters that matter most."""

    def compose(self) -> ComposeResult:
        yield Drawn()
        yield Paragraph(classes="empty")

    def show(self, shown: Sequence[TestDetails]) -> None:
        known = shown[0].found.get("map")
        drawn, empty = self.query_one(Drawn), self.query_one(Paragraph)
        drawn.display = known is not None
        empty.show_if(known is None)
        empty.set_text("A map needs two parameters.")
        if known is not None:
            drawn.show(shown[0].view.key, partial(draw_map, StudyMap(**known)))


class FrontPage(Page):
    """The points of a study of two objectives that no other trial beats in both."""

    def compose(self) -> ComposeResult:
        yield Paragraph(classes="verdict")
        yield Listing(found.FRONT, empty="Only a study of two goals has a front.", id="front")

    def show(self, shown: Sequence[TestDetails]) -> None:
        said = shown[0].found
        goals = found.goals_text(said)
        self.query_one(".verdict", Paragraph).show_if(bool(goals))
        self.query_one(".verdict", Paragraph).set_text(goals)
        self.query_one(Listing).set_made((shown[0].view.key,), lambda: found.front_lines(said))


class ComparePage(Page):
    """Tests side by side: what differs in their settings, and their figures."""

    def compose(self) -> ComposeResult:
        yield Listing(found.COMPARED, empty="", id="compared", show_header=False)

    def show(self, shown: Sequence[TestDetails]) -> None:
        keys = tuple(each.view.key for each in shown)
        self.query_one(Listing).set_made(keys, lambda: found.compared_lines(shown))


class CurvesPage(Page):
    """The PnL of two tests in one picture."""

    def compose(self) -> ComposeResult:
        yield Drawn()
        yield Paragraph(classes="empty")

    def show(self, shown: Sequence[TestDetails]) -> None:
        curves = [curve for each in shown if (curve := _pnl(each)) is not None][:2]
        drawn, empty = self.query_one(Drawn), self.query_one(Paragraph)
        drawn.display = len(curves) == 2
        empty.show_if(len(curves) < 2)
        empty.set_text("Mark two backtests to lay their curves over each other.")
        if len(curves) == 2:
            first, second = curves
            drawn.show((first.version, second.version), partial(draw_overlay, first, second))


def _equity(backtest: BacktestView) -> EquityChart | None:
    has_curve = len(backtest.equity) > 1
    return EquityChart(backtest.time_ms, backtest.equity, backtest.capital) if has_curve else None


def _pnl(details: TestDetails) -> PnlCurve | None:
    backtest = details.backtest
    if backtest is None or len(backtest.equity) < 2 or not backtest.capital:
        return None
    view = details.view
    label = f"{KIND_WORDS[view.kind]} {view.number} {view.title}"
    return PnlCurve(label, backtest.time_ms, backtest.equity / backtest.capital - 1)


class ResultPane(TabbedPane):
    """What the tests under the cursor and with marks have found."""

    ID = PaneId.RESULT
    TITLE = "Test Result"
    ACTIONS = (
        "chart.nearer",
        "chart.farther",
        "chart.earlier",
        "chart.later",
        "test.winner",
        "test.validate",
        "test.save",
        "test.launch",
        "view.next_tab",
    )
    PAGES: ClassVar[Mapping[str, Callable[[], Widget]]] = {
        "Summary": lambda: SummaryPage(id="Summary"),
        "Trades": lambda: ListPage("Trades", found.TRADES, found.trade_lines, "No trade was closed."),
        "Equity": lambda: EquityPage(id="Equity"),
        "Exits": lambda: ListPage("Exits", found.EXITS, found.exit_lines, "No trade has ended."),
        "Drawdowns": lambda: ListPage("Drawdowns", found.DRAWDOWNS, found.drawdown_lines, "No drawdown."),
        "Months": lambda: MonthsPage(id="Months"),
        "Folds": lambda: FoldsPage(id="Folds"),
        "Best": lambda: BestPage(id="Best"),
        "Map": lambda: MapPage(id="Map"),
        "Front": lambda: FrontPage(id="Front"),
        "Usefulness": lambda: UsefulnessPage(id="Usefulness"),
        "Compare": lambda: ComparePage(id="Compare"),
        "Curves": lambda: CurvesPage(id="Curves"),
    }

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield EmptyResult(classes="empty", id="no-result")

    def on_mount(self) -> None:
        super().on_mount()
        self._strip.set_tabs(_BACKTEST_TABS)
        self.watch(app_of(self), "bench", self._on_state, init=False)

    def run_ids(self) -> tuple[str, ...]:
        return ()

    @property
    def _strip(self) -> TabStrip:
        return self.query_one(TabStrip)

    @property
    def _pages(self) -> LazyPages:
        return self.query_one(LazyPages)

    @property
    def _page(self) -> Page:
        return cast("Page", self.query_one(f"#{page_id(self.tab)}"))

    @property
    def chart(self) -> Chart | None:
        """The chart that is shown; None: none is."""
        page = next(iter(self.query(f"#{page_id(self.tab)}")), None)
        return page.chart if isinstance(page, Page) and page.display else None

    def show(self, snapshot: ManagerSnapshot) -> None:
        del snapshot
        bench = app_of(self).bench
        tests = [test for key in bench.shown if (test := bench.test(key)) is not None]
        self.set_note(*(_name(test) for test in tests))
        if tests:
            self._strip.set_tabs(_TABS[tests[0].kind] if len(tests) == 1 else _COMPARED_TABS)
        said = self._why_nothing(tests)
        empty = self.query_one("#no-result", EmptyResult)
        empty.show_if(bool(said))
        empty.set_text(said)
        self._pages.display = not said
        if not said and self.tab in self._strip.tabs:
            self._page.show(bench.seen)

    def _why_nothing(self, tests: Sequence[TestView]) -> str:
        """Return what is said in place of a result; empty: there is one."""
        app = app_of(self)
        bench = app.bench
        if not bench.is_open:
            return "Reading the store…"
        if not tests:
            keys = {name: app.key_of(f"test.{name}") for name in ("backtest", "validate", "optimise")}
            return (
                f"Choose a test in the list ({app.key_of('view.tests')}), or begin one:\n"
                f"{keys['backtest']} backtest · {keys['validate']} cross-validate ·"
                f" {keys['optimise']} optimise · {app.key_of('test.usefulness')} usefulness"
            )
        if len(tests) == 1:
            [test] = tests
            if problem := bench.problems.get(test.key):
                return problem
            if not test.has_result:
                return _unfinished(test, app.key_of)
        if any(test.has_result and test.key not in bench.details for test in tests):
            return "Reading the store…"
        return "" if bench.seen else "None of these tests has a result yet."

    def focus_pane(self) -> None:
        if self._pages.display:
            self._page.focus_page()
        if not self.has_focus_within:
            self.query_one("#no-result", EmptyResult).focus()

    def tab_shown(self, *, had_focus: bool) -> None:
        if had_focus:
            self.focus_pane()
        self.screen.query_one(KeyLine).renew()
        # A chart has no size before the next layout.
        self.call_after_refresh(self.renew)


def _unfinished(test: TestView, key_of: Callable[[str], str]) -> str:
    match test.state:
        case JobState.QUEUED:
            return "It waits for its turn."
        case JobState.RUNNING:
            return f"{progress_text(test, 30)}\n{test.sentence}\n\n{key_of('test.cancel')} cancels it."
        case JobState.CANCELLED:
            return f"It was cancelled. {key_of('test.resume')} goes on with it."
    return f"It has failed: {test.sentence}\n\n{key_of('test.resume')} tries again."


def _name(test: TestView) -> str:
    return f"{KIND_WORDS[test.kind]} {test.number} {test.title}"

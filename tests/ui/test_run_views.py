"""The views of one run by keys: folded orders, the story of a trade, charts that zoom and pan."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from firstwatch.manager import details
from firstwatch.trading.clock import Clock
from firstwatch.tui.modals.confirm import MessageDialog
from firstwatch.tui.modals.trade import TradeDialog
from firstwatch.tui.panes.info import InfoPane
from firstwatch.tui.panes.metrics import MetricsPane
from firstwatch.tui.widgets.table import KeyedTable
from tests.ui import scenes
from tests.ui.stage import Stage, stage

SMALL, MIDDLE = (80, 24), (120, 40)


async def opened(on: Stage, tab: str, word: str) -> None:
    """Go to a tab of Run Info on the whole screen."""
    await on.ready()
    on.app.run_screen.query_one(InfoPane).go_to(tab)
    await on.press("3")
    await on.until(lambda: word in on.text(), word)


@asynccontextmanager
async def orders_of_a_moved_stop(home: Path, clock: Clock) -> AsyncIterator[tuple[Stage, KeyedTable]]:
    """Show the orders of a run whose stop has moved twice."""
    scenes.busy_day(home)
    scenes.move_stop(home, "93000", "94500.5")
    with scenes.attached(home, clock):
        async with stage(home, size=MIDDLE, clock=clock) as on:
            await opened(on, "Orders", "92,155.58→94,500.50")
            yield on, on.app.run_screen.query_one("#Orders-table", KeyedTable)


async def test_a_stop_that_moved_is_one_line_until_its_moves_are_asked_for(home, clock):
    async with orders_of_a_moved_stop(home, clock) as (on, table):
        assert table.row_count == 9
        await on.press("V")
        await on.until(lambda: table.row_count == 11, "each order by itself")
        await on.press("V")
        await on.until(lambda: table.row_count == 9, "the stop in one line")
        await on.press("enter")
        assert isinstance(on.app.screen, MessageDialog)
        assert "2 moves before it, wall time:" in on.text()


async def test_orders_that_are_left_out_are_said(home, clock, monkeypatch):
    monkeypatch.setattr(details, "SHOWN_ORDERS", 1)
    async with orders_of_a_moved_stop(home, clock) as (on, table):
        await on.until(lambda: "of 11 orders · all of them: E" in on.text(), "how many there are")
        # All of the position.
        assert f"newest {table.row_count + 2} of" in on.text()
        await on.press("left_square_bracket")
        await on.until(lambda: "of 11 orders" not in on.text(), "another tab")


async def test_enter_on_a_trade_opens_its_whole_story(home, clock, snap_step):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await opened(on, "Trades", "take profit")
            await on.press("enter")
            await on.until(lambda: isinstance(on.app.screen, TradeDialog), "the story")
            text = " ".join(on.text().replace("│", " ").split())
            for words in (
                "Trade 3 · ",
                "entry 95,710.90, decided at 95,700.90: +1.0 bps worse",
                "exit 97,630.05, decided at 97,642.05: +1.2 bps worse, by take profit",
                "PnL +49.18 (+2.01 % of its value): +51.38 from prices, fees 2.31, funding paid -0.11",
                "best +2.00 %",
                "out the target at 97,642.05 was reached",
                "FILLS, venue time",
            ):
                assert words in text
            await on.settle()
            await snap_step(on, "story")
            await on.press("enter")
            assert not on.app.is_covered


async def test_a_chart_goes_nearer_and_farther_and_back_in_time(home, clock):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            pane = on.app.run_screen.query_one(MetricsPane)
            assert pane.chart is None
            await on.press("4")
            pane.go_to("Chart")
            await on.until(lambda: "33 bars · 28 more not in sight" in on.text(), "the chart")
            pane.chart.zoom(-1)
            await on.until(lambda: "61 bars" in on.text(), "all bars")
            pane.chart.zoom(2)
            await on.until(lambda: "16 bars" in on.text(), "fewer bars")
            newest = on.text()
            pane.chart.pan(-1)
            await on.until(lambda: on.text() != newest, "earlier bars")
            pane.chart.pan(1)
            await on.until(lambda: on.text() == newest, "the newest bars again")
            # The levels of the position are named: those that are far away at the edge.
            assert "entry" in newest
            assert "liquidation 48,711.01 ↓" in newest


async def test_without_trades_there_is_nothing_to_break_down(home, clock):
    scenes.lost_reply(home)
    with scenes.attached(home, clock):
        async with stage(home, size=SMALL, clock=clock) as on:
            await on.ready()
            on.app.run_screen.query_one(MetricsPane).go_to("Performance")
            await on.press("4")
            await on.until(lambda: "No trade is closed yet" in on.text(), "why it is empty")

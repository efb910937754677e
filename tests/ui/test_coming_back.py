"""What happened while no screen was open is said at the return, after a hang-up too."""

from decimal import Decimal

import pytest

from firstwatch.manager.away import SEEN_FILE
from firstwatch.store import hosts, journal
from firstwatch.trading import events
from firstwatch.trading.clock import ManualClock, iso
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author, ExitReason
from firstwatch.tui.modals.confirm import MessageDialog
from firstwatch.tui.panes.pane import PaneId
from tests.ui import scenes
from tests.ui.stage import stage
from tests.ui.test_wallet_flows import flat

LEFT_MS = scenes.NOW_MS - 3 * scenes.HOUR_MS
BACK_MS = scenes.NOW_MS - 600_000
"""When the engine came back."""
SAID = "28 s without an engine, 2 bars caught up, 1 exit"
CLOSED = events.TradeClosed(
    side=Side.LONG,
    amount=Decimal("0.025611"),
    entry_price=Decimal("96204.25"),
    exit_price=Decimal("95911.40"),
    pnl=Decimal("-9.71"),
    reason=ExitReason.TRAILING_STOP,
    level=Decimal(95920),
)  # fmt: skip


def engine_restarts(home):
    """An engine dies, another one takes over 28 s later, catches up, and finds the stop filled."""
    claim = {"pid": 1, "host_name": "here", "version": "0.1.0"}
    with scenes.written(home) as session:
        first = hosts.claim_host(session, **claim, now_ms=LEFT_MS)
        hosts.beat(session, first, hosts.HostState.RUNNING, now_ms=BACK_MS - 28_000)
        second = hosts.claim_host(session, **claim, now_ms=BACK_MS)
        journal.append_events(
            session, scenes.LIVE, [CLOSED, events.Recovered(why="the engine was restarted", past_bars=2)],
            author=Author.SYSTEM, venue_time_ms=BACK_MS, local_time_ms=BACK_MS + 1_500,
        )  # fmt: skip
        hosts.beat(session, second, hosts.HostState.STOPPED, now_ms=scenes.NOW_MS)


async def test_what_happened_since_a_hang_up_is_said_and_stays_to_be_read(home, clock, snap_step):
    scenes.busy_day(home)
    before = ManualClock(LEFT_MS)
    with scenes.attached(home, before):
        async with stage(home, clock=before) as on:
            await on.ready()
            assert on.toasts() == []
            on.app.on_terminal_lost()
    assert (home / SEEN_FILE).read_text() == f"{iso(LEFT_MS)}\n"
    engine_restarts(home)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            await on.until(lambda: on.app.snapshot.away is not None, "what happened")
            assert on.toasts() == [SAID]
            await on.until(lambda: f"You were away 3 h: {SAID}" in flat(on), "the line among what happened")
            await on.settle()
            await snap_step(on, "120x40")
            # It stands above what it counts, and Enter shows the whole of it.
            rows = [row for row in on.text().splitlines() if "away 3 h" in row or "closed by" in row]
            assert "away 3 h" in rows[0]
            assert "long closed by trailing stop" in rows[1]
            await on.press("5", "enter")
            assert on.app.run_screen.front is PaneId.JOURNAL
            assert isinstance(on.app.screen, MessageDialog)
            assert "from 2026-01-01 08:04 to 2026-01-01 11:04 UTC" in flat(on)
    later = ManualClock(scenes.NOW_MS + 60_000)
    with scenes.attached(home, later):
        async with stage(home, clock=later) as on:
            await on.ready()
            await on.until(lambda: on.app.snapshot.away is not None, "the next visit")
            assert on.toasts() == ["60 s without an engine"]
            assert on.commands() == []


@pytest.mark.parametrize("is_read_only", [True, False])
async def test_only_a_screen_that_may_change_things_counts_as_a_visit(home, clock, is_read_only):
    scenes.busy_day(home)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock, is_read_only=is_read_only) as on:
            await on.ready()
    assert (home / SEEN_FILE).exists() != is_read_only

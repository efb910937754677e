"""What stands in the lists of Run Info and Run Metrics, to the letter."""

from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.manager.manager import RunManager
from firstwatch.manager.run_views import OrderView
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState
from firstwatch.trading.runs import Exposure, Health, Protection, RunState
from firstwatch.tui import formats, run_text
from firstwatch.tui.keymap import make_keymap
from firstwatch.tui.lists import active, cells, history, orders, performance, positions, summary, trades
from firstwatch.tui.widgets.sparkline import sparkline
from tests.ui import scenes, watches

NOW_MS = scenes.NOW_MS


@pytest.fixture
def snapshot(home, clock):
    """The busy day with the details of its live run."""
    return _read(home, clock, scenes.busy_day)


def _read(home, clock, scene):
    scene(home)
    manager = RunManager(scenes.settings_of(home), clock=clock, hosts_engine=False)
    try:
        manager.open()
        manager.select(scenes.LIVE)
        return manager.snapshot()
    finally:
        manager.close()


def texts(line):
    return [cell.text for cell in line.cells]


def by_label(columns, line):
    return {column.label: cell for column, cell in zip(columns, line.cells, strict=True)}


# --- the active runs -------------------------------------------------------------------------------


def test_an_active_run_in_a_line(snapshot):
    (line,) = active.lines(snapshot, NOW_MS)
    assert line.key == scenes.LIVE
    shown = by_label(active.COLUMNS, line)
    assert {label: cell.text for label, cell in shown.items() if label not in ("24 h", "bar")} == {
        "": "●",
        "run": "a1b2",
        "algorithm": "RSI reversion@1",
        "wallet": "demo",
        "position": "long .0256",
        "PnL %": "+1.79",
        "watch": "–",
        "money": "PAPER",
        "PnL": "+89.55",
        "equity": "5,089.55",
        "open": "+18.11",
        "realised": "+71.44",
        "market": "BTC/USDC",
        "age": "1 s",
        "remark": "",
    }
    assert len(shown["24 h"].text) == 5
    # Money alone is red or green: a side is a word.
    assert {label for label, cell in shown.items() if cell.tone in ("gain", "loss")} == {
        "PnL %", "PnL", "open", "realised",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "sign", "words"),
    [
        ({}, "●", "✔ 7 h"),
        ({"paused": True, "pause_reason": "operator"}, "❚", "PAUSED: operator"),
        ({"paused": True}, "❚", "PAUSED"),
        ({"health": Health.STALE, "paused": True}, "▲", "STALE"),
        ({"health": Health.DEGRADED}, "▲", "DEGRADED"),
        ({"state": RunState.STOPPING}, "○", "STOPPING"),
        ({"state": RunState.STOPPING, "protection": Protection.UNPROTECTED}, "▲", "NO STOP"),
        ({"protection": Protection.UNPROTECTED, "health": Health.STALE}, "▲", "NO STOP"),
        ({"exposure": Exposure.UNKNOWN}, "▲", "IN DOUBT"),
        ({"state": RunState.NEW}, "○", "NEW"),
        ({"is_damaged": True}, "▲", "DAMAGED"),
    ],
)
def test_trouble_a_stop_and_a_pause_come_before_the_verdict(home, clock, changes, sign, words):
    snapshot = _read(home, clock, lambda home: watches.on_watch(home, "consistent"))
    run = replace(snapshot.run(scenes.LIVE), **changes)
    assert run_text.sign(run)[0] == sign
    assert run_text.state_text(run)[0] == words


def test_a_paused_run_that_diverged_shows_both_and_who_paused_it(home, clock):
    snapshot = _read(home, clock, lambda home: watches.on_watch(home, "found_out"))
    run = snapshot.run(scenes.LIVE)
    assert run_text.state_text(run) == ("✘ parity", "error")
    paused = replace(run, paused=True, pause_reason="operator")
    assert run_text.state_text(paused) == ("PAUSED ✘: operator", "error")
    assert run_text.remark(paused) == ("paused: operator", "warning")


def test_a_stop_that_did_not_move_is_an_old_stop(home, clock):
    def scene(home):
        scenes.busy_day(home)
        scenes.refuse_moves(home)

    snapshot = _read(home, clock, scene)
    assert run_text.state_text(snapshot.run(scenes.LIVE)) == ("OLD STOP", "error")
    shown = by_label(positions.COLUMNS, positions.lines(snapshot)[0])
    assert (shown["stop"].text, shown["stop"].tone) == ("92,155.58", "error")
    assert (shown["target"].text, shown["target"].tone) == ("105,824.67", "error")
    assert (shown["protection"].text, shown["protection"].tone) == ("OLD STOP", "error")


@pytest.mark.parametrize(
    ("value", "text", "tone"),
    [
        ("0", "0.00", ""),
        ("0.004", "0.00", ""),
        ("-0.004", "0.00", ""),
        ("0.006", "+0.01", "gain"),
        ("-1234.5", "-1,234.50", "loss"),
        (None, "?", "dim"),
    ],
)
def test_what_rounds_to_zero_has_neither_sign_nor_colour(value, text, tone):
    cell = cells.pnl(None if value is None else Decimal(value))
    assert (cell.text, cell.tone) == (text, tone)


def test_the_title_counts_states_and_never_adds_real_money_to_play_money(snapshot):
    run = snapshot.run(scenes.LIVE)
    rows = (
        run,
        replace(run, run_id="1", money=MoneyKind.LIVE, equity=Decimal(4_950), paused=True),
        replace(run, run_id="2", money=MoneyKind.LIVE, equity=Decimal(5_000)),
        replace(run, run_id="3", equity=None, protection=Protection.UNPROTECTED),
    )
    assert active.totals(replace(snapshot, runs=rows[:1])) == ("1 active", "+1.79 %")
    assert active.totals(replace(snapshot, runs=rows)) == (
        "4 active", "1 in trouble", "1 paused", "LIVE 2 -0.50 %", "PAPER 2 +1.79 %",
    )  # fmt: skip
    assert active.totals(replace(snapshot, runs=())) == ()
    assert active.below(snapshot, make_keymap({}).named) == "1 ended: h"


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ((), 5, ""),
        ((1.0, 1.0), 5, "▁▁"),
        ((0.0, 7.0, 3.5), 5, "▁█▅"),
        (tuple(map(float, range(24))), 8, "▁▂▃▄▅▆▇█"),
        ((0.0, 9.0, 1.0, 2.0), 2, "█▁"),
    ],
)
def test_a_curve_in_one_row(values, width, line):
    assert sparkline(values, width) == line


def test_a_sparkline_has_a_form_for_terminals_without_utf_8():
    assert "▁▂▃▄▅▆▇█".translate(formats.ASCII_GLYPHS) == "__--==##"
    assert "▲●❚○".translate(formats.ASCII_GLYPHS) == "^*|o"


def test_an_id_that_needs_more_characters_than_its_column_has_shows_both_ends():
    assert [cells.short_id(text).text for text in ("a1b2", "a1b2c", "a1b2c3d4")] == ["a1b2", "a1b2c", "a1…d4"]


# --- ended runs and positions ----------------------------------------------------------------------


def test_an_ended_run_in_a_line(snapshot):
    (line,) = history.lines(snapshot)
    assert texts(line) == [
        "0f1e", "RSI reversion@1", "spare", "STOPPED", "flat", "+1.11", "+22.26", "12-31 05:04", "PAPER",
        "BTC/USDC", "stopped by the operator",
    ]  # fmt: skip


def test_a_position_as_it_rests_at_the_venue(snapshot):
    (line,) = positions.lines(snapshot)
    assert texts(line) == [
        "a1b2", "long", ".0256", "96,204.25", "96,911.40", "+18.11", "92,155.58", "49.7", "stop rests",
        "105,824.67", "48,711.01", "demo", "PAPER", "BTC/USDC", "RSI reversion@1",
    ]  # fmt: skip
    near = replace(snapshot.run(scenes.LIVE), mark=Decimal("53000"))
    assert by_label(positions.COLUMNS, positions.line_of(near, "a1b2"))["liq. %"].tone == "warning"
    unknown = replace(near, exposure=Exposure.UNKNOWN, position=None)
    assert texts(positions.line_of(unknown, "a1b2"))[:4] == ["a1b2", "?", "?", "?"]


# --- orders ----------------------------------------------------------------------------------------


def order(number, purpose, state=OrderState.FILLED, level="100", **fields):
    is_stop = purpose is OrderPurpose.STOP
    return OrderView(
        client_order_id=f"{number:032x}",
        purpose=purpose,
        side=OrderSide.BUY if purpose is OrderPurpose.ENTRY else OrderSide.SELL,
        kind=OrderKind.STOP if is_stop else OrderKind.MARKET,
        state=state,
        amount=Decimal("0.01"),
        filled=Decimal("0.01") if state is OrderState.FILLED else Decimal(0),
        price=None,
        trigger_price=Decimal(level) if is_stop else None,
        average_price=None if is_stop else Decimal(level),
        reduce_only=purpose is not OrderPurpose.ENTRY,
        created_ms=NOW_MS + number * 1_000,
        updated_ms=NOW_MS + number * 1_000 + 400,
        **fields,
    )


def trailed():
    """Two positions: the stop of the first one moved twice and filled, that of the second one rests."""
    entry, stop = OrderPurpose.ENTRY, OrderPurpose.STOP
    return (
        order(1, entry, level="59500"),
        order(2, stop, OrderState.CANCELED, "59353"),
        order(3, stop, OrderState.CANCELED, "59600"),
        order(4, stop, OrderState.FILLED, "59737"),
        order(5, entry, OrderState.REJECTED),
        order(6, entry, level="60000"),
        order(7, stop, OrderState.ACCEPTED, "58800"),
        order(8, OrderPurpose.EXIT, OrderState.UNKNOWN),
    )


def test_the_stops_of_a_position_are_one_line_and_what_needs_an_operator_comes_first():
    lines = orders.lines(trailed(), shows_changes=False)
    assert [texts(line)[1:5] for line in lines] == [
        ["exit", "100.00", "", "UNKNOWN"],
        ["entry", "100.00", "", "REFUSED"],
        ["stop", "58,800.00", "", "rests"],
        ["entry", "60,000.00", "", "filled"],
        ["stop", "59,353.00→59,737.00", "2", "filled"],
        ["entry", "59,500.00", "", "filled"],
    ]
    assert [line.cells[4].tone for line in lines[:3]] == ["error", "error", ""]
    # The line's key is that of the order that counts, from its first sending on.
    assert lines[4].key == f"{4:032x}"
    assert texts(lines[4])[0] == formats.short_moment(NOW_MS + 2_000)
    moves = orders.story(trailed(), lines[4].key, shows_changes=False)
    assert moves[-3:] == [
        "2 moves before it, wall time:",
        f"{formats.clock_time(NOW_MS + 3_000)}  59,600.00  cancelled",
        f"{formats.clock_time(NOW_MS + 2_000)}  59,353.00  cancelled",
    ]


def test_unfolded_each_order_has_its_line():
    lines = orders.lines(trailed(), shows_changes=True)
    assert [line.key for line in lines] == [f"{number:032x}" for number in range(8, 0, -1)]
    assert orders.story(trailed(), "gone", shows_changes=True) == []


# --- trades and figures ----------------------------------------------------------------------------


def test_a_trade_with_what_was_decided_beside_what_was_paid(snapshot):
    newest, _, oldest = trades.lines(snapshot.selected)
    assert texts(newest)[:13] == [
        "3", "long", "12-31 08:00", "95,710.90", "+1.0", "97,630.05", "+1.2", "+49.18", "+2.01",
        "take profit", "+2.00", "-0.43", "6",
    ]  # fmt: skip
    assert oldest.key == "1"
    unknown = replace(snapshot.selected.trades[0], expected_entry_price=None)
    assert trades.bps(trades.entry_cost(unknown)) == "?"


def test_a_short_that_sold_lower_than_decided_cost_more():
    trade = replace(
        scenes._TRADES[0],
        side=scenes.Side.SHORT,
        entry_price=Decimal("99.9"),
        expected_entry_price=Decimal(100),
        exit_price=Decimal("90.09"),
        expected_exit_price=Decimal(90),
    )
    assert trades.bps(trades.entry_cost(trade)) == "+10.0"
    assert trades.bps(trades.exit_cost(trade)) == "+10.0"


def test_figures_say_what_they_need_and_where_they_lie_in_the_band(home, clock):
    snapshot = _read(home, clock, watches.nine_days)
    run, details = snapshot.run(scenes.LIVE), snapshot.selected
    shown = {line.key: line for line in summary.lines(run, details)}
    assert texts(shown["unrealised"])[:2] == ["Open PnL", "0.00"]
    assert texts(shown["sharpe"])[:3] == ["Sharpe", "– 21 more days", "–"]
    assert texts(shown["total_trades"])[:2] == ["Trades", "29"]
    assert texts(shown["profit_factor"])[1] == "– 1 more trade"
    trades_cells = by_label(summary.COLUMNS, shown["total_trades"])
    assert trades_cells["baseline"].text == "28"
    assert trades_cells["5 to 95 % of it"].text == "28 … 29"
    labels = [texts(line)[0] for line in summary.lines(run, details)]
    for label in ("Realised PnL", "Open PnL", "Return, open too"):
        assert labels.count(label) == 1


def test_where_a_run_has_won_and_lost(snapshot):
    lines = performance.lines(snapshot.selected)
    assert [texts(line)[:5] for line in lines[:4]] == [
        ["side", "long", "3", "2", "+71.44"],
        ["exit", "signal", "1", "1", "+61.20"],
        ["", "take profit", "1", "1", "+49.18"],
        ["", "trailing stop", "1", "0", "-38.94"],
    ]
    assert [texts(line)[0] for line in lines if texts(line)[0]] == ["side", "exit", "hour", "day"]
    # The largest of a group has the longest bar.
    assert lines[1].cells[-1].text == "+" + "█" * 24
    assert lines[3].cells[-1].tone == "loss"

"""The charts: what they keep, where they draw it, and which part is seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.manager.run_views import Candles, OperandView
from firstwatch.tui.widgets.candles import CandleChart, Level, Mark, draw_candles, reduce_candles
from firstwatch.tui.widgets.equity_curve import EquityChart, draw_equity
from firstwatch.tui.widgets.plot import Grid, Scale, View, draw_curve

HOUR_MS = 3_600_000
START_MS = 1_767_225_600_000
COLOURS = {name: "#ffffff" for name in ("foreground", "background", "primary", "secondary", "gain", "loss")}
PRICES = st.floats(1e-6, 1e6)


def candles_of(rows):
    """Return hourly candles of (open, high, low, close)."""
    columns = np.array(rows, dtype=np.float64).T
    return Candles(START_MS + np.arange(len(rows), dtype=np.int64) * HOUR_MS, *columns)


def sound(prices):
    return prices[0], max(prices), min(prices), prices[-1]


def drawn(chart, width, height, view=None):
    picture = draw_candles(chart, view or View(), width, height, COLOURS)
    lines = picture.plain.split("\n")
    assert len(lines) == height
    assert {len(line) for line in lines} == {width}
    return [line.rstrip() for line in lines]


@given(
    st.lists(st.tuples(PRICES, PRICES, PRICES, PRICES).map(sound), min_size=1, max_size=600),
    st.integers(1, 90),
)
def test_reduced_candles_keep_every_spike_and_the_first_and_last_price(rows, columns):
    candles = candles_of(rows)
    reduced = reduce_candles(candles, columns)
    assert len(reduced.first) == min(columns, len(rows))
    assert reduced.first[0] == 0
    assert (np.diff(reduced.first) > 0).all()
    ends = [*reduced.first[1:].tolist(), len(rows)]
    for place, (start, end) in enumerate(zip(reduced.first.tolist(), ends, strict=True)):
        assert reduced.high[place] == candles.high[start:end].max()
        assert reduced.low[place] == candles.low[start:end].min()
        assert reduced.open[place] == candles.open[start]
        assert reduced.close[place] == candles.close[end - 1]


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=500),
    st.integers(1, 60),
    st.integers(1, 12),
)
def test_a_curve_of_dots_reaches_its_lowest_and_its_highest_value(values, columns, rows):
    array = np.array(values)
    grid = Grid(columns, rows)
    places = np.arange(len(values)) * (2 * columns) // len(values)
    scale = Scale.around(float(array.min()), float(array.max()), top=0, rows=rows)
    draw_curve(grid, places, array, scale, "")
    lines = grid.text().plain.split("\n")
    assert any(sign != " " for sign in lines[scale.place(float(array.max()))])
    assert any(sign != " " for sign in lines[scale.place(float(array.min()))])
    # No hole between the first column and the last one that has a value.
    dots = [place for place in range(columns) if any(line[place] != " " for line in lines)]
    assert dots == list(range(int(places[-1]) // 2 + 1))


def test_candles_in_half_rows_with_prices_at_the_right_and_times_below():
    chart = CandleChart(candles_of([(10, 18, 10, 14), (14, 14, 6, 8), (8, 12, 8, 12)]))
    assert drawn(chart, 24, 8) == [
        "3 bars",
        "  │",
        "  │",
        "  ┃   ┃",
        "  ┃   ┃   ┃  12.00",
        "  ╹   ┃   ┃",
        "      ╿   ╹",
        "01-01 00:00",
    ]


def test_a_level_near_the_price_is_a_line_and_one_far_away_stands_at_the_edge():
    rows = [(100, 104, 99, 103), (103, 106, 102, 105), (105, 107, 104, 106)]
    levels = (Level(98.5, "stop"), Level(150.0, "target"), Level(20.0, "liquidation"))
    lines = drawn(CandleChart(candles_of(rows), levels=levels), 40, 12)
    assert lines[1] == "target 150.00 ↑"
    assert lines[10] == "liquidation 20.00 ↓"
    (stop,) = [line for line in lines if line.startswith("stop")]
    assert stop.endswith("98.50")
    assert "┄┄┄" in stop
    # The far levels do not squash the candles: these still have all the rows between the edges.
    assert all(any(sign in "│┃╽╿╷╵╻╹" for sign in line[:28]) for line in lines[2:8])


def test_entries_and_exits_stand_on_their_candle_at_their_price():
    rows = [(100, 101, 99, 100)] * 5 + [(100, 110, 100, 109)] * 5
    marks = (Mark(START_MS + HOUR_MS + 1, 99.0, "E"), Mark(START_MS + 8 * HOUR_MS, 110.0, "X"))
    lines = drawn(CandleChart(candles_of(rows), marks), 60, 10)
    (entry,) = [(row, line.index("E")) for row, line in enumerate(lines[1:-1], 1) if "E" in line]
    (left,) = [(row, line.index("X")) for row, line in enumerate(lines[1:-1], 1) if "X" in line]
    assert (entry, left) == ((8, 6), (1, 34))
    assert lines[0].endswith("E entry  X exit")
    # A mark from before the bars is left out.
    early = CandleChart(candles_of(rows), (Mark(START_MS - 1, 99.0, "E"),))
    assert not any("E" in line for line in drawn(early, 60, 10)[1:])


def test_indicators_lie_on_the_price_or_below_it():
    rows = [(100 + hour, 102 + hour, 99 + hour, 101 + hour) for hour in range(40)]
    values = np.array([np.nan] * 5 + [100.0 + hour for hour in range(35)])
    average = OperandView("ema(9)", True, values, ())
    strength = OperandView("rsi(14)", False, np.linspace(20, 80, 40), (30.0, 70.0))
    lines = drawn(CandleChart(candles_of(rows), operands=(strength, average)), 92, 24)
    assert lines[0] == "40 bars · ema(9)"
    title = lines.index("rsi(14) 80")
    assert title == 18
    assert [line.rsplit(" ", 1)[-1] for line in lines[title + 1 : -1] if line.endswith(("30", "70"))] == [
        "70",
        "30",
    ]
    dots = [any("\u2801" <= sign <= "\u28ff" for sign in line) for line in lines]
    assert any(dots[1:title])
    assert all(dots[title + 1 : -1])
    # Where there is no room for it, an indicator of its own scale is left out.
    assert not any(
        "rsi" in line for line in drawn(CandleChart(candles_of(rows), operands=(strength,)), 92, 16)
    )


def test_many_bars_are_drawn_together_and_the_spike_of_one_is_seen():
    rows = [(100, 101, 99, 100)] * 400
    rows[77] = (100, 150, 99, 100)
    chart = CandleChart(candles_of(rows))
    far = View().zoomed(-4, 400, 24)
    lines = drawn(chart, 60, 12, far)
    assert lines[0].startswith("384 bars · 8 a candle · 16 more not in sight")
    assert sum("╷" in line or "│" in line for line in lines[1:4]) == 3


@pytest.mark.parametrize(
    ("view", "total", "usual", "part"),
    [
        (View(), 500, 30, (470, 500)),
        (View(), 10, 30, (0, 10)),
        (View(1), 500, 30, (485, 500)),
        (View(9), 500, 30, (492, 500)),
        (View(-9), 500, 30, (0, 500)),
        (View(0, 100), 500, 30, (370, 400)),
        (View(0, 9_999), 500, 30, (0, 30)),
        (View(0, -5), 500, 30, (470, 500)),
        (View(), 3, 3, (0, 3)),
    ],
)
def test_which_part_is_seen(view, total, usual, part):
    seen = view.part(total, usual)
    assert (seen.start, seen.stop) == part


@given(
    st.lists(st.tuples(st.sampled_from(["zoom", "pan"]), st.integers(-3, 3)), max_size=20),
    st.integers(1, 700),
    st.integers(1, 200),
)
def test_no_keys_lead_out_of_the_curve(keys, total, usual):
    view = View()
    for what, by in keys:
        view = view.zoomed(by, total, usual) if what == "zoom" else view.panned(by, total, usual)
        seen = view.part(total, usual)
        assert 0 <= seen.start < seen.stop <= total


def test_panning_goes_by_a_quarter_and_comes_back():
    earlier = View().panned(-1, 500, 40)
    assert earlier.part(500, 40) == slice(450, 490)
    assert earlier.panned(1, 500, 40).part(500, 40) == slice(460, 500)
    # Nearer than near is not asked for again and again: one step back shows it farther at once.
    near = View()
    for _ in range(20):
        near = near.zoomed(1, 500, 40)
    assert near.zoomed(-1, 500, 40).part(500, 40) != near.part(500, 40)


def test_equity_and_drawdown_have_one_axis_of_time():
    times = START_MS + np.arange(48, dtype=np.int64) * HOUR_MS
    equity = 1_000 + 20 * np.sin(np.arange(48) / 8)
    lines = draw_equity(EquityChart(times, equity, 1_000.0), View(), 60, 16, COLOURS).plain.split("\n")
    assert len(lines) == 16
    assert lines[0].startswith("equity 992.06 (-0.79 % of the capital)")
    assert any(line.startswith("drawdown now 2.74 %, largest here 3.92 %") for line in lines)
    assert lines[-1].startswith("01-01 00:00")
    # The drawdown hangs from a row that the equity does not reach.
    title = next(row for row, line in enumerate(lines) if line.startswith("drawdown"))
    assert not any("█" in line for line in lines[:title])
    assert any("█" in line for line in lines[title:])
    deepest = [row for row, line in enumerate(lines[:-1]) if "█" in line or "▀" in line][-1]
    assert deepest == 14


def test_one_bad_close_is_seen_among_many():
    times = START_MS + np.arange(5_000, dtype=np.int64) * HOUR_MS
    equity = np.full(5_000, 1_000.0)
    equity[2_345] = 700.0
    lines = draw_equity(EquityChart(times, equity, 1_000.0), View(), 60, 16, COLOURS).plain.split("\n")
    title = next(row for row, line in enumerate(lines) if line.startswith("drawdown"))
    assert "largest here 30.00 %" in lines[title]
    assert any("⡇" in line or "⢸" in line for line in lines[2 : title - 2])

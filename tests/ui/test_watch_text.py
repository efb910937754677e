"""The watch as text and as drawing: pure functions."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.trading.verdicts import CheckName, Sign, SignName, Verdict
from firstwatch.trading.watch import Check, Fan
from firstwatch.tui import formats, watch_text
from firstwatch.tui.widgets.fan import draw_fans
from firstwatch.tui.widgets.hour_strip import StripCell, Tick, cell_at, draw_strip, gutter, strip_rows
from tests.ui import watches

COLOURS = dict.fromkeys(
    (
        "surface",
        "band",
        "band-inner",
        "primary",
        "foreground",
        "background",
        "panel",
        "secondary",
        "gain",
        "loss",
        "error",
        "warning",
    ),
    "#123456",
)


def check(name: CheckName = CheckName.DRAWDOWN, **figures) -> Check:
    return Check(name=name, verdict=Verdict.CONSISTENT, sentence="as expected", **figures)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        (CheckName.DRAWDOWN, 0.0312, "3.1 %"),
        (CheckName.FILL_PRICES, 10.24, "10.2 bps"),
        (CheckName.TRADE_FREQUENCY, 7.0, "7"),
        (CheckName.TRADE_FREQUENCY, 6.5, "6.5"),
        (CheckName.SIGNAL_PARITY, 3.0, "3 differ"),
        (CheckName.EDGE, 0.876, "0.88"),
        (CheckName.EDGE, None, "–"),
    ],
)
def test_a_figure_has_its_unit_and_unknown_is_a_dash(name, value, shown):
    assert watch_text.figure(name, value) == shown


def test_an_expectation_has_its_band_in_the_unit_of_the_live_figure():
    known = check(expected=0.0042, band=(0.0008, 0.0151))
    assert watch_text.expectation(known) == "0.42 (0.08–1.5)"
    assert watch_text.expectation(check(expected=0.0042)) == "0.42 %"
    assert watch_text.expectation(check()) == "–"


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(-3e6, 3e6))
def test_the_mark_lies_in_the_band_exactly_when_the_value_does(low, width, observed):
    mark = watch_text.band_mark(check(observed=observed, band=(low, low + width)))
    assert len(mark) == 9
    place = mark.index("●")
    assert (2 <= place <= 6) == (low <= observed <= low + width)
    assert (place == 0) == (observed < low)


@pytest.mark.parametrize("figures", [{}, {"observed": 1.0}, {"band": (0.0, 1.0)}])
def test_there_is_no_mark_without_both_value_and_band(figures):
    assert watch_text.band_mark(check(**figures)) == ""


def test_the_worst_verdict_is_diverged_and_the_least_is_not_enough_data():
    assert watch_text.worst(list(Verdict)) is Verdict.DIVERGED
    assert watch_text.worst([Verdict.NOT_ENOUGH_DATA, Verdict.CONSISTENT]) is Verdict.CONSISTENT
    assert watch_text.worst([]) is None


def test_time_on_watch_is_in_hours_on_the_first_day_and_in_days_after():
    assert watch_text.watch_time(watches.consistent("r")) == "7 h"
    assert watch_text.watch_time(watches.days("r", 3)[-1]) == "2.2 d"


@given(st.integers(20, 150), st.integers(1, 24), st.integers(0, 24))
def test_the_strip_fills_its_room_and_has_a_row_of_lost_time_only_if_some_is_lost(width, count, lost):
    cells = [
        StripCell("✔", "gain", 3, 0.5 if number < lost else 0.0, is_now=number == 0)
        for number in range(count)
    ]
    drawn = draw_strip(cells, [Tick(0, "0"), Tick(1, "24")], "hour", width, COLOURS).plain.split("\n")
    assert len(drawn) == strip_rows(cells, width) == (4 if lost else 3)
    assert {len(row) for row in drawn} == {width}
    if width - gutter(width) >= count:
        assert drawn[1].count("✔") == count


def fan(values, live):
    minutes = tuple(1440.0 * (number + 1) / len(values) for number in range(len(values)))
    widths = [math.sqrt(minute) / 1e3 for minute in minutes]
    return Fan(
        minutes=minutes,
        p5=tuple(v - 2 * w for v, w in zip(values, widths, strict=True)),
        p25=tuple(v - w for v, w in zip(values, widths, strict=True)),
        p50=tuple(values),
        p75=tuple(v + w for v, w in zip(values, widths, strict=True)),
        p95=tuple(v + 2 * w for v, w in zip(values, widths, strict=True)),
        live=tuple(live),
    )


@given(
    st.lists(st.floats(0.5, 1.5), min_size=1, max_size=12),
    st.integers(0, 12),
    st.integers(20, 140),
    st.integers(3, 30),
    st.integers(1, 4),
)
def test_a_fan_fills_its_room_whatever_its_values(values, known, width, height, count):
    live = [value if number < known else None for number, value in enumerate(values)]
    one = fan(values, live)
    picture = draw_fans(
        [one, None, one, one][:count], tone="gain", width=width, height=height, colours=COLOURS
    )
    rows = picture.plain.split("\n")
    assert len(rows) == height
    assert {len(row) for row in rows} == {width}
    if known:
        assert picture.plain.count("●") == 1


def test_a_flat_fan_of_no_width_is_drawn():
    flat = Fan(minutes=(720.0,), p5=(1.0,), p25=(1.0,), p50=(1.0,), p75=(1.0,), p95=(1.0,), live=(1.0,))
    assert "●" in draw_fans([flat], tone="gain", width=40, height=5, colours=COLOURS).plain


def test_the_live_curve_ends_where_the_live_values_end():
    half = fan([1.0, 1.01, 1.02, 1.01], [1.0, 1.0, None, None])
    rows = draw_fans([half], tone="gain", width=58, height=8, colours=COLOURS).plain.split("\n")
    (column,) = [row.index("●") for row in rows if "●" in row]
    assert column == 10 + 23


@given(st.integers(20, 150), st.integers(1, 40))
@settings(deadline=None)
def test_the_cell_at_a_column_is_the_one_that_is_drawn_there(width, count):
    cells = [StripCell("✔", "gain", 3, 0.0) for _ in range(count)]
    left = gutter(width)
    found = [cell_at(column, count, width) for column in range(width)]
    assert found[:left] == [None] * left
    assert found[left:] == sorted(found[left:])
    if width - left >= count:
        assert set(found[left:]) == set(range(count))
    signs = draw_strip(cells, [Tick(0, "0")], "hour", width, COLOURS).plain.split("\n")[1]
    if width - left >= count:
        assert [found[column] for column, sign in enumerate(signs) if sign == "✔"] == list(range(count))


@given(st.text(alphabet="ab \n", max_size=200), st.integers(3, 40), st.integers(1, 6))
def test_a_text_is_fitted_into_its_rows_and_says_where_it_is_cut(text, width, rows):
    lines = formats.fitted(text, width, rows).split("\n")
    assert len(lines) <= rows
    assert all(len(line) <= width for line in lines)
    whole = formats.fitted(text, width).split("\n")
    assert lines == whole or (len(whole) > rows and lines[-1].endswith("…"))


@pytest.mark.parametrize(
    ("sign", "said"),
    [
        (Sign(SignName.SHARPE, True, "", 0.5, 1.25), "0.50, the test's 1.25"),
        (Sign(SignName.DRAWDOWN, True, "", 0.082, 0.061), "8.2 %, in the test up to 6.1 %"),
        (Sign(SignName.FREQUENCY, False, "", 28.0, 20.0), "28, in the test at least 20"),
        (Sign(SignName.STOPS, False, "", 0.5, 0.25), "50 %, in the test 25 %"),
        (Sign(SignName.SHARPE, None, "Needs 30 days."), "Needs 30 days."),
    ],
)
def test_a_sign_of_tuning_is_said_in_few_words(sign, said):
    assert watch_text.sign_text(sign) == said


@given(st.integers(20, 300), st.integers(1, 24))
@settings(deadline=None)
def test_the_changes_of_equity_have_a_row_only_where_each_has_room(width, count):
    cells = [StripCell("✔", "gain", 3, 0.0, change=0.0123 * (-1) ** number) for number in range(count)]
    drawn = draw_strip(cells, [Tick(0, "0")], "hour", width, COLOURS).plain.split("\n")
    assert len(drawn) == strip_rows(cells, width)
    assert {len(row) for row in drawn} == {width}
    if len(drawn) == 4:
        assert drawn[3].split() == ["PnL", "%", *(("+1.23", "-1.23")[number % 2] for number in range(count))]
    else:
        assert (width - gutter(width)) // count < 7

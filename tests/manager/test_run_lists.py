"""Short ids, and the equity of a day: what the list of runs is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.manager.day_equity import DayEquity
from firstwatch.manager.names import short_ids
from firstwatch.store.equity import add_equity
from tests.ui import scenes

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
OTHER = scenes.DONE


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@given(st.sets(st.text("01", min_size=16, max_size=16), max_size=40))
def test_short_ids_tell_all_runs_apart_and_are_no_longer_than_that(ids):
    found = short_ids(ids)
    assert set(found) == ids
    assert len(set(found.values())) == len(ids)
    for run_id, short in found.items():
        assert run_id.startswith(short)
        assert len(short) == 4 or any(other.startswith(short[:-1]) for other in ids if other != run_id)


def test_four_characters_are_enough_where_no_run_begins_alike():
    assert short_ids(["a1b2c3", "a1b2c4", "ffff00"]) == {
        "a1b2c3": "a1b2c3", "a1b2c4": "a1b2c4", "ffff00": "ffff",
    }  # fmt: skip


def test_the_equity_of_a_day_has_a_point_an_hour_and_grows(home):
    scenes.busy_day(home)
    last_ms = scenes.NOW_MS // HOUR_MS * HOUR_MS
    reader = DayEquity()
    with scenes.written(home) as session:
        minutes = [(last_ms + minute * MINUTE_MS, 100.0 + minute) for minute in range(-1_500, 0)]
        add_equity(session, OTHER, minutes)
    with scenes.written(home) as session:
        newest_ms = minutes[-1][0]
        read = reader.read(session, {OTHER: newest_ms})
        # Hours are whole: 24 of them, each by its last point.
        assert read[OTHER] == tuple(100.0 + minute for minute in range(-1_381, 0, 60))
        add_equity(session, OTHER, [(newest_ms, 7.0), (newest_ms + MINUTE_MS, 8.0)])
    with scenes.written(home) as session:
        # The last point was replaced, and a new hour has begun.
        assert reader.read(session, {OTHER: newest_ms + MINUTE_MS})[OTHER][-3:] == (39.0, 7.0, 8.0)
        assert len(reader.read(session, {OTHER: newest_ms + MINUTE_MS})[OTHER]) == 24
        assert reader.read(session, {}) == {}


def test_runs_whose_venues_have_other_clocks_are_read_too(home):
    scenes.busy_day(home)
    last_ms = scenes.NOW_MS // HOUR_MS * HOUR_MS
    long_ago_ms = last_ms - 5_000 * HOUR_MS
    with scenes.written(home) as session:
        add_equity(session, OTHER, [(long_ago_ms - HOUR_MS, 1.0), (long_ago_ms, 2.0)])
    with scenes.written(home) as session:
        read = DayEquity().read(session, {OTHER: long_ago_ms, scenes.LIVE: last_ms})
    assert read[OTHER] == (1.0, 2.0)
    assert len(read[scenes.LIVE]) == 23

"""Bars of a run stand in the store exactly as it took them in, each once, in little room."""

import math
import sqlite3
from contextlib import closing

import pytest

from firstwatch.store.bars import RunBar, add_bar, bars_of
from firstwatch.store.database import Store
from firstwatch.store.packing import pack
from firstwatch.trading.bar import Bar
from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles
from tests.store.made import made_run, run_id_of

RUN = run_id_of(1)
PAGE_BYTES = 1024


def some(count: int, timeframe: Timeframe = Timeframe.M1) -> list[RunBar]:
    """Return bars with the mark's range in every second of them."""
    made = generated_candles(3, count, timeframe).bars()
    return [
        RunBar(bar, bar.high + 0.1, bar.low - 1 / 3) if number % 2 else RunBar(bar)
        for number, bar in enumerate(made)
    ]


def written(store: Store, fresh: list[RunBar], *, every: int) -> None:
    """Write bars in transactions of so many; each begins without what the last one knew."""
    for start in range(0, len(fresh), every):
        with store.write() as session:
            last = None
            for each in fresh[start : start + every]:
                last = add_bar(session, RUN, each, last)


@pytest.fixture(autouse=True)
def a_run(store: Store) -> None:
    with store.write() as session:
        made_run(session, 1)
        made_run(session, 2)


@pytest.mark.parametrize("every", [1, 7, 1000])
def test_bars_come_back_to_the_bit(store: Store, every: int) -> None:
    fresh = some(200)
    written(store, fresh, every=every)
    with store.read() as session:
        assert bars_of(session, RUN) == fresh
        assert bars_of(session, RUN, limit=45) == fresh[-45:]
        assert bars_of(session, RUN, limit=1000) == fresh
        for number in (0, 3, 40, 150, 199):
            after_ms = fresh[number].bar.time_ms
            assert bars_of(session, RUN, after_ms=after_ms) == fresh[number + 1 :]
            assert bars_of(session, RUN, after_ms=after_ms, limit=2) == fresh[number + 1 :][-2:]
        assert bars_of(session, RUN, after_ms=0) == fresh
        assert bars_of(session, run_id_of(2)) == []


def test_a_bar_that_is_not_later_takes_the_place_of_all_that_came_after_it(store: Store) -> None:
    fresh = some(120)
    written(store, fresh, every=1000)
    for number in (100, 60, 5, 0):
        other = RunBar(fresh[number].bar._replace(close=1.5))
        with store.write() as session:
            # Whether or not the last block is known already.
            add_bar(session, RUN, other, None)
        with store.read() as session:
            assert bars_of(session, RUN) == [*fresh[:number], other]


def test_a_block_fits_a_page_and_a_bar_takes_few_bytes(store: Store) -> None:
    written(store, some(2_000), every=1000)
    with store.read() as session:
        sizes = session.exec_driver_sql("SELECT length(bars) FROM run_bar").scalars().all()
    assert max(sizes) < PAGE_BYTES - 60
    assert sum(sizes) / 2_000 < 45


@pytest.mark.parametrize("value", ["abc", b"\x01damaged", 5, b"", "NaN"])
def test_bars_that_cannot_be_read_are_said_to_be_damaged(store: Store, value: object) -> None:
    written(store, some(3), every=3)
    with closing(sqlite3.connect(store.path)) as raw, raw:
        raw.execute("UPDATE run_bar SET bars = ?", (value,))
    with (
        store.read() as session,
        pytest.raises(DamagedRowError, match=f"the bars of run {RUN} cannot be read"),
    ):
        bars_of(session, RUN)


@pytest.mark.parametrize(
    "text", [b"[]", b"{}", b"[[0,1,2,3]]", b"[[0,1,1,1,1,NaN,null,null]]", b"[[0,1,1,1,1,1,1e999,1]]", b"[[0"]
)
def test_a_text_that_holds_no_bars_is_damaged(store: Store, text: bytes) -> None:
    written(store, some(3), every=3)
    with closing(sqlite3.connect(store.path)) as raw, raw:
        raw.execute("UPDATE run_bar SET bars = ?", (pack(text),))
    with store.read() as session, pytest.raises(DamagedRowError):
        bars_of(session, RUN)


def test_no_figure_is_rounded(store: Store) -> None:
    fresh = RunBar(Bar(0, 0.1 + 0.2, math.nextafter(1e5, 1e6), 5e-324, 1e-7, 1e300), 1 / 3, 2**-40)
    written(store, [fresh], every=1)
    with store.read() as session:
        assert bars_of(session, RUN) == [fresh]

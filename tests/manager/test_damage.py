"""Values in the store that are none: the run or the wallet that has them is said, all others are listed."""

import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest
from sqlmodel import AutoString

from firstwatch.manager.manager import RunManager
from firstwatch.settings import Settings
from firstwatch.store import fills
from firstwatch.store.tables import METADATA
from firstwatch.trading.account import Funding
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.runs import Health
from tests.ui import scenes

NO_NUMBERS = ("abc", "", b"\x00\xff", "sNaN")
NO_MONEY = (*NO_NUMBERS, "NaN", "Infinity", "1e999999", "1e-999999", "9" * 5_000)
VALUES = {
    Decimal: NO_MONEY,
    float: (*NO_NUMBERS, float("inf")),
    int: (*NO_NUMBERS, 0.5),
    str: (b"abc", b"\x00\xff"),
}
RUNS = {scenes.LIVE, scenes.DONE, scenes.FAILED}
PAYMENT = Funding("paid-1", "acct", scenes.SYMBOL, Decimal("0.5"), Decimal("0.0001"), scenes.NOW_MS)


def columns(*tables):
    """Return all columns of numbers and texts that are no key, as (table, column, values that are none)."""
    return [
        pytest.param(table.name, column.name, VALUES[_kind(column)], id=str(column))
        for table in METADATA.sorted_tables
        if table.name in tables
        for column in table.columns
        if _kind(column) in VALUES and not column.primary_key and not column.foreign_keys
    ]


def _kind(column):
    return str if isinstance(column.type, AutoString) else column.type.python_type


LISTED = columns("run", "position", "live_status")
DETAILED = columns("run_order", "fill", "funding", "trade", "equity")


@scenes.written_once
def with_payment(home):
    scenes.with_alarm(home)
    with scenes.written(home) as session:
        fills.add_funding(session, "paper", scenes.LIVE, PAYMENT, local_time_ms=1)


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    with_payment(home)
    return home


@pytest.fixture
def manager(home):
    with closing(_manager(scenes.settings_of(home))) as manager:
        yield manager


def _manager(settings):
    manager = RunManager(settings, clock=ManualClock(scenes.NOW_MS), hosts_engine=False)
    manager.open()
    return manager


@pytest.fixture
def damage(home):
    """Put a value into the rows of a table that ``which`` says."""

    def put(table, column, value, which):
        with closing(sqlite3.connect(home / "firstwatch.db")) as raw, raw:
            raw.execute("PRAGMA foreign_keys = OFF")
            assert raw.execute(f"UPDATE {table} SET {column} = ? WHERE {which}", (value,)).rowcount > 0

    return put


@pytest.mark.parametrize("selected", [False, True])
@pytest.mark.parametrize(("table", "column", "values"), LISTED)
def test_a_damaged_value_of_a_run_is_that_runs_alone(manager, damage, table, column, values, selected):
    before = manager.snapshot()
    if selected:
        manager.select(scenes.LIVE)
    for value in values:
        damage(table, column, value, f"{'id' if table == 'run' else 'run_id'} = '{scenes.LIVE}'")
        after = manager.snapshot()
        assert {run.run_id for run in after.runs} == RUNS
        harmed = after.run(scenes.LIVE)
        assert (harmed.health, harmed.is_damaged) == (Health.UNKNOWN, True)
        assert "cannot be read" in harmed.sentence
        assert f"{table}.{column}" in harmed.sentence
        assert harmed.sentence in [alarm.sentence for alarm in after.alarms]
        for run_id in RUNS - {scenes.LIVE}:
            assert after.run(run_id) == before.run(run_id)
        assert after.wallets


@pytest.mark.parametrize(("table", "column", "values"), DETAILED)
def test_a_damaged_value_of_a_chosen_run_is_said_of_it(manager, damage, table, column, values):
    before = manager.snapshot()
    manager.select(scenes.LIVE)
    for value in values:
        damage(table, column, value, f"run_id = '{scenes.LIVE}'")
        # The details are read again where the journal has grown.
        manager._readers.details._known.clear()
        after = manager.snapshot()
        assert {run.run_id for run in after.runs} == RUNS
        is_early = (table, column, value) == ("fill", "time_ms", 0.5)
        if table == "funding" or is_early:
            # It is no part of the snapshot; nor is a fill before the chart's candles.
            assert after.selected is not None
            continue
        harmed = after.run(scenes.LIVE)
        assert after.selected is None
        assert (harmed.health, harmed.is_damaged) == (Health.UNKNOWN, True)
        assert "cannot be read" in harmed.sentence
        for run_id in RUNS - {scenes.LIVE}:
            assert after.run(run_id) == before.run(run_id)
    manager.select(scenes.DONE)
    assert manager.snapshot().selected is not None
    assert manager.snapshot().run(scenes.LIVE).health is not Health.UNKNOWN


def test_damaged_bars_of_a_chosen_run_are_said_of_it(manager, damage):
    manager.select(scenes.LIVE)
    assert len(manager.snapshot().selected.candles) == 61
    damage("run_bar", "bars", b"\x01abc", f"run_id = '{scenes.LIVE}'")
    after = manager.snapshot()
    assert after.selected is None
    assert f"the bars of run {scenes.LIVE} cannot be read" in after.run(scenes.LIVE).sentence
    manager.select(scenes.DONE)
    assert manager.snapshot().selected is not None


@pytest.mark.parametrize(("table", "column", "values"), columns("wallet_standing"))
def test_damaged_money_of_a_wallet_is_that_wallets_alone(manager, damage, table, column, values):
    which = "wallet_id = (SELECT id FROM wallet WHERE name = 'swing')"
    for time in ("valid_until_ms", "key_at_ms"):
        damage(table, time, 1, which)
    before = manager.snapshot()
    assert before.wallet("swing").total == Decimal("812.5")
    for value in values:
        damage(table, column, value, which)
        after = manager.snapshot()
        assert len(after.wallets) == len(before.wallets)
        harmed = after.wallet("swing")
        assert harmed.total is None
        assert f"{table}.{column}" in harmed.problem
        others = [wallet for wallet in before.wallets if wallet.name != "swing"]
        assert [wallet for wallet in after.wallets if wallet.name != "swing"] == others
        assert {run.run_id for run in after.runs} == RUNS


NO_SPECIFICATIONS = ("", "abc", "{}", "[]", "null", b"\x00\xff", 7)


@pytest.mark.parametrize("selected", [False, True])
@pytest.mark.parametrize(
    ("column", "values"), [("spec_json", NO_SPECIFICATIONS), ("number", NO_NUMBERS), ("sha256", (b"\xff",))]
)
def test_a_damaged_version_is_said_of_its_runs_and_hides_nothing_else(
    home, damage, caplog, selected, column, values
):
    for value in values:
        damage("algorithm_version", column, value, "id = 1")
        with closing(_manager(scenes.settings_of(home))) as anew:
            if selected:
                anew.select(scenes.LIVE)
            caplog.clear()
            after = [anew.snapshot(), anew.snapshot()][-1]
            assert {run.run_id for run in after.runs} == RUNS
            for run in after.runs:
                assert (run.timeframe, run.health, run.is_damaged) == (None, Health.UNKNOWN, True)
                assert "cannot be read" in run.sentence
            assert after.run(scenes.LIVE).position is not None
            assert after.wallets
            assert [view.name for view in after.algorithms] == ["Band fade"]
            assert caplog.text.count("algorithm version") == 1


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("metrics_json", ("", "abc", "7", '{"total_return": "abc"}', b"\x00\xff")),
        ("timeframe", ("abc", 7)),
        ("start_ms", NO_NUMBERS),
    ],
)
def test_a_damaged_baseline_is_said_of_its_version(manager, damage, column, values):
    before = manager.snapshot()
    for value in values:
        damage("backtest", column, value, "id = 1")
        after = manager.snapshot()
        assert after.runs == before.runs
        assert len(after.algorithms) == len(before.algorithms)
        (harmed,) = [view for view in after.algorithms if view.name == "RSI reversion"]
        assert "cannot be read" in harmed.baseline


@pytest.mark.parametrize("content", [None, b"", b"tick = [", b"\xff\xfe", b"symbol = 7", b"candles"])
def test_a_market_file_that_cannot_be_read_leaves_the_snapshot_whole(home, tmp_path, content):
    market = tmp_path / "market.toml"
    if content is not None:
        market.write_bytes(content)
    venues = {"replay": {"kind": "paper", "feed": "replay", "candles": tmp_path, "market": market}}
    settings = Settings(home=home, venues=venues)
    with closing(_manager(settings)) as manager:
        after = manager.snapshot()
    assert {run.run_id for run in after.runs} == RUNS
    assert scenes.SYMBOL in after.symbols

"""Values in the store that are none: the run or the wallet that has them is said, all others are listed."""

import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from firstwatch.manager.manager import RunManager
from firstwatch.store import fills
from firstwatch.store.database import open_store
from firstwatch.store.tables import METADATA
from firstwatch.trading.account import Funding
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.runs import Health
from tests.ui import scenes

NO_NUMBERS = ("abc", "", b"\x00\xff", "sNaN")
NO_MONEY = (*NO_NUMBERS, "NaN", "Infinity", "1e999999", "1e-999999", "9" * 5_000)
VALUES = {Decimal: NO_MONEY, float: (*NO_NUMBERS, float("inf")), int: (*NO_NUMBERS, 0.5)}
RUNS = {scenes.LIVE, scenes.DONE, scenes.FAILED}
PAYMENT = Funding("paid-1", "acct", scenes.SYMBOL, Decimal("0.5"), Decimal("0.0001"), scenes.NOW_MS)


def columns(*tables):
    """Return all columns of numbers that are no key, as (table, column, values that are none)."""
    return [
        pytest.param(table.name, column.name, VALUES[column.type.python_type], id=str(column))
        for table in METADATA.sorted_tables
        if table.name in tables
        for column in table.columns
        if column.type.python_type in VALUES and not column.primary_key and not column.foreign_keys
    ]


LISTED = columns("run", "position", "live_status")
DETAILED = columns("run_order", "fill", "funding", "trade", "equity")


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    scenes.with_alarm(home)
    with closing(open_store(home)) as store, store.write() as session:
        fills.add_funding(session, "paper", scenes.LIVE, PAYMENT, local_time_ms=1)
    return home


@pytest.fixture
def manager(home):
    manager = RunManager(scenes.settings_of(home), clock=ManualClock(scenes.NOW_MS), hosts_engine=False)
    manager.open()
    yield manager
    manager.close()


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
        manager._reader._detail = None
        after = manager.snapshot()
        assert {run.run_id for run in after.runs} == RUNS
        if table == "funding":
            # It is no part of the snapshot.
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
    assert len(manager.snapshot().selected.price) == 61
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

"""``status`` is what a watchdog calls: its exit code and ``problems`` say whether somebody must look."""

import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from firstwatch.store import paper, wallets
from firstwatch.store.database import open_store
from firstwatch.store.wallet_status import Held
from firstwatch.trading.orders import Side
from tests.ui import scenes


@pytest.fixture
def clock():
    return scenes.ManualClock(scenes.NOW_MS)


def test_a_fresh_folder_has_no_problem(firstwatch):
    answer = firstwatch("status", "--json")
    assert answer.code == 0
    assert answer.json["problems"] == []


def test_active_runs_without_an_engine_are_a_problem(firstwatch, home):
    scenes.busy_day(home)
    answer = firstwatch("status", "--json")
    assert answer.code == 1
    assert answer.json["active_runs"] == 1
    assert any("no engine" in problem and "1 active run" in problem for problem in answer.json["problems"])
    told = firstwatch("status")
    assert told.code == 1
    assert "PROBLEM: no engine" in told.out


def test_an_alarm_that_stands_is_a_problem(firstwatch, home):
    scenes.with_alarm(home)
    answer = firstwatch("status", "--json")
    assert answer.code == 1
    assert len(answer.json["problems"]) > answer.json["alarms"] > 0
    assert any("no run manages it" in problem for problem in answer.json["problems"])


def test_an_unprotected_run_is_a_problem(firstwatch, home):
    scenes.busy_day(home)
    scenes.unprotect(home)
    answer = firstwatch("status", "--json")
    assert answer.code == 1
    assert any("without its stop" in problem for problem in answer.json["problems"])


def test_a_wallet_with_play_money_is_not_archived_until_it_is_taken_out(firstwatch):
    assert firstwatch("wallet", "create", "w", "--venue", "paper").code == 0
    assert firstwatch("wallet", "fund", "w", "119275.1402").code == 0
    refused = firstwatch("wallet", "archive", "w")
    assert refused.code == 3
    assert "119275.1402" in refused.err
    assert "wallet withdraw w all" in refused.err
    assert firstwatch("wallet", "show", "w", "--json").json["archived_at"] is None
    assert firstwatch("wallet", "withdraw", "w", "119275.1403").code == 3
    assert firstwatch("wallet", "withdraw", "w", "19275.1402", "--json").json["withdrawn"] == 19275.1402
    assert firstwatch("wallet", "withdraw", "w", "all").out == "100000 withdrawn from w\n"
    assert firstwatch("wallet", "archive", "w").code == 0
    assert firstwatch("wallet", "list", "--json").json == []


def test_a_wallet_with_a_position_is_not_archived(firstwatch, home):
    firstwatch("wallet", "create", "w", "--venue", "paper")
    store = open_store(home)
    with store.write() as session:
        account = wallets.get_wallet(session, "w").account
        paper.deposit(session, "paper", account, Decimal(5), now_ms=1)
        held = (Held("BTC/USDC:USDC", Side.LONG, Decimal("0.004")),)
        paper.save_money(session, "paper", account, paper.PaperMoney(Decimal(-5), Decimal(1), held), now_ms=1)
    store.close()
    answer = firstwatch("wallet", "archive", "w")
    assert answer.code == 3
    assert "holds a position" in answer.err


def test_no_number_is_printed_with_binary_noise(firstwatch, algorithm, candles):
    answer = firstwatch("backtest", algorithm, "--candles", candles, "--json")
    assert answer.code == 0

    def numbers(value):
        if isinstance(value, dict):
            value = value.values()
        if isinstance(value, float):
            yield value
        elif not isinstance(value, str | int | None):
            for each in value:
                yield from numbers(each)

    found = list(numbers(answer.json))
    assert len(found) > 1_000
    assert all(value == float(f"{value:.15g}") for value in found)


def test_a_run_that_cannot_be_read_is_a_problem_and_stands_in_the_list(firstwatch, home):
    scenes.busy_day(home)
    listed = firstwatch("run", "list", "--json").json
    run_id = next(run["run"] for run in listed if run["state"] == "RUNNING")
    with closing(sqlite3.connect(home / "firstwatch.db")) as raw, raw:
        raw.execute("UPDATE run SET market_json = '{' WHERE id = ?", (run_id,))
    damaged = firstwatch("run", "list", "--json").json
    assert {run["run"] for run in damaged} == {run["run"] for run in listed}
    (found,) = (run for run in damaged if run["run"] == run_id)
    assert found.keys() == listed[0].keys()
    assert (found["state"], found["health"], found["exposure"]) == ("RUNNING", "unknown", "unknown")
    assert f"run {run_id} cannot be read" in found["sentence"]
    assert f"run {run_id} cannot be read" in firstwatch("run", "list").out
    answer = firstwatch("status", "--json")
    assert answer.code == 1
    assert answer.json["active_runs"] == 1
    assert any(f"run {run_id} cannot be read" in problem for problem in answer.json["problems"])
    shown = firstwatch("run", "show", run_id)
    assert shown.code == 1
    assert f"run {run_id} cannot be read" in shown.err


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("run", "created_at_ms"), ("position", "amount"), ("live_status", "equity"), ("fill", "price"),
        ("trade", "pnl"), ("equity", "equity"), ("run_order", "filled"),
    ],
)  # fmt: skip
def test_a_value_that_is_none_hides_no_other_run(firstwatch, home, table, column):
    scenes.busy_day(home)
    listed = {run["run"] for run in firstwatch("run", "list", "--json").json}
    key = "id" if table == "run" else "run_id"
    with closing(sqlite3.connect(home / "firstwatch.db")) as raw, raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        assert raw.execute(f"UPDATE {table} SET {column} = 'abc' WHERE {key} = ?", (scenes.LIVE,)).rowcount
    assert {run["run"] for run in firstwatch("run", "list", "--json").json} == listed
    answer = firstwatch("status", "--json")
    assert answer.code == 1
    assert answer.json["active_runs"] == 1
    shown = firstwatch("run", "show", scenes.LIVE, "--json")
    assert shown.code == 1
    assert "cannot be read" in shown.err
    assert firstwatch("run", "show", scenes.DONE, "--json").code == 0

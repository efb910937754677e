"""Budget of the manager: what a snapshot of fifty runs costs the screen."""

import time
from dataclasses import replace
from decimal import Decimal

from firstwatch.manager.manager import RunManager
from firstwatch.store import algorithms, equity, live, runs, wallets, watch
from firstwatch.store.database import open_store
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.runs import Author
from tests.ui import scenes, watches

MINUTE_MS = 60_000
BEGUN_MS = 1_767_265_200_000


def test_fifty_runs_are_read_within_five_milliseconds(tmp_path):
    home = tmp_path / "home"
    manager = RunManager(scenes.settings_of(home), clock=ManualClock(scenes.NOW_MS), hosts_engine=False)
    store = open_store(home)
    with store.write() as session:
        version = algorithms.add_version(
            session, scenes.SPEC.name, scenes.SPEC.canonical_json(), scenes.SPEC.sha256(), now_ms=1
        ).id
        statuses = []
        for number in range(50):
            wallet = wallets.create_wallet(session, f"w{number}", venue="paper", kind="paper", now_ms=1)
            settings = LaunchSettings(
                algorithm=scenes.SPEC.name, version=1, wallet=wallet.name, symbol=scenes.SYMBOL,
                capital=Decimal(100 + number),
            )  # fmt: skip
            run_id = f"{number:016x}"
            runs.create_run(
                session, run_id, wallet_id=wallet.id, version_id=version, settings=settings,
                market=DEFAULT_MARKET, author=Author.OPERATOR, now_ms=number,
            )  # fmt: skip
            watch.save_report(session, watches.found_out(run_id), now_ms=5)
            statuses.append(live.LiveStatus(run_id, 5, 90_000.0, Decimal(1), Decimal(100), BEGUN_MS))
            minutes = range(BEGUN_MS - 24 * 60 * MINUTE_MS, BEGUN_MS + 1, MINUTE_MS)
            equity.add_equity(session, run_id, [(at_ms, 100.0) for at_ms in minutes])
        live.upsert_live_status(session, statuses)
    manager.open()
    manager.select(f"{7:016x}")
    assert len(manager.snapshot().active) == 50
    took, took_at_closes = [], []
    for number in range(1, 31):
        took.append(_time_of_read(manager))
        # All of them have handled a bar: each one's figures and curve are new.
        closed_ms = BEGUN_MS + number * MINUTE_MS
        with store.write() as session:
            live.upsert_live_status(session, [replace(each, last_bar_ms=closed_ms) for each in statuses])
            for each in statuses:
                equity.add_equity(session, each.run_id, [(closed_ms, 100.0 + number)])
        took_at_closes.append(_time_of_read(manager))
    assert manager.snapshot().active[0].day_equity[-1] == 130.0
    store.close()
    manager.close()
    # Processor time and the fastest: a machine that tests has other things to do.
    assert min(took) < 0.005
    assert min(took_at_closes) < 0.020


def _time_of_read(manager: RunManager) -> float:
    begun = time.process_time()
    manager.snapshot()
    return time.process_time() - begun

"""``firstwatch run``: the path from a launch to its trades, and every refusal in a sentence."""

import json
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.store import positions, runs
from firstwatch.store.algorithms import get_version
from firstwatch.store.database import open_store
from firstwatch.store.wallets import get_wallet
from firstwatch.trading.clock import iso
from firstwatch.trading.launch import LaunchSettings, OnDiverged
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author, Exposure, RunState
from tests.candles import START_MS, generated_candles
from tests.engine.host.rig import until
from tests.store.made import NOW_MS, made_run

SYMBOL = "BTC/USDC:USDC"
HOUR_MS = 3_600_000
WARM_UP = 1_000
BARS = 1_600


@pytest.fixture
def market(home, tmp_path):
    """A paper venue that replays generated candles at full speed, from where a run is warm."""
    from firstwatch.market.files import write_candles

    write_candles(tmp_path / "BTCUSDC.csv", generated_candles(3, BARS))
    home.mkdir()
    (home / "config.toml").write_text(
        f"""[venues.replay]
kind = "paper"
feed = "replay"
candles = "{tmp_path / "BTCUSDC.csv"}"
start = "{iso(START_MS + WARM_UP * HOUR_MS)}"
speed = "max"
"""
    )
    return tmp_path / "BTCUSDC.csv"


@pytest.fixture
def ready(firstwatch, market, algorithm):
    """An algorithm with its baseline, and a funded wallet."""
    firstwatch("algorithm", "add", algorithm)
    firstwatch("wallet", "create", "main", "--venue", "replay")
    firstwatch("wallet", "fund", "main", "10000")
    return firstwatch


def launch(firstwatch, *options, capital=5_000, symbol=SYMBOL, name="RSI reversion"):
    return firstwatch(
        "run", "start", name, "--wallet", "main", "--symbol", symbol, "--capital", capital, *options
    )


def test_a_run_makes_the_trades_of_its_backtest(ready, algorithm, market, home):
    answer = launch(ready, "--accept-warnings", "a test", "--on-diverged", "pause_entries", "--wait")
    assert answer.code == 0, answer.err
    run_id = answer.out.strip()
    store = open_store(home, read_only=True)
    with store.read() as session:
        assert runs.get_run(session, run_id).settings.on_diverged is OnDiverged.PAUSE_ENTRIES
    store.close()
    shown = ready("run", "show", run_id, "--json").json
    promised = ready(
        "backtest", algorithm, "--candles", market, "--capital", 5_000,
        "--from", iso(START_MS + WARM_UP * HOUR_MS), "--json",
    ).json  # fmt: skip
    assert shown["state"] == "DONE"
    assert promised["trades"]
    extra = {"expected_entry_price", "expected_exit_price"}
    assert [{k: v for k, v in t.items() if k not in extra} for t in shown["trades"]] == promised["trades"]
    assert all(t[name] is not None for t in shown["trades"] for name in extra)
    assert shown["metrics"]["net_pnl"] == pytest.approx(promised["metrics"]["net_pnl"])
    undefined = {name for name, value in shown["metrics"].items() if value is None}
    assert set(shown["about_metrics"]) == {"net_pnl", "total_return", *undefined}
    assert "closed trades only" in shown["about_metrics"]["net_pnl"]
    assert "open position" in shown["about_metrics"]["total_return"]
    assert {order["state"] for order in shown["orders"]} <= {"FILLED", "CANCELED"}
    assert all(order["history"][0]["state"] == "PENDING_SUBMIT" for order in shown["orders"])
    assert len({order["client_order_id"] for order in shown["orders"]}) == len(shown["orders"])
    assert shown["journal_length"] > len(shown["orders"])
    followed = ready("run", "follow", run_id[:6]).out
    assert followed.count("\n") == shown["journal_length"]


def test_an_explanation_has_one_shape_whatever_was_decided(ready):
    run_id = launch(ready, "--accept-warnings", "a test", "--wait").out.strip()
    shown = ready("run", "show", run_id, "--json").json
    first, last = shown["trades"][0], shown["trades"][-1]
    entered = ready("run", "explain", run_id, "--at", first["entry_time"], "--json").json
    assert set(entered) == {"run", "at", "decision", "conditions", "next"}
    assert (entered["run"], entered["decision"]) == (run_id, f"enter_{first['side']}")
    assert entered["at"] <= first["entry_time"]
    for condition in entered["conditions"]:
        assert set(condition) == {"group", "condition", "left", "right", "value"}
    (condition,) = entered["conditions"]
    assert condition["group"] == "entry.long.required"
    assert condition["condition"] == "rsi(14) < 30"
    assert condition["left"] < condition["right"] == 30
    assert condition["value"] is True
    assert {each["side"] for each in entered["next"]} == {"long"}
    assert all(set(each) == {"side", "condition", "left", "right"} for each in entered["next"])
    assert "price <= stop" in {each["condition"] for each in entered["next"]}
    left = ready("run", "explain", run_id[:8], "--json").json
    assert (left["decision"], left["next"]) == ("exit", [])
    assert left["at"] <= last["exit_time"]
    assert shown["why"] == {key: value for key, value in left.items() if key != "run"}
    before = ready("run", "explain", run_id, "--at", "2000-01-01", "--json").json
    assert before == {
        "run": run_id, "at": "2000-01-01T00:00:00Z", "decision": "none", "conditions": [], "next": []
    }  # fmt: skip
    text = ready("run", "explain", run_id, "--at", first["entry_time"]).out
    assert text.startswith("last     ")
    assert "rsi(14) " in text
    assert "is below 30" in text
    assert "next     stop " in text
    assert "nothing was decided" in ready("run", "explain", run_id, "--at", "2000-01-01").out
    assert "last     " in ready("run", "show", run_id).out
    wrong = ready("run", "explain", run_id, "--at", "yesterday")
    assert wrong.code == 2
    assert '"yesterday" is not a time' in wrong.err
    assert ready("run", "explain", "nothing").code == 2


@pytest.mark.parametrize(
    ("options", "more", "said"),
    [
        ((), {"capital": 20_000}, "10,000"),
        ((), {"symbol": "DOGE/USDC:USDC"}, "DOGE/USDC:USDC"),
        (("--leverage", "40"), {}, "liquidation"),
        (("--leverage", "60"), {}, "leverage"),
        ((), {"capital": "1"}, "the least is 10"),
        ((), {}, "no backtest"),
    ],
)
def test_a_launch_that_a_check_refuses_is_exit_3_with_a_sentence(ready, options, more, said):
    reason = () if said == "no backtest" else ("--accept-warnings", "a test")
    answer = launch(ready, *options, *reason, "--wait", **more)
    assert answer.code == 3
    assert said.replace(",", "") in answer.err.replace(",", "")
    assert ready("run", "list", "--json").json == []


def test_a_version_that_the_wallet_or_the_name_lacks_is_wrong_use(ready):
    assert launch(ready, name="RSI reversion@7").code == 2
    assert launch(ready, "--session", "none.toml").code == 2
    assert launch(ready, "--wait", "--detach").code == 2


def test_followed_entries_say_who_wrote_them_and_who_approved(home, firstwatch):
    store = open_store(home)
    with store.write() as session:
        run_id = made_run(session).id
        for state, author in ((RunState.RUNNING, Author.SYSTEM), (RunState.STOPPING, Author.AGENT_APPROVED)):
            runs.transition(session, run_id, state, "", author=author, local_time_ms=NOW_MS)
        runs.transition(session, run_id, RunState.STOPPED, "", author=Author.AGENT, local_time_ms=NOW_MS)
    store.close()
    found = [json.loads(line) for line in firstwatch("run", "follow", run_id, "--json").out.splitlines()]
    assert [(each["author"], each["approved_by"]) for each in found] == [
        ("operator", None), ("system", None), ("agent", "operator"), ("agent", None),
    ]  # fmt: skip
    assert list(found[2]) == [
        "sequence", "time", "venue_time", "author", "kind", "old", "new", "why", "stop_mode", "approved_by",
    ]  # fmt: skip


def test_a_detached_engine_takes_commands_and_is_stopped(ready, home):
    config = home / "config.toml"
    config.write_text(config.read_text().replace('"max"', "3600"))
    try:
        started = launch(ready, "--accept-warnings", "a test", "--detach")
        assert started.code == 0, started.err
        run_id = started.out.strip()
        again = launch(ready, "--accept-warnings", "a test")
        assert again.code == 3
        assert run_id in again.err
        assert ready("status", "--json").json["active_runs"] == 1
        assert ready("run", "pause", run_id).code == 0
        assert ready("run", "show", run_id, "--json").json["paused"] is True
        assert ready("run", "resume", run_id).code == 0
        assert ready("run", "stop", run_id, "--mode", "close").code == 0
        assert "STOPPED" in ready("run", "follow", run_id).out
        assert ready("run", "show", run_id, "--json").json["state"] == "STOPPED"
        assert ready("run", "stop", run_id).code == 3
    finally:
        assert ready("engine", "stop").code == 0
    assert ready("status", "--json").json["engine"] == "none"


def test_leaving_a_position_unprotected_wants_the_runs_name(ready, home):
    run_id, store = "ab" * 8, open_store(home)
    with store.write() as session:
        settings = LaunchSettings(
            algorithm="RSI reversion", version=1, wallet="main", symbol=SYMBOL, capital=100
        )
        run = runs.create_run(
            session,
            run_id,
            wallet_id=get_wallet(session, "main").id,
            version_id=get_version(session, "RSI reversion", 1).id,
            settings=settings,
            market=DEFAULT_MARKET,
            author=Author.OPERATOR,
            now_ms=1,
        )
        runs.update_side_facts(session, run_id, replace(run.facts, exposure=Exposure.EXPOSED))
    store.close()
    stop = ("run", "stop", run_id, "--mode", "leave_unprotected")
    for words in (stop, (*stop, "--confirm", "another")):
        refused = ready(*words)
        assert refused.code == 3
        assert f"--confirm {settings.name!r}" in refused.err
    assert "No engine is running to accept commands" in ready(*stop, "--confirm", settings.name).err


def test_a_shown_run_says_where_its_stop_rests_and_where_it_is_wanted(ready, home):
    run_id, store = "cd" * 8, open_store(home)
    with store.write() as session:
        settings = LaunchSettings(
            algorithm="RSI reversion", version=1, wallet="main", symbol=SYMBOL, capital=100
        )
        runs.create_run(
            session,
            run_id,
            wallet_id=get_wallet(session, "main").id,
            version_id=get_version(session, "RSI reversion", 1).id,
            settings=settings,
            market=DEFAULT_MARKET,
            author=Author.OPERATOR,
            now_ms=1,
        )
        held = positions.RunPosition(run_id, SYMBOL, Side.LONG, Decimal(1), 1, entry_price=Decimal(3000))
        held = replace(held, stop=Decimal("2951.8"), stop_wanted=Decimal("3092.9"))
        positions.set_position(session, replace(held, target_wanted=Decimal(3300)))
    store.close()
    shown = ready("run", "show", run_id, "--json").json["position"]
    levels = [shown[name] for name in ("stop", "stop_wanted", "target", "target_wanted")]
    assert [None if level is None else float(level) for level in levels] == [2951.8, 3092.9, None, 3300]
    said = ready("run", "show", run_id).out
    assert "stop 2951.8 (wanted 3092.9), target none (wanted 3300)" in said


@pytest.mark.parametrize("state", ["NEW", "RUNNING"])
def test_a_waiting_launch_lets_go_on_sigterm_and_the_next_engine_continues_the_run(ready, home, state):
    config = home / "config.toml"
    at_full_speed = config.read_text()
    config.write_text(at_full_speed.replace('"max"', "3600"))
    words = ["run", "start", "RSI reversion", "--wallet", "main", "--symbol", SYMBOL, "--capital", "5000"]
    limits = ["--trades-limit", "1", "--accept-warnings", "a test", "--wait"]
    process = subprocess.Popen(
        [sys.executable, "-m", "firstwatch", *words, *limits],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    run_id = process.stdout.readline().strip()

    def shown() -> str:
        return ready("run", "show", run_id, "--json").json["state"]

    if state == "RUNNING":
        until(lambda: shown() == state or None, "a bar", 60)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert "the next engine continues it" in err
    assert process.returncode == 0
    assert shown() in ("NEW", "RUNNING")
    config.write_text(at_full_speed)
    engine = subprocess.Popen([sys.executable, "-m", "firstwatch", "engine"], stderr=subprocess.DEVNULL)
    try:
        assert "DONE" in ready("run", "follow", run_id).out
    finally:
        engine.terminate()
        assert engine.wait(60) == 0


def test_a_command_that_nobody_picked_up_in_time_is_refused(ready, home):
    started = launch(ready, "--accept-warnings", "a test", "--wait", "--trades-limit", "1")
    run_id = started.out.strip()
    with sqlite3.connect(home / "firstwatch.db") as database:
        database.execute(
            "insert into command (kind, payload, author, run_id, created_at_ms, expires_at_ms, outcome,"
            " sentence) values ('pause_entries', ?, 'operator', ?, 0, 1, 'PENDING', '')",
            (json.dumps({"kind": "pause_entries", "run_id": run_id}), run_id),
        )
    launch(ready, "--accept-warnings", "a test", "--wait", "--trades-limit", "1")
    with sqlite3.connect(home / "firstwatch.db") as database:
        outcome, sentence = database.execute(
            "select outcome, sentence from command where kind = 'pause_entries'"
        ).fetchone()
    assert outcome == "EXPIRED"
    assert sentence

"""The request budget: what requests cost, who goes first, and how much a minute holds at most."""

import asyncio
import fcntl
import multiprocessing
import struct
import time

import pytest

from firstwatch.trading.errors import VenueError
from firstwatch.venues.hyperliquid import budget as budget_module
from firstwatch.venues.hyperliquid import shared
from firstwatch.venues.hyperliquid.budget import (
    BURST,
    RATE_PER_MINUTE,
    Bucket,
    Budget,
    Priority,
    take_turn,
    weight_of,
    weight_of_answer,
)
from firstwatch.venues.hyperliquid.shared import SharedNumbers
from tests.venues.hyperliquid.quick import run

URL = "https://api.example"


def candles(minutes):
    req = {"coin": "BTC", "interval": "1m", "startTime": 0, "endTime": minutes * 60_000 - 1}
    return {"type": "candleSnapshot", "req": req}


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("info", {"type": "clearinghouseState"}, 2),
        ("info", {"type": "orderStatus"}, 2),
        ("info", {"type": "userRole"}, 60),
        ("info", {"type": "frontendOpenOrders"}, 20),
        ("info", candles(1), 20),
        ("info", candles(600), 30),
        ("info", candles(1_000_000), 103),
        ("exchange", {"action": {"type": "noop"}}, 1),
        ("exchange", {"action": {"type": "order", "orders": [{}] * 80}}, 3),
    ],
)
def test_what_a_request_costs(path, params, weight):
    assert weight_of(path, params) == weight


def test_candles_that_are_not_there_are_given_back():
    assert weight_of_answer("info", candles(5_000), [{}] * 600) == 30 - 103
    assert weight_of_answer("info", {"type": "userFillsByTime"}, [{}] * 100) == 5


@pytest.mark.parametrize("sessions", [1, 3])
def test_no_minute_holds_more_than_the_venue_allows(sessions):
    async def spend():
        budgets = [Budget(api_url=URL) for _ in range(sessions)]
        times = []

        async def one(budget):
            await budget.take(20, Priority.ACCOUNT)
            times.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(one(budget) for _ in range(150 // sessions) for budget in budgets))
        for budget in budgets:
            budget.close()
        return times

    times = run(spend())
    most = max(sum(20 for other in times if start <= other < start + 60) for start in times)
    assert most <= BURST + RATE_PER_MINUTE + 20 < 1200


def test_orders_overtake_and_never_wait_for_reading():
    async def spend():
        budget = Budget()
        done = []

        async def one(name, weight, priority):
            await budget.take(weight, priority)
            done.append(name)

        reading = [asyncio.create_task(one("history", 20, Priority.HISTORY)) for _ in range(30)]
        reading += [asyncio.create_task(one("account", 20, Priority.ACCOUNT)) for _ in range(10)]
        await asyncio.sleep(0)
        before_s = asyncio.get_running_loop().time()
        await asyncio.gather(*(one("order", 1, Priority.ORDER) for _ in range(40)))
        at_once_s = asyncio.get_running_loop().time() - before_s
        await asyncio.gather(*reading)
        return done, at_once_s

    done, at_once_s = run(spend())
    assert at_once_s < 0.1
    waited = [name for name in done[done.index("order") :] if name != "order"]
    assert waited == sorted(waited), waited


def test_fifty_entries_and_their_stops_wait_for_no_reading():
    runs, reading = 50, 22

    async def spend():
        budget = Budget()
        budget.keep_for(runs)
        await budget.take(120, Priority.ORDER)
        # Others have read all the while: what they left is what orders find.
        await asyncio.sleep(120 / (RATE_PER_MINUTE / 60))
        begun_s = asyncio.get_running_loop().time()
        ordered_s, looked_s, read_s = [], [], []

        async def take(weight, priority, into):
            await budget.take(weight, priority)
            into.append(asyncio.get_running_loop().time() - begun_s)

        async def run_one():
            await take(1, Priority.ORDER, ordered_s)
            await asyncio.gather(
                take(reading, Priority.FILL, read_s),
                take(1, Priority.ORDER, ordered_s),
                take(2, Priority.ACCOUNT, looked_s),
            )

        await asyncio.gather(*(run_one() for _ in range(runs)))
        return ordered_s, looked_s, read_s

    ordered_s, looked_s, read_s = run(spend())
    assert len(ordered_s) == 2 * runs
    assert max(ordered_s) < 0.1
    # Dear reading keeps no cheap one waiting, and ends as soon as the refilling gives all that was asked for.
    assert max(looked_s) < 15
    assert max(read_s) < (runs * (1 + 1 + 2 + reading) + 40) / (RATE_PER_MINUTE / 60)


async def order_waits_s(budget):
    before_s = asyncio.get_running_loop().time()
    await budget.take(1, Priority.ORDER)
    return asyncio.get_running_loop().time() - before_s


def test_long_histories_make_no_order_wait():
    async def spend():
        budget, waits_s = Budget(), []

        async def history():
            await budget.take(weight_of("info", candles(5_000)), Priority.HISTORY)
            await asyncio.sleep(0.1)
            budget.charge(weight_of_answer("info", candles(5_000), [{}] * 5_000))

        histories = asyncio.gather(*(history() for _ in range(6)))
        while not histories.done():
            waits_s.append(await order_waits_s(budget))
            await asyncio.sleep(0.5)
        return waits_s

    assert max(run(spend())) < 0.01


def test_rows_that_nobody_knew_of_make_no_order_wait_and_reading_waits_for_them():
    async def spend():
        budget = Budget()
        await budget.take(20, Priority.FILL)
        budget.charge(100)
        at_once = [await order_waits_s(budget) for _ in range(30)]
        begun_s = asyncio.get_running_loop().time()
        await budget.take(2, Priority.ACCOUNT)
        return max(at_once), asyncio.get_running_loop().time() - begun_s

    waited_s, read_s = run(spend())
    assert waited_s < 0.01
    assert read_s == pytest.approx((20 + 100 - 120 + 30 + 2 + 40) / (RATE_PER_MINUTE / 60), abs=0.05)


def test_who_waits_is_let_go_when_less_was_spent_than_was_taken():
    async def spend():
        budget = Budget()
        await budget.take(60, Priority.ORDER)
        waiting = asyncio.ensure_future(budget.take(60, Priority.ACCOUNT))
        await asyncio.sleep(0)
        budget.charge(-60)
        await asyncio.sleep(0)
        return waiting.done()

    assert run(spend())


def test_the_most_careful_session_of_a_host_says_how_much_is_asked():
    async def spend():
        slow, fast = Budget(api_url=URL, rate_per_minute=60), Budget(api_url=URL, rate_per_minute=6_000)
        other = Budget(api_url="https://api.other")
        slow.charge(20)
        await fast.take(30, Priority.ORDER)
        wait_s = fast.wait_s(80)
        left = [slow.left, other.left]
        slow.close()
        faster_s = fast.wait_s(80)
        for budget in (fast, other):
            budget.close()
        return left, wait_s, faster_s

    (left, other_left), wait_s, faster_s = run(spend())
    assert (left, other_left) == (pytest.approx(70, abs=1), 120)
    assert wait_s == pytest.approx(50, abs=1)
    assert faster_s == pytest.approx(0.5, abs=0.1)


def test_a_refusal_for_the_rate_stops_everything_for_a_while():
    async def spend():
        budget = Budget()
        budget.drain()
        before_s = asyncio.get_running_loop().time()
        await budget.take(19, Priority.ORDER)
        return asyncio.get_running_loop().time() - before_s

    assert run(spend()) == pytest.approx(19 / (RATE_PER_MINUTE / 60), abs=0.05)


# --- shared by processes -------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cache" / "requests"


def bucket(file, **more):
    """Return a bucket as another process would have it."""
    return Bucket(shared=SharedNumbers(file, 5), **more)


def test_what_one_process_spends_the_others_have_not(file):
    one, other = bucket(file), bucket(file)
    assert one.take(50, Priority.ORDER, 100.0) == 0
    assert other.left(100.0) == 70
    other.charge(20, 101.0)
    assert one.left(101.0) == pytest.approx(50 + RATE_PER_MINUTE / 60)
    one.drain(101.0)
    assert other.left(101.0) == 0
    # A process that begins takes what is there, and no burst of its own.
    assert bucket(file).left(102.0) == pytest.approx(RATE_PER_MINUTE / 60)


def test_what_the_runs_of_one_process_may_need_the_reading_of_others_leaves(file):
    engine, command = bucket(file), bucket(file)
    budget = Budget()
    budget.keep_for(50)
    engine.users.add(budget)
    assert engine.left(100.0) == 120
    assert command.take(20, Priority.WATCH, 120.0) == 0
    assert command.take(60, Priority.WATCH, 120.0) > 0
    assert command.take(60, Priority.WATCH, 121.0 + 60) == 0  # nothing was heard of the engine for a minute


def test_a_file_that_another_process_holds_and_never_lets_go_makes_nobody_wait(file):
    one, other = bucket(file), bucket(file)
    one.take(10, Priority.ORDER, 100.0)
    with file.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert one.take(30, Priority.ORDER, 100.0) == 0
        assert one.left(100.0) == 80
    assert one.left(100.0) == 80
    assert other.left(100.0) == 80


@pytest.mark.parametrize("content", [b"", b"x" * 7, b"\xff" * 40, struct.pack("<5d", 1, 0, 1e9, 0, 0)])
def test_a_file_that_says_nothing_of_use_is_begun_anew(file, content):
    file.parent.mkdir()
    file.write_bytes(content)
    assert bucket(file).left(100.0) == 120
    assert bucket(file).take(100, Priority.ORDER, 100.0) == 0
    assert bucket(file).left(100.0) == 20


def test_a_file_that_cannot_be_had_or_was_removed_stops_nothing(file, tmp_path):
    one = bucket(file)
    one.take(20, Priority.ORDER, 100.0)
    file.unlink()
    assert one.left(100.0) == 100
    assert bucket(file).left(100.0) == 100
    (tmp_path / "a file").write_text("")
    alone = bucket(tmp_path / "a file" / "requests")
    assert alone.take(20, Priority.ORDER, 100.0) == 0
    assert alone.left(100.0) == 100


def spend_for(file, seconds, spent):
    # On a busy machine a process that is put to sleep with the lock would let the others go on alone.
    shared._LONGEST_S = 30.0
    own, until_s, total = bucket(file), time.monotonic() + seconds, 0
    while time.monotonic() < until_s:
        total += 2 if own.take(2, Priority.ORDER, time.monotonic()) == 0 else 0
    spent.put(total)


def test_four_processes_spend_no_more_than_one(file):
    began_s, spawn = time.monotonic(), multiprocessing.get_context("spawn")
    spent = spawn.Queue()
    processes = [spawn.Process(target=spend_for, args=(file, 0.5, spent)) for _ in range(4)]
    for process in processes:
        process.start()
    totals = [spent.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(totals) <= 120 + (time.monotonic() - began_s) * RATE_PER_MINUTE / 60
    assert sum(totals) >= 118


def test_a_command_waits_for_its_turn_and_says_when_that_takes_too_long(monkeypatch):
    url = "http://venue.one-turn"
    take_turn(url, 60, Priority.ORDER, rate_per_minute=60)
    now_s, waits_s = [time.monotonic()], []

    def sleep(seconds):
        waits_s.append(seconds)
        now_s[0] += seconds

    monkeypatch.setattr(budget_module.time, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(budget_module.time, "sleep", sleep)
    take_turn(url, 90, Priority.ORDER, rate_per_minute=60)
    assert sum(waits_s) == pytest.approx(30, abs=1)
    with pytest.raises(VenueError, match=r"venue\.one-turn .* try again in a minute"):
        take_turn(url, 100, Priority.ORDER, rate_per_minute=60)

"""The request budget: what requests cost, who goes first, and how much a minute holds at most."""

import asyncio

import pytest

from firstwatch.venues.hyperliquid.budget import BURST, RATE_PER_MINUTE, Budget, Priority, weight_of


class QuickLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self._jumped_s = 0.0

    def time(self) -> float:
        return super().time() + self._jumped_s

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._jumped_s += max(0.0, self._scheduled[0].when() - self.time())
        super()._run_once()


def run(coroutine):
    loop = QuickLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        ("info", {"type": "clearinghouseState"}, 2),
        ("info", {"type": "orderStatus"}, 2),
        ("info", {"type": "userRole"}, 60),
        ("info", {"type": "frontendOpenOrders"}, 20),
        ("exchange", {"action": {"type": "noop"}}, 1),
        ("exchange", {"action": {"type": "order", "orders": [{}] * 80}}, 3),
    ],
)
def test_what_a_request_costs(path, params, weight):
    assert weight_of(path, params) == weight


def test_no_minute_holds_more_than_the_venue_allows():
    async def spend():
        budget = Budget()
        times = []

        async def one():
            await budget.take(20, Priority.ACCOUNT)
            times.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(one() for _ in range(150)))
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


def test_a_refusal_for_the_rate_stops_everything_for_a_while():
    async def spend():
        budget = Budget()
        budget.drain()
        before_s = asyncio.get_running_loop().time()
        await budget.take(19, Priority.ORDER)
        return asyncio.get_running_loop().time() - before_s

    assert run(spend()) == pytest.approx(19 / (RATE_PER_MINUTE / 60), abs=0.05)

"""A reader that stalls: ``python -m tests.pty.stalled --seconds 60``.

The real screen on a pseudo-terminal holds the engine, and a run on the paper venue trades on bars that
come at a steady pace. For as long as the command line says nobody reads the terminal, and for half as long
before it and half as long after it somebody does; keys go on arriving all the time. How long each bar's
orders took is read from the store afterwards: from the moment when the bar was due (the promptest row of an
order tells it) to the order's acknowledgement, and from the order's row to
its acknowledgement. The stall must change neither. ``measure`` does the same with the engine in a process of
its own, and with a terminal that hangs up instead.
"""

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from firstwatch.engine.lock import holder_of
from firstwatch.store import fills, orders
from firstwatch.store.database import Store, open_store
from firstwatch.trading.orders import OrderPurpose, OrderState
from tests.engine.host import rig
from tests.pty.terminal import Terminal, cpu_seconds

BARS_A_SECOND = 4
SPEED = 3_600 * BARS_A_SECOND
WARM_UP_BARS = 1_100
SPARE_BARS = 600
"""For starting, for filling the terminal's buffer and for a slow machine."""
_KEYS = b"]1]4]2]3"
_KEY_EVERY_S = 0.5
_FEED_STARTS_ANEW_MS = 200
"""A replay that is held up for longer, 250 ms, sets its pace anew: all later bars come later by that time."""
_STAYS_BARS = 3
"""After so many bars a feed that is late is taken for one with another pace, and not for a slow engine."""
_AT_MARKET = (OrderPurpose.ENTRY, OrderPurpose.EXIT)
BUSY_TOML = """
name = "Active"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["close > open"]
[entry.short]
required = ["close <= open"]
[exit.long]
required = ["close <= open"]
[exit.short]
required = ["close > open"]
[stop_loss]
fraction = 0.02
trailing = true
[sizing]
fixed = 500
"""


@dataclass(frozen=True, slots=True)
class Times:
    """How many milliseconds orders took; one entry for each market order."""

    from_bar_ms: tuple[float, ...]
    from_row_ms: tuple[float, ...]

    @property
    def late_ms(self) -> float:
        """The 99th percentile of the time from the bar."""
        return statistics.quantiles(self.from_bar_ms, n=100)[-1]

    def __str__(self) -> str:
        return (
            f"{len(self.from_bar_ms):5d} orders; bar to acknowledgement {_spread(self.from_bar_ms)}; "
            f"row to acknowledgement {_spread(self.from_row_ms)}"
        )


@dataclass(frozen=True, slots=True)
class Report:
    """The same measured while somebody read the terminal and while nobody did."""

    read: Times
    stalled: Times
    read_cores: float
    """Processor time of the program by time that passed."""
    stalled_cores: float

    def __str__(self) -> str:
        return (
            f"read:    {self.read}; {self.read_cores:.2f} cores\n"
            f"stalled: {self.stalled}; {self.stalled_cores:.2f} cores"
        )


@dataclass(frozen=True, slots=True)
class Sent:
    bar_ms: int
    written_ms: int
    acknowledged_ms: int


@dataclass(frozen=True, slots=True)
class Span:
    begun_ms: int
    ended_ms: int
    cpu_s: float


def measure(home: Path, seconds: float, *, has_own_engine: bool = True, is_hung_up: bool = False) -> Report:
    """Watch a run for ``seconds`` without a reader, and for half as long with one before and after.

    ``has_own_engine``: the screen's process holds the engine. ``is_hung_up``: the terminal is gone, for good.

    Raises:
        AssertionError: the stall was none, or the screen did not come back after it.
    """
    bars = WARM_UP_BARS + SPARE_BARS + round(2 * seconds * BARS_A_SECOND)
    rig.make_folder(home, bars=bars, toml=BUSY_TOML, speed=SPEED)
    store = open_store(home)
    with nullcontext() if has_own_engine else engine_elsewhere(home):
        on = Terminal(home, size=(200, 60))
        try:
            on.read_until("embedded" if has_own_engine else "attached")
            rig.start_run(store, rig.RUN)
            on.read_until("RUNNING")
            read = [_watch(on, seconds / 2, is_read=True)]
            if is_hung_up:
                on.hang_up()
            else:
                press_until_full(on)
            during = _watch(on, seconds, is_read=False)
            if not is_hung_up:
                assert on.is_full(), "somebody has read the terminal"
                on.read_until("firstwatch", since=len(on.seen))
                read.append(_watch(on, seconds / 2, is_read=True))
            assert rig.run_of(store, rig.RUN).state.is_active, "the candles ended too early"
            sent = orders_sent(store)
        finally:
            on.end()
            store.close()
    late_ms = lateness_ms(sent)
    return Report(
        times_in(sent, late_ms, *read),
        times_in(sent, late_ms, during),
        read_cores=sum(each.cpu_s for each in read)
        / sum(each.ended_ms - each.begun_ms for each in read)
        * 1000,
        stalled_cores=during.cpu_s / seconds,
    )


@contextmanager
def engine_elsewhere(home: Path, **environment: str) -> Iterator[int]:
    """An engine in a process of its own; gives its pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from firstwatch.cli import main; main()", "engine"],
        env={**os.environ, "FIRSTWATCH_HOME": str(home), **environment},
        stdout=subprocess.DEVNULL,
    )
    try:
        rig.until(lambda: _has_engine(home, process.pid) or None, "the engine")
        yield process.pid
    finally:
        process.terminate()
        process.wait(rig.LIMIT_S)


def _has_engine(home: Path, pid: int) -> bool:
    holder = holder_of(home)
    return holder is not None and holder.pid == pid


def _watch(on: Terminal, seconds: float, *, is_read: bool) -> Span:
    """Press keys for a while, and read what the program writes or do not."""
    begun_ms, used_s = now_ms(), _used_s(on)
    deadline_s = time.monotonic() + seconds
    number = 0
    while time.monotonic() < deadline_s:
        if on.reader >= 0:
            on.send(_KEYS[number % len(_KEYS) :][:1])
        number += 1
        key_s = time.monotonic() + _KEY_EVERY_S
        while (left_s := key_s - time.monotonic()) > 0:
            if is_read:
                on.read(left_s)
            else:
                time.sleep(left_s)
    return Span(begun_ms, now_ms(), max(0.0, _used_s(on) - used_s))


def _used_s(on: Terminal) -> float:
    """Return the processor time of the program; one that has ended uses no more."""
    return cpu_seconds(on.pid) if on.process.poll() is None else 0.0


def press_until_full(on: Terminal) -> None:
    """Let the program write until the terminal has no room."""
    deadline_s, number = time.monotonic() + rig.LIMIT_S, 0
    while not on.is_full():
        assert time.monotonic() < deadline_s, "the terminal's buffer never fills"
        on.send(_KEYS[number % len(_KEYS) :][:1])
        number += 1
        time.sleep(_KEY_EVERY_S / 10)


def orders_sent(store: Store, run_id: str = rig.RUN) -> list[Sent]:
    """Return the market orders of a run that were filled, with the bar at whose open they were."""
    with store.read() as session:
        stored = orders.orders_of(session, run_id)
        bar_ms = {each.fill.client_order_id: each.fill.time_ms for each in fills.fills_of(session, run_id)}
    found = []
    for order in stored:
        moves = {move.state: move.time_ms for move in reversed(order.history)}
        acknowledged_ms = moves.get(OrderState.ACCEPTED, moves.get(OrderState.FILLED))
        if order.intent.purpose in _AT_MARKET and order.client_order_id in bar_ms and acknowledged_ms:
            bar = bar_ms[order.client_order_id]
            found.append(Sent(bar, moves[OrderState.PENDING_SUBMIT], acknowledged_ms))
    return sorted(found, key=lambda order: (order.bar_ms, order.written_ms))


def lateness_ms(sent: Sequence[Sent], speed: float = SPEED) -> list[float]:
    """Return how long after its bar was due each order was acknowledged; the orders are of one feed.

    When bars were due is told by the promptest row of an order. A feed that was held up sets its pace anew,
    for good: from then on the promptest row of the time after it tells.
    """
    begun: dict[int, float] = {}
    for order in sent:
        row = order.written_ms - order.bar_ms / speed
        begun[order.bar_ms] = min(row, begun.get(order.bar_ms, row))
    bars = sorted(begun)
    rows = [begun[bar] for bar in bars]
    due: dict[int, float] = {}
    for first, end in pairwise((*_paces(rows), len(rows))):
        due |= dict.fromkeys(bars[first:end], min(rows[first:end]))
    return [order.acknowledged_ms - order.bar_ms / speed - due[order.bar_ms] for order in sent]


def _paces(rows: Sequence[float]) -> list[int]:
    """Return the places from which on a feed has another pace."""
    found, prompt = [0], math.inf
    for place, row in enumerate(rows):
        if min(rows[place : place + _STAYS_BARS]) > prompt + _FEED_STARTS_ANEW_MS:
            found.append(place)
            prompt = math.inf
        prompt = min(prompt, row)
    return found


def times_in(sent: list[Sent], late_ms: list[float], *spans: Span) -> Times:
    chosen = [
        (late, order.acknowledged_ms - order.written_ms)
        for order, late in zip(sent, late_ms, strict=True)
        if any(span.begun_ms <= order.acknowledged_ms < span.ended_ms for span in spans)
    ]
    return Times(tuple(late for late, _ in chosen), tuple(took for _, took in chosen))


def _spread(values: tuple[float, ...]) -> str:
    ordered = sorted(values)
    late = ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
    return f"median {statistics.median(ordered):.0f}, 95 % {late:.0f}, worst {ordered[-1]:.0f} ms"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> int:
    """Measure for as long as the command line says; print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="firstwatch-stalled-"))
    sys.stdout.write(f"{measure(folder / 'home', arguments.seconds)}\n")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

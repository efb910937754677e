"""How soon the chart follows a text, and what an engine feels of it: ``python -m tests.benchmarks.build``.

Twenty runs trade on the paper venue in an engine of its own process, each at every bar. Beside it the real
screen stands on a pseudo-terminal in Build mode, and a number in the text is changed by keys. Printed is how
long it took from each key until the editor showed it and until the backtest of the new text over 10,000 bars
stood above the chart, and how long orders took after their bar; at the 99th percentile they may take 5 ms
longer than in the quiet times between. The two take turns, since machines have slow and fast minutes.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from firstwatch.backtest.compiling import COMPILER
from firstwatch.manager.preview import MOST_BARS
from firstwatch.manager.test_views import TestSetup
from firstwatch.market.files import write_candles
from firstwatch.store.database import open_store
from firstwatch.store.drafts import save_draft
from firstwatch.trading.timeframe import Timeframe
from tests.benchmarks.budgets import Screen, run_id, screen
from tests.candles import generated_candles
from tests.engine.host import rig
from tests.pty.sight import Sight
from tests.pty.stalled import (
    BUSY_TOML,
    SPARE_BARS,
    WARM_UP_BARS,
    Span,
    engine_elsewhere,
    lateness_ms,
    now_ms,
    orders_sent,
    times_in,
)

RUNS = 20
MOST_PAINT_MS = 40.0
MOST_MS = 150.0
MOST_WORSE_MS = 5.0
_SIZE = (200, 60)
_BARS_A_SECOND = 1.0
_SPEED = int(3_600 * _BARS_A_SECOND)
_TURNS = 10
_PAUSE_S = 0.35
"""Of one who types."""
_FIRST = 20
"""Keys that are not counted: the process of previews loads what it needs."""
_TEXT = """name = "Edited"
direction = "both"
timeframe = "1h"
[entry.long]
required = ["close > ema(200)@4h", "25 > rsi(7)"]
optional = ["macd(12, 26, 9).macdhist > 0", "adx(14) > 25", "close crosses above bbands(20, 2, 2).lowerband"]
[entry.short]
required = ["rsi(9) > 70"]
[exit.long]
required = ["rsi(9) > 60"]
[exit.short]
required = ["rsi(9) < 40"]
[stop_loss]
atr = 2.0
period = 14
trailing = true
[take_profit]
fraction = 0.03
[sizing]
risk = 0.01
"""
_DOWN, _LEFT, _END, _BACKSPACE = b"\x1b[B", b"\x1b[D", b"\x1b[F", b"\x7f"
_TO_THE_PERIOD = _DOWN * 4 + _END + _LEFT * 3
_EDITED = re.compile(r"25 > rsi\(\d*\)")
_SUMMARY = re.compile(rf"[\d,]+ trades?, return \S+%, drawdown \S+% in {MOST_BARS:,} bars")


def main() -> int:
    """Measure, print, and return 1 where it is more than allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        paint_ms, chart_ms, worse_ms = measure(Path(folder) / "home", seconds)
    return int(paint_ms > MOST_PAINT_MS or chart_ms > MOST_MS or worse_ms > MOST_WORSE_MS)


def measure(home: Path, seconds: float) -> tuple[float, float, float]:
    """Return the 95th percentiles from key to text and to chart, and how much later orders are at the 99th.

    All in milliseconds.
    """
    _make_folder(home, seconds)
    COMPILER.load()
    store = open_store(home)
    names = {run_id(number): f"w{number}" for number in range(1, RUNS + 1)}
    with engine_elsewhere(home):
        for each, wallet in names.items():
            rig.start_run(store, each, rig.launch(wallet))
        with screen(home, is_embedded=False, size=_SIZE) as on:
            typist = _Typist(on)
            typist.type_for(0.0)
            spans: dict[str, list[Span]] = {"quiet": [], "typing": []}
            for _ in range(_TURNS):
                spans["quiet"].append(_span(lambda: on.watch(seconds / _TURNS)))
                spans["typing"].append(_span(lambda: typist.type_for(seconds / _TURNS)))
        assert all(rig.run_of(store, each).state.is_active for each in names), "the candles ended too early"
        sent = [order for each in names for order in orders_sent(store, each)]
    store.close()
    late = lateness_ms(sent, _SPEED)
    found = {name: times_in(sent, late, *each) for name, each in spans.items()}
    for name, times in found.items():
        sys.stdout.write(f"{name:7} {times}\n")
    worse_ms = found["typing"].late_ms - found["quiet"].late_ms
    paint_ms = _late_ms("text", typist.paint_ms[_FIRST:])
    chart_ms = _late_ms(f"chart of {MOST_BARS:,} bars", typist.chart_ms[_FIRST:])
    sys.stdout.write(f"orders at the 99th percentile {worse_ms:+.1f} ms\n")
    return paint_ms, chart_ms, worse_ms


def _late_ms(what: str, took_ms: Sequence[float]) -> float:
    """Return the 95th percentile, and print it with others."""
    took = sorted(took_ms)
    late_ms = took[min(len(took) - 1, len(took) * 95 // 100)]
    sys.stdout.write(
        f"{len(took)} keys to the {what}: median {statistics.median(took):.0f}, 95 % {late_ms:.0f}, "
        f"worst {took[-1]:.0f} ms\n"
    )
    return late_ms


def _make_folder(home: Path, seconds: float) -> None:
    bars = WARM_UP_BARS + SPARE_BARS + round(3 * seconds * _BARS_A_SECOND)
    wallets = tuple(f"w{number}" for number in range(1, RUNS + 1))
    rig.make_folder(home, bars=bars, toml=BUSY_TOML, speed=_SPEED, wallet_names=wallets)
    file = home / "edited_BTCUSDC_1h.csv"
    write_candles(file, generated_candles(5, MOST_BARS + 6_000, timeframe=Timeframe.H1))
    setup = TestSetup(venue="paper", symbol=rig.SYMBOL, candles=str(file), period="all")
    store = open_store(home)
    with store.write() as session:
        save_draft(
            session,
            "draft of Edited",
            base_version_id=None,
            text=_TEXT,
            setup_json=json.dumps(asdict(setup)),
            now_ms=now_ms(),
        )
    store.close()


def _span(work: Callable[[], None]) -> Span:
    begun_ms = now_ms()
    work()
    return Span(begun_ms, now_ms(), 0.0)


class _Typist:
    """Changes a period in the text, and waits for the picture after each key."""

    def __init__(self, on: Screen) -> None:
        self._on = on
        self.paint_ms: list[float] = []
        self.chart_ms: list[float] = []
        on.send(b"0b")
        on.until(lambda sight: bool(_summary(sight)), "the first picture")
        on.send(b"i")
        on.watch(1.0)
        on.send(_TO_THE_PERIOD)
        on.watch(1.0)

    def type_for(self, seconds: float) -> None:
        """Type for so long, and the first keys in any case."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s or len(self.chart_ms) < _FIRST:
            number = len(self.chart_ms)
            key = _BACKSPACE if number % 2 else b"%d" % (number // 2 % 10)
            text, summary = _edited(self._on.sight), _summary(self._on.sight)
            begun_s = time.perf_counter()
            self.paint_ms.append(
                self._on.press(key, lambda sight, text=text: _edited(sight) != text, "the new text")
            )
            self._on.until(partial(_is_other, summary), "a picture")
            self.chart_ms.append((time.perf_counter() - begun_s) * 1000)
            self._on.watch(_PAUSE_S)


def _edited(sight: Sight) -> str:
    """Return the condition that is changed, as the editor shows it."""
    found = (_EDITED.search(line) for line in sight.lines)
    return next((each[0] for each in found if each is not None), "")


def _summary(sight: Sight) -> str:
    """Return the backtest that stands above the chart."""
    found = (_SUMMARY.search(line) for line in sight.lines)
    return next((each[0] for each in found if each is not None), "")


def _is_other(before: str, sight: Sight) -> bool:
    return _summary(sight) not in ("", before)


if __name__ == "__main__":
    sys.exit(main())

"""Other backtesters on the candles of ``compiled``: a script of its own, for an interpreter that has them.

``PYTHON tests/benchmarks/peers.py CANDLES.npy``: open, high, low, close, volume of one-minute bars. Prints
names and seconds as JSON: the first run, which compiles, and the median of five after it. RSI(14) below 30
enters, above 70 leaves; trailing stop of 5 %, target 10 %, 4.5 bps of fees and 2 of slippage. What is not
installed is left out. Trades differ a little from one to the other: each has rules of its own.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def rsi(close: np.ndarray, period: int) -> np.ndarray:
    """Return Wilder's RSI, as TA-Lib has it."""
    change = np.diff(close)
    up, down = np.maximum(change, 0.0), np.maximum(-change, 0.0)
    found = np.full(len(close), np.nan)
    gain, loss = up[:period].mean(), down[:period].mean()
    for index in range(period, len(close)):
        if index > period:
            gain = (gain * (period - 1) + up[index - 1]) / period
            loss = (loss * (period - 1) + down[index - 1]) / period
        found[index] = 100 * gain / (gain + loss) if gain + loss > 0 else 0.0
    return found


def measured(name: str, run: Callable[[], Any]) -> Iterator[tuple[str, float]]:
    spent = []
    for _ in range(6):
        began_s = time.perf_counter()
        run()
        spent.append(time.perf_counter() - began_s)
    yield f"{name}, first run", spent[0]
    yield name, statistics.median(spent[1:])


def of_vectorbt(columns: np.ndarray, values: np.ndarray) -> Iterator[tuple[str, float]]:
    try:
        import pandas as pd
        import vectorbt as vbt
    except ImportError:
        return
    index = pd.date_range("2024-01-01", periods=columns.shape[1], freq="min", tz="UTC")
    opened, high, low, close = (pd.Series(column, index=index) for column in columns[:4])
    enters, leaves = (pd.Series(flags, index=index) for flags in (values < 30, values > 70))

    def run() -> None:
        portfolio = vbt.Portfolio.from_signals(
            close, enters, leaves, open=opened, high=high, low=low, fees=0.00045,
            slippage=0.0002, sl_stop=0.05, sl_trail=True, tp_stop=0.10, size=0.5,
            size_type="percent", init_cash=10_000, freq="1min",
        )  # fmt: skip
        portfolio.value(), portfolio.total_return(), portfolio.trades.records, portfolio.max_drawdown()

    yield from measured(f"vectorbt {vbt.__version__}, its RSI not counted", run)


def of_backtesting(columns: np.ndarray, values: np.ndarray) -> Iterator[tuple[str, float]]:
    try:
        import backtesting
        import pandas as pd
        from backtesting.lib import TrailingStrategy
    except ImportError:
        return
    index = pd.date_range("2024-01-01", periods=columns.shape[1], freq="min")
    names = ("Open", "High", "Low", "Close", "Volume")
    frame = pd.DataFrame(dict(zip(names, columns, strict=True)), index=index)

    class Sample(TrailingStrategy):
        def init(self) -> None:
            super().init()
            self.set_trailing_pct(0.05)
            self.values = self.I(lambda: values)

        def next(self) -> None:
            super().next()
            if self.position and self.values[-1] > 70:
                self.position.close()
            elif not self.position and self.values[-1] < 30:
                self.buy(size=0.5, tp=self.data.Close[-1] * 1.10)

    def run() -> None:
        backtesting.Backtest(frame, Sample, cash=1e7, commission=0.00045, spread=0.0002).run()

    yield from measured(f"backtesting.py {backtesting.__version__}, its RSI not counted", run)


if __name__ == "__main__":
    given = np.load(sys.argv[1])
    indicator = rsi(given[3], 14)
    json.dump([*of_vectorbt(given, indicator), *of_backtesting(given, indicator)], sys.stdout)

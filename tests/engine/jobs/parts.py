"""Functions that workers call, in a module of their own so that they can be imported there."""

import os
import time

import numpy as np

from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.errors import WrongUseError

_SEEN: list[int] = []


def mean_of_part(candles: CandleArrays, part: tuple[int, int]) -> float:
    return float(candles.close[part[0] : part[1]].mean())


def writes(candles: CandleArrays, _part: int) -> float:
    """Change the shared value, as a careless library might."""
    candles.close[0] = -1.0
    return float(candles.close[0])


def whose(shared: object, _argument: int) -> tuple[int, int]:
    """Return the worker, and how many different objects it has got as the shared value."""
    if id(shared) not in _SEEN:
        _SEEN.append(id(shared))
    # Long enough that no worker does all.
    time.sleep(0.02)
    return os.getpid(), len(_SEEN)


def refuses(_shared: object, argument: int) -> int:
    if argument == 3:
        raise WrongUseError(f"{argument} cannot be used.")
    return argument


def dies(_shared: object, argument: int) -> int:
    if argument == 1:
        os._exit(9)
    return argument


def niceness(_shared: object, _argument: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def lasts(_shared: object, argument: float) -> int:
    """Work without end, and say first that it has begun."""
    print(f"worker {os.getpid()}", flush=True)  # noqa: T201
    time.sleep(argument)
    return os.getpid()


def ema_of(candles: CandleArrays, period: int) -> float:
    """Use the shared arrays in a library that wants to own them."""
    import talib

    return float(np.nansum(talib.EMA(candles.close, period)))

"""All functions of the condition language: TA-Lib's, and those that it does not have (``formulas``)."""

from firstwatch.strategy.functions import Function, Memory, Parameter, ParameterKind
from firstwatch.strategy.talib_table import TALIB_FUNCTIONS

_INTEGER, _REAL = ParameterKind.INTEGER, ParameterKind.REAL
_FINITE, _FADING = Memory.FINITE, Memory.FADING
_LONGEST = 10_000
"""Bars of the longest window: it is gone through at every bar."""

# fmt: off
OWN_FUNCTIONS = (
    Function("alma", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 9, 2, _LONGEST),
        Parameter("offset", _REAL, 0.85, 0.0, 1.0),
        Parameter("sigma", _REAL, 6.0, 0.01, 100.0),
    ), ("real",)),
    Function("chandelier", _FADING, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 22, 2, _LONGEST),
        Parameter("multiplier", _REAL, 3.0, 0.0, 1_000.0),
    ), ("long", "short")),
    Function("chop", _FINITE, ("high", "low", "close"), (
        Parameter("timeperiod", _INTEGER, 14, 2, _LONGEST),
    ), ("real",)),
    Function("crsi", _FADING, ("source",), (
        Parameter("rsiperiod", _INTEGER, 3, 1, _LONGEST),
        Parameter("streakperiod", _INTEGER, 2, 1, _LONGEST),
        Parameter("rankperiod", _INTEGER, 100, 1, _LONGEST),
    ), ("real",)),
    Function("fisher", _FADING, ("high", "low"), (
        Parameter("timeperiod", _INTEGER, 10, 2, _LONGEST),
    ), ("fisher", "trigger")),
    Function("ichimoku", _FINITE, ("high", "low"), (
        Parameter("conversionperiod", _INTEGER, 9, 2, _LONGEST),
        Parameter("baseperiod", _INTEGER, 26, 2, _LONGEST),
        Parameter("spanperiod", _INTEGER, 52, 2, _LONGEST),
        Parameter("displacement", _INTEGER, 26, 0, _LONGEST),
    ), ("conversion", "base", "spana", "spanb")),
    Function("kst", _FINITE, ("source",), (
        Parameter("rocperiod1", _INTEGER, 10, 1, _LONGEST),
        Parameter("rocperiod2", _INTEGER, 15, 1, _LONGEST),
        Parameter("rocperiod3", _INTEGER, 20, 1, _LONGEST),
        Parameter("rocperiod4", _INTEGER, 30, 1, _LONGEST),
        Parameter("smaperiod1", _INTEGER, 10, 1, _LONGEST),
        Parameter("smaperiod2", _INTEGER, 10, 1, _LONGEST),
        Parameter("smaperiod3", _INTEGER, 10, 1, _LONGEST),
        Parameter("smaperiod4", _INTEGER, 15, 1, _LONGEST),
        Parameter("signalperiod", _INTEGER, 9, 1, _LONGEST),
    ), ("kst", "signal")),
    Function("mcginley", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 1, _LONGEST),
    ), ("real",)),
    Function("pivots", _FINITE, ("time_ms", "high", "low", "close"), (),
        ("p", "r1", "r2", "r3", "s1", "s2", "s3"), days=2),
    Function("session_vwap", _FINITE, ("time_ms", "high", "low", "close", "volume"), (
        Parameter("nbdev", _REAL, 1.0, 0.0, 1_000.0),
    ), ("session_vwap", "upperband", "lowerband"), days=1),
    Function("stc", _FADING, ("source",), (
        Parameter("fastperiod", _INTEGER, 23, 1, _LONGEST),
        Parameter("slowperiod", _INTEGER, 50, 1, _LONGEST),
        Parameter("cycleperiod", _INTEGER, 10, 2, _LONGEST),
        Parameter("factor", _REAL, 0.5, 0.001, 1.0),
    ), ("real",)),
    Function("ulcer", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 14, 2, _LONGEST),
    ), ("real",)),
    Function("vidya", _FADING, ("source",), (
        Parameter("timeperiod", _INTEGER, 12, 1, _LONGEST),
        Parameter("cmoperiod", _INTEGER, 9, 1, _LONGEST),
    ), ("real",)),
    Function("zscore", _FINITE, ("source",), (
        Parameter("timeperiod", _INTEGER, 20, 2, _LONGEST),
    ), ("real",)),
)
# fmt: on

FUNCTIONS: dict[str, Function] = {function.name: function for function in (*TALIB_FUNCTIONS, *OWN_FUNCTIONS)}
"""Every function by its name in lower case."""

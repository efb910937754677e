"""Write ``strategy/talib_table.py``: python -m tests.strategy.make_function_table

Names, inputs, parameters and outputs are asked from TA-Lib's abstract API, ranges by trying values,
the memory by starting the same seeded candles at different points.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import firstwatch.strategy
from firstwatch.strategy.functions import Memory, ParameterKind
from firstwatch.strategy.indicators import talib

TABLE = Path(firstwatch.strategy.__file__).with_name("talib_table.py")
BARS = 6_000
STARTS = (1, 97, 1_003)
NO_LIMIT = 3e37  # TA-Lib's own bound of a real number that has none
WHOLE_LIMIT = 1 << 31
KINDS = {0: ParameterKind.REAL, 2: ParameterKind.INTEGER, 3: ParameterKind.MOVING_AVERAGE}
ROUNDING = 1e-7  # running sums differ in their last digits
HOUR_MS = 3_600_000


def seeded_candles(seed: int, bars: int = BARS) -> dict[str, np.ndarray]:
    """Return candles of an hour as arrays by field, with a series of periods for functions that take one."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, bars)))
    opened = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opened, close) * (1 + random.random(bars) * 0.004)
    low = np.minimum(opened, close) * (1 - random.random(bars) * 0.004)
    volume = 1 + random.random(bars) * 100
    periods = np.floor(2 + random.random(bars) * 28)
    return {
        "open": opened, "high": high, "low": low, "close": close, "volume": volume,
        "source": close, "periods": periods, "time_ms": np.arange(bars) * float(HOUR_MS),
    }  # fmt: skip


def inputs_of(name: str) -> list[str]:
    """Return the input series in the order of the function's arguments."""
    inputs: list[str] = []
    for key, fields in talib.abstract.Function(name).input_names.items():
        if isinstance(fields, (list, tuple)):
            inputs.extend(fields)
        else:
            inputs.append("source" if key == "price" else fields)
    return inputs


def outputs_of(name: str, candles: dict[str, np.ndarray], start: int = 0, **parameters: float) -> list:
    series = [candles[field][start:] for field in inputs_of(name)]
    out = getattr(talib, name)(*series, **parameters)
    return list(out) if isinstance(out, tuple) else [out]


def memory_of(name: str) -> Memory:
    """Return the memory of a function of TA-Lib."""
    lookback = talib.abstract.Function(name).lookback
    return measured_memory(name, lookback, lambda candles, start: outputs_of(name, candles, start))


def measured_memory(name: str, lookback: int, compute: Callable[[dict, int], Sequence[np.ndarray]]) -> Memory:
    """Compare the outputs of one history started at several points, near the start and far from it."""
    near, far = True, True
    for seed in range(4):
        candles = seeded_candles(seed)
        if name in {"ACOS", "ASIN"}:
            candles["source"] = candles["source"] / (candles["source"].max() + 1)
        whole = compute(candles, 0)
        for start in STARTS:
            for all_bars, fewer in zip(whole, compute(candles, start), strict=True):
                shifted = all_bars[start:]
                scale = np.nanmax(np.abs(shifted)) + 1e-12
                # MAMA and its like need some bars before their recursion says what it later says.
                off = np.abs(shifted - fewer) > ROUNDING * scale
                near = near and not off[lookback:].any()
                far = far and not off[-2_000:].any()
    if near:
        return Memory.FINITE
    return Memory.FADING if far else Memory.ANCHORED


def is_accepted(name: str, parameter: str, value: float) -> bool:
    series = [seeded_candles(0, 8)[field] for field in inputs_of(name)]
    parameters = {parameter: value}
    if parameter == "minperiod":
        parameters["maxperiod"] = 100_000  # the only pair of parameters with an order
    try:
        getattr(talib, name)(*series, **parameters)
    except Exception as error:  # TA-Lib raises nothing more exact
        if "Bad Parameter" not in str(error):
            raise
        return False
    return True


def bound(name: str, parameter: str, kind: ParameterKind, inside: float, limit: float) -> float:
    """Return the accepted value nearest to ``limit``, by halving the interval."""
    if kind is ParameterKind.REAL:
        if is_accepted(name, parameter, limit):
            return limit
        outside = limit
        for _ in range(400):
            middle = (inside + outside) / 2
            if is_accepted(name, parameter, middle):
                inside = middle
            else:
                outside = middle
        return 0.0 if abs(inside) < 1e-60 else round(inside, 12)
    inside, outside = int(inside), int(limit)
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if is_accepted(name, parameter, middle):
            inside = middle
        else:
            outside = middle
    return inside


def parameters_of(name: str) -> list[tuple[str, ParameterKind, float, float, float]]:
    found = []
    for index, (parameter, default) in enumerate(talib.abstract.Function(name).parameters.items()):
        kind = KINDS[talib._ta_lib._ta_getOptInputParameterInfo(name.encode(), index)["type"]]
        limit = NO_LIMIT if kind is ParameterKind.REAL else WHOLE_LIMIT - 1
        lowest = bound(name, parameter, kind, default, -limit)
        highest = bound(name, parameter, kind, default, limit)
        found.append((parameter, kind, default, lowest, highest))
    return found


def number(value: float) -> str:
    return repr(value) if isinstance(value, float) else f"{value:_}"


def quoted(names: list[str]) -> str:
    body = ", ".join(f'"{name}"' for name in names)
    return f"({body},)" if len(names) == 1 else f"({body})"


def table_text() -> str:
    """Return the module's source."""
    lines = [
        '"""All functions of TA-Lib\'s abstract API. Generated: tests/strategy/make_function_table.py."""',
        "",
        "from firstwatch.strategy.functions import Function, Memory, Parameter, ParameterKind",
        "",
        "_INTEGER, _REAL, _AVERAGE = ParameterKind.INTEGER, ParameterKind.REAL, ParameterKind.MOVING_AVERAGE",
        "_FINITE, _FADING, _ANCHORED = Memory.FINITE, Memory.FADING, Memory.ANCHORED",
        "",
        "# fmt: off",
        "TALIB_FUNCTIONS = (",
    ]
    kinds = {
        ParameterKind.REAL: "_REAL", ParameterKind.INTEGER: "_INTEGER",
        ParameterKind.MOVING_AVERAGE: "_AVERAGE",
    }  # fmt: skip
    for name in sorted(talib.get_functions()):
        outputs = talib.abstract.Function(name).output_names
        head = f'    Function("{name.lower()}", _{memory_of(name).name}, {quoted(inputs_of(name))}, ('
        tail = f"), {quoted(outputs)}),"
        parameters = [
            f'Parameter("{parameter}", {kinds[kind]}, {number(default)}, {number(low)}, {number(high)}),'
            for parameter, kind, default, low, high in parameters_of(name)
        ]
        if parameters:
            lines += [head, *(f"        {parameter}" for parameter in parameters), f"    {tail}"]
        else:
            lines.append(head + tail)
    lines += [
        ")",
        "# fmt: on",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    TABLE.write_text(table_text(), encoding="utf-8")

"""A curve in one row of blocks."""

from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return the curve in at most ``width`` characters, scaled from its lowest to its highest value.

    A character shows the last value of its part. A flat curve is at the bottom.
    """
    count = len(values)
    if count > width:
        values = [values[(place + 1) * count // width - 1] for place in range(width)]
    if not values:
        return ""
    low, high = min(values), max(values)
    step = (high - low) / (len(_LEVELS) - 1)
    return "".join(_LEVELS[round((value - low) / step) if step > 0 else 0] for value in values)

"""All days of a run together, as one figure with an alarm of its own.

Each day's p-value becomes the e-value ``½·p^-½`` (a calibrator, Vovk and Wang 2021, "E-values: calibration,
combination and applications"; Shafer 2021): its mean over true days is at most 1. True days are not
independent: volatility clusters, and all are judged by one baseline. A product of all of them would reach 20
in one true run of eight. So there are ten products, product j over the days that are j modulo 10: days ten
apart are nearly independent. Their mean is the figure; by Ville's inequality (Ville 1939) it would pass 20
ever with at most 5 % if they were wholly so. What is claimed is less: at most 5 % within the first 30 days,
shown on real candles.
"""

import math
from collections.abc import Sequence

from firstwatch.trading.verdicts import Verdict
from firstwatch.trading.watch import SinceStart

PRODUCTS = 10
ALARM = 20.0
_MOST_LOG_E = 700.0


def judge_days(p_values: Sequence[float | None], baseline_days: int) -> SinceStart:
    """Return the figure after days 1, 2, … with those adjusted p-values; None: a day without one.

    A p-value counts as no less than ``1/(baseline_days + 1)``. ``DIVERGED`` once the figure has reached 20 on
    any day; ``CONSISTENT`` only where days such as these could have reached it.

    Raises:
        ValueError: a p-value is not within 0 and 1, or there is no day of the baseline.
    """
    if baseline_days < 1:
        raise ValueError("since the start needs at least one day of a baseline")
    lowest = 1 / (baseline_days + 1)
    logs, most = [0.0] * PRODUCTS, [0.0] * PRODUCTS
    figure, highest, count = 1.0, 1.0, 0
    for place, p in enumerate(p_values):
        if p is None:
            continue
        if not 0 <= p <= 1:
            raise ValueError(f"a p-value should be within 0 and 1, not {p}")
        count += 1
        logs[place % PRODUCTS] += _log_e(max(p, lowest))
        most[place % PRODUCTS] += _log_e(lowest)
        figure = _mean_of(logs)
        highest = max(highest, figure)
    if count == 0:
        return SinceStart()
    if highest >= ALARM:
        return SinceStart(e_value=figure, verdict=Verdict.DIVERGED)
    could_alarm = _mean_of(most) >= ALARM
    return SinceStart(e_value=figure, verdict=Verdict.CONSISTENT if could_alarm else Verdict.NOT_ENOUGH_DATA)


def _log_e(p: float) -> float:
    return math.log(0.5) - 0.5 * math.log(p)


def _mean_of(logs: Sequence[float]) -> float:
    return math.fsum(math.exp(min(each, _MOST_LOG_E)) for each in logs) / PRODUCTS

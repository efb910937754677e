"""Runs that are started at an origin and go on, each of their days judged by windows of its own.

Rolling origin on continuous runs: the bands come from the days before the launch and stay, as the baseline
of a run does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from firstwatch.backtest.replay import Played
from firstwatch.strategy.core import new_state
from firstwatch.trading.verdicts import DAY_MS, Verdict
from firstwatch.watch.joint import Reference, make_reference, statistics_of
from firstwatch.watch.recipe import generator
from firstwatch.watch.rolling import HOUR_MS
from firstwatch.watch.since_start import judge_days
from firstwatch.watch.windows import Baseline, DayOfRun, Looks, Windows


@dataclass(frozen=True, slots=True)
class GoingOn:
    """One run: the adjusted p of each of its days, and whether they alarm together."""

    p: list[float]
    alarms: bool


def runs_that_go_on(
    baseline: Baseline,
    *,
    seed: int,
    baseline_days: int,
    days: int,
    every: int,
    hours: tuple[int, ...] = (0, 6, 12, 18),
) -> Iterator[GoingOn]:
    """Yield the runs of all origins, which are ``every`` days apart, at each hour."""
    made = Windows(baseline)
    times = made.candles.time_ms
    for hour in hours:
        starts = {kind: made.starts(hour * HOUR_MS, DayOfRun(kind)) for kind in (1, 2)}
        x = {kind: statistics_of(made.play(starts[kind], DayOfRun(kind))) for kind in (1, 2)}
        ends = {kind: times[starts[kind].bar] + kind * DAY_MS for kind in (1, 2)}
        exact = starts[1].where(starts[1].is_exact)
        bar_of = dict(zip(exact.day.tolist(), exact.bar.tolist(), strict=True))
        for origin in range(int(exact.day[0]) + baseline_days, int(exact.day[-1]) - days + 2, every):
            if origin not in bar_of:
                continue
            first = bar_of[origin]
            begin_ms = int(times[first]) + np.arange(days) * DAY_MS
            state, played = new_state(made.core), Played()
            live = []
            for begin in begin_ms.tolist():
                end = int(np.searchsorted(times, begin + DAY_MS))
                made.replay.play(state, made.core, first, end, played)
                live.append(made.read_run(played, np.array([begin // DAY_MS]), np.array([begin])))
                first = end
            before = {
                kind: (of.day >= origin - baseline_days) & (ends[kind] <= begin_ms[0])
                for kind, of in starts.items()
            }
            references = {
                kind: make_reference(x[kind][mask], starts[kind].day[mask], generator(seed, hour, origin))
                for kind, mask in before.items()
            }
            p = [p_of(references[1 if day == 0 else 2], looks) for day, looks in enumerate(live)]
            known = len(np.unique(starts[1].day[before[1]]))
            yield GoingOn(p, judge_days(p, known).verdict is Verdict.DIVERGED)


def p_of(reference: Reference, looks: Looks) -> float:
    """Return the adjusted p of one whole day: the smallest of its checks."""
    running = reference.z(statistics_of(looks))[0].max(axis=1, keepdims=True)
    return float(reference.adjusted(reference.tail(running)).min())

"""The proof of the first watch on an operator's own algorithm and candles: how often true days are called
diverged, and how often altered ones.

*Rolling origin* (Tashman 2000, "Out-of-sample tests of forecasting accuracy", Int. J. Forecasting 16): at
each origin the bands come from the days before it, and each day of the weeks after it is judged as a run that
was started on it, four times: at 0, 6, 12 and 18 h UTC. No judged day is in its own baseline. Intervals are
percentiles of a bootstrap over calendar days, in blocks of thirty (Künsch 1989): the four runs of a day, and
the days of an odd month, diverge together.

Each start hour is computed on its own, with random numbers of its own, so the number of processes does not
matter.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstwatch.trading.verdicts import DAY_MS, FILLS_ALPHA, JOINT_ALPHA, Change, CheckName
from firstwatch.watch.changes import EXTRA_SLIPPAGE_BPS, Donors, draw_donors, play_changed
from firstwatch.watch.fill_sequence import NOISE_BPS, crosses, skewed_noise, student_noise
from firstwatch.watch.joint import (
    FEWEST_DAYS,
    JOINT_CHECKS,
    Floats32,
    Reference,
    crossings,
    make_reference,
    statistics_of,
)
from firstwatch.watch.recipe import generator
from firstwatch.watch.windows import Baseline, Floats, Ints, Looks, Orders, Windows

Mask = NDArray[np.bool_]

START_HOURS = (0, 6, 12, 18)
HOUR_MS = 3_600_000
REDRAWN = 2_000
"""Bootstrap samples of an interval."""
BLOCK_DAYS = 30
"""Consecutive calendar days that a sample draws together: on seven years of BTC, days that diverge are alike
for three weeks."""
LEAST_SHARE_OF_DAYS = 0.75
"""Share of a baseline's days that must be there: with fewer, nothing is judged by it."""
FEWEST_BLOCKS = 7
"""Fewer days are drawn together where a sample would have fewer blocks."""
SEQUENCES = 4_000
"""Simulated sequences of true fills."""
FILLS = 200
"""Fills of each."""

_CHECKS = (*JOINT_CHECKS, CheckName.FILL_PRICES, CheckName.SIGNAL_PARITY)
_NULL, _ROLLING, _HELD_OUT, _DONORS, _ALTERED, _NOISE, _INTERVAL, _SEQUENCES = range(8)
"""The purpose of random numbers; part of their seed."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Parameters of the proof."""

    baseline_days: int = 180
    live_days: int = 30
    holdout: float = 0.3
    fill_noise_bps: float = 5.0
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Runs that were judged: ``day`` since the epoch and ``group`` (the origin's number), ``(n,)``; when each
    check first was ``DIVERGED`` in ms since the start, inf: never, ``(checks, n)``."""

    day: Ints
    group: Ints
    first_ms: Floats

    def __len__(self) -> int:
        return len(self.day)

    @property
    def seen_ms(self) -> Floats:
        """When the run was first ``DIVERGED`` by any check; inf: never."""
        seen: Floats = self.first_ms.min(axis=0) if len(self) else np.empty(0)
        return seen

    @classmethod
    def joined(cls, parts: Sequence["Judged"]) -> "Judged":
        """Return all runs of at least one part."""
        return cls(
            np.concatenate([part.day for part in parts]),
            np.concatenate([part.group for part in parts]),
            np.concatenate([part.first_ms for part in parts], axis=1),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Proved:
    """All runs that a proof has judged."""

    null: Judged
    rolling: Judged
    held_out: Judged
    altered: dict[Change, Judged]
    origins: int


@dataclass(frozen=True, slots=True)
class Span:
    """The days (since the epoch) on which runs of all start hours can be judged: ``[first, end)``."""

    first: int
    end: int

    @classmethod
    def of(cls, windows: Windows) -> "Span":
        """Return those of a baseline; empty: there is none."""
        if windows.first_ready >= len(windows.candles):
            return cls(0, 0)
        first = -(-int(windows.candles.time_ms[windows.first_ready]) // DAY_MS)
        return cls(first, max(first, (windows.end_ms - START_HOURS[-1] * HOUR_MS) // DAY_MS))

    def origins(self, proof: Proof) -> list[int]:
        """Return the days at which a baseline ends and whole ``live_days`` follow."""
        last = self.end - proof.live_days
        return list(range(self.first + proof.baseline_days, last + 1, proof.live_days))

    def held_out(self, proof: Proof) -> int:
        """Return the day from which on days are held out."""
        return self.first + round((1 - proof.holdout) * (self.end - self.first))


Run = Callable[
    [tuple[Baseline, Proof], Callable[[tuple[Baseline, Proof], int], Proved], Sequence[int]], Iterable[Proved]
]
"""See ``prove``."""


def prove(
    baseline: Baseline,
    proof: Proof,
    *,
    run: Run | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Proved:
    """Judge all true and altered runs; ``progress`` gets the share that is done, from 0 to 1.

    ``run``: calls a function with what all calls share and one argument each, in other processes, and yields
    the results in that order; None: all is computed here.

    Raises:
        WrongUseError: a session or reset setting that cannot be used.
    """
    parts: list[Proved] = []
    if run is not None:
        for part in run((baseline, proof), _prove_hour, START_HOURS):
            parts.append(part)
            progress(len(parts) / len(START_HOURS))
    else:
        windows = Windows(baseline)
        for number, hour in enumerate(START_HOURS):

            def report(share: float, done: int = number) -> None:
                progress((done + share) / len(START_HOURS))

            parts.append(_StartHour(windows, proof, hour).prove(report))
    return Proved(
        Judged.joined([part.null for part in parts]),
        Judged.joined([part.rolling for part in parts]),
        Judged.joined([part.held_out for part in parts]),
        {change: Judged.joined([part.altered[change] for part in parts]) for change in Change},
        parts[0].origins,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """Runs, as places among the windows, and the bands of the baseline before them."""

    group: int
    runs: Ints
    pool: Ints
    """Days of the baseline."""
    reference: Reference
    critical: Floats32


class _StartHour:
    """All runs of one start hour."""

    def __init__(self, windows: Windows, proof: Proof, hour: int) -> None:
        self._windows = windows
        self._proof = proof
        self._hour = hour
        self._starts = windows.starts(hour * HOUR_MS)
        self._looks = windows.play(self._starts)
        self._x = statistics_of(self._looks)
        begin_ms = windows.candles.time_ms[self._starts.bar]
        self._end_ms = begin_ms + DAY_MS

    def prove(self, report: Callable[[float], None]) -> Proved:
        """Judge them; ``report`` gets the share that is done."""
        report(0.3)
        span = Span.of(self._windows)
        everything = np.ones(len(self._starts), dtype=np.bool_)
        null = self._trial(_NULL, 0, everything, self._starts.is_exact)
        rolling = [
            self._trial(_ROLLING, number, *self._split(span, origin, self._proof.live_days))
            for number, origin in enumerate(span.origins(self._proof))
        ]
        origin = span.held_out(self._proof)
        held_out = self._trial(_HELD_OUT, 0, *self._split(span, origin, span.end - origin))
        report(0.5)
        # Without an origin the power is that of the days held out.
        given = [trial for trial in rolling if trial] or [trial for trial in (held_out,) if trial]
        altered = {}
        for number, change in enumerate(Change):
            altered[change] = self._altered(change, given)
            report(0.5 + 0.5 * (number + 1) / len(Change))
        origins = sum(trial is not None for trial in rolling)
        return Proved(self._judged([null]), self._judged(rolling), self._judged([held_out]), altered, origins)

    def _split(self, span: Span, origin: int, live_days: int) -> tuple[Mask, Mask, int]:
        """Return the windows of the baseline that ends at a day's launch, the runs after it, and its days."""
        day = self._starts.day
        launch_ms = origin * DAY_MS + self._hour * HOUR_MS
        before = (day >= origin - self._proof.baseline_days) & (self._end_ms <= launch_ms)
        after = self._starts.is_exact & (day >= origin) & (day < origin + live_days)
        return before, after, min(self._proof.baseline_days, origin - span.first)

    def _trial(self, purpose: int, group: int, before: Mask, runs: Mask, days: int = 0) -> _Trial | None:
        """Return runs with their bands; None: no runs, or too few of the baseline's ``days`` are there."""
        pool = np.unique(self._starts.day[before])
        if len(pool) < max(FEWEST_DAYS, LEAST_SHARE_OF_DAYS * days) or not runs.any():
            return None
        random = generator(self._proof.seed, purpose, self._hour, group)
        reference = make_reference(self._x[before], self._starts.day[before], random)
        return _Trial(group, np.flatnonzero(runs), pool, reference, reference.critical(JOINT_ALPHA))

    def _judged(self, trials: Sequence[_Trial | None], altered: Looks | None = None) -> Judged:
        """Return when each run was seen by the joint checks; ``altered``: the looks of all runs, in order."""
        parts = [Judged(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((len(_CHECKS), 0)))]
        done = 0
        for trial in trials:
            if trial is None:
                continue
            if altered is None:
                looks = self._looks.where(trial.runs)
            else:
                looks = altered.where(np.arange(done, done + len(trial.runs)))
                done += len(trial.runs)
            crossed = crossings(trial.reference, trial.critical, looks)
            at_ms = np.where(crossed, self._windows.grid_ms, np.inf).min(axis=2)
            first_ms = np.full((len(_CHECKS), len(trial.runs)), np.inf)
            first_ms[: len(JOINT_CHECKS)] = at_ms
            parts.append(Judged(looks.day, np.full(len(trial.runs), trial.group), first_ms))
        return Judged.joined(parts)

    def _altered(self, change: Change, trials: Sequence[_Trial]) -> Judged:
        if not trials:
            return self._judged([])
        number = tuple(Change).index(change)
        places = np.concatenate([trial.runs for trial in trials])
        random = generator(self._proof.seed, _DONORS, self._hour)
        drawn = [draw_donors(self._starts.day[trial.runs], trial.pool, random) for trial in trials]
        donors = Donors(
            np.concatenate([each.day for each in drawn]), np.concatenate([each.of_day for each in drawn])
        )
        looks = play_changed(
            self._windows,
            self._starts.where(places),
            change,
            generator(self._proof.seed, _ALTERED, self._hour, number),
            donors,
            true=self._looks.where(places),
            keeps_orders=True,
        )
        judged = self._judged(trials, looks)
        if change in EXTRA_SLIPPAGE_BPS:
            random = generator(self._proof.seed, _NOISE, self._hour, number)
            judged.first_ms[_CHECKS.index(CheckName.FILL_PRICES)] = self._seen_by_fills(
                looks.orders, EXTRA_SLIPPAGE_BPS[change], random
            )
        if change is Change.MISSED:
            judged.first_ms[_CHECKS.index(CheckName.SIGNAL_PARITY)] = [
                orders.missed_ms[0] if len(orders.missed_ms) else np.inf for orders in looks.orders
            ]
        return judged

    def _seen_by_fills(
        self, orders: Sequence[Orders], extra_bps: float, random: np.random.Generator
    ) -> Floats:
        """Return when the confidence sequence of fill prices excludes what was expected, for each run."""
        most = max((len(one.fill_ms) for one in orders), default=0)
        excess = np.full((len(orders), most), np.nan)
        at_ms = np.full((len(orders), most + 1), np.inf)
        noise = student_noise(random, excess.shape, self._proof.fill_noise_bps)
        for row, one in enumerate(orders):
            count = len(one.fill_ms)
            excess[row, :count] = noise[row, :count] + np.where(one.pays_slippage, extra_bps, 0.0)
            at_ms[row, :count] = one.fill_ms
        first = crosses(excess, FILLS_ALPHA, NOISE_BPS)
        seen: Floats = at_ms[np.arange(len(orders)), np.where(first < 0, most, first)]
        return seen


@dataclass(frozen=True, slots=True)
class TrueFills:
    """Share of true sequences of fills that cross within ``FILLS`` fills."""

    heavy_tailed: float
    skewed: float
    """The worse of the noise ``exponential - 1`` and its negative."""


def true_fills(proof: Proof) -> TrueFills:
    """Simulate true fills with noise of ``fill_noise_bps``."""
    random = generator(proof.seed, _SEQUENCES)
    shape = SEQUENCES, FILLS

    def share(excess: Floats) -> float:
        return float((crosses(excess, FILLS_ALPHA, NOISE_BPS) >= 0).mean())

    noise = proof.fill_noise_bps
    return TrueFills(
        share(student_noise(random, shape, noise)),
        max(share(skewed_noise(random, shape, noise, sign=sign)) for sign in (1, -1)),
    )


# --- rates and power ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """How often runs were called diverged, as fractions; ``interval`` 95 %, by calendar days."""

    days: int
    """Runs that were judged."""
    diverged: float
    interval: tuple[float, float]
    by_check: dict[str, float]
    """The check that was first."""


def rate_of(judged: Judged, seed: int) -> Rate | None:
    """Return the rate of runs; None: there are none."""
    if not len(judged):
        return None
    seen = np.isfinite(judged.seen_ms)
    _, place = np.unique(judged.day, return_inverse=True)
    count = np.bincount(place)
    hits = np.bincount(place, weights=seen)
    # The days stand in a circle, so that each is drawn as often.
    length = max(1, min(BLOCK_DAYS, len(count) // FEWEST_BLOCKS))
    firsts = generator(seed, _INTERVAL).integers(0, len(count), size=(REDRAWN, -(-len(count) // length)))
    around = np.arange(len(count))[:, None] + np.arange(length)
    hits_of_blocks, count_of_blocks = (values[around % len(count)].sum(axis=1) for values in (hits, count))
    shares = hits_of_blocks[firsts].sum(axis=1) / count_of_blocks[firsts].sum(axis=1)
    low, high = np.quantile(shares, (0.025, 0.975)).tolist()
    return Rate(len(judged), float(seen.mean()), (low, high), _by_check(judged))


def by_origin(judged: Judged) -> tuple[float, float, float] | None:
    """Return the 5, 50 and 95 % quantiles over the origins of the share that diverged."""
    if not len(judged):
        return None
    seen = np.isfinite(judged.seen_ms)
    shares = [seen[judged.group == group].mean() for group in np.unique(judged.group)]
    low, middle, high = np.quantile(shares, (0.05, 0.5, 0.95)).tolist()
    return low, middle, high


@dataclass(frozen=True, slots=True)
class Power:
    """How often and how early altered runs were called diverged."""

    diverged: float
    median_hours: float | None
    """Until half of them are; None: not half on the first day."""
    by_hour: tuple[float, ...]
    """Share by the end of each of 24 hours."""
    by_check: dict[str, float]


def power_of(judged: Judged) -> Power | None:
    """Return how altered runs were seen; None: no run was judged."""
    if not len(judged):
        return None
    hours = np.sort(judged.seen_ms / HOUR_MS)
    half = hours[(len(hours) + 1) // 2 - 1]
    by_hour = np.searchsorted(hours, np.arange(1, 25), side="right") / len(hours)
    return Power(
        float(np.isfinite(hours).mean()),
        float(half) if np.isfinite(half) else None,
        tuple(by_hour.tolist()),
        _by_check(judged),
    )


def _by_check(judged: Judged) -> dict[str, float]:
    """Return by check the share of runs in which it was the first; the shares add up to that of all."""
    seen = np.isfinite(judged.seen_ms)
    first = np.argmin(judged.first_ms, axis=0)
    return {
        name.value: float((seen & (first == place)).mean())
        for place, name in enumerate(_CHECKS)
        if (seen & (first == place)).any()
    }


# --- elsewhere --------------------------------------------------------------------------------------

_windows_of: tuple[object, Windows] | None = None
"""The windows made last in this process, and what they were made of: a worker proves several start hours."""


def _prove_hour(shared: tuple[Baseline, Proof], hour: int) -> Proved:
    global _windows_of  # noqa: PLW0603
    if _windows_of is None or _windows_of[0] is not shared:
        _windows_of = shared, Windows(shared[0])
    return _StartHour(_windows_of[1], shared[1], hour).prove(lambda share: None)

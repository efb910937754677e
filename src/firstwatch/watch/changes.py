"""Altered days: how often the checks would detect a run that does not behave as its backtest did.

Each change alters true days of the baseline in one way, and the core is run again where its decisions change:

    rate/2 rate/4       each stretch of bars with a true entry signal is kept with chance 1/2, 1/4
    rate*2 stops*2      the counts of entries, of exits by stop, doubled; drawdown left as it was
    losses*2            each bar's negative return doubled
    slippage+Nbps       N basis points more slippage on each fill that pays it
    missed/20           each decided entry not acted on with chance 1/20
    edge_gone           entry and exit signals of another random day of the baseline at the same hour
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from firstwatch.strategy.evaluation import FlagArray, SignalArrays
from firstwatch.trading.verdicts import DAY_MS, Change, CheckName
from firstwatch.watch.windows import FIRST_DAY, DayOfRun, Ints, Looks, Starts, Windows

OWN_CHANGES = {
    CheckName.FILL_PRICES: (Change.SLIPPAGE_2, Change.SLIPPAGE_5, Change.SLIPPAGE_10),
    CheckName.TRADE_FREQUENCY: (Change.HALF_RATE, Change.DOUBLE_RATE, Change.QUARTER_RATE),
    CheckName.DRAWDOWN: (
        Change.SLIPPAGE_2,
        Change.SLIPPAGE_5,
        Change.SLIPPAGE_10,
        Change.DOUBLE_LOSSES,
        Change.EDGE_GONE,
    ),
    CheckName.EXITS: (Change.DOUBLE_STOPS,),
}
"""The changes by which a check's power is measured, the mildest first."""

KEPT = {Change.HALF_RATE: 1 / 2, Change.QUARTER_RATE: 1 / 4}
"""Chance of a stretch of a true entry signal to be kept."""
EXTRA_SLIPPAGE_BPS = {Change.SLIPPAGE_2: 2, Change.SLIPPAGE_5: 5, Change.SLIPPAGE_10: 10}
MISSED_CHANCE = 1 / 20


@dataclass(frozen=True, slots=True, eq=False)
class Donors:
    """For ``edge_gone``: the days that take over the signals of others, in days since the epoch.

    A day is the 24 hours from the launch's hour on. ``of_day[i]`` gives the signals of ``day[i]``.
    """

    day: Ints
    of_day: Ints


def draw_donors(days: Ints, pool: Ints, random: np.random.Generator) -> Donors:
    """Return for each of ``days`` another day of ``pool``, which has two days or more."""
    places = random.integers(0, len(pool), size=len(days))
    shifts = random.integers(1, len(pool), size=len(days))
    chosen = pool[places]
    chosen = np.where(chosen == days, pool[(places + shifts) % len(pool)], chosen)
    return Donors(days, chosen)


def play_changed(
    windows: Windows,
    starts: Starts,
    change: Change,
    random: np.random.Generator,
    donors: Donors,
    *,
    true: Looks,
    of: DayOfRun = FIRST_DAY,
    keeps_orders: bool = False,
) -> Looks:
    """Return the looks of altered days, one start a day, all at the same hour.

    ``true``: the looks of the same starts as they were. A later day of a run was altered the day before too.
    """
    match change:
        case Change.DOUBLE_RATE:
            return replace(true, entries=2 * true.entries)
        case Change.DOUBLE_STOPS:
            return replace(true, stops=2 * true.stops)
        case Change.DOUBLE_LOSSES:
            return windows.play(starts, of, doubles_losses=True)
        case Change.SLIPPAGE_2 | Change.SLIPPAGE_5 | Change.SLIPPAGE_10:
            core = replace(windows.core, slippage=windows.core.slippage + EXTRA_SLIPPAGE_BPS[change] / 10_000)
            return windows.play(starts, of, core=core, keeps_orders=keeps_orders)
        case Change.MISSED:
            return windows.play(
                starts, of, missed=missed_bars(len(windows.candles), random), keeps_orders=keeps_orders
            )
        case Change.EDGE_GONE:
            signals = swapped(windows, starts, donors, of)
        case _:
            signals = thinned(windows.signals, KEPT[change], random)
    return windows.play(starts, of, replay=windows.replay.with_signals(signals))


def missed_bars(bars: int, random: np.random.Generator) -> Sequence[bool]:
    """Return for each bar whether an entry decided at its close is missed."""
    flags: list[bool] = (random.random(bars) < MISSED_CHANCE).tolist()
    return flags


def thinned(signals: SignalArrays, kept: float, random: np.random.Generator) -> SignalArrays:
    """Return signals in which each stretch of a true entry group is kept with that chance, else false."""
    return replace(
        signals,
        entry_long=_thinned(signals.entry_long, kept, random),
        entry_short=_thinned(signals.entry_short, kept, random),
    )


def _thinned(flags: FlagArray, kept: float, random: np.random.Generator) -> FlagArray:
    is_true = flags == 1
    number = np.cumsum(is_true & ~np.append(False, is_true[:-1]))
    is_kept = random.random(int(number[-1]) + 1 if len(number) else 1) < kept
    thinned: FlagArray = np.where(is_true & ~is_kept[number], np.int8(0), flags)
    return thinned


def swapped(windows: Windows, starts: Starts, donors: Donors, of: DayOfRun = FIRST_DAY) -> SignalArrays:
    """Return signals in which each day of ``donors`` that has a start has those of its donor.

    The levels stay the day's own. Where the donor has no bar nothing is true.
    """
    times = windows.candles.time_ms
    signals = windows.signals
    source = np.arange(len(times))
    order = np.argsort(donors.day, kind="stable")
    known, of_day = donors.day[order], donors.of_day[order]
    for bar, day in zip(starts.bar.tolist(), starts.day.tolist(), strict=True):
        place = int(np.searchsorted(known, day))
        if place == len(known) or known[place] != day:
            continue
        end = int(np.searchsorted(times, times[bar] + of.lead_ms + DAY_MS))
        wanted = times[bar:end] + (int(of_day[place]) - day) * DAY_MS
        found = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
        source[bar:end] = np.where(times[found] == wanted, found, -1)

    def taken(flags: NDArray[np.int8]) -> NDArray[np.int8]:
        # -1: one side that the algorithm may not take, everywhere.
        return np.where(source >= 0, flags[source], np.minimum(flags, 0)).astype(np.int8)

    return replace(
        signals,
        entry_long=taken(signals.entry_long),
        entry_short=taken(signals.entry_short),
        exit_long=taken(signals.exit_long),
        exit_short=taken(signals.exit_short),
    )

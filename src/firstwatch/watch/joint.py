"""One calibration for all checks and all looks: how far a day may deviate from the baseline's days.

Six statistics are read at each look, each so that large is bad and on a scale with stable variance. Each is
standardised by mean and sd over the windows, weighted so that little is spent early, and its largest value so
far is compared with that of the baseline's own days; the smallest tail share, the balanced maximum, decides.
Statistics and looks are dependent in any way: their joint distribution is that of the days (step-down
max-statistics: Westfall, Young 1993, "Resampling-Based Multiple Testing", ch. 2; Romano, Wolf 2005, "Exact
and approximate stepdown methods for multiple hypothesis testing", JASA 100; balance: Beran 1988, "Balanced
simultaneous confidence sets", JASA 83; Tippett 1931, the smallest p).

The balance is over four *directions* in which a day may stray: more loss, more entries, fewer entries, more
stops. Two of them are read twice, loss as drawdown and by volatility, fewer entries as a count and as the
time since the last one: with a share of the budget for each statistic, these directions would have two, and
the others would see less. The loss by volatility takes a fifth of its direction's budget: with half of it,
drawdown would see less on days with few trades. Loss takes less than the other directions: what makes fills
cost more is seen by fill prices, too.

The baseline is itself a sample of days. So each reference day is judged by mean and sd of days redrawn in
blocks (Künsch 1989, "The jackknife and the bootstrap for general stationary observations", Ann. Statist. 17):
the reference holds the error of the baseline, and the rate of false alarms holds for the days after it.

Shapes: ``S`` = 6 statistics in the order of ``Statistic``, ``L`` looks, ``W`` windows, ``N`` reference days.
Only elementwise operations, sums and sorts of numpy, and PCG64: the same input gives the same bits.
"""

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from firstwatch.trading.errors import DamagedRowError, WrongUseError, said
from firstwatch.trading.verdicts import JOINT_ALPHA, WATCH_P, Change, CheckName
from firstwatch.watch.changes import OWN_CHANGES
from firstwatch.watch.windows import SMALLEST_EQUITY, Floats, Ints, Looks, Lost

Floats32 = NDArray[np.float32]

REDRAWS = 60
"""How often the baseline's days are redrawn."""
BLOCK_DAYS = 5
"""Consecutive days that are redrawn together."""
FLOOR = 0.35
"""Smallest sd, as a share of that at the last look."""
EARLY = 0.1
"""Weight of the first look: ``sqrt((k + EARLY L) / ((1 + EARLY) L))`` at the k-th of L."""
CONSTANT_SD = 1e-9
"""A statistic whose sd at the last look is below it is left out."""
MOST_KEPT = 20_000
"""Most values of a reference that are packed, the largest of its N; smaller ones decide nothing."""
ENOUGH = 0.5
"""A check has enough data once one of its own changes is seen with this power."""
SEEN = 0.8
"""The smallest effect is the mildest change that is seen with this power."""
FEWEST_DAYS = 10
"""Fewer days than these calibrate nothing."""


class Statistic(IntEnum):
    """The statistics read at each look, with their index in the arrays."""

    DRAWDOWN = 0
    MANY = 1
    FEW = 2
    STOPS = 3
    SINCE_ENTRY = 4
    LOSS = 5


STATISTICS_OF = {
    CheckName.TRADE_FREQUENCY: (Statistic.MANY, Statistic.FEW, Statistic.SINCE_ENTRY),
    CheckName.DRAWDOWN: (Statistic.DRAWDOWN, Statistic.LOSS),
    CheckName.EXITS: (Statistic.STOPS,),
}
"""The statistics of each joint check."""
JOINT_CHECKS = tuple(STATISTICS_OF)
TWICE = ((Statistic.DRAWDOWN, Statistic.LOSS), (Statistic.FEW, Statistic.SINCE_ENTRY))
"""Directions that are read twice: one share of the budget for both statistics; each other one has its own."""
_DIRECTION = {int(place): number for number, of in enumerate(TWICE) for place in of}
LOSS_BUDGET = 0.75
"""Budget of the direction loss, against that of each other one."""
LOSS_SHARE = 0.25
"""Budget of the loss by volatility, against that of drawdown."""
OBSERVED = ("drawdown", "entries", "stops", "minutes_since_entry")
"""The quantities whose bands are kept."""
_CHANGES = tuple(Change)
_FORMAT = b"fw3"
_ARRAYS = 14
_LARGEST_BYTES = 64 * 1024 * 1024


def statistics_of(looks: Looks, is_open: NDArray[np.bool_] | None = None) -> Floats:
    """Return the statistics of windows, ``(W, S, L)``; what is not known at a look (NaN) stays NaN.

    A count n is ``2 sqrt(n + 3/8)`` (Anscombe 1948, "The transformation of Poisson, binomial and
    negative-binomial data", Biometrika 35), drawdown and time since the last entry are square roots, a loss
    is in units of volatility (``loss_by_volatility``).

    ``is_open``: the looks that are made, ``(L,)``; None: all.
    """
    entries = 2 * np.sqrt(looks.entries + 0.375)
    return np.stack(
        [
            np.sqrt(looks.drawdown),
            entries,
            -entries,
            2 * np.sqrt(looks.stops + 0.375),
            np.sqrt(looks.since_entry_ms / 3_600_000),
            loss_by_volatility(looks.equity, is_open),
        ],
        axis=1,
    )


def loss_by_volatility(equity: Floats, is_open: NDArray[np.bool_] | None = None) -> Floats:
    """Return the loss since the day's begin over its realised volatility, ``(W, L)``; negative: a gain.

    Of logarithmic returns r from look to look, ``-sum(r) / sqrt(sum(r^2))``; 0 before equity first moves. It
    is between ``-sqrt(L)`` and ``sqrt(L)`` and has no unit: a small loss that never stops, as of fills that
    cost more, is large, a large one in a wild market is not. NaN where equity is not known; ``is_open``: the
    looks that are made, others are passed over.

    Source: Efron 1969, "Student's t-test under symmetry conditions", JASA 64; Logan, Mallows, Rice, Shepp
    1973, "Limit distributions of self-normalized sums", Ann. Probab. 1.
    """
    value = np.log(np.maximum(equity, SMALLEST_EQUITY))
    is_known = np.isfinite(value) if is_open is None else np.isfinite(value) & is_open
    looks = np.arange(1, value.shape[1] + 1)
    # The value at the last known look before each; at the begin it is 0.
    last = np.maximum.accumulate(np.where(is_known, looks, 0), axis=1)
    whole = np.concatenate([np.zeros((len(value), 1)), value], axis=1)
    held = np.take_along_axis(whole, last, axis=1)
    variance = np.cumsum(np.diff(held, axis=1, prepend=0.0) ** 2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        loss: Floats = np.where(is_known, np.where(variance > 0, -value / np.sqrt(variance), 0.0), np.nan)
    return loss


def look_weights(count: int) -> Floats:
    """Return the weight of each look, ``(L,)``."""
    k = np.arange(1, count + 1)
    weights: Floats = np.sqrt((k + EARLY * count) / ((1 + EARLY) * count))
    return weights


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Means, sds and references that one baseline gives."""

    is_open: NDArray[np.bool_]
    """Which looks are made, ``(L,)``: none inside time lost."""
    is_active: NDArray[np.bool_]
    """Statistics that vary, ``(S,)``."""
    mean: Floats
    """``(S, L)``."""
    sd: Floats
    """``(S, L)``, not below the floor where the statistic is active."""
    weight: Floats
    """``(L,)``."""
    size: int
    """N: days of the references."""
    largest: Floats32
    """The largest z of each reference day by statistic, ascending, ``(S, at most MOST_KEPT)``."""
    twice: Floats32
    """The smallest tail share of each reference day over the statistics of ``TWICE``, ascending,
    ``(2, at most MOST_KEPT)``."""
    smallest: Floats32
    """M of each reference day, ascending, ``(at most MOST_KEPT,)``."""

    def z(self, x: Floats) -> Floats32:
        """Return the weighted z of statistics ``(..., S, L)``; -inf where nothing is compared."""
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (x - self.mean) / self.sd * self.weight
        is_compared = self.is_active[:, None] & self.is_open & np.isfinite(z)
        result: Floats32 = np.where(is_compared, z, -np.inf).astype(np.float32)
        return result

    def tail(self, running: Floats32) -> Floats:
        """Return the tail share in its direction of largest z so far, ``(..., S, L)``.

        Of a z it is ``(1 + hits) / (1 + N)``, hits the reference days with one as large. Where statistics
        share a direction, hits are the days on which the smallest share over them is as small. That of a loss
        is divided by its budget.
        """
        tails = np.ones(running.shape)
        for place in np.flatnonzero(self.is_active).tolist():
            kept = self.largest[place]
            hits = len(kept) - np.searchsorted(kept, running[..., place, :], side="left")
            share = self._share(kept, hits)
            if place == Statistic.LOSS:
                share = np.minimum(share / LOSS_SHARE, 1.0)
            if place in _DIRECTION:
                share = self._at_or_below(self.twice[_DIRECTION[place]], share)
            tails[..., place, :] = share / LOSS_BUDGET if place in TWICE[0] else share
        return tails

    def adjusted(self, tails: Floats) -> Floats:
        """Return the adjusted p of tail shares: the share of reference days whose M is at or below."""
        return self._at_or_below(self.smallest, tails)

    def _at_or_below(self, kept: Floats32, shares: Floats) -> Floats:
        return self._share(kept, np.searchsorted(kept, shares.astype(np.float32), side="right"))

    def _share(self, kept: Floats32, hits: Ints) -> Floats:
        """Return ``(1 + hits) / (1 + N)``; 1 where the hits are more than were kept."""
        is_within = (hits < len(kept)) | (len(kept) == self.size)
        share: Floats = np.where(is_within, (1 + hits) / (1 + self.size), 1.0)
        return np.minimum(share, 1.0)

    def critical(self, alpha: float) -> Floats32:
        """Return for each statistic the smallest z whose adjusted p is at most ``alpha``; inf: none.

        ``p(z) <= alpha`` exactly where ``z >= critical``.
        """
        found = np.full(len(self.is_active), np.inf, dtype=np.float32)
        for place in np.flatnonzero(self.is_active).tolist():
            # The p of a z is that of the next value of the reference above it.
            values = self.largest[place]
            row = np.full((len(self.is_active), len(values) + 1), -np.inf, dtype=np.float32)
            row[place] = np.append(values, np.float32(np.inf))
            is_beyond = self.adjusted(self.tail(row)[place]) <= alpha
            if is_beyond.any():
                first = int(np.argmax(is_beyond))
                found[place] = np.nextafter(values[first - 1], np.float32(np.inf)) if first else values[0]
        return found


def make_reference(
    x: Floats, day: Ints, random: np.random.Generator, *, is_open: NDArray[np.bool_] | None = None
) -> Reference:
    """Return the reference of windows with statistics ``x`` ``(W, S, L)``; ``day`` ascending, ``(W,)``.

    Raises:
        WrongUseError: fewer days than ten, or no look.
    """
    looks = x.shape[2]
    is_open = np.ones(looks, dtype=np.bool_) if is_open is None else is_open
    firsts = np.flatnonzero(np.diff(day, prepend=day[0] - 1 if len(day) else 0))
    days = len(firsts)
    if days < FEWEST_DAYS:
        raise WrongUseError(
            f"the baseline has {days} days of 24 hours with candles at the launch's hour of the day, and "
            f"{FEWEST_DAYS} are needed at the least: take a longer baseline"
        )
    if not is_open.any():
        raise WrongUseError("no look of this day is outside of the time lost: nothing can be compared")
    counts = np.diff(firsts, append=len(day))
    last = int(np.flatnonzero(is_open)[-1])
    weight = look_weights(looks)

    centre = x.mean(axis=0)
    shifted = x - centre
    sums = np.add.reduceat(shifted, firsts, axis=0)
    squares = np.add.reduceat(shifted * shifted, firsts, axis=0)
    offset, spread = _moments(sums.sum(axis=0), squares.sum(axis=0), len(day))
    floor = FLOOR * spread[:, last]
    floor[Statistic.SINCE_ENTRY] = FLOOR * spread[Statistic.SINCE_ENTRY, is_open].max()
    is_active = spread[:, last] >= CONSTANT_SD
    floor = floor[:, None]

    length = min(BLOCK_DAYS, days)
    blocks = [_block_sums(values, length) for values in (sums, squares, counts)]
    drawn = random.integers(0, days - length + 1, size=(REDRAWS, max(1, days // length)))
    picked = firsts + (random.random((REDRAWS, days)) * counts).astype(np.int64)
    largest = np.empty((REDRAWS, days, x.shape[1]), dtype=np.float32)
    open_weight = np.where(is_open, weight, 0.0)
    for redraw in range(REDRAWS):
        total, total_squares, size = (values[drawn[redraw]].sum(axis=0) for values in blocks)
        middle, sd = _moments(total, total_squares, size)
        scale = open_weight / np.maximum(np.maximum(sd, floor), CONSTANT_SD)
        z = (shifted[picked[redraw]] - middle) * scale
        z[:, :, ~is_open] = -np.inf
        largest[redraw] = z.max(axis=2)
    of_days = largest.reshape(-1, x.shape[1])
    size = len(of_days)
    ordered = np.sort(of_days, axis=0).T.copy()
    smallest = np.ones(size, dtype=np.float32)
    of_twice = np.ones((len(TWICE), size), dtype=np.float32)
    for place in np.flatnonzero(is_active).tolist():
        hits = size - np.searchsorted(ordered[place], of_days[:, place], side="left")
        share = (1 + hits) / (1 + size)
        if place == Statistic.LOSS:
            share /= LOSS_SHARE
        to = of_twice[_DIRECTION[place]] if place in _DIRECTION else smallest
        np.minimum(to, share.astype(np.float32), out=to)
    twice = np.sort(of_twice, axis=1)
    for of, kept, share_of_days in zip(TWICE, twice, of_twice, strict=True):
        share = (1 + np.searchsorted(kept, share_of_days, side="right")) / (1 + size)
        if of is TWICE[0]:
            share /= LOSS_BUDGET
        np.minimum(smallest, share.astype(np.float32), out=smallest)
    return Reference(
        is_open,
        is_active,
        centre + offset,
        np.maximum(spread, floor),
        weight,
        size,
        ordered[:, -MOST_KEPT:],
        twice[:, :MOST_KEPT],
        np.sort(smallest)[:MOST_KEPT],
    )


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The result of a recipe: critical values, bands and power, by which a live day is judged and shown.

    ``Q`` = 4 observed quantities in the order of ``OBSERVED``, ``C`` changes in the order of ``Change``,
    ``K`` = 3 checks in the order of ``JOINT_CHECKS``.
    """

    grid_ms: Ints
    """The looks since the begin of the day, ``(L,)``."""
    reference: Reference
    critical: Floats32
    """The z of each statistic from which on its check is ``DIVERGED``, ``(S,)``; inf: none."""
    critical_watch: Floats32
    """The same for ``WATCH``."""
    bands: Floats32
    """Quantiles 5, 50, 95 % of the windows, ``(Q, 3, L)``: drawdown as a fraction, entries, exits by stop,
    minutes since the last entry."""
    fan: Floats32
    """Quantiles 5, 25, 50, 75, 95 % of equity as a fraction of the first, ``(5, L)``."""
    power: Floats32
    """Share of altered days on which the check has passed its critical value by each look, ``(C, K, L)``."""
    windows: int
    days: int

    @property
    def looks(self) -> int:
        """L: the looks of a whole day."""
        return len(self.grid_ms)

    def power_of(self, check: CheckName, change: Change, look: int) -> float:
        """Return the power of a check against a change by a look; before the first look (-1) it is 0."""
        if look < 0:
            return 0.0
        return float(self.power[_CHANGES.index(change), JOINT_CHECKS.index(check), look])

    def smallest_effect(self, check: CheckName, look: int) -> Change | None:
        """Return the mildest of the check's changes that is seen with a power of 80 % by that look."""
        own = OWN_CHANGES[check]
        return next((change for change in own if self.power_of(check, change, look) >= SEEN), None)

    def enough_look(self, check: CheckName) -> int | None:
        """Return the first look at which the check has enough data; None: not on this day."""
        places = [_CHANGES.index(change) for change in OWN_CHANGES[check]]
        is_enough = (self.power[places, JOINT_CHECKS.index(check)] >= ENOUGH).any(axis=0)
        return int(np.argmax(is_enough)) if is_enough.any() else None

    def pack(self) -> bytes:
        """Return the tables as bytes; the same tables give the same bytes."""
        file = io.BytesIO()
        for array in (*self._arrays(), np.array([self.reference.size, self.windows, self.days])):
            np.save(file, array, allow_pickle=False)
        return _FORMAT + zlib.compress(file.getvalue(), 6)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the tables that ``pack`` packed.

        Raises:
            DamagedRowError: the bytes are damaged, or of another program.
        """
        try:
            if packed[: len(_FORMAT)] != _FORMAT:
                raise ValueError("they are of another version of the program")
            unpacker = zlib.decompressobj()
            file = io.BytesIO(unpacker.decompress(packed[len(_FORMAT) :], _LARGEST_BYTES))
            arrays = [np.load(file, allow_pickle=False) for _ in range(_ARRAYS + 1)]
            if not unpacker.eof or unpacker.unused_data or file.read(1):
                raise ValueError("they are not whole")
            grid, is_open, is_active, mean, sd, weight, largest, twice, smallest = arrays[:9]
            critical, critical_watch, bands, fan, power = arrays[9:14]
            size, windows, days = (int(number) for number in arrays[-1])
            reference = Reference(is_open, is_active, mean, sd, weight, size, largest, twice, smallest)
            tables = cls(grid, reference, critical, critical_watch, bands, fan, power, windows, days)
            tables._check()
        except (ValueError, zlib.error, EOFError) as error:
            raise DamagedRowError(
                f"the tables of the first watch cannot be read: {said(error)}; they are computed anew"
            ) from error
        return tables

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        one = self.reference
        return (
            self.grid_ms, one.is_open, one.is_active, one.mean, one.sd, one.weight, one.largest,
            one.twice, one.smallest, self.critical, self.critical_watch, self.bands,
            self.fan, self.power,
        )  # fmt: skip

    def _check(self) -> None:
        """Refuse arrays of another shape or kind."""
        looks, kept = len(self.grid_ms), self.reference.largest.shape[-1]
        count = len(Statistic)
        shapes = (
            (looks,), (looks,), (count,), (count, looks), (count, looks), (looks,), (count, kept),
            (len(TWICE), kept), (kept,), (count,), (count,), (len(OBSERVED), 3, looks),
            (5, looks), (len(_CHANGES), len(JOINT_CHECKS), looks),
        )  # fmt: skip
        kinds = "ibbfffffffffff"
        for array, shape, kind in zip(self._arrays(), shapes, kinds, strict=True):
            if array.shape != shape or array.dtype.kind != kind:
                raise ValueError(f"an array of shape {array.shape} is not of shape {shape}")


def make_tables(
    grid_ms: Ints,
    days: Looks,
    altered: Mapping[Change, Looks],
    random: np.random.Generator,
    *,
    lost: Sequence[Lost] = (),
) -> Tables:
    """Return the tables of a baseline's windows; ``altered`` gives the power.

    Raises:
        WrongUseError: fewer days than ten, or no look outside the time lost.
    """
    is_open = np.ones(len(grid_ms), dtype=np.bool_)
    for each in lost:
        is_open &= ~((grid_ms > each.from_ms) & (grid_ms <= each.to_ms))
    reference = make_reference(statistics_of(days, is_open), days.day, random, is_open=is_open)
    critical = reference.critical(JOINT_ALPHA)
    power = np.zeros((len(_CHANGES), len(JOINT_CHECKS), len(grid_ms)), dtype=np.float32)
    for change, looks in altered.items():
        if len(looks):
            power[_CHANGES.index(change)] = crossings(reference, critical, looks).mean(axis=1)
    return Tables(
        grid_ms,
        reference,
        critical,
        reference.critical(WATCH_P),
        np.stack([np.quantile(values, (0.05, 0.5, 0.95), axis=0) for values in observed(days)]).astype(
            np.float32
        ),
        np.quantile(days.equity, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0).astype(np.float32),
        power,
        len(days),
        len(np.unique(days.day)),
    )


def observed(looks: Looks) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the observed quantities of windows, each ``(W, L)``, in the order of ``OBSERVED``."""
    return -np.expm1(-looks.drawdown), looks.entries, looks.stops, looks.since_entry_ms / 60_000


def crossings(reference: Reference, critical: Floats32, looks: Looks) -> NDArray[np.bool_]:
    """Return whether each check has passed its critical value by each look, ``(K, W, L)``."""
    is_beyond = reference.z(statistics_of(looks, reference.is_open)) >= critical[:, None]
    is_beyond = np.logical_or.accumulate(is_beyond, axis=2)
    return np.stack([is_beyond[:, list(of)].any(axis=1) for of in STATISTICS_OF.values()])


@dataclass(frozen=True, slots=True)
class JudgedCheck:
    """The result of one joint check on a live day so far."""

    p_adjusted: float | None
    """None: none of its statistics varies in the baseline, or no look was made."""
    first_look: int | None
    """The look at which it first was ``DIVERGED``; None: it is not."""
    is_watch: bool
    """The adjusted p is at most that of ``WATCH``, or ``is_never_seen``."""
    is_never_seen: bool
    """A statistic that is constant in the baseline has another value."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The results on a live day so far: the last look that was made (-1: none yet), and each joint check."""

    look: int
    checks: Mapping[CheckName, JudgedCheck]


def judge(tables: Tables, live: Looks) -> Judgement:
    """Judge one live day, ``(1, L)``, by its looks so far; NaN where a look was not made."""
    reference = tables.reference
    x = statistics_of(live, reference.is_open)[0]
    z = reference.z(x)
    running = np.maximum.accumulate(z, axis=1)
    is_made = np.isfinite(x).all(axis=0) & reference.is_open
    look = int(np.flatnonzero(is_made)[-1]) if is_made.any() else -1
    tails = reference.tail(running)[:, look]
    is_constant = ~reference.is_active[:, None] & (reference.sd < CONSTANT_SD) & is_made
    is_off = is_constant & (np.abs(x - reference.mean) > CONSTANT_SD)
    checks = {}
    for name, of in STATISTICS_OF.items():
        places = [each for each in of if reference.is_active[each]]
        p = first = None
        if places and look >= 0:
            p = float(reference.adjusted(tails[places]).min())
            is_beyond = (running[places] >= tables.critical[places, None]).any(axis=0)
            first = int(np.argmax(is_beyond)) if is_beyond.any() else None
        is_never_seen = bool(is_off[list(of)].any())
        checks[name] = JudgedCheck(p, first, (p is not None and p <= WATCH_P) or is_never_seen, is_never_seen)
    return Judgement(look, checks)


def _moments(total: Floats, squares: Floats, count: int) -> tuple[Floats, Floats]:
    """Return mean and population sd from sums."""
    mean = total / count
    variance = squares / count - mean * mean
    return mean, np.sqrt(np.maximum(variance, 0.0))


def _block_sums(values: NDArray[Any], length: int) -> NDArray[Any]:
    """Return the sums of ``length`` consecutive rows, one for each first row."""
    count = len(values) - length + 1
    total = values[:count].copy()
    for place in range(1, length):
        total += values[place : place + count]
    return total

"""How useful is each condition: how often it decides, and what is lost without it.

1. *Ablation*: the same test with the condition left out. A side whose last entry condition is left out never
   enters; an exit group without one never exits. All tests decide the same bars.
2. The score is ``100 x (1 - (1.96 / t)²)`` for t above 1.96, else 0: what chance explains earns nothing. t is
   Student's of the daily returns with the condition less ``k`` times those without it, k being the ratio of
   the times in position. For a condition of an entry that is the mean return per time in position of the
   trades that it let through, less that of the trades that it kept away: a condition that only trades less,
   at random, gains nothing.
3. A required condition that was never false scores 0: it has decided nothing.
4. A *near miss* is a stretch of closes, flat, at which an entry group of several lacked one condition only,
   and that did not end with the group becoming true.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.holdout import split_period
from firstwatch.backtest.mean_test import mean_above_zero
from firstwatch.backtest.metrics import RATIO_DAYS, daily_returns
from firstwatch.backtest.simulate import BacktestResult
from firstwatch.backtest.tester import Tester
from firstwatch.strategy.conditions import Condition
from firstwatch.strategy.evaluation import ArrayEvaluator
from firstwatch.strategy.specification import AlgorithmSpec, Group
from firstwatch.trading.clock import iso
from firstwatch.trading.orders import Side
from firstwatch.trading.why import GroupKind

CHANCE_T = 1.96
"""Chance alone exceeds it once in forty times."""
FORMULA = (
    "100 x (1 - (1.96 / t)²) for t above 1.96, else 0; t: Student's, of the daily returns with the condition "
    "less those without it at equal time in position; 0 if required and never false"
)

_REQUIRED, _OPTIONAL = "required", "optional"

_Bools = NDArray[np.bool_]
_Floats = NDArray[np.float64]
Progress = Callable[[float, str], None]
"""Callback with the share that is done (0 to 1), and the current step."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """Change of a test's figures when the condition is left out; None: one of the two is not defined."""

    net_pnl: float | None
    """Quote."""
    sharpe: float | None


@dataclass(frozen=True, slots=True)
class ConditionUse:
    """The use of one condition; counts are of closes."""

    group: str
    """Its place in the file, as ``entry.long.required``."""
    number: int
    """Its place in that list, from 0."""
    condition: str
    score: float | None
    """0 to 100; None: fewer than 30 days."""
    flips: int
    """How often it changed between true and false."""
    true_share: float
    completed: int
    """How often its group became true at the close at which it did."""
    blocked_alone: int
    """How often its group was false because of it alone. One of several optional ones never blocks alone."""
    ablation: Ablation


@dataclass(frozen=True, slots=True)
class NearMiss:
    """Stretches at which an entry group lacked one condition only, by what it lacked at their end."""

    group: str
    """As ``entry.long``."""
    missing: str
    """The condition, or the optional ones of which none was true."""
    count: int
    last_ms: int
    """The open time of the last such bar."""


@dataclass(frozen=True, slots=True)
class Usefulness:
    """The use of every condition of an algorithm."""

    conditions: tuple[ConditionUse, ...]
    """In the order of the file."""
    near_misses: tuple[NearMiss, ...]
    """The most frequent first."""
    start_ms: int
    end_ms: int
    """The bars that were decided: from the first one's open to the last one's close."""
    closes: int
    tried_sha256: tuple[str, ...]
    """The hashes of the specifications that were tested: the algorithm, and it without each condition."""

    def least(self) -> ConditionUse | None:
        """Return the condition with the lowest score; None: none has a score."""
        scored = [each for each in self.conditions if each.score is not None]
        return min(scored, key=lambda each: each.score or 0.0, default=None)


def measure_usefulness(
    tester: Tester,
    spec: AlgorithmSpec,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    progress: Progress = lambda _share, _step: None,
) -> Usefulness:
    """Return the use of every condition over the period from ``start_ms`` to ``end_ms``, less its hold-out.

    Raises:
        WrongUseError: as ``split_period`` and ``Tester.run``.
    """
    candles = tester.candles
    period = split_period(candles, start_ms, end_ms)
    placed = _placed(spec)
    progress(0.0, "the test itself")
    whole = tester.run(spec, start_ms=period.start_ms, end_ms=period.holdout_ms)
    first, end = candles.index_at(int(whole.time_ms[0])), candles.index_at(period.holdout_ms)
    truths = _Truths(ArrayEvaluator(spec, candles.part(0, end), {}), first)
    found, tried = [], [spec.sha256()]
    for done, place in enumerate(placed):
        progress((done + 1) / (len(placed) + 1), f"without {place.condition}")
        left = _without(spec, place)
        tried.append(left.sha256())
        without = tester.run(left, start_ms=int(whole.time_ms[0]), end_ms=period.holdout_ms)
        found.append(_use(place, truths, whole, without, tester.capital))
    closes = end - first
    return Usefulness(
        tuple(found),
        _near_misses(spec, truths, whole),
        int(whole.time_ms[0]),
        int(whole.time_ms[-1]) + spec.timeframe.ms,
        closes,
        tuple(tried),
    )


def score_of(with_it: _Floats, without: _Floats, time_ratio: float) -> float | None:
    """Return the score by the daily returns with and without a condition; None: fewer than 30 days.

    ``time_ratio``: the time in position with it by that without it.
    """
    if len(with_it) < RATIO_DAYS:
        return None
    test = mean_above_zero(with_it - time_ratio * without)
    if test is None or test.t <= CHANCE_T:
        return 0.0
    return 100 * (1 - (CHANCE_T / test.t) ** 2)


def to_json(found: Usefulness) -> dict[str, Any]:
    """Return the object that ``firstwatch usefulness --json`` prints; times are ISO 8601 UTC."""
    return {
        "conditions": [
            {
                "group": each.group,
                "condition": each.condition,
                "score": each.score,
                "flips": each.flips,
                "true_share": each.true_share,
                "completed": each.completed,
                "blocked_alone": each.blocked_alone,
                "ablation": {"net_pnl": each.ablation.net_pnl, "sharpe": each.ablation.sharpe},
            }
            for each in found.conditions
        ],
        "near_misses": [
            {
                "group": each.group,
                "missing": each.missing,
                "count": each.count,
                "last_at": iso(each.last_ms),
            }
            for each in found.near_misses
        ],
        "formula": FORMULA,
        "from": iso(found.start_ms),
        "to": iso(found.end_ms),
        "closes": found.closes,
    }


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a condition stands."""

    kind: GroupKind
    side: Side
    group: Group
    part: str
    """``required`` or ``optional``."""
    number: int
    condition: Condition

    @property
    def is_required(self) -> bool:
        return self.part == _REQUIRED

    def __str__(self) -> str:
        return f"{self.kind}.{self.side}.{self.part}"


class _Truths:
    """Where conditions hold, over the bars of the test; each computed once."""

    def __init__(self, evaluator: ArrayEvaluator, first: int) -> None:
        self._evaluator = evaluator
        self._first = first
        self._known: dict[Condition, _Bools] = {}

    def of(self, condition: Condition) -> _Bools:
        if condition not in self._known:
            self._known[condition] = self._evaluator.truth(condition)[self._first :]
        return self._known[condition]

    def group(self, group: Group, but: _Place | None = None) -> _Bools:
        """Return where a group holds; ``but``: as if that one condition of it were true."""
        required = {n: self.of(each) for n, each in enumerate(group.required)}
        optional = {n: self.of(each) for n, each in enumerate(group.optional)}
        if but is not None:
            part = required if but.is_required else optional
            part[but.number] = np.ones_like(part[but.number])
        parts = list(required.values())
        if optional:
            parts.append(np.logical_or.reduce(list(optional.values())))
        truth: _Bools = np.logical_and.reduce(parts)
        return truth


def _placed(spec: AlgorithmSpec) -> list[_Place]:
    return [
        _Place(kind, side, group, part, number, condition)
        for kind in (GroupKind.ENTRY, GroupKind.EXIT)
        for side in Side
        if (group := _group(spec, kind, side)) is not None
        for part in (_REQUIRED, _OPTIONAL)
        for number, condition in enumerate(getattr(group, part))
    ]


def _group(spec: AlgorithmSpec, kind: GroupKind, side: Side) -> Group | None:
    groups = spec.entry if kind is GroupKind.ENTRY else spec.exit
    return groups.of(side) if spec.direction.allows(side) else None


def _without(spec: AlgorithmSpec, place: _Place) -> AlgorithmSpec:
    """Return the algorithm without a condition; it may be one that no file can hold."""
    before = getattr(place.group, place.part)
    left = before[: place.number] + before[place.number + 1 :]
    group = place.group.model_copy(update={place.part: left})
    groups = spec.entry if place.kind is GroupKind.ENTRY else spec.exit
    changed = groups.model_copy(update={place.side.value: group})
    return spec.model_copy(update={place.kind.value: changed})


def _use(
    place: _Place, truths: _Truths, whole: BacktestResult, without: BacktestResult, capital: float
) -> ConditionUse:
    group = place.group
    holds, met = truths.of(place.condition), truths.group(group)
    rises = met[1:] & ~met[:-1] & holds[1:] & ~holds[:-1]
    blocks = truths.group(group, but=place) & ~met & ~holds
    alone = place.is_required or len(group.optional) == 1
    is_idle = place.is_required and bool(holds.all())
    before, after = whole.metrics, without.metrics
    score = score_of(
        *_aligned(whole, without, capital),
        (before.exposure or 0.0) / after.exposure if after.exposure else 0.0,
    )
    return ConditionUse(
        str(place),
        place.number,
        str(place.condition),
        0.0 if is_idle and score is not None else score,
        int(np.count_nonzero(holds[1:] != holds[:-1])),
        float(holds.mean()),
        int(np.count_nonzero(rises)),
        int(np.count_nonzero(blocks)) if alone else 0,
        Ablation(_change(before.net_pnl, after.net_pnl), _change(before.sharpe, after.sharpe)),
    )


def _aligned(whole: BacktestResult, without: BacktestResult, capital: float) -> tuple[_Floats, _Floats]:
    """Return the daily returns of both; after equity is gone there are none, which counts as 0."""
    first, other = (daily_returns(each.time_ms, each.equity, capital) for each in (whole, without))
    days = max(len(first), len(other))
    return np.pad(first, (0, days - len(first))), np.pad(other, (0, days - len(other)))


def _change(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _near_misses(spec: AlgorithmSpec, truths: _Truths, whole: BacktestResult) -> tuple[NearMiss, ...]:
    found = []
    for side in Side:
        group = _group(spec, GroupKind.ENTRY, side)
        if group is None:
            continue
        parts = [(str(each), truths.of(each)) for each in group.required]
        if group.optional:
            one = np.logical_or.reduce([truths.of(each) for each in group.optional])
            parts.append((" or ".join(map(str, group.optional)), one))
        if len(parts) < 2:
            continue
        lacking = np.sum([~holds for _, holds in parts], axis=0)
        near = np.concatenate([[False], (lacking == 1) & ~_in_position(whole), [False]])
        ends = np.flatnonzero(near[:-1] & ~near[1:]) - 1
        # Those that the group's becoming true has ended are no misses.
        missed = ends[np.append(lacking[1:], 1)[ends] > 0]
        for text, holds in parts:
            here = missed[~holds[missed]]
            if len(here):
                found.append(
                    NearMiss(f"{GroupKind.ENTRY}.{side}", text, len(here), int(whole.time_ms[here[-1]]))
                )
    return tuple(sorted(found, key=lambda each: -each.count))


def _in_position(whole: BacktestResult) -> _Bools:
    """Return the bars at whose close a position was open."""
    changes = np.zeros(whole.bars + 1, dtype=np.int64)
    opened, closed = (
        np.searchsorted(whole.time_ms, [getattr(record, name) for record in whole.records])
        for name in ("entry_time_ms", "exit_time_ms")
    )
    np.add.at(changes, opened, 1)
    np.add.at(changes, closed, -1)
    held: _Bools = np.cumsum(changes[:-1]) > 0
    return held

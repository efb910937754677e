"""How useful is each condition: how often it decides, and what is lost without it.

1. *Ablation*: the same test with the condition left out. A side whose last entry condition is left out never
   enters; an exit group without one never exits. All tests decide the same bars.
2. The score is ``100 x (1 - (1.96 / t)²)`` for t above 1.96, else 0: what chance explains earns nothing. t is
   Student's of the daily returns with the condition less ``k`` times those without it, k being the ratio of
   the times in position. For a condition of an entry that is the mean return per time in position of the
   trades that it let through, less that of the trades that it kept away: a condition that only trades less,
   at random, gains nothing.
3. A required condition that was never false scores 0: it has decided nothing. So does one that stands in
   ``all`` lists only.
4. A condition *blocks alone* where its group would be true if it were, and no other one could say so.
5. A *near miss* is a stretch of closes, flat, at which an entry group that needs several lacked one condition
   only, and that did not end with the group becoming true.
6. Left out of a tree, a condition's list goes on without it: ``at_least`` is then at most what is left.
"""

from collections.abc import Callable, Iterable, Iterator
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
from firstwatch.strategy.evaluation import ArrayEvaluator, at_least
from firstwatch.strategy.groups import Group, Placed
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import iso
from firstwatch.trading.orders import Side
from firstwatch.trading.why import GroupKind

CHANCE_T = 1.96
"""Chance alone exceeds it once in forty times."""
FORMULA = (
    "100 x (1 - (1.96 / t)²) for t above 1.96, else 0; t: Student's, of the daily returns with the condition "
    "less those without it at equal time in position; 0 if required and never false"
)

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
    """Its list in the file, as ``entry.long.required`` or ``entry.long.when.any[1].all``."""
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
    """How often its group was false because of it alone."""
    ablation: Ablation


@dataclass(frozen=True, slots=True)
class NearMiss:
    """Stretches at which an entry group lacked one condition only, by what it lacked at their end."""

    group: str
    """As ``entry.long``."""
    missing: str
    """The condition, or those of which any would have been enough."""
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
    progress(0.0, "the test itself")
    whole = tester.run(spec, start_ms=period.start_ms, end_ms=period.holdout_ms)
    first, end = candles.index_at(int(whole.time_ms[0])), candles.index_at(period.holdout_ms)
    evaluator = ArrayEvaluator(spec, candles.part(0, end), {})
    groups = list(_groups(spec, evaluator, first))
    count = sum(len(group.placed) for group in groups)
    found: list[ConditionUse] = []
    tried = [spec.sha256()]
    for group in groups:
        for number, place in enumerate(group.placed):
            progress((len(found) + 1) / (count + 1), f"without {place.condition}")
            left = _without(spec, group, place)
            tried.append(left.sha256())
            without = tester.run(left, start_ms=int(whole.time_ms[0]), end_ms=period.holdout_ms)
            found.append(_use(group, number, whole, without, tester.capital))
    closes = end - first
    return Usefulness(
        tuple(found),
        _near_misses(groups, whole),
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


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """A group of the algorithm and its truth at each close; arrays are in the order of ``placed``."""

    kind: GroupKind
    side: Side
    group: Group
    placed: tuple[Placed, ...]
    holds: list[_Bools]
    """Where each condition holds."""
    met: _Bools
    """Where the group holds."""
    enough: list[_Bools]
    """Where the group does not hold, and would if that condition did."""

    is_one: _Bools
    """Where that is so of one condition alone."""

    def __str__(self) -> str:
        return f"{self.kind}.{self.side}"


def _groups(spec: AlgorithmSpec, evaluator: ArrayEvaluator, first: int) -> Iterator[_Group]:
    known: dict[Condition, _Bools] = {}
    for kind in GroupKind:
        for side in Side:
            group = spec.group(kind, side)
            if group is None:
                continue
            for condition in group.conditions:
                if condition not in known:
                    known[condition] = evaluator.truth(condition)[first:]
            holds = [known[condition] for condition in group.conditions]
            met = group.combined(holds, at_least)
            true = np.ones_like(met)
            enough = [
                ~met & group.combined([*holds[:number], true, *holds[number + 1 :]], at_least)
                for number in range(len(holds))
            ]
            is_one = np.sum(enough, axis=0, dtype=np.int32) == 1
            yield _Group(kind, side, group, group.placed, holds, met, enough, is_one)


def _without(spec: AlgorithmSpec, group: _Group, place: Placed) -> AlgorithmSpec:
    """Return the algorithm without a condition; it may be one that no file can hold."""
    groups = spec.entry if group.kind is GroupKind.ENTRY else spec.exit
    changed = groups.model_copy(update={group.side.value: group.group.without(place.keys)})
    return spec.model_copy(update={group.kind.value: changed})


def _use(
    group: _Group, number: int, whole: BacktestResult, without: BacktestResult, capital: float
) -> ConditionUse:
    place, holds, met = group.placed[number], group.holds[number], group.met
    rises = met[1:] & ~met[:-1] & holds[1:] & ~holds[:-1]
    is_idle = group.group.needs(number) and bool(holds.all())
    before, after = whole.metrics, without.metrics
    score = score_of(
        *_aligned(whole, without, capital),
        (before.exposure or 0.0) / after.exposure if after.exposure else 0.0,
    )
    return ConditionUse(
        f"{group}.{place.group}",
        place.number,
        str(place.condition),
        0.0 if is_idle and score is not None else score,
        int(np.count_nonzero(holds[1:] != holds[:-1])),
        float(holds.mean()),
        int(np.count_nonzero(rises)),
        int(np.count_nonzero(group.enough[number] & group.is_one)),
        Ablation(_change(before.net_pnl, after.net_pnl), _change(before.sharpe, after.sharpe)),
    )


def _aligned(whole: BacktestResult, without: BacktestResult, capital: float) -> tuple[_Floats, _Floats]:
    """Return the daily returns of both; after equity is gone there are none, which counts as 0."""
    first, other = (daily_returns(each.time_ms, each.equity, capital) for each in (whole, without))
    days = max(len(first), len(other))
    return np.pad(first, (0, days - len(first))), np.pad(other, (0, days - len(other)))


def _change(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _near_misses(groups: Iterable[_Group], whole: BacktestResult) -> tuple[NearMiss, ...]:
    found = []
    for group in groups:
        if group.kind is not GroupKind.ENTRY or group.group.fewest < 2:
            continue
        near = np.concatenate([[False], np.logical_or.reduce(group.enough) & ~_in_position(whole), [False]])
        ends = np.flatnonzero(near[:-1] & ~near[1:]) - 1
        # Those that the group's becoming true has ended are no misses.
        missed = ends[~np.append(group.met[1:], False)[ends]]
        if not len(missed):
            continue
        kinds, places = np.unique(np.array(group.enough)[:, missed], axis=1, return_inverse=True)
        for number in reversed(range(kinds.shape[1])):
            here = missed[places.ravel() == number]
            lacking = [
                str(place.condition)
                for place, is_enough in zip(group.placed, kinds[:, number], strict=True)
                if is_enough
            ]
            found.append(NearMiss(str(group), " or ".join(lacking), len(here), int(whole.time_ms[here[-1]])))
    return tuple(sorted(found, key=lambda miss: -miss.count))


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

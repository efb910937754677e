"""Inputs of a run's decisions beside prices and fills: the algorithm's conditions and session calendar."""

from typing import Protocol

from firstwatch.strategy.evaluation import GroupFlags
from firstwatch.trading.bar import Bar
from firstwatch.trading.orders import Side
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.why import ConditionValue, GroupKind


class Signals(Protocol):
    """Values of the algorithm's condition groups at each close (``strategy.stream.SignalStream``)."""

    def push(self, bar: Bar) -> GroupFlags:
        """Take the next closed bar."""

    def conditions(self, kind: GroupKind, side: Side) -> tuple[ConditionValue, ...]:
        """Return the conditions of a group with their values at the last close; empty: it has none."""


class Sessions(Protocol):
    """When a run may enter and when it must be flat (``market.sessions.SessionCalendar``)."""

    def may_enter(self, close_ms: int, timeframe: Timeframe) -> bool: ...

    def must_flatten(self, close_ms: int, timeframe: Timeframe) -> bool: ...

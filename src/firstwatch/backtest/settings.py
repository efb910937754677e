"""The launch settings that apply to a backtest."""

from dataclasses import dataclass, field
from decimal import Decimal

from firstwatch.trading.launch import Guards, ResetSettings, SessionSettings


@dataclass(frozen=True, slots=True)
class BacktestSettings:
    """The launch settings that apply to a backtest."""

    capital: Decimal = Decimal(10_000)
    leverage: Decimal = Decimal(1)
    trades_limit: int | None = None
    assume_position_now: bool = False
    session: SessionSettings = field(default_factory=SessionSettings)
    reset: ResetSettings | None = None
    """None: the version's own."""
    guards: Guards = field(default_factory=Guards)
    close_position_on_exit: bool = True

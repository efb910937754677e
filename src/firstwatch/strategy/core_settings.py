"""Converts an algorithm and launch settings to the plain numbers of the decision core."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Self

from firstwatch.strategy import core_state as codes
from firstwatch.strategy.core_state import MAXIMUM_LINKS, CoreSettings
from firstwatch.strategy.specification import (
    AlgorithmSpec,
    EntryKind,
    Level,
    LevelKind,
    SizingKind,
    follow_up_problem,
)
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.launch import (
    FollowUp,
    FollowUpSide,
    GuardAction,
    Guards,
    LaunchSettings,
    OnExhausted,
    ResetMode,
    ResetSettings,
)
from firstwatch.trading.limit_fills import THROUGH, LimitFills, LimitRule
from firstwatch.trading.market import Market
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason, StopMode

CORE_VERSION = 1
"""Increased with every change to the core's decisions or accounting on the same candles.

A baseline of another version is stale. Golden backtests in the tests fail on a change without it.
"""

_REASONS = tuple(ExitReason)
_RESET_MODES = {
    ResetMode.COOLDOWN_ONLY: codes.COOLDOWN_ONLY,
    ResetMode.REGULAR: codes.REGULAR,
    ResetMode.STRICT: codes.STRICT,
}
_LEVELS = {
    LevelKind.FRACTION: codes.FRACTION,
    LevelKind.AMOUNT: codes.AMOUNT,
    LevelKind.ATR: codes.ATR,
}
_SIZING = {
    SizingKind.FIXED: codes.SIZE_FIXED,
    SizingKind.EQUITY: codes.SIZE_EQUITY,
    SizingKind.RISK: codes.SIZE_RISK,
}
_LIMIT_RULES = {
    LimitRule.THROUGH: codes.FILLS_THROUGH,
    LimitRule.TOUCH: codes.FILLS_TOUCHED,
    LimitRule.QUEUE: codes.FILLS_BY_QUEUE,
}
_GUARD_ACTIONS = {GuardAction.PAUSE: codes.GUARD_PAUSES, GuardAction.STOP: codes.GUARD_STOPS}
_GUARD_LEAVES = {
    StopMode.LEAVE: codes.LEAVE_POSITION,
    StopMode.LEAVE_UNPROTECTED: codes.LEAVE_UNPROTECTED,
    StopMode.CLOSE: codes.CLOSE_POSITION,
}
_BPS = 10_000


def reason_code(reason: ExitReason) -> int:
    """Return the core's code of an exit reason, counted from 1."""
    return _REASONS.index(reason) + 1


def exit_reason(code: int) -> ExitReason:
    """Return the exit reason of a code of the core."""
    return _REASONS[code - 1]


def fraction(bps: Decimal) -> float:
    """Return basis points as a fraction, as the price and fee formulas take them."""
    return float(bps / _BPS)


def limit_rule(fills: LimitFills) -> int:
    """Return the core's code of the rule by which limits fill."""
    return _LIMIT_RULES[fills.rule]


@dataclass(frozen=True, slots=True)
class Costs:
    """What a fill costs, in basis points: fees of the notional, the rest of the price; which limits fill."""

    taker_fee_bps: Decimal
    maker_fee_bps: Decimal
    slippage_bps: Decimal = Decimal(0)
    spread_bps: Decimal = Decimal(0)
    """Bid to ask; a taker pays half of it on top of the slippage."""
    limit_fills: LimitFills = THROUGH
    """When a limit entry that rests is taken to fill; live, the venue decides that."""

    @classmethod
    def of_market(
        cls,
        market: Market,
        *,
        slippage_bps: Decimal = Decimal(0),
        spread_bps: Decimal = Decimal(0),
        limit_fills: LimitFills = THROUGH,
    ) -> Self:
        """Return the market's own fees with that slippage and spread, and that rule for limits."""
        return cls(market.taker_fee_bps, market.maker_fee_bps, slippage_bps, spread_bps, limit_fills)


def build_settings(
    spec: AlgorithmSpec,
    *,
    market: Market,
    costs: Costs,
    capital: Decimal,
    leverage: Decimal = Decimal(1),
    trades_limit: int | None = None,
    reset: ResetSettings | None = None,
    guards: Guards | None = None,
    close_position_on_exit: bool = True,
) -> CoreSettings:
    """Return the core's settings for one algorithm on one market; ``reset`` overrides the version's own.

    Raises:
        WrongUseError: the follow-up chain is too long, or a link takes a side that is not allowed.
    """
    chosen = reset if reset is not None else spec.reset
    settings = CoreSettings(
        allows_long=int(spec.direction.allows(Side.LONG)),
        allows_short=int(spec.direction.allows(Side.SHORT)),
        capital=float(capital),
        leverage=float(leverage),
        sizing_kind=_SIZING[spec.sizing.kind],
        sizing_value=spec.sizing.value,
        trades_limit=trades_limit or 0,
        closes_on_exit=int(close_position_on_exit),
        taker_fee=fraction(costs.taker_fee_bps),
        maker_fee=fraction(costs.maker_fee_bps),
        slippage=fraction(costs.slippage_bps),
        half_spread=fraction(costs.spread_bps / 2),
        limit_rule=limit_rule(costs.limit_fills),
        limit_queue=costs.limit_fills.queue,
    )
    settings.stop_kind, settings.stop_value = _level(spec.stop_loss)
    settings.stop_trails = int(spec.stop_loss is not None and spec.stop_loss.trailing)
    settings.target_kind, settings.target_value = _level(spec.take_profit)
    if spec.order.kind is EntryKind.LIMIT:
        settings.order_kind = codes.LIMIT_ORDER
        settings.order_offset = spec.order.offset_bps / _BPS
        settings.order_timeout_bars = spec.order.timeout_bars
    elif spec.order.kind is EntryKind.TWAP:
        settings.order_kind = codes.TWAP_ORDER
        settings.order_bars = spec.order.bars
    if problem := follow_up_problem(chosen, spec.direction):
        raise WrongUseError(f"reset.{problem}")
    _set_reset(settings, chosen)
    _set_guards(settings, guards if guards is not None else Guards())
    _set_market(settings, market)
    return settings


def settings_of_launch(
    spec: AlgorithmSpec, launch: LaunchSettings, *, market: Market, costs: Costs
) -> CoreSettings:
    """Return the core's settings of a live run.

    Raises:
        WrongUseError: as ``build_settings``.
    """
    return build_settings(
        spec,
        market=market,
        costs=costs,
        capital=launch.capital,
        leverage=launch.leverage,
        trades_limit=launch.trades_limit,
        reset=launch.reset,
        guards=launch.guards,
        close_position_on_exit=launch.close_position_on_exit,
    )


def _level(level: Level | None) -> tuple[int, float]:
    if level is None:
        return codes.NO_LEVEL, 0.0
    return _LEVELS[level.kind], level.value


def _set_reset(settings: CoreSettings, reset: ResetSettings) -> None:
    links = reset.follow_up
    settings.reset_mode = _RESET_MODES[reset.mode]
    settings.cooldown_bars = reset.cooldown_bars
    settings.exhausted_stops = int(reset.on_exhausted is OnExhausted.STOP_RUN)
    settings.links = len(links)
    settings.link_after = _padded([_mask(link) for link in links])
    settings.link_opposite = _padded([int(link.side is FollowUpSide.OPPOSITE) for link in links])
    settings.link_wait = _padded([link.wait_bars for link in links])
    settings.link_within = _padded([link.within_bars for link in links])
    settings.link_needs_signal = _padded([int(link.require_signal) for link in links])
    factors = [link.size_factor for link in links]
    settings.link_factor = (*factors, *[0.0] * (MAXIMUM_LINKS - len(links)))


def _mask(link: FollowUp) -> int:
    return sum(1 << reason_code(reason) for reason in set(link.after))


def _padded(values: list[int]) -> tuple[int, ...]:
    return (*values, *[0] * (MAXIMUM_LINKS - len(values)))


def _set_guards(settings: CoreSettings, guards: Guards) -> None:
    if guards.drawdown is not None:
        settings.drawdown_limit = guards.drawdown
        settings.drawdown_action = _GUARD_ACTIONS[guards.drawdown_action]
    if guards.daily_loss is not None:
        settings.daily_loss_limit = guards.daily_loss
        settings.daily_loss_action = _GUARD_ACTIONS[guards.daily_loss_action]
    if guards.losing_trades is not None:
        settings.losing_trades_limit = guards.losing_trades
        settings.losing_trades_action = _GUARD_ACTIONS[guards.losing_trades_action]
    limits = (guards.drawdown, guards.daily_loss, guards.losing_trades)
    settings.has_guards = int(any(limit is not None for limit in limits))
    settings.guard_leaves = _GUARD_LEAVES[guards.stop_mode]


def _set_market(settings: CoreSettings, market: Market) -> None:
    settings.step_units, settings.step_scale = _units_and_scale(market.amount_step)
    settings.tick_units, settings.tick_scale = _units_and_scale(market.tick)
    settings.price_figures = market.price_figures or 0
    minimum = market.minimum_amount / market.amount_step
    settings.minimum_steps = int(minimum.to_integral_value(ROUND_CEILING))
    settings.minimum_cost = float(market.minimum_cost)
    settings.maintenance = float(market.maintenance_rate)


def _units_and_scale(step: Decimal) -> tuple[float, float]:
    """Return whole numbers whose quotient is the step: 0.25 becomes 25 / 100."""
    exponent = step.as_tuple().exponent
    decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    return float(step.scaleb(decimals)), float(10**decimals)

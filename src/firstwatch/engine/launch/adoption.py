"""Which case of "Assume position now" applies to a launch: start flat, adopt, or enter at once.

Rule 26 of ``firstwatch.strategy`` and rule 4 of ``firstwatch.engine`` say when.
"""

from dataclasses import dataclass

from firstwatch.engine.launch.facts import LaunchFacts
from firstwatch.strategy.core_prices import stop_level, target_level
from firstwatch.strategy.evaluation import TRUE
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.account import Position
from firstwatch.trading.ids import sent_by
from firstwatch.trading.launch import NOT_CHECKED
from firstwatch.trading.orders import Side
from firstwatch.trading.text import counted


@dataclass(frozen=True, slots=True)
class PositionCase:
    """The launch's treatment of the wallet's position. With a ``remedy`` the launch is refused."""

    sentence: str
    remedy: str = ""
    adopts: Side | None = None
    enters: Side | None = None


def assume_position(facts: LaunchFacts) -> PositionCase:
    """Return the case that applies to these facts."""
    position, orders = facts.position, facts.open_orders
    if facts.spec is None or position is None or orders is None:
        return PositionCase(
            f"{NOT_CHECKED}: algorithm, position and open orders must be known",
            "fix what the other checks name first",
        )
    external = [order for order in orders if not sent_by(order.client_order_id, facts.earlier_runs)]
    if external:
        return PositionCase(
            f"the wallet has {counted(len(external), 'open order')} in {facts.settings.symbol} that no run of"
            " it sent",
            "cancel them at the venue",
        )
    if position.is_flat:
        return _flat(facts, facts.spec, len(orders))
    if not facts.settings.assume_position_now:
        return PositionCase(
            f"the wallet holds {_describe(position)}",
            'close it, or launch with "Assume position now" so that the run adopts it',
        )
    return _adopt(facts, facts.spec, position)


def _flat(facts: LaunchFacts, spec: AlgorithmSpec, orphaned: int) -> PositionCase:
    if orphaned:
        return PositionCase(
            f"{counted(orphaned, 'order of an earlier run is', 'orders of an earlier run are')} still open in"
            f" {facts.settings.symbol}",
            "wait until the engine has cancelled them",
        )
    if not facts.settings.assume_position_now:
        return PositionCase(
            "the run starts flat and waits for a fresh signal: an entry that is true already must first be"
            " false"
        )
    if facts.flags is None:
        return PositionCase(
            f"{NOT_CHECKED}: the groups at the last closed bar are not known",
            "fix what the other checks name first",
        )
    met = [
        side
        for side, flag in ((Side.LONG, facts.flags.entry_long), (Side.SHORT, facts.flags.entry_short))
        if spec.direction.allows(side) and flag == TRUE
    ]
    if len(met) == 1:
        return PositionCase(
            f"the wallet is flat and the {met[0]} entry is true at the last closed bar:"
            f" the run enters {met[0]} at market at once",
            enters=met[0],
        )
    which = "both entries are" if met else "no entry is"
    return PositionCase(
        f"the wallet is flat and {which} true at the last closed bar: the run waits for a fresh signal"
    )


def _adopt(facts: LaunchFacts, spec: AlgorithmSpec, position: Position) -> PositionCase:
    settings, price = facts.settings, facts.price
    side, entry = position.side, position.entry_price
    if side is None or entry is None or price is None:
        return PositionCase(
            f"{NOT_CHECKED}: the position's price is not known", "fix what the other checks name first"
        )
    held = _describe(position)
    if not spec.direction.allows(side):
        return PositionCase(
            f"the wallet holds {held}, and the algorithm is {spec.direction} only",
            "close it, or choose a version that takes that side",
        )
    if not position.is_isolated or position.leverage != settings.leverage:
        kind = "isolated" if position.is_isolated else "cross"
        return PositionCase(
            f"the wallet holds {held} at {kind} leverage {position.leverage}, the launch says isolated"
            f" {settings.leverage}",
            f"launch with leverage {position.leverage}, or close the position: while one is held, the venue"
            " changes neither leverage nor margin mode"
            if position.is_isolated
            else "close the position: while one is held, the venue changes neither leverage nor margin mode",
        )
    notional = float(position.amount) * price
    most = float(settings.capital * settings.leverage)
    if notional > most:
        return PositionCase(
            f"the wallet holds {held}, worth {notional:,.2f}, above capital × leverage of {most:,.2f}",
            f"give the run a capital of {notional / float(settings.leverage):,.2f} or more",
        )
    passed = _passed_level(facts, side, float(entry), price)
    if passed:
        return PositionCase(
            f"the wallet holds {held}: its {passed} is already passed by the mark {price:g}",
            "close the position, or choose a version whose levels lie further away",
        )
    return PositionCase(f"the run adopts {held}, accounted from the mark {price:g}", adopts=side)


def _passed_level(facts: LaunchFacts, side: Side, entry: float, mark: float) -> str:
    core, flags = facts.core, facts.flags
    if core is None or flags is None:
        return ""
    stop = stop_level(core, side.sign, entry, flags.atr_stop)
    target = target_level(core, side.sign, entry, flags.atr_target)
    if stop > 0 and side.sign * (mark - stop) <= 0:
        return f"stop at {stop:,.2f}"
    if target > 0 and side.sign * (mark - target) >= 0:
        return f"target at {target:,.2f}"
    return ""


def _describe(position: Position) -> str:
    return f"a {position.side} of {position.amount} at {position.entry_price}"

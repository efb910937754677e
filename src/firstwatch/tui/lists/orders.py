"""The orders of one run: a line for the stops of a position and one for its targets, however often they move.

Those in doubt and those refused come first, each on a line of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderState
from firstwatch.trading.text import counted
from firstwatch.tui import formats
from firstwatch.tui.widgets.table import Cell, Column, Line, Tone

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import OrderView, RunDetails

COLUMNS = (
    Column("sent, wall", 11),
    Column("for", 6),
    Column("price", 19, grows=True),
    Column("moves", 5, rank=1, is_number=True),
    Column("state", 13),
    Column("amount", 8, rank=2, is_number=True),
    Column("side", 4, rank=3),
    Column("filled", 8, rank=4, is_number=True),
    Column("kind", 6, rank=5),
    Column("changed", 14, rank=6),
    Column("id", 6, rank=7),
)
EMPTY = "This run has no orders."
STATES: dict[OrderState, str] = {
    OrderState.PENDING_SUBMIT: "to be sent",
    OrderState.SUBMITTED: "sent",
    OrderState.ACCEPTED: "rests",
    OrderState.PARTIALLY_FILLED: "partly filled",
    OrderState.PENDING_CANCEL: "cancelling",
    OrderState.FILLED: "filled",
    OrderState.CANCELED: "cancelled",
    OrderState.REJECTED: "REFUSED",
    OrderState.EXPIRED: "expired",
    OrderState.UNKNOWN: "UNKNOWN",
}
_LEGS = frozenset({OrderPurpose.STOP, OrderPurpose.TARGET})
_FIRST = (OrderState.UNKNOWN, OrderState.REJECTED)


@dataclass(frozen=True, slots=True)
class Folded:
    """Orders of one purpose that replaced each other, oldest first."""

    orders: "tuple[OrderView, ...]"

    @property
    def newest(self) -> "OrderView":
        """The order that counts now."""
        return self.orders[-1]

    @property
    def moves(self) -> int:
        """How often an order replaced another."""
        return len(self.orders) - 1


def fold(orders: "Sequence[OrderView]") -> list[Folded]:
    """Return the orders as they are shown, the newest first; ``orders``: oldest first.

    A leg's orders between one entry and the next are of one position.
    """
    urgent: dict[OrderState, list[Folded]] = {state: [] for state in _FIRST}
    folds: list[list[OrderView]] = []
    legs: dict[OrderPurpose, list[OrderView]] = {}
    for order in orders:
        if order.state in urgent:
            urgent[order.state].append(Folded((order,)))
            continue
        if order.purpose is OrderPurpose.ENTRY:
            legs = {}
        if order.purpose in _LEGS:
            if order.purpose in legs:
                legs[order.purpose].append(order)
                continue
            legs[order.purpose] = [order]
            folds.append(legs[order.purpose])
        else:
            folds.append([order])
    folds.sort(key=lambda found: found[-1].created_ms)
    shown = [found for state in _FIRST for found in reversed(urgent[state])]
    return [*shown, *(Folded(tuple(found)) for found in reversed(folds))]


def unfolded(orders: "Sequence[OrderView]") -> list[Folded]:
    """Return each order by itself, the newest first."""
    return [Folded((order,)) for order in reversed(orders)]


def below(details: "RunDetails", key_of: Callable[[str], str]) -> str:
    """Return the text of the lower border where some orders are left out, which are the oldest."""
    shown = f"newest {len(details.orders):,} of {counted(details.order_count, 'order')}"
    return f"{shown} · all of them: {key_of('run.export')}"


def lines(orders: "Sequence[OrderView]", *, shows_changes: bool) -> list[Line]:
    """Return a line for each order; ``shows_changes``: also for replaced ones."""
    return [_line(found) for found in (unfolded(orders) if shows_changes else fold(orders))]


def _line(found: Folded) -> Line:
    order = found.newest
    tone: Tone = "" if order.state.is_open else "dim"
    if order.state in _FIRST:
        tone = "error"
    return Line(
        order.client_order_id,
        (
            Cell(formats.short_moment(found.orders[0].created_ms), "dim"),
            Cell(order.purpose.value, "" if tone == "dim" else tone),
            Cell(prices(found)),
            Cell(str(found.moves) if found.moves else "", "dim"),
            Cell(STATES[order.state], tone),
            Cell(formats.short_amount(order.amount)),
            Cell(order.side.value),
            Cell(formats.short_amount(order.filled) if order.filled else "-", "dim"),
            Cell(order.kind.value, "dim"),
            Cell(formats.clock_time(order.updated_ms), "dim"),
            Cell(order.client_order_id[-6:], "dim"),
        ),
    )


def prices(found: Folded) -> str:
    """Return the first and the last price of some orders."""
    first, last = _price(found.orders[0]), _price(found.newest)
    return last if first == last else f"{first}→{last}"


def _price(order: "OrderView") -> str:
    """Return the price at which an order has filled or would."""
    if order.average_price is not None:
        return formats.price(order.average_price)
    if order.trigger_price is not None:
        return formats.price(order.trigger_price)
    # The price of a market order is only the worst one that it may fill at.
    return "market" if order.price is None or order.kind is OrderKind.MARKET else formats.price(order.price)


def story(orders: "Sequence[OrderView]", key: str, *, shows_changes: bool) -> list[str]:
    """Return all that is known of the orders of one line, by its key; nothing: there is no such line."""
    shown = unfolded(orders) if shows_changes else fold(orders)
    found = next((each for each in shown if each.newest.client_order_id == key), None)
    if found is None:
        return []
    order = found.newest
    only = ", reduce only" if order.reduce_only else ""
    lines = [
        f"{order.purpose}: {order.side} {formats.amount(order.amount)} {order.kind}{only}",
        f"limit {_level(order.price)}, trigger {_level(order.trigger_price)}",
        f"filled {formats.amount(order.filled)} at {_level(order.average_price)}",
        "",
        *(
            f"{formats.clock_time(step.time_ms)}  {step.state}{': ' + step.why if step.why else ''}"
            for step in order.history
        ),
    ]
    if found.moves:
        lines += ["", f"{counted(found.moves, 'move')} before it, wall time:"]
        lines += [
            f"{formats.clock_time(each.created_ms)}  {_price(each)}  {STATES[each.state]}"
            for each in reversed(found.orders[:-1])
        ]
    return lines


def _level(value: Decimal | None) -> str:
    return "-" if value is None else formats.price(value)

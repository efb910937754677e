"""The accounting identity: it splits the difference of PnL between a run and its free shadow into causes.

Trades of both are paired where they are of one side and overlap in time. For a pair with side s (+1 long),
quantity q, entry price e and exit price x, L the live run and S its shadow,

    s qL (xL - eL) - s qS (xS - eS) = s (qL - qS)(xS - eS) - s qL (eL - eS) + s qL (xL - xS)

which are the effects of size, entry and exit; the last is booked as ``exit_reason`` where the reasons differ.
A trade without its pair is ``extra`` or ``missed`` with its gross profit. Fees and funding are compared as
sums over all trades. x is the price that gives the trade's gross profit, so that a loss that ended at the
isolated margin, and a position closed in parts, are explained too. An open position ends at the last close.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from math import isfinite

from firstwatch.trading.trade import Trade
from firstwatch.trading.watch import Identity

ALARM_FRACTION = 1e-6
"""Residuals above this fraction of the capital are alarms: money without an explanation."""
_FOREVER_MS = 2**62


@dataclass(slots=True)
class Holding:
    """A trade, or an open position marked at the last close. Money in quote, costs positive where paid."""

    side: int
    entry_ms: int
    exit_ms: int | None
    """None: it is open."""
    amount: float
    entry_price: float
    gross: float
    fees: float
    funding: float
    reason: str
    """Empty: it is open."""

    @property
    def exit_price(self) -> float:
        """The one price at which all of it would have ended with this gross profit."""
        return self.entry_price + self.side * self.gross / self.amount if self.amount else self.entry_price

    def overlaps(self, other: "Holding") -> bool:
        """Return whether both were held at some time."""
        ends = [_FOREVER_MS if each.exit_ms is None else each.exit_ms for each in (self, other)]
        return max(self.entry_ms, other.entry_ms) <= min(ends)


def holding_of_trade(trade: Trade) -> Holding:
    """Return a closed trade of a run as a holding."""
    return Holding(
        side=trade.side.sign,
        entry_ms=trade.entry_time_ms,
        exit_ms=trade.exit_time_ms,
        amount=float(trade.amount),
        entry_price=float(trade.entry_price),
        gross=float(trade.gross_pnl),
        fees=float(trade.fees),
        funding=float(trade.funding),
        reason=trade.reason.value,
    )


@dataclass(slots=True)
class Terms:
    """Effects on the PnL, in quote."""

    missed: float = 0.0
    extra: float = 0.0
    entry: float = 0.0
    exit: float = 0.0
    exit_reason: float = 0.0
    size: float = 0.0
    fees: float = 0.0
    funding: float = 0.0

    @property
    def total(self) -> float:
        return float(sum(getattr(self, each.name) for each in fields(self)))

    def __add__(self, other: "Terms") -> "Terms":
        return Terms(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def terms_of(live: Holding | None, shadow: Holding | None) -> Terms:
    """Return the effects of a pair of trades; None: it has no counterpart."""
    fees = (shadow.fees if shadow else 0.0) - (live.fees if live else 0.0)
    if live is None or shadow is None:
        missed = -shadow.gross if shadow else 0.0
        return Terms(missed=missed, extra=live.gross if live else 0.0, fees=fees)
    side, amount = live.side, live.amount
    terms = Terms(
        size=side * (amount - shadow.amount) * (shadow.exit_price - shadow.entry_price),
        entry=-side * amount * (live.entry_price - shadow.entry_price),
        fees=fees,
    )
    at_exit = side * amount * (live.exit_price - shadow.exit_price)
    if live.reason == shadow.reason:
        terms.exit = at_exit
    else:
        terms.exit_reason = at_exit
    return terms


def paired(live: Sequence[Holding], shadow: Sequence[Holding]) -> list[tuple[Holding | None, Holding | None]]:
    """Return trades of both in order, each with the first of its side that overlaps it, if there is one."""
    pairs: list[tuple[Holding | None, Holding | None]] = []
    ours, theirs = sorted(live, key=_entered), sorted(shadow, key=_entered)
    while ours and theirs:
        if ours[0].side == theirs[0].side and ours[0].overlaps(theirs[0]):
            pairs.append((ours.pop(0), theirs.pop(0)))
        elif _ended(ours[0]) <= _ended(theirs[0]):
            pairs.append((ours.pop(0), None))
        else:
            pairs.append((None, theirs.pop(0)))
    return [*pairs, *((each, None) for each in ours), *((None, each) for each in theirs)]


def _entered(holding: Holding) -> int:
    return holding.entry_ms


def _ended(holding: Holding) -> int:
    return _FOREVER_MS if holding.exit_ms is None else holding.exit_ms


@dataclass(slots=True)
class Accounts:
    """All trades so far: the sums of those that are settled, and the others one by one."""

    explained: Terms = field(default_factory=Terms)
    live: list[Holding] = field(default_factory=list)
    """Closed trades that the shadow's open position may still turn out to be the counterpart of."""
    shadow: list[Holding] = field(default_factory=list)
    live_funding: float = 0.0
    """All payments of the run so far."""
    shadow_funding: float = 0.0
    """Payments on the shadow's closed trades."""

    def identity(
        self,
        *,
        live_open: Holding | None,
        shadow_open: Holding | None,
        live_pnl: float,
        shadow_pnl: float,
        venue_residual: Decimal | None = None,
    ) -> Identity | None:
        """Return the identity as of a close; None: a figure is not finite.

        ``live_pnl``: by the ledger's equity, never a sum of trades.
        """
        ours = [*self.live, *_some(live_open)]
        theirs = [*self.shadow, *_some(shadow_open)]
        pairs = paired(ours, theirs)
        terms = self.explained
        for pair in pairs:
            terms = terms + terms_of(*pair)
        paid_by_shadow = self.shadow_funding + (shadow_open.funding if shadow_open else 0.0)
        terms = terms + Terms(funding=paid_by_shadow - self.live_funding)
        self._settle(pairs)
        residual = live_pnl - shadow_pnl - terms.total
        if not isfinite(residual):
            return None
        named = {each.name: _exact(getattr(terms, each.name)) for each in fields(terms)}
        return Identity(
            live_pnl=_exact(live_pnl),
            shadow_pnl=_exact(shadow_pnl),
            residual=_exact(residual),
            venue_residual=venue_residual,
            **named,
        )

    def _settle(self, pairs: Iterable[tuple[Holding | None, Holding | None]]) -> None:
        """Add up what can no longer change; keep closed trades whose counterpart is still open."""
        self.live, self.shadow = [], []
        for live, shadow in pairs:
            is_open = any(each is not None and each.exit_ms is None for each in (live, shadow))
            if not is_open:
                self.explained = self.explained + terms_of(live, shadow)
                continue
            self.live += [each for each in _some(live) if each.exit_ms is not None]
            self.shadow += [each for each in _some(shadow) if each.exit_ms is not None]


def is_alarm(residual: Decimal | None, capital: float | Decimal) -> bool:
    """Return whether a residual is money without an explanation."""
    return residual is not None and abs(residual) > Decimal(capital) * Decimal(repr(ALARM_FRACTION))


def _some(holding: Holding | None) -> list[Holding]:
    return [] if holding is None else [holding]


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))


def venue_residual(
    venue_then: Decimal, ledger_then: Decimal, venue_now: Decimal, ledger_now: Decimal
) -> Decimal:
    """Return the gain of the account at the venue since an earlier reading, less the ledger's.

    All in quote, each pair as of one moment at which the run was flat: the venue marks a position at other
    prices. No money may have come or gone in between.
    """
    return (venue_now - venue_then) - (ledger_now - ledger_then)

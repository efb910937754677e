"""Costs of a run other than the prices of its fills, against those that its backtest assumed.

Fees, the builder's part of them, and funding, each per unit of notional in basis points: notional is price
times amount of every fill. Paid is positive, a rebate or funding received negative.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from firstwatch.backtest.record import TradeRecord
from firstwatch.store.fills import StoredFill
from firstwatch.strategy.core_settings import Costs
from firstwatch.trading.account import Funding
from firstwatch.trading.market import Market
from firstwatch.trading.verdicts import Verdict

MOST_EXTRA_BPS = 0.1
"""Cost above the assumed one, per notional; beyond it the check says ``WATCH``, never more."""
_BPS = 10_000


@dataclass(frozen=True, slots=True)
class CostsJudged:
    """Costs in basis points of the notional; None: nothing has been traded."""

    verdict: Verdict
    n: int
    """Fills."""
    sentence: str
    paid_bps: float | None = None
    assumed_bps: float | None = None
    fee_bps: float | None = None
    """Without the builder's part."""
    builder_fee_bps: float | None = None
    funding_bps: float | None = None


def funding_of_trades(trades: Iterable[TradeRecord], market: Market) -> float:
    """Return the funding that a backtest's trades paid, in basis points of their notional."""
    paid, notional = 0.0, 0.0
    for trade in trades:
        paid += trade.funding
        notional += float(market.amount(trade.steps)) * (trade.entry_price + trade.exit_price)
    return paid / notional * _BPS if notional > 0 else 0.0


def judge_costs(
    fills: Iterable[StoredFill],
    payments: Iterable[Funding],
    *,
    assumed: Costs,
    assumed_funding_bps: float,
) -> CostsJudged:
    """Compare the cost of fills and funding payments with the fees and the funding that were assumed."""
    executed = [stored.fill for stored in fills]
    notional = math.fsum(float(fill.price * fill.amount) for fill in executed)
    if not executed or notional <= 0:
        return CostsJudged(Verdict.NOT_ENOUGH_DATA, 0, "No fill yet.")

    def per_notional(money: float) -> float:
        return money / notional * _BPS

    fees = per_notional(math.fsum(float(fill.fee) for fill in executed))
    builder = per_notional(math.fsum(float(fill.builder_fee) for fill in executed))
    funding = per_notional(math.fsum(float(payment.paid) for payment in payments))
    assumed_fees = math.fsum(
        float(fill.price * fill.amount)
        / notional
        * float(assumed.maker_fee_bps if fill.is_maker else assumed.taker_fee_bps)
        for fill in executed
    )
    extra_fees, extra_funding = fees - assumed_fees, funding - assumed_funding_bps
    verdict = Verdict.WATCH if extra_fees + extra_funding > MOST_EXTRA_BPS else Verdict.CONSISTENT
    return CostsJudged(
        verdict=verdict,
        n=len(executed),
        sentence=_sentence(fees, builder, funding, assumed_fees, assumed_funding_bps),
        paid_bps=fees + funding,
        assumed_bps=assumed_fees + assumed_funding_bps,
        fee_bps=fees - builder,
        builder_fee_bps=builder,
        funding_bps=funding,
    )


def _sentence(
    fees: float, builder: float, funding: float, assumed_fees: float, assumed_funding: float
) -> str:
    of_builder = f" ({builder:.2f} of it the builder's)" if builder > 0 else ""
    return (
        f"Fees {fees:.2f} bps of the notional{of_builder}, {assumed_fees:.2f} assumed; "
        f"funding {funding:+.2f} bps, {assumed_funding:+.2f} assumed."
    )

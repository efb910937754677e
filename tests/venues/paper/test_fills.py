"""Whatever the paper venue fills, of any order sent at any moment, it fills at a price that its bar had."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.strategy.core_settings import fraction
from firstwatch.venues.paper.exchange import PaperCosts, Phase
from tests.contract.rig import BUY, LIMIT, MARKET, SELL, STOP, PaperRig

PRICES = st.integers(900, 1100).map(lambda tenths: tenths / 10)
NOISE = 1e-9


@st.composite
def bars(draw):
    opened, close = draw(PRICES), draw(PRICES)
    high = max(opened, close) + draw(st.integers(0, 50)) / 10
    low = min(opened, close) - draw(st.integers(0, 50)) / 10
    return opened, round(high, 1), round(low, 1), close, draw(st.sampled_from([1.0, 1000.0]))


@st.composite
def orders(draw):
    """Return orders of any kind on any side of the market, also such as no algorithm would send."""
    made = []
    for _ in range(draw(st.integers(0, 2))):
        kind, level = draw(st.sampled_from([MARKET, LIMIT, STOP, STOP])), f"{draw(PRICES):.1f}"
        made.append(
            (
                (draw(st.sampled_from([BUY, SELL])), kind, draw(st.sampled_from(["1", "2.5"]))),
                {
                    "price": level if kind is LIMIT else None,
                    "trigger": level if kind is STOP else None,
                    "reduce_only": draw(st.booleans()),
                    "account": draw(st.sampled_from(["account", "other"])),
                },
            )
        )
    return made


def test_no_fill_lies_outside_of_its_bar():
    seen = Counter()

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        slippage_bps=st.sampled_from([0, 25, 450]),
        latency_ms=st.sampled_from([0, 0, 500]),
        volume_share=st.sampled_from([0.0, 0.9]),
        leverage=st.sampled_from([1, 20]),
        history=st.lists(st.tuples(bars(), *[orders()] * 4), min_size=2, max_size=6),
    )
    def holds(slippage_bps, latency_ms, volume_share, leverage, history):
        costs = PaperCosts(Decimal(slippage_bps), latency_ms=latency_ms, volume_share=volume_share)
        rig = PaperRig(costs=costs)
        rig.venue.deposit(rig.other, Decimal(100_000))
        for account in (rig.account, rig.other):
            rig.listen(account)
            rig.venue.set_leverage(account, rig.symbol, Decimal(leverage))
        rig.settle()
        for bar, *sent in history:
            send(rig, sent[0])
            rig.begin(*bar)
            later = dict(zip((Phase.OPEN, Phase.LIMITS, Phase.RANGE), sent[1:], strict=True))
            while (phase := rig.venue.tape.phase) is not Phase.CLOSE:
                send(rig, later.pop(phase, []))
                rig.acknowledge()
                rig.venue.step()
        check(rig, fraction(costs.slippage_bps))

    def send(rig, chosen):
        for positional, named in chosen:
            rig.send(*positional, **named)

    def check(rig, slip):
        by_time = {bar.time_ms: bar for bar in rig.source.bars}
        for account in (rig.account, rig.other):
            for fill in rig.venue.fills_since(account, rig.symbol, 0):
                bar, sign = by_time[fill.time_ms], fill.side.sign
                order = fill.client_order_id and rig.venue.order(account, rig.symbol, fill.client_order_id)
                kind = "liquidation" if not order else f"{order.kind}"
                # A limit that its bar's open has reached is a taker without slippage.
                slips = order and order.kind is not LIMIT
                price = float(fill.price) / (1 + sign * slip) if slips else float(fill.price)
                if sign > 0:
                    assert price >= bar.low * (1 - NOISE), (fill, order, bar)
                else:
                    assert price <= bar.high * (1 + NOISE), (fill, order, bar)
                if order and order.kind is LIMIT and order.reduce_only and sign * (price - bar.open) >= 0:
                    kind = "target passed by the open"
                else:
                    assert bar.low * (1 - NOISE) <= price <= bar.high * (1 + NOISE), (fill, order, bar)
                seen[kind] += 1
                seen["stop at the open"] += kind == "stop" and price == pytest.approx(bar.open)

    holds()
    for needed in ("market", "limit", "stop", "liquidation", "stop at the open", "target passed by the open"):
        assert seen[needed] > 5, (needed, seen)

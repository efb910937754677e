"""The accounting identity closes: sum of all terms plus residual is the difference, whatever the trades."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.watch.identity import Accounts, Holding, is_alarm, paired, terms_of, venue_residual

CAPITAL = Decimal(10_000)
REASONS = ("signal", "stop_loss", "take_profit")


@st.composite
def holdings(draw: st.DrawFn, most: int = 12) -> list[Holding]:
    """Return trades one after the other, the last one perhaps still open."""
    made, time_ms = [], 0
    for _ in range(draw(st.integers(0, most))):
        entry_ms = time_ms + draw(st.integers(0, 5))
        time_ms = entry_ms + draw(st.integers(1, 9))
        side = draw(st.sampled_from([1, -1]))
        amount = draw(st.integers(1, 500)) / 100
        entry, exit_ = (draw(st.integers(5_000, 15_000)) / 100 for _ in range(2))
        made.append(
            Holding(
                side,
                entry_ms,
                time_ms,
                amount,
                entry,
                side * amount * (exit_ - entry),
                draw(st.integers(0, 300)) / 100,
                draw(st.integers(-300, 300)) / 100,
                draw(st.sampled_from(REASONS)),
            )
        )
        time_ms += 1
    if made and draw(st.booleans()):
        made[-1].exit_ms, made[-1].reason = None, ""
    return made


def pnl(trades: list[Holding]) -> float:
    return sum(trade.gross - trade.fees - trade.funding for trade in trades)


@settings(max_examples=300, deadline=None)
@given(holdings(), holdings())
def test_the_terms_are_the_whole_difference(live: list[Holding], shadow: list[Holding]) -> None:
    assert_closes(Accounts(), live, shadow, unexplained=0.0)


@settings(max_examples=100, deadline=None)
@given(holdings(), holdings(), st.integers(-1_000, 1_000).map(lambda cents: cents / 50))
def test_what_no_trade_explains_is_the_residual(
    live: list[Holding], shadow: list[Holding], lost: float
) -> None:
    assert_closes(Accounts(), live, shadow, unexplained=lost)


def assert_closes(
    accounts: Accounts, live: list[Holding], shadow: list[Holding], *, unexplained: float
) -> None:
    parts = [closed_and_open(trades) for trades in (live, shadow)]
    accounts.live, accounts.shadow = [*parts[0][0]], [*parts[1][0]]
    accounts.live_funding = sum(trade.funding for trade in live)
    accounts.shadow_funding = sum(trade.funding for trade in parts[1][0])
    identity = accounts.identity(
        live_open=parts[0][1],
        shadow_open=parts[1][1],
        live_pnl=pnl(live) - unexplained,
        shadow_pnl=pnl(shadow),
    )
    assert identity is not None
    assert float(identity.residual) == pytest.approx(-unexplained, abs=1e-8)
    assert is_alarm(identity.residual, CAPITAL) is (unexplained != 0)
    names = ("missed", "extra", "entry", "exit", "exit_reason", "size", "fees", "funding", "residual")
    total = sum((getattr(identity, name) for name in names), Decimal(0))
    assert total == pytest.approx(identity.live_pnl - identity.shadow_pnl, abs=Decimal("1e-8"))


def closed_and_open(trades: list[Holding]) -> tuple[list[Holding], Holding | None]:
    closed = [trade for trade in trades if trade.exit_ms is not None]
    return closed, trades[-1] if trades and trades[-1].exit_ms is None else None


@settings(max_examples=300, deadline=None)
@given(holdings(), holdings(), st.lists(st.integers(0, 150), max_size=4))
def test_when_it_is_looked_at_changes_nothing(
    live: list[Holding], shadow: list[Holding], looks: list[int]
) -> None:
    """Closing the books in between, as of any time, leaves the sums of closing them once."""
    accounts, since = Accounts(), -1
    for now in [*sorted(set(looks)), 10**6]:
        for kept, trades in ((accounts.live, live), (accounts.shadow, shadow)):
            kept += [each for each in trades if each.exit_ms is not None and since < each.exit_ms <= now]
        found = accounts.identity(
            live_open=open_at(live, now), shadow_open=open_at(shadow, now), live_pnl=0.0, shadow_pnl=0.0
        )
        since = now
    once = Accounts()
    once.live, open_live = closed_and_open(live)
    once.shadow, open_shadow = closed_and_open(shadow)
    expected = once.identity(live_open=open_live, shadow_open=open_shadow, live_pnl=0.0, shadow_pnl=0.0)
    assert found is not None
    assert expected is not None
    for name in ("missed", "extra", "entry", "exit", "exit_reason", "size", "fees", "residual"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=Decimal("1e-8")), name


def open_at(trades: list[Holding], now: int) -> Holding | None:
    """Return what is held at that time, marked somewhere."""
    for each in trades:
        if each.entry_ms <= now and (each.exit_ms is None or each.exit_ms > now):
            return replace(each, exit_ms=None, reason="")
    return None


def test_a_pair_s_terms_have_the_formulas_of_their_names() -> None:
    live = Holding(-1, 0, 5, 2.0, 101.0, -1 * 2.0 * (90.0 - 101.0), 3.0, 0.5, "signal")
    shadow = Holding(-1, 0, 4, 1.5, 100.0, -1 * 1.5 * (92.0 - 100.0), 2.0, 0.25, "signal")
    terms = terms_of(live, shadow)
    assert terms.size == pytest.approx(-1 * 0.5 * (92 - 100))
    assert terms.entry == pytest.approx(1 * 2.0 * 1.0)
    assert terms.exit == pytest.approx(-1 * 2.0 * (90 - 92))
    assert terms.exit_reason == 0
    assert terms.fees == -1
    other = replace(shadow, reason="stop_loss")
    assert terms_of(live, other).exit == 0
    assert terms_of(live, other).exit_reason == pytest.approx(4)
    assert terms_of(None, shadow).missed == -shadow.gross
    assert terms_of(live, None).extra == live.gross


def test_trades_pair_by_side_and_time() -> None:
    live = [Holding(1, 0, 4, 1, 1, 0, 0, 0, "x"), Holding(1, 10, 14, 1, 1, 0, 0, 0, "x")]
    shadow = [
        Holding(-1, 0, 4, 1, 1, 0, 0, 0, "x"),
        Holding(1, 5, 9, 1, 1, 0, 0, 0, "x"),
        Holding(1, 12, None, 1, 1, 0, 0, 0, ""),
    ]
    assert paired(live, shadow) == [
        (live[0], None),
        (None, shadow[0]),
        (None, shadow[1]),
        (live[1], shadow[2]),
    ]


def test_the_venue_s_residual_is_what_it_has_gained_beyond_the_ledger() -> None:
    gained = venue_residual(Decimal(50_000), Decimal(10_000), Decimal("50090.5"), Decimal("10090.5"))
    assert gained == 0
    assert venue_residual(Decimal(100), Decimal(10), Decimal(99), Decimal(10)) == -1


def test_a_figure_that_is_not_finite_is_no_identity() -> None:
    accounts = Accounts()
    assert accounts.identity(live_open=None, shadow_open=None, live_pnl=float("nan"), shadow_pnl=0.0) is None

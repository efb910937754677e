"""What the venue's wallet gained beyond the ledger: nothing in a true run, and all money that is off."""

from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.engine.core.run_core import RunCore
from firstwatch.store import journal
from firstwatch.store.database import Store
from firstwatch.trading.events import EquityCompared
from firstwatch.watch.follow import RunFollower
from firstwatch.watch.identity import is_alarm
from tests.candles import generated_candles
from tests.simulation.lives import RUN_ID
from tests.watch.live import Live, followed, lived
from tests.watch.over_days import RarePoints
from tests.watch.test_parity import BARS, CAPITAL, FIRST, busy


def residual(follower: RunFollower) -> Decimal:
    identity = follower.state.identity
    assert identity is not None
    assert identity.venue_residual is not None
    return identity.venue_residual


def written(store: Store) -> list[EquityCompared]:
    with store.read() as session:
        found = journal.events_of_kinds(session, RUN_ID, {"equity_compared"})
    return [entry.event for entry in found]


def lose(amount: int) -> object:
    def act(live: Live, _core: RunCore) -> None:
        live.venue._exchange.account("one").cash -= amount

    return act


def deposit(amount: int) -> object:
    return lambda live, _core: live.venue.deposit("one", Decimal(amount))


@pytest.mark.parametrize("kills", [0, 12])
@pytest.mark.parametrize("kind", ["market", "limit"])
def test_a_true_run_leaves_none(tmp_path: Path, kind: str, kills: int) -> None:
    deaths = RarePoints(chosen=5, kills=kills, points=1_000) if kills else None
    store = lived(tmp_path, busy(kind), generated_candles(4, BARS), first=FIRST, deaths=deaths)
    follower, found = followed(store, at_once=17, resumes=True)
    assert found == []
    assert deaths is None or deaths.kills > 5
    assert not is_alarm(residual(follower), CAPITAL)
    with store.read() as session:
        trades = len(journal.events_of_kinds(session, RUN_ID, {"trade_closed"}))
    assert trades > 10
    # The begin, and once after each trade.
    assert 2 < len(written(store)) <= trades + 2
    assert [event.begins for event in written(store)] == [True] + [False] * (len(written(store)) - 1)


@pytest.mark.parametrize("at", [20, 33, 60])
def test_a_venue_that_is_off_by_one_is_found(tmp_path: Path, at: int) -> None:
    store = lived(tmp_path, busy(), generated_candles(4, BARS), first=FIRST, script={at: [lose(1)]})
    follower, found = followed(store)
    assert found == []
    assert residual(follower) == pytest.approx(Decimal(-1), abs=Decimal("1e-6"))
    assert is_alarm(residual(follower), CAPITAL)


def test_a_deposit_is_not_money_without_an_explanation(tmp_path: Path) -> None:
    script = {20: [deposit(500)], 60: [deposit(-200)]}
    store = lived(tmp_path, busy(), generated_candles(4, BARS), first=FIRST, script=script)
    follower, _ = followed(store)
    assert not is_alarm(residual(follower), CAPITAL)


def test_before_the_first_comparison_it_is_not_known(tmp_path: Path) -> None:
    store = lived(tmp_path, busy(), generated_candles(4, FIRST + 2), first=FIRST)
    follower, _ = followed(store)
    assert follower.state.trades == 0
    assert follower.state.identity is not None
    assert follower.state.identity.venue_residual is None

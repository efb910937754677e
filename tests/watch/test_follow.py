"""Following a run from the store: launches, restarts, and rows that are damaged or missing."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.store.database import Store
from firstwatch.store.files import STORE_FILE
from firstwatch.store.journal import events_of_kinds
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import DamagedRowError, FirstwatchError, WrongUseError
from firstwatch.trading.limit_fills import LimitFills
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.verdicts import MismatchCause
from firstwatch.watch.follow import RunFollower, follow
from firstwatch.watch.identity import is_alarm
from firstwatch.watch.limit_gap import gap_words
from tests.backtest.specifications import coarse, random_candles
from tests.candles import generated_candles
from tests.simulation.lives import RUN_ID
from tests.simulation.test_lives import TOML
from tests.watch.live import ASSUMED, Live, followed, lived

SPEC = AlgorithmSpec.from_toml(TOML.format(kind="market"))
FIRST, BARS = 60, 120


def run_in(folder: Path, **changed: object) -> Store:
    return lived(folder, SPEC, generated_candles(4, BARS), first=FIRST, **changed)


def test_an_adopted_position_is_told_and_followed(tmp_path: Path) -> None:
    """The wallet holds a long at the launch: the run takes it over, and its shadow does, too."""

    def holding(live: Live) -> None:
        price = live.venue.tape.price
        account = live.venue._exchange.account("one")
        account.leverage = Decimal(3)
        held = account.position
        held.sign, held.steps, held.entry_price = 1, 1_000, price
        held.margin = price * float(live.venue._market.amount(1_000)) / 3
        held.entered_bar_ms = live.venue.tape.bar_ms

    store = run_in(tmp_path, assume_position_now=True, prepare=holding)
    follower, found = followed(store)
    assert [mismatch.cause for mismatch in found] == [MismatchCause.ADOPTED]
    identity = follower.state.identity
    assert identity.extra + identity.exit + identity.entry != 0
    assert not is_alarm(identity.residual, Decimal(10_000))


def test_an_entry_at_the_launch_is_the_shadow_s_too(tmp_path: Path) -> None:
    entered = 0
    for first in range(FIRST, FIRST + 12):
        store = lived(
            tmp_path / str(first),
            SPEC,
            generated_candles(4, first + 20),
            first=first,
            assume_position_now=True,
        )
        follower, found = followed(store)
        assert found == []
        with store.read() as session:
            events = [entry.event for entry in events_of_kinds(session, RUN_ID, {"entry_decided"})]
        entered += any(event.bar_time_ms == follower.state.first_bar_ms for event in events)
    assert entered >= 3


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    run_in(folder).close()
    return folder


NINTH = "place = (select place from run_event order by place limit 1 offset 8)"
DAMAGES = {
    "a journal row is damaged": f"update run_event set payload = x'0101' where {NINTH}",
    "a journal row is missing": f"delete from run_event where {NINTH}",
    "the bars are damaged": "update run_bar set bars = x'0102'",
    "the bars are not numbers": "update run_bar set bars = '{}'",
    "the bars before it are damaged": "update run_warm_up set bars = x'0102'",
    "the bars before it are missing": "delete from run_warm_up",
    "a trade is missing": "delete from trade",
    "a trade is damaged": "update trade set gross_pnl = 'much'",
    "the equity is damaged": "update equity_curve set curve = x'00'",
    "the algorithm is damaged": "update algorithm_version set spec_json = '{}'",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_or_missing_row_gives_a_sentence(tmp_path: Path, stored: Path, name: str) -> None:
    damaged = tmp_path / STORE_FILE
    damaged.write_bytes((stored / STORE_FILE).read_bytes())
    with closing(sqlite3.connect(damaged)) as connection, connection:
        assert connection.execute(DAMAGES[name]).rowcount > 0
    with closing(Store(damaged, read_only=True)) as store, pytest.raises(FirstwatchError) as raised:
        followed(store)
    assert isinstance(raised.value, DamagedRowError | WrongUseError)
    assert RUN_ID in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_equity_row_changes_no_decision(tmp_path: Path, stored: Path) -> None:
    sound, _ = read_from(stored / STORE_FILE)
    partial = tmp_path / STORE_FILE
    partial.write_bytes((stored / STORE_FILE).read_bytes())
    with closing(sqlite3.connect(partial)) as connection, connection:
        connection.execute("delete from equity_curve")
    without, found = read_from(partial)
    assert found == []
    assert without.decisions == sound.decisions


def read_from(path: Path) -> tuple[RunFollower, list]:
    with closing(Store(path, read_only=True)) as store:
        return followed(store)


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"version": 1}', '{"version": 99}'])
def test_a_state_that_cannot_be_used_begins_anew(stored: Path, text: str) -> None:
    with closing(Store(stored / STORE_FILE, read_only=True)) as store, store.read() as session:
        follower = follow(session, RUN_ID, text, ASSUMED)
    assert follower.state.bars == 0


def test_bars_of_an_earlier_version_are_refused_with_a_sentence(stored: Path) -> None:
    with closing(Store(stored / STORE_FILE, read_only=True)) as store, store.read() as session:
        follower = follow(session, RUN_ID, None, ASSUMED)
        record = follower.read(session)
    record.bars[:] = [each._replace(sequence=None) for each in record.bars]
    with pytest.raises(WrongUseError, match="earlier firstwatch"):
        follower.advance(record)


def test_a_run_that_has_ended_is_followed_once(stored: Path) -> None:
    with closing(Store(stored / STORE_FILE, read_only=True)) as store, store.read() as session:
        follower = follow(session, RUN_ID, None, ASSUMED)
        follower.advance(follower.read(session))
        before = follower.to_json()
        again = follow(session, RUN_ID, before, ASSUMED)
        assert again.advance(again.read(session)).mismatches == ()
        assert again.to_json() == before


def test_slippage_that_was_not_assumed_is_in_the_terms_of_entry_and_exit(stored: Path) -> None:
    with closing(Store(stored / STORE_FILE, read_only=True)) as store:
        follower, found = followed(store, assumed=Costs(Decimal("4.5"), Decimal("1.5")))
    identity = follower.state.identity
    assert found == []
    assert identity.entry < 0
    assert identity.exit + identity.exit_reason < 0
    assert identity.live_pnl < identity.shadow_pnl
    assert identity.missed == identity.extra == 0
    assert not is_alarm(identity.residual, Decimal(10_000))


def test_what_fills_of_limits_is_compared_with_the_rule_of_the_backtest(tmp_path: Path) -> None:
    """The paper venue fills by ``through``, so by that rule there is no gap, and by ``touch`` more fills."""
    spec = AlgorithmSpec.from_toml(
        TOML.format(kind="limit") + "offset_bps = 30\ntimeout_bars = 2\n", "the limits"
    )
    rounded, market = coarse(4, random_candles(4, 400, 0.004), DEFAULT_MARKET)
    store = lived(tmp_path, spec, rounded, first=FIRST, market=market)
    gaps = {}
    for rule in ("through", "touch"):
        assumed = replace(ASSUMED, limit_fills=LimitFills.parse(rule))
        follower, _ = followed(store, assumed=assumed, at_once=7, resumes=True)
        gaps[rule] = follower.state.limits.gap(assumed.limit_fills)
    through, touch = gaps["through"], gaps["touch"]
    assert through.entries == touch.entries > 3
    assert 0 < through.live_share < 1
    assert through.assumed_share == pytest.approx(through.live_share)
    assert touch.live_share == through.live_share
    assert touch.assumed_share > through.assumed_share
    assert "by the backtest's rule (touch)" in gap_words(touch)

"""Baselines: saved with all that they follow from, found by their key, called stale."""

from dataclasses import replace
from decimal import Decimal

import pytest

from firstwatch.backtest.baseline import (
    baseline_key,
    costs_json,
    costs_of,
    settings_json,
    settings_of,
    settings_of_run,
)
from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.market.packed import BASELINE_FOLDER, History, load_baseline_candles
from firstwatch.store.backtests import list_backtests, trades_of_backtest
from firstwatch.store.database import open_store
from firstwatch.strategy import core_settings
from firstwatch.strategy.core_settings import CORE_VERSION, Costs
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.errors import StoreError
from firstwatch.trading.launch import Guards, LaunchSettings, ResetMode, ResetSettings, SessionSettings
from firstwatch.trading.limit_fills import LimitFills, LimitRule
from firstwatch.trading.market import DEFAULT_MARKET, Market
from firstwatch.watch import baseline
from firstwatch.watch.baseline import (
    STALE_DAYS,
    baseline_of_launch,
    find_by_key,
    key_of,
    save_baseline,
    stale_because,
)
from tests.backtest.specifications import random_candles, random_funding
from tests.candles import generated_candles

SPEC = AlgorithmSpec.from_toml(sample_toml())
CANDLES = generated_candles(5, 2_000)
DAY_MS = 86_400_000
NOW_MS = int(CANDLES.time_ms[-1]) + DAY_MS
COSTS = Costs(Decimal("4.5"), Decimal("1.50"), Decimal(2), Decimal("0.5"))
SETTINGS = BacktestSettings(
    capital=Decimal("5000.0"),
    leverage=Decimal(3),
    trades_limit=50,
    guards=Guards(drawdown=0.4),
    session=SessionSettings.model_validate(
        {"policy": "pause_entries", "windows": [{"days": ["sat"], "start": "02:00", "end": "03:00"}],
         "trading": "outside"}
    ),
    reset=ResetSettings(mode=ResetMode.STRICT),
)  # fmt: skip
KEY = {
    "symbol": "BTC/USDC:USDC",
    "candles": "a" * 64,
    "start_ms": 7,
    "market": DEFAULT_MARKET,
    "costs": COSTS,
    "settings": SETTINGS,
    "core_version": 1,
}


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "home")
    yield store
    store.close()


def saved(store, settings=SETTINGS, history=None, now_ms=NOW_MS, **limits):
    history = history or History(CANDLES)
    result = simulate(
        SPEC, history.candles, market=DEFAULT_MARKET, costs=COSTS, settings=settings, funding=history.funding,
        **limits,
    )  # fmt: skip
    return save_baseline(
        store, store.path.parent, SPEC, result, history,
        market=DEFAULT_MARKET, costs=COSTS, settings=settings, now_ms=now_ms,
    )  # fmt: skip


def launch(**changed):
    fields = {name: getattr(SETTINGS, name) for name in BacktestSettings.__dataclass_fields__}
    named = {"algorithm": SPEC.name, "version": 1, "wallet": "w", "symbol": "BTC/USDC:USDC"}
    return LaunchSettings.model_validate(named | fields | changed)


# --- what is kept ------------------------------------------------------------------------------


def test_costs_and_settings_come_back_as_they_were():
    assert costs_of(costs_json(COSTS)) == COSTS
    queued = replace(COSTS, limit_fills=LimitFills(LimitRule.QUEUE, 0.3))
    assert costs_of(costs_json(queued)) == queued
    assert "limit" not in costs_json(COSTS), "what was stored before there was a rule keeps its key"
    assert settings_of(settings_json(SETTINGS)) == SETTINGS
    assert settings_of("{}") == BacktestSettings()
    assert settings_of_run(launch()) == SETTINGS


def test_a_baseline_can_be_done_again_from_what_is_saved(store):
    candles = random_candles(2, 2_000, 0.004)
    found = saved(store, history=History(candles, random_funding(2, candles))).backtest
    kept = load_baseline_candles(store.path.parent, found.candles)
    again = simulate(
        SPEC,
        kept.candles,
        market=Market.model_validate_json(found.market_json),
        costs=costs_of(found.costs_json),
        settings=settings_of(found.settings_json),
        funding=kept.funding,
        start_ms=found.start_ms,
    )
    with store.read() as session:
        assert list(again.trades) == trades_of_backtest(session, found.id)
    assert found.core_version == CORE_VERSION
    assert len(again.trades) > 3


def test_candles_behind_the_end_are_not_kept_and_those_before_the_start_are(store):
    start_ms, end_ms = (int(CANDLES.time_ms[index]) for index in (900, 1_500))
    found = saved(store, start_ms=start_ms, end_ms=end_ms).backtest
    kept = load_baseline_candles(store.path.parent, found.candles).candles
    assert (found.start_ms, found.end_ms) == (start_ms, end_ms)
    assert kept.bars() == CANDLES.part(0, 1_500).bars()


def test_baselines_of_the_same_candles_share_a_file(store):
    saved(store)
    saved(store, settings=BacktestSettings())
    assert len(list((store.path.parent / BASELINE_FOLDER).glob("*.candles"))) == 1


# --- its key -----------------------------------------------------------------------------------


def test_everything_that_a_baseline_follows_from_changes_its_key():
    keys = [baseline_key(SPEC, **KEY)]
    changes = {
        "symbol": ["ETH/USDC:USDC"],
        "candles": ["b" * 64],
        "start_ms": [8],
        "core_version": [2],
        "market": [Market(tick=Decimal("0.1")), Market(maintenance_rate=Decimal("0.02"))],
        "costs": [
            replace(COSTS, **{name: LimitFills(LimitRule.TOUCH) if name == "limit_fills" else Decimal(9)})
            for name in Costs.__slots__
        ],
        "settings": [
            replace(SETTINGS, **{name: value})
            for name, value in {
                "capital": Decimal(1), "leverage": Decimal(2), "trades_limit": None,
                "assume_position_now": True, "close_position_on_exit": False, "session": SessionSettings(),
                "reset": None, "guards": Guards(),
            }.items()
        ],
    }  # fmt: skip
    assert set(changes) == set(KEY)
    assert len(changes["settings"]) == len(BacktestSettings.__dataclass_fields__)
    for name, values in changes.items():
        keys += [baseline_key(SPEC, **KEY | {name: value}) for value in values]
    keys.append(baseline_key(SPEC.model_copy(update={"name": "other"}), **KEY))
    assert len(set(keys)) == len(keys) == 1 + sum(map(len, changes.values())) + 1


def test_the_same_said_otherwise_has_the_same_key():
    own = replace(SETTINGS, reset=SPEC.reset, capital=Decimal(5000))
    none = replace(SETTINGS, reset=None, capital=Decimal("5E3"))
    assert baseline_key(SPEC, **KEY | {"settings": own}) == baseline_key(SPEC, **KEY | {"settings": none})


def test_a_baseline_is_found_by_its_key(store):
    found = saved(store)
    other = saved(store, settings=BacktestSettings())
    key = key_of(found.backtest, SPEC)
    assert key is not None
    assert key != key_of(other.backtest, SPEC)
    with store.read() as session:
        assert find_by_key(session, found.version.id, SPEC, key).id == found.backtest.id
        assert find_by_key(session, found.version.id, SPEC, "0" * 64) is None
    assert key_of(replace(found.backtest, candles=""), SPEC) is None


def test_a_launch_is_compared_with_the_newest_baseline_of_its_own_settings(store):
    old = saved(store).backtest
    new = saved(store).backtest
    other = saved(store, settings=BacktestSettings()).backtest
    with store.read() as session:
        version = old.version_id
        assert baseline_of_launch(session, version, SPEC, launch()).id == new.id
        assert baseline_of_launch(session, version, SPEC, launch(leverage=9)).id == other.id
        assert baseline_of_launch(session, version, SPEC, launch(symbol="ETH/USDC:USDC")) is None
        assert [each.id for each in list_backtests(session, version)] == [other.id, new.id, old.id]


# --- its age -----------------------------------------------------------------------------------


def test_a_fresh_baseline_is_not_stale(store):
    found, home = saved(store).backtest, store.path.parent
    month = STALE_DAYS * DAY_MS
    assert not stale_because(found, home, now_ms=NOW_MS)
    assert not stale_because(found, home, now_ms=NOW_MS + month, market_ms=found.end_ms + month)


@pytest.mark.parametrize(
    ("wall_days", "market_days", "word"), [(31, 0, "made 31 days ago"), (0, 31, "candles end 31 days ago")]
)
def test_a_baseline_is_stale_after_thirty_days(store, wall_days, market_days, word):
    found = saved(store).backtest
    said = stale_because(
        found,
        store.path.parent,
        now_ms=NOW_MS + wall_days * DAY_MS,
        market_ms=found.end_ms + market_days * DAY_MS,
    )
    assert word in said


def test_a_baseline_of_another_core_is_stale(store, monkeypatch):
    found = saved(store).backtest
    monkeypatch.setattr(baseline, "CORE_VERSION", core_settings.CORE_VERSION + 1)
    assert "decides otherwise since" in stale_because(found, store.path.parent, now_ms=NOW_MS)


def test_a_baseline_without_its_candles_is_stale(store):
    found, home = saved(store).backtest, store.path.parent
    assert "did not keep its candles" in stale_because(replace(found, candles=""), home, now_ms=NOW_MS)
    for path in (home / BASELINE_FOLDER).iterdir():
        path.unlink()
    assert "no longer in the data folder" in stale_because(found, home, now_ms=NOW_MS)


def test_what_cannot_be_kept_is_not_saved(store):
    (store.path.parent / BASELINE_FOLDER).write_text("in the way")
    with pytest.raises(StoreError, match="Nothing was saved"):
        saved(store)
    with store.read() as session:
        assert list_backtests(session, 1) == []

"""Studies, their trials, and the ledger of all that was tried on a market."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import insert

from firstwatch.store import algorithms, studies, tables
from firstwatch.store.backtests import add_backtest
from firstwatch.store.curves import EquityCurve
from firstwatch.store.studies import Data, StoredTrial
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trials import TrialOrigin, TrialState

DATA = Data("BTC/USDC:USDC", Timeframe.H1, 1_000, 2_000)
COSTS = '{"taker_fee_bps": "4.5", "maker_fee_bps": "1.5", "slippage_bps": "2", "spread_bps": "0"}'


def _trial(number, spec="a", state=TrialState.COMPLETE):
    return StoredTrial(
        number, state, spec * 64, json.dumps({"x": number}), 0.5, '{"sharpe": 1.5}', b"\0" * 16
    )


def _add(store, trials, data=DATA, costs=COSTS, study=None):
    with store.write() as session:
        name = f"study {len(studies.list_studies(session))}"
        study = study or studies.add_study(session, name, "{}", now_ms=5)
        studies.add_trials(session, study.id, trials, data, costs_json=costs, now_ms=6)
    return study


def _preview(store, *specs, data=DATA, costs=COSTS):
    with store.write() as session:
        studies.record_tried(session, TrialOrigin.PREVIEW, specs, data, costs_json=costs, now_ms=7)


def _tried(store, data=DATA):
    with store.read() as session:
        return studies.count_tried(session, data)


def test_a_study_is_found_by_its_name_and_its_trials_come_back_in_order(store):
    with store.write() as session:
        study = studies.add_study(session, "mine", '{"asked": 1}', now_ms=5)
        with pytest.raises(WrongUseError, match='There is a study "mine" already'):
            studies.add_study(session, "mine", "{}", now_ms=5)
    _add(store, [_trial(1, "b"), _trial(0), _trial(2, state=TrialState.UNDEFINED)], study=study)
    with store.read() as session:
        assert studies.find_study(session, "mine") == study == studies.get_study(session, study.id)
        assert studies.find_study(session, "other") is None
        found = studies.trials_of_study(session, study.id)
        with pytest.raises(WrongUseError, match="There is no study 99"):
            studies.get_study(session, 99)
    assert found == [_trial(0), _trial(1, "b"), _trial(2, state=TrialState.UNDEFINED)]


def test_studies_are_listed_newest_first(store):
    with store.write() as session:
        for name in ("b", "a"):
            studies.add_study(session, name, "{}", now_ms=5)
        assert [study.name for study in studies.list_studies(session)] == ["a", "b"]


def test_one_number_of_a_study_is_saved_once(store):
    study = _add(store, [_trial(0)])
    with pytest.raises(Exception, match=r"(?i)unique"):
        _add(store, [_trial(0)], study=study)


def test_the_ledger_counts_distinct_specifications_and_costs_on_overlapping_data(store):
    _add(store, [_trial(0, "a"), _trial(1, "b"), _trial(2, "a"), _trial(3, "c", TrialState.INVALID)])
    assert _tried(store) == 2
    _add(store, [_trial(0, "a")])
    assert _tried(store) == 2, "a repeat counts once"
    _add(store, [_trial(0, "a")], costs=COSTS.replace("4.5", "5"))
    assert _tried(store) == 3, "other costs are another trial"
    _add(store, [_trial(0, "a")], costs=COSTS.replace("4.5", "4.50"))
    assert _tried(store) == 3, "the same costs written differently are not"
    _preview(store, "d" * 64, "d" * 64, "a" * 64)
    assert _tried(store) == 4, "a preview that showed money counts"
    _add(store, [_trial(0, "e")], replace(DATA, symbol="ETH/USDC:USDC"))
    _add(store, [_trial(0, "e")], replace(DATA, timeframe=Timeframe.M1))
    _add(store, [_trial(0, "e")], replace(DATA, start_ms=2_000, end_ms=3_000))
    assert _tried(store) == 4, "other data does not count"
    _add(store, [_trial(0, "e")], replace(DATA, start_ms=1_999, end_ms=3_000))
    assert _tried(store) == 5, "data that overlaps by a moment does"


def test_stored_results_and_baselines_are_in_the_ledger(store):
    spec = '{"name":"S"}'
    with store.write() as session:
        version = algorithms.add_version(session, "S", spec, "b" * 64, now_ms=1)
        add_backtest(
            session,
            version_id=version.id,
            symbol=DATA.symbol,
            timeframe=DATA.timeframe,
            costs_json=COSTS,
            settings_json="{}",
            start_ms=DATA.start_ms,
            end_ms=DATA.end_ms,
            bars=1,
            metrics_json="{}",
            trades=[],
            equity=EquityCurve(np.array([1_000]), np.array([10.0])),
            now_ms=1,
        )
        row = {
            **dict.fromkeys(("request_json", "market_json", "settings_json", "metrics_json"), "{}"),
            **{"details_json": "{}", "title": "S", "trades": b"", "equity": b"", "candles": "", "bars": 1},
            **{"symbol": DATA.symbol, "timeframe": "1h", "costs_json": COSTS, "core_version": 1},
            **{"start_ms": DATA.start_ms, "end_ms": DATA.end_ms, "created_at_ms": 1, "spec_json": spec},
        }
        session.execute(insert(tables.table_of(tables.TestResultTable)), row)
    assert _tried(store) == 2
    _preview(store, hashlib.sha256(spec.encode()).hexdigest(), "b" * 64)
    assert _tried(store) == 2, "a preview of a stored result is no other trial"
    with store.read() as session:
        assert studies.count_uses(session, DATA, study_id=1, spec_sha256="z" * 64) == 4


def test_uses_of_a_hold_out_leave_out_the_winners_own(store):
    held_out = replace(DATA, start_ms=2_000, end_ms=2_500)
    study = _add(store, [_trial(0, "a"), _trial(1, "b")])

    def used(spec, study_id=study.id):
        with store.read() as session:
            return studies.count_uses(session, held_out, study_id=study_id, spec_sha256=spec * 64)

    assert used("a") == 0, "the study itself has not seen it"
    with store.write() as session:
        studies.record_tried(
            session,
            TrialOrigin.HOLDOUT,
            ["a" * 64],
            held_out,
            costs_json=COSTS,
            now_ms=8,
            study_id=study.id,
        )
    assert used("a") == 0, "resumed after it, the study says the same"
    assert used("b") == 1, "another winner of the same study has seen it used"
    assert used("a", study.id + 1) == 1
    _preview(store, "c" * 64, data=replace(DATA, end_ms=2_001))
    _preview(store, "c" * 64, data=replace(DATA, end_ms=2_001))
    assert used("a") == 1, "a preview that reached into it counts, once"


def test_a_damaged_trial_is_named(store):
    study = _add(store, [_trial(0)])
    with store.write() as session:
        session.execute(studies._TRIAL.update().values(state="excellent"))
    with store.read() as session, pytest.raises(DamagedRowError, match="trial 0 cannot be read"):
        studies.trials_of_study(session, study.id)

"""Studies and their trials; and the ledger of all specifications that were tried on a market.

The ledger is the trials of studies, the tests that showed money without storing a result (previews), stored
results and baselines. A specification is tried once for each market, timeframe and costs, however often it
is tested; two periods are the same data where they overlap.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, func, insert, or_, select, update

from firstwatch.store.database import Session
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import (
    AlgorithmVersionTable,
    BacktestTable,
    StudyTable,
    TestResultTable,
    TrialTable,
    table_of,
)
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import quoted
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trials import TrialOrigin, TrialState

_STUDY = table_of(StudyTable)
_TRIAL = table_of(TrialTable)
_RESULT = table_of(TestResultTable)
_BASELINE = table_of(BacktestTable)
_VERSION = table_of(AlgorithmVersionTable)


@dataclass(frozen=True, slots=True)
class Study:
    """An optimisation by its name; what was asked for is its caller's JSON."""

    id: int
    name: str
    request_json: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Data:
    """What a specification is tried on. Times are bar opens, the end exclusive."""

    symbol: str
    timeframe: Timeframe
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """A trial of a study. Parameters and metrics are the caller's JSON."""

    number: int
    state: TrialState
    spec_sha256: str
    """Empty where the numbers did not go together."""
    parameters_json: str
    first_value: float | None
    """What is optimised, after the first part of the period; None: it was not looked at, or has no value."""
    metrics_json: str | None
    daily_pnl: bytes | None
    """float64 in quote, one for each UTC day of the period."""


_STUDIES = select(*(_STUDY.c[name] for name in Study.__dataclass_fields__))
_TRIALS = select(*(_TRIAL.c[name] for name in StoredTrial.__dataclass_fields__))


def find_study(session: Session, name: str) -> Study | None:
    """Return a study by its name; None: there is none."""
    found = session.execute(_STUDIES.where(_STUDY.c.name == name)).one_or_none()
    return None if found is None else _study(found)


def get_study(session: Session, study_id: int) -> Study:
    """Return a study.

    Raises:
        WrongUseError: there is none of that number.
    """
    found = session.execute(_STUDIES.where(_STUDY.c.id == study_id)).one_or_none()
    if found is None:
        raise WrongUseError(f"There is no study {study_id}.")
    return _study(found)


def list_studies(session: Session) -> list[Study]:
    """Return all studies, the newest first."""
    return [_study(found) for found in session.execute(_STUDIES.order_by(_STUDY.c.id.desc()))]


def add_study(session: Session, name: str, request_json: str, *, now_ms: int) -> Study:
    """Save a study.

    Raises:
        WrongUseError: there is one of that name.
    """
    if find_study(session, name) is not None:
        raise WrongUseError(f"There is a study {quoted(name)} already.")
    values = {"name": name, "request_json": request_json, "created_at_ms": now_ms}
    study_id = session.execute(insert(_STUDY).values(**values).returning(_STUDY.c.id)).scalar_one()
    return Study(study_id, name, request_json, now_ms)


def redefine_study(session: Session, study_id: int, request_json: str) -> None:
    """Replace what was asked for: of a study that has no trials yet."""
    session.execute(update(_STUDY).where(_STUDY.c.id == study_id).values(request_json=request_json))


def add_trials(
    session: Session,
    study_id: int,
    trials: Sequence[StoredTrial],
    data: Data,
    *,
    costs_json: str,
    now_ms: int,
) -> None:
    """Save trials of a study that were made on the same data at the same costs."""
    shared = _shared(data, costs_json, now_ms) | {"study_id": study_id, "origin": TrialOrigin.STUDY.value}
    rows = [
        {name: getattr(trial, name) for name in StoredTrial.__dataclass_fields__}
        | {"state": trial.state.value}
        | shared
        for trial in trials
    ]
    if rows:
        session.execute(insert(_TRIAL), rows)


def trials_of_study(session: Session, study_id: int) -> list[StoredTrial]:
    """Return the trials of a study by number.

    Raises:
        DamagedRowError: one cannot be read.
    """
    mine = _TRIAL.c.study_id == study_id, _TRIAL.c.origin == TrialOrigin.STUDY.value
    return [_trial(found) for found in session.execute(_TRIALS.where(*mine).order_by(_TRIAL.c.number))]


def record_tried(
    session: Session,
    origin: TrialOrigin,
    spec_sha256: Sequence[str],
    data: Data,
    *,
    costs_json: str,
    now_ms: int,
    study_id: int | None = None,
) -> None:
    """Enter specifications in the ledger whose money was shown, and whose result is not stored otherwise.

    The same specification on the same data is entered once.
    """
    what = _shared(data, costs_json, now_ms) | {"origin": origin.value}
    of_study = _TRIAL.c.study_id.is_(None) if study_id is None else _TRIAL.c.study_id == study_id
    same = and_(of_study, *(_TRIAL.c[name] == what[name] for name in what if name != "created_at_ms"))
    known = set(session.execute(select(_TRIAL.c.spec_sha256).where(same)).scalars())
    new = [each for each in dict.fromkeys(spec_sha256) if each not in known]
    if new:
        what |= {"study_id": study_id, "state": TrialState.COMPLETE.value, "parameters_json": "{}"}
        session.execute(insert(_TRIAL), [what | {"spec_sha256": each} for each in new])


def count_tried(session: Session, data: Data) -> int:
    """Return how many (specification, costs) were tried on data that overlaps with this one."""
    on_trials = _overlaps(_TRIAL, data), _TRIAL.c.state != TrialState.INVALID.value
    tried = {
        (spec, costs)
        for spec, costs in session.execute(
            select(_TRIAL.c.spec_sha256, _TRIAL.c.costs_sha256).where(*on_trials).distinct()
        )
    }
    of_results = select(_RESULT.c.spec_json, _RESULT.c.costs_json).where(_overlaps(_RESULT, data))
    tried |= {(_sha256(spec), costs_key(costs)) for spec, costs in session.execute(of_results)}
    of_baselines = (
        select(_VERSION.c.sha256, _BASELINE.c.costs_json)
        .join_from(_BASELINE, _VERSION, _BASELINE.c.version_id == _VERSION.c.id)
        .where(_overlaps(_BASELINE, data))
    )
    tried |= {(spec, costs_key(costs)) for spec, costs in session.execute(of_baselines)}
    return len(tried)


def count_uses(session: Session, data: Data, *, study_id: int, spec_sha256: str) -> int:
    """Return how often this data was seen before: tests whose period overlaps with it.

    The use by this very winner of this study is not counted, so that a study which is resumed after it says
    the same. Trials of a study count one by one.
    """
    own = and_(_TRIAL.c.study_id == study_id, _TRIAL.c.spec_sha256 == spec_sha256)
    others = or_(_TRIAL.c.study_id.is_(None), ~own)
    tested = _TRIAL.c.state != TrialState.INVALID.value
    of_trials = select(func.count()).where(_overlaps(_TRIAL, data), others, tested)
    of_results = select(func.count()).where(_overlaps(_RESULT, data))
    of_baselines = select(func.count()).where(_overlaps(_BASELINE, data))
    return sum(session.execute(each).scalar_one() for each in (of_trials, of_results, of_baselines))


def costs_key(costs_json: str) -> str:
    """Return the hash of stored costs; equal numbers have the same, however they are written."""
    try:
        costs = {
            name: f"{Decimal(str(value)).normalize():f}" for name, value in json.loads(costs_json).items()
        }
    except (ValueError, ArithmeticError, AttributeError):
        return _sha256(costs_json)
    return _sha256(json.dumps(costs, sort_keys=True))


def _shared(data: Data, costs_json: str, now_ms: int) -> dict[str, Any]:
    return {
        "costs_sha256": costs_key(costs_json),
        "symbol": data.symbol,
        "timeframe": data.timeframe.value,
        "start_ms": data.start_ms,
        "end_ms": data.end_ms,
        "created_at_ms": now_ms,
    }


def _overlaps(table: Table, data: Data) -> ColumnElement[bool]:
    return and_(
        table.c.symbol == data.symbol,
        table.c.timeframe == data.timeframe.value,
        table.c.start_ms < data.end_ms,
        table.c.end_ms > data.start_ms,
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _study(found: Row[Any]) -> Study:
    with row(f"study {found.id}"):
        return Study(**sound(found, _STUDY)._mapping)


def _trial(found: Row[Any]) -> StoredTrial:
    with row(f"trial {found.number}"):
        values = dict(sound(found, _TRIAL)._mapping)
        values["state"] = TrialState(found.state)
        return StoredTrial(**values)

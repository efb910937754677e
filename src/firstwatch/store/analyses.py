"""Analyses: what a cross-validation or a usefulness has found of an algorithm on a market."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select

from firstwatch.store.database import Session
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import AnalysisTable, table_of
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.timeframe import Timeframe

_ANALYSIS = table_of(AnalysisTable)


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis. Costs, settings and result are the caller's JSON; times as of ``StoredResult``."""

    id: int
    job_id: int | None
    kind: JobKind
    spec_sha256: str
    symbol: str
    timeframe: Timeframe
    costs_json: str
    settings_json: str
    start_ms: int
    end_ms: int
    result_json: str
    core_version: int
    created_at_ms: int

    @property
    def result(self) -> dict[str, Any]:
        """What was found, as its command prints it.

        Raises:
            DamagedRowError: it cannot be read.
        """
        with row(f"the result of analysis {self.id}"):
            return dict(json.loads(self.result_json))


def add_analysis(
    session: Session,
    kind: JobKind,
    *,
    job_id: int | None,
    spec_sha256: str,
    symbol: str,
    timeframe: Timeframe,
    costs_json: str,
    settings_json: str,
    start_ms: int,
    end_ms: int,
    result_json: str,
    core_version: int,
    now_ms: int,
) -> int:
    """Save an analysis and return its number."""
    number: int = session.execute(
        insert(_ANALYSIS)
        .values(
            job_id=job_id,
            kind=kind.value,
            spec_sha256=spec_sha256,
            symbol=symbol,
            timeframe=timeframe.value,
            costs_json=costs_json,
            settings_json=settings_json,
            start_ms=start_ms,
            end_ms=end_ms,
            result_json=result_json,
            core_version=core_version,
            created_at_ms=now_ms,
        )
        .returning(_ANALYSIS.c.id)
    ).scalar_one()
    return number


def latest_analysis(session: Session, kind: JobKind, *, spec_sha256: str, symbol: str) -> Analysis | None:
    """Return the newest analysis of that kind of an algorithm on a market; None: there is none.

    Raises:
        DamagedRowError: it cannot be read.
    """
    mine = (
        _ANALYSIS.c.spec_sha256 == spec_sha256,
        _ANALYSIS.c.symbol == symbol,
        _ANALYSIS.c.kind == kind.value,
    )
    statement = select(_ANALYSIS).where(*mine).order_by(_ANALYSIS.c.id.desc()).limit(1)
    found = session.execute(statement).one_or_none()
    return None if found is None else _view(found)


def _view(found: Row[Any]) -> Analysis:
    with row(f"analysis {found.id}"):
        values = dict(sound(found, _ANALYSIS)._mapping)
        values["kind"] = JobKind(found.kind)
        values["timeframe"] = Timeframe(found.timeframe)
        return Analysis(**values)

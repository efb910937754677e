"""The first watch of runs: recipes and their tables, time lost, and the newest report of each day."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, func, or_, select, update

from firstwatch.store.database import Session
from firstwatch.store.rows import readable, row, sound
from firstwatch.store.tables import (
    EquityTable,
    RunEventTable,
    RunTable,
    TimeLostTable,
    WatchRecipeTable,
    WatchReportTable,
    insert_once,
    table_of,
    upsert,
)
from firstwatch.trading.runs import ACTIVE_STATES, RunState
from firstwatch.trading.verdicts import DAY_MS
from firstwatch.trading.watch import WatchReport

STALE = "stale"
DOWN = "down"
"""Causes of time lost: the venue sent no bars, or the run had no worker."""

_RECIPE = table_of(WatchRecipeTable)
_RUN = table_of(RunTable)
_EVENT = table_of(RunEventTable)
_EQUITY = table_of(EquityTable)
_LOST = table_of(TimeLostTable)
_REPORT = table_of(WatchReportTable)


@dataclass(frozen=True, slots=True)
class StoredRecipe:
    """The recipe of a day's calibration."""

    run_id: str
    day: int
    recipe_json: str
    sha256: str
    locked_at_ms: int


@dataclass(frozen=True, slots=True)
class TimeLost:
    """A stretch in which a run could not enter, by venue time; ``to_ms`` None: it goes on.

    Bars that close from ``from_ms`` on and before ``to_ms`` are lost.
    """

    from_ms: int
    to_ms: int | None
    cause: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run: everything that it does changes one of these fields."""

    state: RunState
    sequence: int
    """Sequence of the last entry in its journal."""
    bar_ms: int
    """Open time of the bar of its last equity point; 0: there is none, or the run has ended."""


@dataclass(frozen=True, slots=True)
class ReportMark:
    """Version mark of a report: while it stays the same, so does the report."""

    run_id: str
    day: int
    made_at_ms: int


_LOCK = insert_once(_RECIPE)
_RECIPES = select(*(_RECIPE.c[name] for name in StoredRecipe.__dataclass_fields__))
_SAVE_LOST = upsert(_LOST)
_END_STALE = (
    update(_LOST)
    .where(_LOST.c.run_id == bindparam("run"), _LOST.c.to_ms.is_(None), _LOST.c.cause == STALE)
    .values(to_ms=bindparam("at_ms"))
)
_LOST_OF = select(_LOST).where(_LOST.c.run_id == bindparam("run")).order_by(_LOST.c.from_ms)
_SAVE_REPORT = upsert(_REPORT)
_MARKS: Select[Any] = select(*(_REPORT.c[name] for name in ReportMark.__dataclass_fields__))
_MARKS_OF = _MARKS.where(_REPORT.c.run_id == bindparam("run")).order_by(_REPORT.c.day)
_OTHER = _REPORT.alias()
_LAST_DAY = select(func.max(_OTHER.c.day)).where(_OTHER.c.run_id == _RUN.c.id).scalar_subquery()
# Joined from the active runs, because reports of ended runs are many.
_ACTIVE_MARKS = _MARKS.join_from(
    _RUN, _REPORT, (_REPORT.c.run_id == _RUN.c.id) & (_REPORT.c.day == _LAST_DAY)
).where(_RUN.c.state.in_(sorted(ACTIVE_STATES)))
_REPORT_OF = select(_REPORT.c.report_json).where(
    _REPORT.c.run_id == bindparam("run"), _REPORT.c.day == bindparam("day")
)

_LAST_MADE = (
    select(func.coalesce(func.max(_REPORT.c.made_at_ms), 0))
    .where(_REPORT.c.run_id == _RUN.c.id)
    .scalar_subquery()
)
_TO_WATCH = (
    select(_RUN.c.id)
    .where(
        or_(
            _RUN.c.state.in_(sorted(ACTIVE_STATES)),
            and_(
                _RUN.c.ended_at_ms > bindparam("since"),
                _RUN.c.started_at_ms.is_not(None),
                _RUN.c.ended_at_ms >= _LAST_MADE,
            ),
        )
    )
    .order_by(_RUN.c.created_at_ms, _RUN.c.id)
)

_PROGRESS = select(
    _RUN.c.id,
    _RUN.c.state,
    select(func.coalesce(func.max(_EVENT.c.sequence), 0))
    .where(_EVENT.c.run_id == _RUN.c.id)
    .scalar_subquery(),
    select(func.coalesce(func.max(_EQUITY.c.time_ms), 0))
    .where(_EQUITY.c.run_id == _RUN.c.id)
    .scalar_subquery(),
).where(_RUN.c.id.in_(bindparam("ids", expanding=True)))


def lock_recipe(
    session: Session, run_id: str, day: int, recipe_json: str, sha256: str, *, now_ms: int
) -> StoredRecipe:
    """Save the recipe of a day, unless one is locked already; return the one that is."""
    session.execute(
        _LOCK,
        {
            "run_id": run_id,
            "day": day,
            "recipe_json": recipe_json,
            "sha256": sha256,
            "locked_at_ms": now_ms,
            "tables": None,
        },
    )
    found = recipe_of(session, run_id, day)
    assert found is not None
    return found


def recipe_of(session: Session, run_id: str, day: int) -> StoredRecipe | None:
    """Return the recipe of a day; None: none is locked.

    Raises:
        DamagedRowError: it cannot be read.
    """
    statement = _RECIPES.where(_RECIPE.c.run_id == run_id, _RECIPE.c.day == day)
    with row(f"the watch recipe of run {run_id}, day {day}"):
        found = session.execute(statement).one_or_none()
        return None if found is None else StoredRecipe(*sound(found, _RECIPE))


def save_tables(session: Session, run_id: str, day: int, packed: bytes) -> None:
    """Save the packed calibration computed from the day's locked recipe."""
    session.execute(
        update(_RECIPE).where(_RECIPE.c.run_id == run_id, _RECIPE.c.day == day).values(tables=packed)
    )


def tables_of(session: Session, run_id: str, day: int) -> bytes | None:
    """Return the packed calibration of a day; None: it is not computed yet."""
    statement = select(_RECIPE.c.tables).where(_RECIPE.c.run_id == run_id, _RECIPE.c.day == day)
    packed: bytes | None = session.execute(statement).scalar_one_or_none()
    return packed


def save_lost(session: Session, run_id: str, lost: TimeLost) -> None:
    """Save a stretch of time lost; one that began at the same time is replaced."""
    session.execute(
        _SAVE_LOST,
        {"run_id": run_id, "from_ms": lost.from_ms, "to_ms": lost.to_ms, "cause": lost.cause},
    )


def note_stale(session: Session, run_id: str, *, is_stale: bool, time_ms: int) -> None:
    """Begin a stretch of stale data at that venue time, or end the open one."""
    session.execute(_END_STALE, {"run": run_id, "at_ms": time_ms})
    if is_stale:
        save_lost(session, run_id, TimeLost(time_ms, None, STALE))


def lost_of(session: Session, run_id: str) -> list[TimeLost]:
    """Return a run's time lost, oldest first.

    Raises:
        DamagedRowError: a row cannot be read.
    """
    with row(f"the time lost of run {run_id}"):
        return [
            TimeLost(found.from_ms, found.to_ms, found.cause)
            for each in session.execute(_LOST_OF, {"run": run_id})
            for found in [sound(each, _LOST)]
        ]


def save_report(
    session: Session, report: WatchReport, *, shadow_json: str | None = None, now_ms: int
) -> None:
    """Replace the report of its run and day, and the state from which its shadow run continues."""
    session.execute(
        _SAVE_REPORT,
        {
            "run_id": report.run,
            "day": report.day,
            "verdict": report.verdict.value,
            "made_at_ms": now_ms,
            "report_json": report.model_dump_json(),
            "shadow_json": shadow_json,
        },
    )


def reports_of(session: Session, run_id: str) -> list[WatchReport]:
    """Return a run's reports, oldest first.

    Raises:
        DamagedRowError: one cannot be read.
    """
    statement = select(_REPORT.c.report_json).where(_REPORT.c.run_id == run_id).order_by(_REPORT.c.day)
    with row(f"a watch report of run {run_id}"):
        return [WatchReport.model_validate_json(text) for text in session.execute(statement).scalars()]


def active_marks(session: Session, damaged: dict[str, str] | None = None) -> dict[str, ReportMark]:
    """Return the mark of each active run's latest report, by run id; ``damaged`` as in ``readable``."""
    return readable(session.execute(_ACTIVE_MARKS).all(), "run_id", _mark, damaged)


def marks_of(session: Session, run_id: str) -> list[ReportMark]:
    """Return the marks of a run's reports, oldest first.

    Raises:
        DamagedRowError: one cannot be read.
    """
    return [_mark(found) for found in session.execute(_MARKS_OF, {"run": run_id})]


def report_of(session: Session, mark: ReportMark) -> WatchReport:
    """Return the report of that mark.

    Raises:
        DamagedRowError: it cannot be read.
    """
    with row(f"the watch report of run {mark.run_id}"):
        found = session.execute(_REPORT_OF, {"run": mark.run_id, "day": mark.day}).scalar_one()
        return WatchReport.model_validate_json(found)


# The screen keeps reading all of them, and few have changed.
@lru_cache(maxsize=1_024)
def _mark(found: Row[Any]) -> ReportMark:
    with row(f"the watch report of run {found.run_id}"):
        sound(found, _REPORT)
        return ReportMark(found.run_id, found.day, found.made_at_ms)


def runs_to_watch(session: Session, *, now_ms: int) -> list[str]:
    """Return the ids of the runs that lack a report: active ones, and those that ended since their last one.

    A run that ended more than a day ago, by local time, is left as it is.
    """
    return list(session.execute(_TO_WATCH, {"since": now_ms - DAY_MS}).scalars())


def progress_of(session: Session, run_ids: Iterable[str]) -> dict[str, Progress]:
    """Return the progress of each run; a cheap way to find those that changed.

    Raises:
        DamagedRowError: the state of one cannot be read.
    """
    found = {}
    for run_id, state, sequence, bar_ms in session.execute(_PROGRESS, {"ids": list(run_ids)}):
        with row(f"run {run_id}"):
            found[run_id] = Progress(RunState(state), sequence, bar_ms)
    return found


def shadow_of(session: Session, run_id: str, day: int) -> str | None:
    """Return the state from which a day's shadow run continues; None: there is none."""
    statement = select(_REPORT.c.shadow_json).where(_REPORT.c.run_id == run_id, _REPORT.c.day == day)
    found: str | None = session.execute(statement).scalar_one_or_none()
    return found

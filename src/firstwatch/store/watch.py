"""The first watch of runs: recipes and their tables, time lost, and the newest report of each day."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, update

from firstwatch.store.database import Session
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import (
    TimeLostTable,
    WatchRecipeTable,
    WatchReportTable,
    insert_once,
    table_of,
    upsert,
)
from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.watch import WatchReport

_RECIPE = table_of(WatchRecipeTable)
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
    """A stretch in which a run could not trade, by venue time; ``to_ms`` None: it goes on."""

    from_ms: int
    to_ms: int | None
    cause: str


_LOCK = insert_once(_RECIPE)
_RECIPES = select(*(_RECIPE.c[name] for name in StoredRecipe.__dataclass_fields__))
_SAVE_LOST = upsert(_LOST)
_LOST_OF = select(_LOST).where(_LOST.c.run_id == bindparam("run")).order_by(_LOST.c.from_ms)
_SAVE_REPORT = upsert(_REPORT)
_NEWEST = select(_REPORT.c.run_id, func.max(_REPORT.c.day).label("day")).group_by(_REPORT.c.run_id)


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
    """Keep the calibration that the locked recipe of the day gives."""
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
    """Replace the report of its run and day, and the state from which its shadow goes on."""
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
    """Return a run's reports, the first day first.

    Raises:
        DamagedRowError: one cannot be read.
    """
    statement = select(_REPORT.c.report_json).where(_REPORT.c.run_id == run_id).order_by(_REPORT.c.day)
    with row(f"a watch report of run {run_id}"):
        return [WatchReport.model_validate_json(text) for text in session.execute(statement).scalars()]


def newest_reports(
    session: Session, run_ids: Iterable[str], damaged: dict[str, str] | None = None
) -> dict[str, WatchReport]:
    """Return the report of the last day of each run that has one.

    A report that cannot be read is left out; ``damaged`` receives its error by the run's id.
    """
    newest = _NEWEST.where(_REPORT.c.run_id.in_(list(run_ids))).subquery()
    statement = select(_REPORT.c.run_id, _REPORT.c.report_json).join(
        newest, (_REPORT.c.run_id == newest.c.run_id) & (_REPORT.c.day == newest.c.day)
    )
    seen: dict[str, WatchReport] = {}
    for run_id, text in session.execute(statement):
        try:
            with row(f"the watch report of run {run_id}"):
                seen[run_id] = WatchReport.model_validate_json(text)
        except DamagedRowError as error:
            if damaged is not None:
                damaged[run_id] = str(error)
    return seen


def shadow_of(session: Session, run_id: str, day: int) -> str | None:
    """Return the state from which the shadow of a day goes on; None: there is none."""
    statement = select(_REPORT.c.shadow_json).where(_REPORT.c.run_id == run_id, _REPORT.c.day == day)
    found: str | None = session.execute(statement).scalar_one_or_none()
    return found

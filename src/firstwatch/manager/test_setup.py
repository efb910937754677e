"""The settings of a draft's tests: as they are kept, and those of a first test."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from firstwatch.manager.test_views import TestSetup
from firstwatch.settings import Settings

if TYPE_CHECKING:
    from firstwatch.store.database import Session
    from firstwatch.store.runs import Run

_RUNS = 50
"""Newest runs among which the settings of a first test are looked for."""


def setup_text(setup: TestSetup) -> str:
    """Return settings of a test as they are kept."""
    return json.dumps(asdict(setup))


def read_setup(text: str) -> TestSetup | None:
    """Return kept settings of a test; what is not known any more is left out. None: they are damaged."""
    try:
        values = json.loads(text)
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    known = {name: str(values[name]) for name in TestSetup.__dataclass_fields__ if name in values}
    return TestSetup(**known)


def first_setup(session: "Session", settings: Settings, algorithm: str, symbol: str | None) -> TestSetup:
    """Return the settings of an algorithm's first test: those of its newest run, else of any run.

    ``symbol``: the market that the algorithm is bound to.
    """
    from firstwatch.manager.lists import symbols_of
    from firstwatch.store import runs

    known = runs.list_runs(session, limit=_RUNS)
    run = next((run for run in known if run.settings.algorithm == algorithm), None)
    if run is not None:
        return setup_of_run(run)
    venue = next(iter(settings.venues), "")
    symbols: Iterator[str] = iter([*(each.settings.symbol for each in known), *symbols_of(settings)])
    return TestSetup(venue=known[0].venue if known else venue, symbol=symbol or next(symbols, ""))


def setup_of_run(run: "Run", *, parent_run_id: str = "") -> TestSetup:
    """Return a run's market and money as the settings of a test."""
    settings = run.settings
    limit = settings.trades_limit
    return TestSetup(
        venue=run.venue,
        symbol=settings.symbol,
        capital=f"{settings.capital:f}",
        leverage=f"{settings.leverage:f}",
        trades_limit="" if limit is None else str(limit),
        parent_run_id=parent_run_id,
    )

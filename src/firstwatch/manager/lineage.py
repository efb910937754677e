"""The run of which another one is the next version: its settings, and its metrics over its whole time."""

from dataclasses import asdict

from firstwatch.manager.run_metrics import metrics_of_run
from firstwatch.manager.run_views import ParentView
from firstwatch.store import equity, runs, trades
from firstwatch.store.database import Session


def read_parent(session: Session, run_id: str) -> ParentView | None:
    """Return the parent of a run; None: it has none, or it is not there any more.

    Raises:
        DamagedRowError: a row of it cannot be read.
    """
    run = runs.get_run(session, run_id)
    parent = None if run.parent_run_id is None else runs.find_run(session, run.parent_run_id)
    if parent is None:
        return None
    curve = equity.equity_of(session, parent.id)
    found = metrics_of_run(
        trades.trades_of(session, parent.id), curve, parent.settings.capital, parent.market
    )
    return ParentView(
        run_id,
        parent.id,
        parent.settings,
        {name: value for name, value in asdict(found).items() if not isinstance(value, dict)},
    )

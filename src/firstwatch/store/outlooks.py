"""Outlook of each run at its last close (conditions that would have to become true next): one small row.

Kept apart from the live figures, whose row is written every second.
"""

from sqlalchemy import bindparam, select

from firstwatch.store.database import Session
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import row
from firstwatch.store.tables import RunOutlookTable, table_of, upsert
from firstwatch.trading.why import Outlook

_OUTLOOK = table_of(RunOutlookTable)
_SAVE = Prepared(upsert(_OUTLOOK))
_OF_RUN = select(_OUTLOOK.c.outlook_json).where(_OUTLOOK.c.run_id == bindparam("run"))


def save_outlook(session: Session, run_id: str, outlook: Outlook) -> None:
    """Replace the run's outlook."""
    _SAVE.execute(session, {"run_id": run_id, "outlook_json": outlook.model_dump_json()})


def outlook_text_of(session: Session, run_id: str) -> str | None:
    """Return the run's outlook as stored text, for comparison with an earlier one; None: it has none.

    Raises:
        DamagedRowError: it cannot be read.
    """
    with row(f"the outlook of run {run_id}"):
        text: str | None = session.execute(_OF_RUN, {"run": run_id}).scalar()
        return text


def read_outlook(run_id: str, text: str) -> Outlook:
    """Return the outlook of a stored text.

    Raises:
        DamagedRowError: it is not one.
    """
    with row(f"the outlook of run {run_id}"):
        return Outlook.model_validate_json(text)


def outlook_of(session: Session, run_id: str) -> Outlook | None:
    """Return the run's outlook; None: it has not begun, or an earlier version wrote its last close.

    Raises:
        DamagedRowError: it cannot be read.
    """
    text = outlook_text_of(session, run_id)
    return None if text is None else read_outlook(run_id, text)

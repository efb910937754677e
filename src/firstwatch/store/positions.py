"""The position of each run, as the engine last wrote it."""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, select

from firstwatch.store.database import Session
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import readable, row, sound
from firstwatch.store.tables import PositionTable, table_of, upsert
from firstwatch.trading.orders import Side

_POSITION = table_of(PositionTable)
_UPSERT = Prepared(upsert(_POSITION))
_OF_RUN = select(_POSITION).where(_POSITION.c.run_id == bindparam("run"))
_HELD = select(_POSITION).where(_POSITION.c.side.is_not(None))


@dataclass(frozen=True, slots=True)
class RunPosition:
    """A run's position with its levels; ``side`` None: flat. Amount in base coin, money in quote.

    ``stop`` and ``target`` are the levels that the venue has confirmed (None: no order rests there),
    ``stop_wanted`` and ``target_wanted`` those of the run.
    """

    run_id: str
    symbol: str
    side: Side | None
    amount: Decimal
    updated_at_ms: int
    entry_price: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    stop_wanted: Decimal | None = None
    target_wanted: Decimal | None = None
    liquidation_price: Decimal | None = None
    margin: Decimal = Decimal(0)
    leverage: Decimal | None = None
    opened_at_ms: int | None = None
    """Venue time of the first fill."""


def set_position(session: Session, position: RunPosition) -> None:
    """Replace the run's position."""
    values = {name: getattr(position, name) for name in RunPosition.__dataclass_fields__}
    values["side"] = None if position.side is None else position.side.value
    _UPSERT.execute(session, values)


def position_of(session: Session, run_id: str) -> RunPosition | None:
    """Return the run's position; None: none was ever written.

    Raises:
        DamagedRowError: the position cannot be read.
    """
    found = session.execute(_OF_RUN, {"run": run_id}).one_or_none()
    return None if found is None else _view(found)


def positions(session: Session, *, damaged: dict[str, str] | None = None) -> dict[str, RunPosition]:
    """Return the last position of every run that is not flat, by run id; ``damaged`` as in ``readable``."""
    return readable(session.execute(_HELD).all(), "run_id", _view, damaged)


# The screen reads those of fifty runs four times a second, and few of them have changed.
@lru_cache(maxsize=256)
def _view(found: Row[Any]) -> RunPosition:
    with row(f"the position of run {found.run_id}"):
        values = dict(sound(found, _POSITION)._mapping)
        values["side"] = None if found.side is None else Side(found.side)
        return RunPosition(**values)

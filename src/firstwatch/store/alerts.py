"""The last alarms sent to each address, and the addresses to which sending fails.

An address is a secret, so only its hash is stored.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, exists, or_, select

from firstwatch.store.database import Session
from firstwatch.store.tables import (
    AlarmTable,
    AlertAddressTable,
    AlertSentTable,
    RunTable,
    WalletStatusTable,
    WalletTable,
    table_of,
    upsert,
)
from firstwatch.trading.alarms import UNMANAGED
from firstwatch.trading.runs import ACTIVE_STATES, Exposure

_ALARM = table_of(AlarmTable)
_RUN = table_of(RunTable)
_WALLET = table_of(WalletTable)
_STATUS = table_of(WalletStatusTable)
_SENT = table_of(AlertSentTable)
_ADDRESS = table_of(AlertAddressTable)


@dataclass(frozen=True, slots=True)
class Rise:
    """The latest beginning of an alarm. ``cleared_ms`` None: it is active."""

    owner: str
    """The run's id, or the name of a wallet that holds a position without a run."""
    topic: str
    sentence: str
    since_ms: int
    cleared_ms: int | None
    is_relevant: bool
    """Its run is active, or left an order or a position."""
    is_of_wallet: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Identity of the alarm: owner and topic."""
        return self.owner, self.topic


@dataclass(frozen=True, slots=True)
class Sent:
    """The last message to an address about an alarm, the one that began at ``since_ms``."""

    since_ms: int
    sent_at_ms: int


@dataclass(frozen=True, slots=True)
class Failing:
    """Sending to an address has failed since then."""

    since_ms: int
    problem: str


_IS_ACTIVE = _ALARM.c.cleared_at_ms.is_(None)
_RISES = (
    select(_ALARM, _RUN.c.state, _RUN.c.exposure)
    .join(_RUN, _RUN.c.id == _ALARM.c.run_id)
    .order_by(_ALARM.c.since_ms, _ALARM.c.run_id, _ALARM.c.topic)
)
_ACTIVE = _RISES.where(_IS_ACTIVE)
_ALSO_OVER = _RISES.where(or_(_IS_ACTIVE, _ALARM.c.cleared_at_ms >= bindparam("over")))
# Its balance must have been read after its last run ended: an older one shows that run's position.
_HELD_WITHOUT_A_RUN = (
    select(_WALLET.c.name, _STATUS.c.held_since_ms)
    .join(_STATUS, _STATUS.c.wallet_id == _WALLET.c.id)
    .where(
        _STATUS.c.held_since_ms.is_not(None),
        _WALLET.c.archived_at_ms.is_(None),
        ~exists().where(
            _RUN.c.wallet_id == _WALLET.c.id,
            or_(
                _RUN.c.state.in_(sorted(ACTIVE_STATES)),
                _RUN.c.exposure != Exposure.FLAT,
                _RUN.c.ended_at_ms >= _STATUS.c.money_at_ms,
            ),
        ),
    )
    .order_by(_WALLET.c.name)
)


def rises(session: Session, *, over_since_ms: int | None) -> list[Rise]:
    """Return the active alarms of runs, with ``over_since_ms`` those that have ended since; then of wallets.

    A wallet's alarm has no row: a live wallet holds a position that no run opened or left.
    """
    if over_since_ms is None:
        found = session.execute(_ACTIVE)
    else:
        found = session.execute(_ALSO_OVER, {"over": over_since_ms})
    of_wallets = session.execute(_HELD_WITHOUT_A_RUN)
    return [
        *(_rise(row) for row in found),
        *(_rise_of_wallet(row.name, row.held_since_ms) for row in of_wallets),
    ]


def sent_to(session: Session, address: str) -> dict[tuple[str, str], Sent]:
    """Return the last alarms sent to an address, by owner and topic."""
    found = session.execute(select(_SENT).where(_SENT.c.address == address))
    return {(row.owner, row.topic): Sent(row.since_ms, row.sent_at_ms) for row in found}


def note_sent(session: Session, address: str, delivered: Iterable[Rise], *, now_ms: int) -> None:
    """Save that these alarms were sent to an address, replacing their earlier beginnings."""
    for rise in delivered:
        values = {"owner": rise.owner, "topic": rise.topic, "since_ms": rise.since_ms}
        session.execute(upsert(_SENT), {"address": address, **values, "sent_at_ms": now_ms})


def failing(session: Session) -> dict[str, Failing]:
    """Return the failing addresses, by hash."""
    return {
        row.address: Failing(row.failing_since_ms, row.problem) for row in session.execute(select(_ADDRESS))
    }


def note_failing(session: Session, address: str, since: Failing | None) -> None:
    """Save since when sending to an address fails; None: it works."""
    session.execute(delete(_ADDRESS).where(_ADDRESS.c.address == address))
    if since is not None:
        values = {"address": address, "failing_since_ms": since.since_ms, "problem": since.problem}
        session.execute(upsert(_ADDRESS), values)


def forget_others(session: Session, addresses: Collection[str]) -> None:
    """Remove the rows of addresses that are no longer in the settings."""
    for table in (_SENT, _ADDRESS):
        session.execute(delete(table).where(table.c.address.not_in(addresses)))


def _rise(row: Row[Any]) -> Rise:
    is_relevant = row.state in ACTIVE_STATES or row.exposure != Exposure.FLAT
    return Rise(row.run_id, row.topic, row.sentence, row.since_ms, row.cleared_at_ms, is_relevant)


def _rise_of_wallet(name: str, since_ms: int) -> Rise:
    sentence = "it holds a position and no run manages it"
    return Rise(name, UNMANAGED, sentence, since_ms, None, True, is_of_wallet=True)

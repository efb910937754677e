"""The engine host of this store: one row with its epoch and heartbeat; and when there was none."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, delete, select, update

from firstwatch.store.database import EpochLostError, Session
from firstwatch.store.tables import EngineGapTable, HostTable, insert_once, table_of, upsert

_HOST = table_of(HostTable)
_GAP = table_of(EngineGapTable)
_ONLY = 1
_GAPS_KEPT_MS = 90 * 86_400_000


class HostState(StrEnum):
    """State of the engine host."""

    STARTING = "starting"
    """It holds the engine lock and reconciles; commands wait."""
    RUNNING = "running"
    STOPPED = "stopped"
    STOPPED_ON_REQUEST = "stopped_on_request"
    """As STOPPED, but by a command: the screen does not restart the engine by itself."""


@dataclass(frozen=True, slots=True)
class Host:
    """The process that holds, or last held, the engine."""

    epoch: int
    pid: int
    host_name: str
    version: str
    state: HostState
    started_at_ms: int
    heartbeat_ms: int

    @property
    def has_let_go(self) -> bool:
        """It stopped properly, so even a fresh heartbeat does not mean a live process."""
        return self.state in (HostState.STOPPED, HostState.STOPPED_ON_REQUEST)


@dataclass(frozen=True, slots=True)
class EngineGap:
    """A time in which no engine ran."""

    from_ms: int
    to_ms: int


_GET = select(_HOST).where(_HOST.c.id == _ONLY)
_BEAT = (
    update(_HOST)
    .where(_HOST.c.id == _ONLY, _HOST.c.epoch == bindparam("mine"))
    .values(heartbeat_ms=bindparam("heartbeat_ms"), state=bindparam("state"))
)


def claim_host(session: Session, *, pid: int, host_name: str, version: str, now_ms: int) -> int:
    """Become the host and return the new epoch; only for the holder of the engine lock."""
    last = current_host(session)
    epoch = 1 if last is None else last.epoch + 1
    if last is not None and last.heartbeat_ms < now_ms:
        session.execute(insert_once(_GAP), {"from_ms": last.heartbeat_ms, "to_ms": now_ms})
        session.execute(delete(_GAP).where(_GAP.c.to_ms < now_ms - _GAPS_KEPT_MS))
    session.execute(
        upsert(_HOST),
        {
            "id": _ONLY,
            "epoch": epoch,
            "pid": pid,
            "host_name": host_name,
            "version": version,
            "state": HostState.STARTING.value,
            "started_at_ms": now_ms,
            "heartbeat_ms": now_ms,
        },
    )
    return epoch


def beat(session: Session, epoch: int, state: HostState, *, now_ms: int) -> None:
    """Write the heartbeat and the state; a STOPPED state is the last one.

    Raises:
        EpochLostError: another host has claimed the store.
    """
    result = session.execute(_BEAT, {"mine": epoch, "heartbeat_ms": now_ms, "state": state.value})
    if result.rowcount != 1:
        raise EpochLostError(
            f"Another engine has taken over from epoch {epoch}; this one must recover first."
        )


def current_host(session: Session) -> Host | None:
    """Return the host; None: no engine has ever run on this store."""
    row = session.execute(_GET).one_or_none()
    if row is None:
        return None
    return Host(
        row.epoch,
        row.pid,
        row.host_name,
        row.version,
        HostState(row.state),
        row.started_at_ms,
        row.heartbeat_ms,
    )


def gaps_since(session: Session, time_ms: int) -> list[EngineGap]:
    """Return the times without an engine that ended after ``time_ms``, oldest first."""
    rows = session.execute(select(_GAP).where(_GAP.c.to_ms > time_ms).order_by(_GAP.c.from_ms))
    return [EngineGap(found.from_ms, found.to_ms) for found in rows]

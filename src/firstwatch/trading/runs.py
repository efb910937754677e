"""Runs: their states, the one table that moves them, and the facts beside the state."""

from enum import StrEnum

from firstwatch.trading.errors import IllegalTransitionError


class RunState(StrEnum):
    """State of a run; ``RUN_TRANSITIONS`` moves it."""

    NEW = "NEW"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_active(self) -> bool:
        """The run owns its wallet."""
        return self in ACTIVE_STATES

    @property
    def is_final(self) -> bool:
        """The run has ended; nothing moves it any more."""
        return self not in ACTIVE_STATES


ACTIVE_STATES = frozenset({RunState.NEW, RunState.RUNNING, RunState.STOPPING})

RUN_TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.NEW: frozenset({RunState.RUNNING, RunState.CANCELLED, RunState.FAILED}),
    RunState.RUNNING: frozenset({RunState.STOPPING, RunState.DONE, RunState.FAILED}),
    RunState.STOPPING: frozenset({RunState.STOPPED, RunState.FAILED}),
    RunState.STOPPED: frozenset(),
    RunState.DONE: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}


def move_run(current: RunState, new: RunState) -> RunState:
    """Return ``new`` if the table allows the move from ``current``.

    Raises:
        IllegalTransitionError: the table does not hold the move.
    """
    if new not in RUN_TRANSITIONS[current]:
        raise IllegalTransitionError(f"a run cannot go from {current} to {new}")
    return new


class StopMode(StrEnum):
    """What a stop leaves behind."""

    LEAVE = "leave"
    """Position and its protection stay at the venue."""
    LEAVE_UNPROTECTED = "leave_unprotected"
    """The position stays, its protection is cancelled."""
    CLOSE = "close"
    """The position is closed; protection is cancelled last."""


class ExitReason(StrEnum):
    """Why a trade ended."""

    SIGNAL = "signal"
    STOP_LOSS = "stop_loss"
    TRAILING_STOP = "trailing_stop"
    TAKE_PROFIT = "take_profit"
    LIQUIDATION = "liquidation"
    SESSION = "session"
    GUARD = "guard"
    MANUAL = "manual"
    RUN_END = "run_end"
    PROTECTION_FAILED = "protection_failed"
    END_OF_DATA = "end_of_data"


class Health(StrEnum):
    """Health of a run's data: ``degraded``: a stream or reading fails; ``stale``: bars are missing."""

    OK = "ok"
    DEGRADED = "degraded"
    STALE = "stale"
    UNKNOWN = "unknown"


class Exposure(StrEnum):
    """A run's position at the venue, as far as known."""

    FLAT = "flat"
    EXPOSED = "exposed"
    UNKNOWN = "unknown"


class Protection(StrEnum):
    """Whether the stop that the algorithm wants rests at the venue."""

    PROTECTED = "protected"
    UNPROTECTED = "unprotected"
    NOT_NEEDED = "not_needed"
    """Flat, or the algorithm has no stop."""


class Author(StrEnum):
    """Who requested a command or a transition."""

    OPERATOR = "operator"
    SYSTEM = "system"
    AGENT = "agent"
    AGENT_APPROVED = "agent_approved"
    """An agent, and the operator said yes."""

    @property
    def is_agent(self) -> bool:
        return self in (Author.AGENT, Author.AGENT_APPROVED)

    @property
    def who(self) -> str:
        """Who wrote it: ``operator``, ``system`` or ``agent``."""
        return "agent" if self.is_agent else self.value

    @property
    def approved_by(self) -> str | None:
        """Who said yes to an agent; None: no approval was needed, or it was no agent."""
        return "operator" if self is Author.AGENT_APPROVED else None

    @property
    def words(self) -> str:
        """Both, for a person."""
        return "agent, approved by the operator" if self is Author.AGENT_APPROVED else self.who

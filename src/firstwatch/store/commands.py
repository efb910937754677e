"""Commands to the engine: one row each, with the outcome."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, bindparam, insert, select, update

from firstwatch.store.database import Session
from firstwatch.store.rows import row
from firstwatch.store.tables import CommandTable, table_of
from firstwatch.trading.commands import (
    DEFAULT_EXPIRY_MS,
    CloseWallet,
    Command,
    CommandOutcome,
    command_adapter,
)
from firstwatch.trading.errors import IllegalTransitionError, WrongUseError
from firstwatch.trading.runs import Author, RunState

_COMMAND = table_of(CommandTable)

_O = CommandOutcome

COMMAND_TRANSITIONS: dict[CommandOutcome, frozenset[CommandOutcome]] = {
    _O.PENDING: frozenset({_O.ACCEPTED, _O.REFUSED, _O.EXPIRED}),
    _O.ACCEPTED: frozenset({_O.DONE, _O.REFUSED}),
    _O.DONE: frozenset(),
    _O.REFUSED: frozenset(),
    _O.EXPIRED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """A command, the state that its sender saw, and its outcome, with a sentence for an operator."""

    id: int
    command: Command
    author: Author
    run_id: str | None
    expected_state: RunState | None
    """The state in which the sender saw the run; None: any."""
    snapshot_sequence: int | None
    created_at_ms: int
    expires_at_ms: int
    outcome: CommandOutcome
    sentence: str
    result_json: str | None
    accepted_at_ms: int | None
    finished_at_ms: int | None
    act_id: int | None = None
    """The act of an agent that it performs; None: it is no agent's."""

    @property
    def is_finished(self) -> bool:
        """The outcome is final."""
        return not COMMAND_TRANSITIONS[self.outcome]


def _of_outcome(outcome: CommandOutcome) -> Select[Any]:
    # A literal, so that SQLite can use its index of unfinished commands.
    is_wanted = _COMMAND.c.outcome == bindparam(None, outcome.value, literal_execute=True)
    return select(_COMMAND.c.id).where(is_wanted).order_by(_COMMAND.c.id)


_PENDING = _of_outcome(_O.PENDING)
_ACCEPTED = _of_outcome(_O.ACCEPTED)
_CLOSING = CloseWallet.model_fields["kind"].default
_OUTCOME = select(_COMMAND.c.outcome).where(_COMMAND.c.id == bindparam("number"))
_ONE = select(_COMMAND).where(_COMMAND.c.id == bindparam("number"))


def submit_command(
    session: Session,
    command: Command,
    *,
    author: Author,
    now_ms: int,
    expected_state: RunState | None = None,
    snapshot_sequence: int | None = None,
    expires_in_ms: int = DEFAULT_EXPIRY_MS,
    act_id: int | None = None,
) -> int:
    """Save a command for the engine and return its number. ``act_id``: the act of the agent that sends it."""
    number: int = session.execute(
        insert(_COMMAND).returning(_COMMAND.c.id),
        {
            "kind": command.kind,
            "payload": command.model_dump_json(),
            "author": author.value,
            "run_id": getattr(command, "run_id", None),
            "expected_state": None if expected_state is None else expected_state.value,
            "snapshot_sequence": snapshot_sequence,
            "created_at_ms": now_ms,
            "expires_at_ms": now_ms + expires_in_ms,
            "outcome": _O.PENDING.value,
            "sentence": "",
            "act_id": act_id,
        },
    ).scalar_one()
    return number


def pending_commands(session: Session, limit: int) -> list[int]:
    """Return the numbers of at most ``limit`` commands that wait for the engine, oldest first."""
    return list(session.execute(_PENDING.limit(limit)).scalars())


def accepted_commands(session: Session) -> list[int]:
    """Return the numbers of accepted, unfinished commands; at startup these are left from a crash."""
    return list(session.execute(_ACCEPTED).scalars())


def is_closing(session: Session, wallet: str) -> bool:
    """Return whether an accepted command is closing the positions of a wallet."""
    accepted = session.execute(_ACCEPTED.where(_COMMAND.c.kind == _CLOSING)).scalars().all()
    return any(
        isinstance(command := get_command(session, number).command, CloseWallet) and command.wallet == wallet
        for number in accepted
    )


def get_command(session: Session, number: int) -> StoredCommand:
    """Return one command.

    Raises:
        WrongUseError: there is no command with that number.
        DamagedRowError: it cannot be read.
    """
    found = session.execute(_ONE, {"number": number}).one_or_none()
    if found is None:
        raise WrongUseError(f"There is no command {number}.")
    return _view(found)


def recent_commands(session: Session, limit: int) -> list[StoredCommand]:
    """Return the newest commands, newest first."""
    return [
        _view(found)
        for found in session.execute(select(_COMMAND).order_by(_COMMAND.c.id.desc()).limit(limit))
    ]


def accept_command(session: Session, number: int, *, now_ms: int) -> None:
    """Mark a command as accepted by the engine.

    Raises:
        IllegalTransitionError: it is not pending.
    """
    _move(session, number, _O.ACCEPTED, {"accepted_at_ms": now_ms})


def finish_command(
    session: Session,
    number: int,
    outcome: CommandOutcome,
    sentence: str,
    *,
    now_ms: int,
    result_json: str | None = None,
) -> None:
    """Write a command's final outcome: DONE once accepted, EXPIRED unless accepted, or REFUSED.

    Raises:
        IllegalTransitionError: ``COMMAND_TRANSITIONS`` does not allow it.
    """
    _move(
        session, number, outcome, {"sentence": sentence, "result_json": result_json, "finished_at_ms": now_ms}
    )


def _move(session: Session, number: int, new: CommandOutcome, columns: dict[str, Any]) -> None:
    # Not the whole row: it must be possible to refuse a command that cannot be read.
    found = session.execute(_OUTCOME, {"number": number}).scalar()
    if found is None:
        raise WrongUseError(f"There is no command {number}.")
    old = CommandOutcome(found)
    if new not in COMMAND_TRANSITIONS[old]:
        raise IllegalTransitionError(f"command {number} cannot go from {old} to {new}")
    session.execute(update(_COMMAND).where(_COMMAND.c.id == number).values(outcome=new.value, **columns))


def _view(found: Row[Any]) -> StoredCommand:
    with row(f"command {found.id}"):
        return StoredCommand(
            id=found.id,
            command=command_adapter().validate_json(found.payload),
            author=Author(found.author),
            run_id=found.run_id,
            expected_state=None if found.expected_state is None else RunState(found.expected_state),
            snapshot_sequence=found.snapshot_sequence,
            created_at_ms=found.created_at_ms,
            expires_at_ms=found.expires_at_ms,
            outcome=CommandOutcome(found.outcome),
            sentence=found.sentence,
            result_json=found.result_json,
            accepted_at_ms=found.accepted_at_ms,
            finished_at_ms=found.finished_at_ms,
            act_id=found.act_id,
        )

"""Commands to the engine: a row each, with its outcome on the same row."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, bindparam, insert, select, update

from firstwatch.store.database import Session
from firstwatch.store.tables import CommandRow, table_of
from firstwatch.trading.commands import COMMAND, DEFAULT_EXPIRY_MS, Command, CommandOutcome
from firstwatch.trading.errors import IllegalTransitionError, WrongUseError
from firstwatch.trading.runs import Author, RunState

_COMMAND = table_of(CommandRow)

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
    """A command, what it was aimed at, and what became of it."""

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

    @property
    def is_finished(self) -> bool:
        return not COMMAND_TRANSITIONS[self.outcome]


def _of_outcome(outcome: CommandOutcome) -> Select[Any]:
    # Literal, so that SQLite knows that its index of unfinished commands has all of them.
    is_wanted = _COMMAND.c.outcome == bindparam(None, outcome.value, literal_execute=True)
    return select(_COMMAND).where(is_wanted).order_by(_COMMAND.c.id)


_PENDING = _of_outcome(_O.PENDING)
_ACCEPTED = _of_outcome(_O.ACCEPTED)
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
) -> int:
    """Save a command for the engine to pick up and return its number."""
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
        },
    ).scalar_one()
    return number


def pending_commands(session: Session, limit: int) -> list[StoredCommand]:
    """Return the oldest ``limit`` commands that nobody has picked up, oldest first."""
    return [_view(row) for row in session.execute(_PENDING.limit(limit))]


def accepted_commands(session: Session) -> list[StoredCommand]:
    """Return the commands that were picked up and not finished: after a crash, another life's."""
    return [_view(row) for row in session.execute(_ACCEPTED)]


def get_command(session: Session, number: int) -> StoredCommand:
    """Return one command.

    Raises:
        WrongUseError: there is none of that number.
    """
    row = session.execute(_ONE, {"number": number}).one_or_none()
    if row is None:
        raise WrongUseError(f"There is no command {number}.")
    return _view(row)


def recent_commands(session: Session, limit: int) -> list[StoredCommand]:
    """Return the newest commands, newest first."""
    return [
        _view(row) for row in session.execute(select(_COMMAND).order_by(_COMMAND.c.id.desc()).limit(limit))
    ]


def accept_command(session: Session, number: int, *, now_ms: int) -> None:
    """Mark a command as picked up.

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
    """Write a command's outcome: DONE after acceptance, REFUSED, or EXPIRED unaccepted.

    Raises:
        IllegalTransitionError: the table does not hold the move.
    """
    _move(
        session, number, outcome, {"sentence": sentence, "result_json": result_json, "finished_at_ms": now_ms}
    )


def _move(session: Session, number: int, new: CommandOutcome, columns: dict[str, Any]) -> None:
    old = get_command(session, number).outcome
    if new not in COMMAND_TRANSITIONS[old]:
        raise IllegalTransitionError(f"command {number} cannot go from {old} to {new}")
    session.execute(update(_COMMAND).where(_COMMAND.c.id == number).values(outcome=new.value, **columns))


def _view(row: Row[Any]) -> StoredCommand:
    return StoredCommand(
        id=row.id,
        command=COMMAND.validate_json(row.payload),
        author=Author(row.author),
        run_id=row.run_id,
        expected_state=None if row.expected_state is None else RunState(row.expected_state),
        snapshot_sequence=row.snapshot_sequence,
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
        outcome=CommandOutcome(row.outcome),
        sentence=row.sentence,
        result_json=row.result_json,
        accepted_at_ms=row.accepted_at_ms,
        finished_at_ms=row.finished_at_ms,
    )

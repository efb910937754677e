"""Commands: how the screen, the command line and agents ask the engine for something.

A command is a row that the engine picks up; its outcome is written on the same row.

To add a command: a class here in the union ``Command``, and an arm of ``_perform`` in
``engine.host.command_handler``; one that a run follows is in ``RunCommand`` too, with an arm of
``_operator_requested`` in ``engine.core.run_core``.
"""

from enum import StrEnum
from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.numbers import BoundedDecimal
from firstwatch.trading.runs import StopMode
from firstwatch.trading.text import CleanText

DEFAULT_EXPIRY_MS = 10_000


class CommandOutcome(StrEnum):
    """Outcome of a command."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    DONE = "DONE"
    REFUSED = "REFUSED"
    EXPIRED = "EXPIRED"


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class PreviewLaunch(_Command):
    """Run the launch checks and report what a start would do; nothing changes."""

    kind: Literal["preview_launch"] = "preview_launch"
    settings: LaunchSettings


class StartRun(_Command):
    """Check again and start. ``run_id`` is chosen by the sender, so a repeat cannot start twice."""

    kind: Literal["start_run"] = "start_run"
    run_id: str
    settings: LaunchSettings


class StopRun(_Command):
    """Stop a run; ``mode``: what is left at the venue."""

    kind: Literal["stop_run"] = "stop_run"
    run_id: str
    mode: StopMode = StopMode.LEAVE


class PauseEntries(_Command):
    """Pause a run's entries; exits and protection go on."""

    kind: Literal["pause_entries"] = "pause_entries"
    run_id: str
    diverged: CleanText = ""
    """Finding of the first watch, if it asked for the pause; empty: an operator did."""


class ResumeEntries(_Command):
    """End every pause of a run's entries, including those by guards."""

    kind: Literal["resume_entries"] = "resume_entries"
    run_id: str


class CancelRun(_Command):
    """End a run that has not written an order."""

    kind: Literal["cancel_run"] = "cancel_run"
    run_id: str


class ClosePosition(_Command):
    """Close the run's position at market; the run goes on, with entries paused (reason ``manual``)."""

    kind: Literal["close_position"] = "close_position"
    run_id: str


RunCommand = StopRun | PauseEntries | ResumeEntries | CancelRun | ClosePosition
"""The commands that a run itself follows."""


class CloseWallet(_Command):
    """Close the positions of a wallet that no run manages, at market."""

    kind: Literal["close_wallet"] = "close_wallet"
    wallet: str
    confirmed_name: CleanText | None = None
    """The wallet's name as the operator has typed it; a main network requires it."""


class FundWallet(_Command):
    """Put play money into a paper wallet."""

    kind: Literal["fund_wallet"] = "fund_wallet"
    wallet: str
    amount: BoundedDecimal = Field(gt=0)


class StopEngine(_Command):
    """Ask the engine to end and free its lock; runs stay active."""

    kind: Literal["stop_engine"] = "stop_engine"


Command = Annotated[
    PreviewLaunch
    | StartRun
    | StopRun
    | PauseEntries
    | ResumeEntries
    | CancelRun
    | ClosePosition
    | CloseWallet
    | FundWallet
    | StopEngine,
    Field(discriminator="kind"),
]


@cache
def command_adapter() -> TypeAdapter[Command]:
    """Return the parser of commands from JSON. Built on first use, so that the screen starts faster."""
    return TypeAdapter(Command)

"""Alarms: meaning for the operator's money, severity, and the actions that an operator can take."""

from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class AlarmSeverity(StrEnum):
    """Severity of an alarm."""

    CRITICAL = "critical"
    """Losses may be unbounded, or no program manages a position."""
    WARNING = "warning"
    """Something is wrong, but the protection of the position is in place."""


class AlarmAction(StrEnum):
    """Action that an operator can take on an alarm."""

    CLOSE = "close"
    """Close the position at market."""
    ADOPT = "adopt"
    """Start a run that takes the position over."""
    LEAVE = "leave"
    """Leave the position as it is, knowingly."""
    PAUSE = "pause"
    """Pause the run's entries."""
    STOP = "stop"
    """Stop the run."""
    ACKNOWLEDGE = "acknowledge"
    """Mark the alarm as seen: it stays listed without alerting again until it gets worse."""


UNMANAGED = "exposed without a run"
"""Topic of the alarm of a wallet that holds a position, or may hold one, without an active run."""
UNPROTECTED = "unprotected"
"""Topic of the alarm of a run whose position has no stop at the venue."""
LEFT_OVER = "left over"
"""Topic of the alarm of a run that ended with a position or orders still at the venue."""
DAMAGED = "damaged"
"""Topic of the alarm of a run with a row that cannot be read."""
EXPOSED_CLUSTER = "exposed cluster"
"""Topic of the alarm of a cluster that is reached without encryption beyond this machine."""


class _Nature(NamedTuple):
    severity: AlarmSeverity
    meaning: str


def _critical(meaning: str) -> _Nature:
    return _Nature(AlarmSeverity.CRITICAL, meaning)


def _warning(meaning: str) -> _Nature:
    return _Nature(AlarmSeverity.WARNING, meaning)


_NATURES = MappingProxyType(
    {
        UNPROTECTED: _critical("No stop rests at the venue: the loss is not bounded until one does."),
        UNMANAGED: _critical(
            "The stop and the target that rest at the venue stay, but no program moves them. Close the"
            " position, start a run that adopts it, or leave it."
        ),
        LEFT_OVER: _critical(
            "What the ended run left at the venue is looked after until it is flat, but it is not closed."
        ),
        DAMAGED: _warning("A row of the store cannot be read. firstwatch doctor says which, and what to do."),
        EXPOSED_CLUSTER: _warning(
            "Who reaches the scheduler, or the network between, can run programs on this machine, where the"
            " vault and the store are. Use tls:// in [compute]."
        ),
        "failed": _critical(
            "The run has ended and does nothing any more. What it held is still at the venue."
        ),
        "stop": _warning(
            "The stop rests elsewhere than the run wants it. It is tried again; close the position if that"
            " takes long."
        ),
        "target": _warning(
            "The target rests elsewhere than the run wants it. It is tried again; the stop is not affected."
        ),
        "closing": _critical("The position should be closed by now. It is tried again with wider bounds."),
        "order in doubt": _warning(
            "An answer was lost. The venue is asked; no order is sent until it says what became of this one."
        ),
        "order lost": _warning(
            "The venue has forgotten an order that it had taken. The position is read again from the venue."
        ),
        "late entry": _warning(
            "An entry filled after its trade was over. What it opened is closed or protected as a position."
        ),
        "fill after flat": _critical(
            "An order filled although nothing was held, which opened a position against the run's side."
        ),
        "unexplained position": _critical(
            "The venue shows another position than the run has booked. Its exits and its stop go on."
        ),
        "foreign order": _warning(
            "An order of another program or by hand uses the same wallet: it uses up the run's margin."
        ),
        "foreign position": _warning(
            "A position that is not the run's uses the same wallet: its losses cost the run's margin."
        ),
        "account kind": _warning(
            "The account is set up in a way in which amounts of the run cannot be relied on."
        ),
        "leverage": _warning(
            "The venue has another leverage than the run. No entry is sent until it is set."
        ),
        "liquidation near": _critical(
            "A little further and the venue closes the position: its whole margin is lost. Close it, or"
            " watch its stop."
        ),
        "key expiring": _warning(
            "After that no order can be sent, closing ones neither. Stops at the venue go on."
        ),
        "delisting": _critical(
            "The venue will close what is open there at a price of its own. Close the position before."
        ),
        "maintenance": _warning(
            "Orders may be refused or late until it is over. Stops rest at the venue meanwhile."
        ),
        "leverage changed": _warning(
            "The position may need more margin, and its liquidation price may come nearer."
        ),
        "stream silent": _warning(
            "The run goes on with what it gets by asking, which is later and less of it."
        ),
        "clock skew": _warning("Requests are signed by this machine's time: the venue may refuse them."),
        "budget low": _warning(
            "Entries and moved stops may be late or refused. Start no more runs on this wallet."
        ),
        "crash loop": _critical(
            "The run has ended and does nothing any more. What it held is still at the venue."
        ),
        "liquidated": _critical("The venue has closed the position because its margin was used up."),
        "venue": _warning(
            "Nothing is known of the venue since then. Stops that rest there go on without us."
        ),
        "missing bars": _warning(
            "The run has not seen each bar, so its indicators are not those of a backtest."
        ),
        "exit left to the operator": _warning(
            "The algorithm would be out by now. Close on exit is off: close the position if you agree."
        ),
        "vault": _critical(
            "The run cannot sign orders. Unlock the vault. Stops that rest at the venue go on."
        ),
        "engine": _critical(
            "The engine cannot work on the run. Stops that rest at the venue go on without it."
        ),
        "watch": _warning("The run is not compared with its backtest meanwhile; its trading goes on."),
        "diverged": _warning(
            "The run does not do what its backtest promised. The first watch shows which check says so."
        ),
    }
)
_UNKNOWN = _warning("")


def kind_of(topic: str) -> str:
    """Return an alarm's kind: its topic without the order or symbol that may follow it."""
    if topic in _NATURES:
        return topic
    return next((kind for kind in _NATURES if topic.startswith(f"{kind} ")), topic)


def severity_of(topic: str) -> AlarmSeverity:
    """Return the severity of an alarm."""
    return _NATURES.get(kind_of(topic), _UNKNOWN).severity


def meaning_of(topic: str) -> str:
    """Return what an alarm means; empty: its sentence says all that is known."""
    return _NATURES.get(kind_of(topic), _UNKNOWN).meaning

"""Builds messages: title, text and kind. Pure."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from firstwatch.store.alerts import Rise
from firstwatch.trading.alarms import AlarmSeverity, severity_of
from firstwatch.trading.clock import iso
from firstwatch.trading.quiet_hours import QuietHours
from firstwatch.trading.text import clean, counted

_MOST_LINES = 15
_LONGEST_LINE = 300


class MessageKind(StrEnum):
    """How the receiver displays a message; the values are those of apprise."""

    INFO = "info"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Message:
    """One plain-text message."""

    title: str
    body: str
    kind: MessageKind


def titled(what: str) -> str:
    """Return the title of a message from this machine."""
    return f"firstwatch on {clean(platform.node(), 60)}: {what}"


def trial() -> Message:
    """Return the test message that shows that an address works."""
    return Message(titled("test"), "Alarms of this machine reach you here.", MessageKind.INFO)


def message_of(named: Sequence[tuple[Rise, str]], now_ms: int, quiet: QuietHours | None) -> Message:
    """Return one message about alarms, each with the name of its run; critical ones first."""
    ordered = sorted(named, key=lambda each: (not _is_critical(each[0]), each[0].since_ms))
    rises = [rise for rise, _ in ordered]
    active = [rise for rise in rises if rise.cleared_ms is None]
    critical = sum(map(_is_critical, rises))
    what = counted(len(rises), "alarm")
    if critical:
        what += f", {critical} critical"
    if len(active) < len(rises):
        what += f", {len(rises) - len(active)} over"
    if _is_sum(rises, now_ms, quiet):
        what = f"in the quiet hours {quiet}: {what}"
    lines = [_line(rise, name) for rise, name in ordered[:_MOST_LINES]]
    if len(ordered) > _MOST_LINES:
        lines.append(f"and {len(ordered) - _MOST_LINES} more: firstwatch alarms")
    kind = MessageKind.WARNING if active else MessageKind.INFO
    if any(map(_is_critical, active)):
        kind = MessageKind.FAILURE
    return Message(titled(what), "\n".join(lines), kind)


def _is_critical(rise: Rise) -> bool:
    return severity_of(rise.topic) is AlarmSeverity.CRITICAL


def _is_sum(rises: Sequence[Rise], now_ms: int, quiet: QuietHours | None) -> bool:
    """Return whether all of these alarms were held back until the end of the quiet hours."""
    if quiet is None or quiet.contain(now_ms):
        return False
    start_ms, end_ms = quiet.last_window(now_ms)
    return all(start_ms <= rise.since_ms < end_ms for rise in rises)


def _line(rise: Rise, name: str) -> str:
    when = f"since {_time(rise.since_ms)} UTC"
    if rise.cleared_ms is not None:
        when = f"{_time(rise.since_ms)} to {_time(rise.cleared_ms)} UTC, over"
    word = f"{severity_of(rise.topic).value.upper()} " if _is_critical(rise) else ""
    return f"{word}{clean(name, 120)}: {clean(rise.sentence, _LONGEST_LINE)} ({when})"


def _time(time_ms: int) -> str:
    return iso(time_ms)[5:16].replace("T", " ")

"""Texts about alarms that several panes and dialogs show."""

from firstwatch.manager.views import AlarmView
from firstwatch.tui import formats


def alarm_key(alarm: AlarmView) -> str:
    """Return the key of an alarm's row."""
    return f"alarm-{alarm.id}"


def since(alarm: AlarmView, now_ms: int) -> str:
    """Return since when an alarm is active, how often it was raised, and whether it was acknowledged."""
    times = f", raised {alarm.count} times" if alarm.count > 1 else ""
    text = f"since {formats.moment(alarm.since_ms)} UTC, {formats.age(now_ms - alarm.since_ms)} ago{times}"
    seen = seen_word(alarm)
    return f"{text}; {seen} at {formats.moment(alarm.acknowledged_ms)} UTC" if seen else text


def seen_word(alarm: AlarmView) -> str:
    """Return how an operator acknowledged an alarm; empty: not at all, or it is worse since."""
    if not alarm.is_acknowledged:
        return ""
    return "left as it is" if alarm.is_left else "acknowledged"

"""Selects the alarms to send to an address now (rules 2 to 5 of ``firstwatch.engine.alerts``). Pure."""

from collections.abc import Iterable, Mapping

from firstwatch.store.alerts import Rise, Sent
from firstwatch.trading.alarms import AlarmSeverity, severity_of
from firstwatch.trading.quiet_hours import QuietHours

AGAIN_MS = 600_000
"""A recurring alarm is sent again after this long at the earliest."""
_STILL_NEW_MS = 86_400_000


def held_since_ms(now_ms: int, quiet: QuietHours | None, failing_since_ms: int | None) -> int | None:
    """Return since when an alarm that is over may still be due; None: only active alarms are due."""
    begins = [] if quiet is None else [quiet.last_window(now_ms)[0]]
    begins += [] if failing_since_ms is None else [failing_since_ms]
    return min(begins, default=None)


def due(
    rises: Iterable[Rise],
    sent: Mapping[tuple[str, str], Sent],
    now_ms: int,
    *,
    quiet: QuietHours | None = None,
    failing_since_ms: int | None = None,
) -> list[Rise]:
    """Return the alarms to send now.

    ``sent``: the last message sent to the address, by owner and topic. ``failing_since_ms``: since when
    sending to it fails; None: it works.
    """
    is_quiet = quiet is not None and quiet.contain(now_ms)
    quiet_from, quiet_to = (0, 0) if quiet is None else quiet.last_window(now_ms)

    def is_due(rise: Rise) -> bool:
        last = sent.get(rise.key)
        if last is not None and last.since_ms == rise.since_ms:
            return False
        if is_quiet and severity_of(rise.topic) is not AlarmSeverity.CRITICAL:
            return False
        if rise.cleared_ms is not None:
            was_held = quiet_from <= rise.since_ms < quiet_to
            return was_held or (failing_since_ms is not None and rise.cleared_ms >= failing_since_ms)
        if last is not None and 0 <= now_ms - last.sent_at_ms < AGAIN_MS:
            return False
        # After a run ended flat its alarms no longer matter, except the one that ended it.
        return rise.is_relevant or now_ms - rise.since_ms < _STILL_NEW_MS

    return [rise for rise in rises if is_due(rise)]

"""Quiet hours: the part of each day, in UTC, in which only critical alarms are sent."""

import re
from dataclasses import dataclass

from firstwatch.trading.validation import value_text

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_FORM = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A start and an end minute of the day (UTC); the end may lie on the next day."""

    start_minute: int
    end_minute: int

    @classmethod
    def parse(cls, text: object) -> "QuietHours":
        """Return the quiet hours of a text like ``22:00-07:00``.

        Raises:
            ValueError: it is not of this form, a time does not exist, or both are the same.
        """
        found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
        hours = [int(part) for part in found.groups()] if found else []
        if not hours or hours[0] > 23 or hours[2] > 23 or hours[1] > 59 or hours[3] > 59:
            raise ValueError(
                f'{value_text(text)} is not a part of the day: write it like "22:00-07:00", in UTC'
            )
        start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        if start == end:
            raise ValueError(f"{value_text(text)} has no length: write two different times")
        return cls(start, end)

    def last_window(self, now_ms: int) -> tuple[int, int]:
        """Return beginning and end of the quiet hours that contain ``now_ms``, else of those before it."""
        start_ms = now_ms - now_ms % _DAY_MS + self.start_minute * _MINUTE_MS
        if start_ms > now_ms:
            start_ms -= _DAY_MS
        length_ms = (self.end_minute - self.start_minute) * _MINUTE_MS % _DAY_MS
        return start_ms, start_ms + length_ms

    def contain(self, time_ms: int) -> bool:
        """Return whether the time lies in quiet hours; their end is exclusive."""
        start_ms, end_ms = self.last_window(time_ms)
        return start_ms <= time_ms < end_ms

    def __str__(self) -> str:
        (start, start_minute), (end, end_minute) = (
            divmod(minute, 60) for minute in (self.start_minute, self.end_minute)
        )
        return f"{start:02}:{start_minute:02}-{end:02}:{end_minute:02}"

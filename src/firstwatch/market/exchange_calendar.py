"""Prints the packed trading hours of an exchange: ``python -m firstwatch.market.exchange_calendar CODE``.

The one module that imports ``exchange_calendars``, and with it pandas. Only ``exchange_hours`` runs it, as
a process of its own.
"""

import sys
from difflib import get_close_matches
from typing import Any

from firstwatch.trading.clock import SystemClock
from firstwatch.trading.exchange_hours import ExchangeHours

_FIRST_YEAR = 2000
_YEARS_AHEAD = 2
_MINUTE_NS = 60_000_000_000
_MS_A_YEAR = 31_556_952_000


def main(code: str) -> str:
    """Print the hours; return a sentence that says why there are none, or an empty one."""
    try:
        import exchange_calendars
    except ImportError:
        return "exchange calendars need the extra calendars: pip install 'firstwatch[calendars]'"
    from exchange_calendars.errors import InvalidCalendarName

    try:
        known: Any = exchange_calendars.get_calendar(code)
    except InvalidCalendarName:
        names = exchange_calendars.get_calendar_names()
        near = get_close_matches(code.upper(), names, n=3, cutoff=0.4) or ["XNYS", "XLON", "XTKS"]
        return f"there is no exchange of that code; write one like {', '.join(near)}"
    sys.stdout.write(_hours(exchange_calendars, code, known).pack())
    return ""


def _hours(library: Any, code: str, known: Any) -> ExchangeHours:
    """Return the hours of as many years as the library knows of those that are wanted."""
    import pandas as pd

    this_year = 1970 + SystemClock().now_ms() // _MS_A_YEAR
    first, last = pd.Timestamp(_FIRST_YEAR, 1, 1), pd.Timestamp(this_year + _YEARS_AHEAD, 12, 31)
    if (least := type(known).bound_min()) is not None:
        first = max(first, least)
    if (most := type(known).bound_max()) is not None:
        last = min(last, most)
    calendar = library.get_calendar(code, start=first, end=last)
    turns: list[int] = []
    for opened, pause, resumed, closed in calendar.schedule.itertuples(index=False):
        parts = [(opened, closed)] if pd.isna(pause) else [(opened, pause), (resumed, closed)]
        for start, end in parts:
            start_minute, end_minute = start.value // _MINUTE_NS, end.value // _MINUTE_NS
            if turns and start_minute <= turns[-1]:
                turns[-1] = max(turns[-1], end_minute)
            else:
                turns += [start_minute, end_minute]
    first_minute, end_minute = first.value // _MINUTE_NS, (last.value // _MINUTE_NS) + 1440
    # A session may begin on the evening before its day.
    return ExchangeHours(code, min([first_minute, *turns[:1]]), max([end_minute, *turns[-1:]]), tuple(turns))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) or 0)

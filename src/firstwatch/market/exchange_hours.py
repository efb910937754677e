"""Finds the trading hours of an exchange by its code, in a process of its own.

The library that knows them brings pandas, which no other process of the program loads. A launch and a
backtest store what was found (``trading.exchange_hours``).
"""

import subprocess
import sys
from functools import lru_cache

from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.exchange_hours import ExchangeHours
from firstwatch.trading.launch import SessionPolicy, SessionSettings
from firstwatch.trading.text import clean, quoted

_MODULE = "firstwatch.market.exchange_calendar"
_LONGEST_S = 60
_MOST_CHARACTERS = 500


@lru_cache(maxsize=32)
def hours_of(code: str) -> str:
    """Return the packed hours of an exchange, from 2000 to the end of the year after the next.

    Raises:
        WrongUseError: there is no such exchange, or the library is not installed.
    """
    where = f"calendar {quoted(code)}"
    try:
        made = subprocess.run(
            [sys.executable, "-m", _MODULE, code],
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WrongUseError(f"{where}: its hours could not be computed: {error}") from error
    if made.returncode != 0:
        said = clean(made.stderr.strip().rpartition("\n")[2], _MOST_CHARACTERS)
        raise WrongUseError(f"{where}: {said or 'its hours could not be computed'}")
    return made.stdout.strip()


def with_hours(session: SessionSettings) -> SessionSettings:
    """Return the session with the hours of the exchange that it names; any other session as it is.

    Raises:
        WrongUseError: as ``hours_of``.
    """
    if session.policy is SessionPolicy.OFF or session.calendar is None or session.hours is not None:
        return session
    return session.model_copy(update={"hours": hours_of(session.calendar)})


def read_hours(session: SessionSettings) -> ExchangeHours | None:
    """Return the stored hours of a session's exchange; None: it has weekly windows.

    Raises:
        WrongUseError: they are not stored with it, or damaged.
    """
    if session.calendar is None:
        return None
    if session.hours is None:
        raise WrongUseError(
            f"calendar {quoted(session.calendar)}: its hours are not known here; give the session in a file"
            " (--session), whose hours are computed when it is read"
        )
    try:
        return ExchangeHours.unpack(session.hours)
    except ValueError as error:
        raise WrongUseError(f"calendar {quoted(session.calendar)}: {error}") from error

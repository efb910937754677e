"""Session windows against a naive clock that is asked minute by minute."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.market.sessions import SessionCalendar
from firstwatch.trading.clock import parse_iso
from firstwatch.trading.launch import SessionPolicy, SessionSettings, SessionWindow, Weekday
from firstwatch.trading.timeframe import Timeframe

MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS
WEEK = tuple(Weekday)
WORKDAYS = WEEK[:5]
NEW_YORK = SessionSettings(
    policy=SessionPolicy.FLATTEN,
    timezone="America/New_York",
    windows=(SessionWindow(days=WORKDAYS, start="09:30", end="16:00"),),
)


@dataclass
class NaiveCalendar:
    """Rule 25 of ``firstwatch.strategy``, naively: asks the wall clock in every minute of a range."""

    settings: SessionSettings
    start_ms: int
    days: int

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.settings.timezone)
        self.windows = [
            (window.days, *(int(text[:2]) * 60 + int(text[3:]) for text in (window.start, window.end)))
            for window in self.settings.windows
        ]
        minutes = range(self.start_ms, self.start_ms + self.days * DAY_MS, MINUTE_MS)
        self.trades = [self.is_trading(minute) for minute in minutes]

    def is_trading(self, time_ms: int) -> bool:
        local = datetime.fromtimestamp(time_ms / 1000, tz=UTC).astimezone(self.zone)
        now = local.hour * 60 + local.minute
        inside = False
        today, yesterday = WEEK[local.weekday()], WEEK[local.weekday() - 1]
        for days, start, end in self.windows:
            last = end if end > start else end + 1440
            inside |= today in days and start <= now < last
            inside |= yesterday in days and start <= now + 1440 < last
        return inside == (self.settings.trading == "inside")

    def next_pause(self, close_ms: int) -> float:
        minute = (close_ms - self.start_ms) // MINUTE_MS
        try:
            return self.start_ms + self.trades.index(False, minute) * MINUTE_MS
        except ValueError:
            return float("inf")

    def flags(self, close_ms: int, timeframe: Timeframe) -> tuple[bool, bool]:
        pause_ms = self.next_pause(close_ms)
        is_trading = pause_ms != close_ms
        limit = pause_ms - self.settings.lead_minutes * MINUTE_MS
        if self.settings.policy is SessionPolicy.PAUSE_ENTRIES:
            return is_trading and close_ms < limit, False
        return is_trading and close_ms + timeframe.ms <= limit, close_ms + timeframe.ms > limit


clocks = st.builds(
    lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.sampled_from([0, 5, 15, 30, 59])
)
windows = st.builds(
    SessionWindow,
    days=st.sets(st.sampled_from(list(Weekday)), min_size=1).map(lambda days: tuple(sorted(days))),
    start=clocks,
    end=clocks | st.just("24:00"),
)
calendars = st.builds(
    SessionSettings,
    policy=st.sampled_from([SessionPolicy.PAUSE_ENTRIES, SessionPolicy.FLATTEN]),
    timezone=st.sampled_from(
        [
            "UTC",
            "America/New_York",
            "Europe/London",
            "Australia/Lord_Howe",
            "Asia/Kolkata",
            "Africa/Casablanca",
        ]
    ),
    windows=st.lists(windows, min_size=1, max_size=3).map(tuple),
    trading=st.sampled_from(["inside", "outside"]),
    lead_minutes=st.integers(0, 120) | st.integers(0, 1440),
)
# Nights in which clocks change, in both directions and hemispheres, an edge of the kept ranges, and any day.
starts = st.sampled_from(
    [
        "2024-03-09",
        "2024-11-02",
        "2024-03-30",
        "2024-10-26",
        "2024-04-06",
        "2024-10-05",
        "2024-04-23",
        "2024-10-23",
    ]
).map(parse_iso) | st.integers(0, 25_000).map(lambda day: day * DAY_MS)


@settings(max_examples=100, deadline=None)
@given(calendars, starts, st.sampled_from(list(Timeframe)[2:]))
def test_calendar_equals_the_naive_clock(
    session: SessionSettings, start_ms: int, timeframe: Timeframe
) -> None:
    naive = NaiveCalendar(session, start_ms, 4)
    calendar = SessionCalendar(session)
    step_ms = min(timeframe.ms, 15 * MINUTE_MS)
    closes = np.arange(start_ms, start_ms + 2 * DAY_MS, step_ms, dtype=np.int64)
    expected = [naive.flags(int(close), timeframe) for close in closes]
    flags = calendar.flags(closes - timeframe.ms, timeframe)
    assert list(zip(flags.may_enter.tolist(), flags.must_flatten.tolist(), strict=True)) == expected
    asked = [
        (calendar.may_enter(close, timeframe), calendar.must_flatten(close, timeframe))
        for close in closes.tolist()
    ]
    assert asked == expected


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        ("2024-03-08", "14:30", "21:00"),  # the Friday before New York's clocks go forward
        ("2024-03-11", "13:30", "20:00"),  # the Monday after
        ("2024-11-01", "13:30", "20:00"),  # the Friday before they go back
        ("2024-11-04", "14:30", "21:00"),
    ],
)
def test_new_york_hours_move_with_its_clocks(day: str, opens: str, closes: str) -> None:
    calendar = SessionCalendar(NEW_YORK)
    open_ms, close_ms = parse_iso(f"{day}T{opens}"), parse_iso(f"{day}T{closes}")
    hour, minutes = Timeframe.H1, Timeframe.M5
    assert not calendar.may_enter(open_ms - 1, minutes)
    assert calendar.may_enter(open_ms, minutes)
    assert calendar.may_enter(close_ms - hour.ms, hour)
    assert not calendar.must_flatten(close_ms - hour.ms, hour)
    assert calendar.must_flatten(close_ms - hour.ms + 1, hour)
    assert not calendar.may_enter(close_ms, minutes)


@pytest.mark.parametrize(
    ("night", "expected"),
    [
        ("2024-03-31", []),  # London skips from 1:00 to 2:00
        ("2024-10-27", ["00:15", "01:15"]),  # and repeats 1:00 to 2:00
        ("2024-10-20", ["00:15"]),
    ],
)
def test_a_window_in_the_hour_of_the_change(night: str, expected: list[str]) -> None:
    calendar = SessionCalendar(
        SessionSettings(
            policy=SessionPolicy.PAUSE_ENTRIES,
            timezone="Europe/London",
            windows=(SessionWindow(days=(Weekday.SUN,), start="01:15", end="01:30"),),
        )
    )
    start_ms = parse_iso(night)
    times = [start_ms + quarter * 15 * MINUTE_MS for quarter in range(96)]
    found = [time_ms for time_ms in times if calendar.may_enter(time_ms, Timeframe.M15)]
    assert found == [parse_iso(f"{night}T{clock}") for clock in expected]


def test_lead_of_the_two_policies() -> None:
    session = SessionSettings(
        policy=SessionPolicy.PAUSE_ENTRIES,
        windows=(SessionWindow(days=tuple(Weekday), start="08:00", end="16:00"),),
        lead_minutes=30,
    )
    pausing = SessionCalendar(session)
    flattening = SessionCalendar(session.model_copy(update={"policy": SessionPolicy.FLATTEN}))
    day = parse_iso("2024-01-03")

    def at(hour: float) -> int:
        return day + round(hour * 60) * MINUTE_MS

    assert [pausing.may_enter(at(hour), Timeframe.H1) for hour in (7.99, 8, 15.49, 15.5, 16)] == [
        False,
        True,
        True,
        False,
        False,
    ]
    assert not pausing.must_flatten(at(16), Timeframe.H1)
    assert [flattening.must_flatten(at(hour), Timeframe.H1) for hour in (8, 14.5, 15, 16, 20)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert [flattening.may_enter(at(hour), Timeframe.H1) for hour in (8, 14.5, 15, 7)] == [
        True,
        True,
        False,
        False,
    ]


def test_off_allows_everything() -> None:
    calendar = SessionCalendar(SessionSettings())
    flags = calendar.flags(np.arange(5, dtype=np.int64) * DAY_MS, Timeframe.D1)
    assert flags.may_enter.all()
    assert not flags.must_flatten.any()
    assert calendar.may_enter(0, Timeframe.H1)
    assert not calendar.must_flatten(0, Timeframe.H1)
    assert calendar.problem(Timeframe.D1) is None


@pytest.mark.parametrize(
    ("start", "end", "trading", "lead", "timeframe", "said"),
    [
        ("08:00", "09:30", "inside", 0, Timeframe.M30, None),
        (
            "08:00",
            "09:30",
            "inside",
            0,
            Timeframe.H2,
            "a bar of 2h is longer than every trading window (the longest has 90",
        ),
        ("08:00", "09:30", "inside", 90, Timeframe.M30, "no 30m bar closes where"),
        ("08:15", "09:45", "inside", 0, Timeframe.H1, "no 1h bar closes where"),
        ("23:00", "01:00", "outside", 0, Timeframe.H4, None),
        ("23:00", "01:00", "outside", 0, Timeframe.H12, "no 12h bar closes where"),
        ("00:00", "24:00", "outside", 0, Timeframe.M1, "leave no trading time"),
        ("00:00", "00:00", "inside", 0, Timeframe.D1, None),
        ("22:00", "02:00", "inside", 0, Timeframe.H4, "no 4h bar closes where"),
        ("22:00", "02:00", "inside", 0, Timeframe.H2, None),
    ],
)
def test_problem_of_a_timeframe(
    start: str, end: str, trading: str, lead: int, timeframe: Timeframe, said: str | None
) -> None:
    session = SessionSettings.model_validate(
        {
            "policy": "flatten",
            "windows": [{"days": list(Weekday), "start": start, "end": end}],
            "trading": trading,
            "lead_minutes": lead,
        }
    )
    problem = SessionCalendar(session).problem(timeframe)
    if said is None:
        assert problem is None
    else:
        assert problem is not None
        assert said in problem


def test_a_window_that_crosses_midnight_at_the_end_of_the_week_is_one() -> None:
    session = SessionSettings(
        policy=SessionPolicy.FLATTEN,
        windows=(SessionWindow(days=(Weekday.SUN,), start="20:00", end="04:00"),),
    )
    calendar = SessionCalendar(session)
    assert calendar.problem(Timeframe.H8) is not None
    assert calendar.problem(Timeframe.H6) is not None
    assert calendar.problem(Timeframe.H4) is None
    assert calendar.may_enter(parse_iso("2024-01-08T00:00"), Timeframe.H4)
    assert not calendar.may_enter(parse_iso("2024-01-09T00:00"), Timeframe.H4)

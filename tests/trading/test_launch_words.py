"""Launch settings in an operator's words."""

from itertools import combinations

import pytest

from firstwatch.trading.launch import (
    FollowUp,
    FollowUpSide,
    GuardAction,
    Guards,
    OnExhausted,
    ResetMode,
    ResetSettings,
    SessionPolicy,
    SessionSettings,
    SessionWindow,
    Weekday,
)
from firstwatch.trading.launch_words import (
    days_words,
    guards_words,
    link_words,
    reset_words,
    session_words,
)
from firstwatch.trading.runs import ExitReason, StopMode

MON, TUE, WED, THU, FRI, SAT, SUN = Weekday
OFFICE = SessionWindow(days=(MON, TUE, WED, THU, FRI), start="09:30", end="16:00")
LINK = FollowUp(after=(ExitReason.STOP_LOSS, ExitReason.TRAILING_STOP), wait_bars=5, within_bars=20)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ((MON, TUE, WED, THU, FRI), "Mon–Fri"),
        ((SAT, SUN), "Sat, Sun"),
        ((SUN, MON, WED), "Mon, Wed, Sun"),
        ((MON, TUE, WED, SAT), "Mon–Wed, Sat"),
        (tuple(Weekday), "every day"),
    ],
)
def test_days_are_spans(days, words):
    assert days_words(days) == words


def test_a_session_says_what_happens_when():
    session = SessionSettings(
        policy=SessionPolicy.FLATTEN, timezone="America/New_York", windows=(OFFICE,), lead_minutes=5
    )
    assert session_words(session) == (
        "close the position and pause outside of Mon–Fri 09:30–16:00 America/New_York, 5 min before"
    )
    assert session_words(SessionSettings(windows=(OFFICE,))) == "off"


def test_a_link_says_after_what_and_when():
    assert link_words(LINK) == "after stop loss, trailing stop: same side, bar 6 to 20, at a signal"
    other = LINK.model_copy(
        update={"side": FollowUpSide.OPPOSITE, "require_signal": False, "size_factor": 0.5}
    )
    assert link_words(other) == (
        "after stop loss, trailing stop: other side, bar 6 to 20, without a signal, size × 0.5"
    )


def test_guards_that_are_off_are_not_listed():
    assert guards_words(Guards()) == "off"
    assert guards_words(Guards(daily_loss=0.055, losing_trades=4)) == (
        "daily loss 5.5 %: pause entries; losing trades 4 in a row: pause entries"
    )
    assert guards_words(Guards(drawdown=0.2, stop_mode=StopMode.LEAVE)) == (
        "drawdown 20 %: stop the run, leave it with its stop"
    )


def test_settings_that_differ_read_differently():
    resets = [
        None,
        *(ResetSettings(mode=mode) for mode in ResetMode),
        ResetSettings(cooldown_bars=3),
        ResetSettings(follow_up=(LINK,)),
        ResetSettings(follow_up=(LINK, LINK)),
        ResetSettings(follow_up=(LINK,), on_exhausted=OnExhausted.STOP_RUN),
    ]
    guards = [
        Guards(),
        Guards(drawdown=0.2),
        Guards(drawdown=0.21),
        Guards(daily_loss=0.2),
        Guards(drawdown=0.2, drawdown_action=GuardAction.PAUSE),
        Guards(drawdown=0.2, stop_mode=StopMode.LEAVE),
    ]
    for texts in (list(map(reset_words, resets)), list(map(guards_words, guards))):
        assert all(one != other for one, other in combinations(texts, 2))

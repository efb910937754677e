"""Which alarms an address is owed, and what the message says."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.engine.alerts.due import AGAIN_MS, due, held_since_ms
from firstwatch.engine.alerts.message import MessageKind, message_of
from firstwatch.store.alerts import Rise, Sent
from firstwatch.trading.quiet_hours import QuietHours

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
NOON_MS = 20_000 * DAY_MS + 12 * HOUR_MS
NIGHT = QuietHours.parse("22:00-07:00")
ACTIVE = Rise("ab" * 8, "watch", "it is not watched", NOON_MS, None, True)
CRITICAL = replace(ACTIVE, topic="unprotected", sentence="no stop")


def sent(rise: Rise, at_ms: int) -> dict[tuple[str, str], Sent]:
    return {rise.key: Sent(rise.since_ms, at_ms)}


def test_an_alarm_is_sent_once_until_it_ends_and_comes_back():
    assert due([ACTIVE], {}, NOON_MS) == [ACTIVE]
    known = sent(ACTIVE, NOON_MS)
    again = replace(ACTIVE, since_ms=NOON_MS + 1_000)
    assert due([ACTIVE], known, NOON_MS + DAY_MS) == []
    assert due([again], known, NOON_MS + AGAIN_MS - 1) == []
    assert due([again], known, NOON_MS + AGAIN_MS) == [again]
    assert due([again], known, NOON_MS - 1) == [again], "the clock was set back"


def test_an_alarm_that_is_over_is_sent_only_if_it_was_held_back():
    over = replace(ACTIVE, cleared_ms=NOON_MS + 1_000)
    now_ms = NOON_MS + 10_000
    assert due([over], {}, now_ms) == []
    assert due([over], {}, now_ms, failing_since_ms=NOON_MS + 1_000) == [over]
    assert due([over], {}, now_ms, failing_since_ms=NOON_MS + 1_001) == []


def test_an_alarm_of_an_ended_run_is_sent_while_it_is_news():
    left = replace(ACTIVE, is_relevant=False)
    assert due([left], {}, NOON_MS + DAY_MS - 1) == [left]
    assert due([left], {}, NOON_MS + DAY_MS) == []
    assert due([ACTIVE], {}, NOON_MS + 9 * DAY_MS) == [ACTIVE]


def test_in_quiet_hours_only_what_is_critical_is_sent_and_the_rest_follows_once():
    night_ms, morning_ms = NOON_MS + 11 * HOUR_MS, NOON_MS + 19 * HOUR_MS
    warning, critical = replace(ACTIVE, since_ms=night_ms), replace(CRITICAL, since_ms=night_ms)
    over = replace(warning, topic="venue", cleared_ms=night_ms + 60_000)
    rises = [warning, critical, over]
    assert due(rises, {}, night_ms, quiet=NIGHT) == [critical]
    known = sent(critical, night_ms)
    assert due(rises, known, morning_ms - 1, quiet=NIGHT) == []
    assert due(rises, known, morning_ms, quiet=NIGHT) == [warning, over]
    known |= sent(warning, morning_ms) | sent(over, morning_ms)
    assert due(rises, known, morning_ms + 1, quiet=NIGHT) == []


times = st.integers(NOON_MS - 2 * DAY_MS, NOON_MS)
rises = st.builds(
    Rise,
    st.sampled_from(["aa" * 8, "bb" * 8]),
    st.sampled_from(["watch", "venue", "unprotected", "left over"]),
    st.sampled_from(["short", "ü" * 5_000]),
    times,
    st.none() | times,
    st.booleans(),
).map(lambda rise: replace(rise, cleared_ms=rise.cleared_ms and max(rise.cleared_ms, rise.since_ms)))
hours = st.none() | st.builds(QuietHours, st.integers(0, 719), st.integers(720, 1_439))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rises, max_size=8, unique_by=lambda rise: rise.key), hours, st.none() | times)
def test_what_was_sent_is_not_owed_any_more_and_what_is_critical_and_active_always_is(
    found, quiet, failing_ms
):
    owed = due(found, {}, NOON_MS, quiet=quiet, failing_since_ms=failing_ms)
    known = {rise.key: Sent(rise.since_ms, NOON_MS) for rise in owed}
    assert due(found, known, NOON_MS, quiet=quiet, failing_since_ms=failing_ms) == []
    for rise in found:
        if rise.is_relevant and rise.cleared_ms is None and rise.topic in ("unprotected", "left over"):
            assert rise in owed
    held_ms = held_since_ms(NOON_MS, quiet, failing_ms)
    over = [rise for rise in owed if rise.cleared_ms is not None]
    assert all(held_ms is not None and rise.cleared_ms >= held_ms for rise in over)
    if owed:
        message = message_of([(rise, "run") for rise in owed], NOON_MS, quiet)
        assert len(message.title) < 250
        assert len(message.body) < 10_000


def test_the_message_has_what_is_critical_first_and_what_is_over_as_over():
    over = replace(ACTIVE, topic="venue", sentence="it is away", cleared_ms=NOON_MS + 60_000)
    message = message_of([(ACTIVE, "w1"), (over, "w2"), (CRITICAL, "LIVE w3")], NOON_MS, None)
    assert message.title.endswith(": 3 alarms, 1 critical, 1 over")
    assert message.body.splitlines() == [
        "CRITICAL LIVE w3: no stop (since 10-04 12:00 UTC)",
        "w1: it is not watched (since 10-04 12:00 UTC)",
        "w2: it is away (10-04 12:00 to 10-04 12:01 UTC, over)",
    ]
    assert message.kind is MessageKind.FAILURE


def test_the_message_of_quiet_hours_says_so_and_many_alarms_are_counted():
    night_ms, morning_ms = NOON_MS + 11 * HOUR_MS, NOON_MS + 19 * HOUR_MS
    many = [(replace(ACTIVE, owner=f"{number:016x}", since_ms=night_ms), "w") for number in range(50)]
    message = message_of(many, morning_ms, NIGHT)
    assert message.title.endswith(": in the quiet hours 22:00-07:00: 50 alarms")
    assert message.body.splitlines()[-1] == "and 35 more: firstwatch alarms"
    assert message.kind is MessageKind.WARNING

"""Quiet hours: what a part of the day contains."""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from firstwatch.trading.quiet_hours import QuietHours

DAY_MS = 86_400_000
minutes = st.integers(0, 1_439)
times = st.integers(0, 4_102_444_800_000)


def written(start: int, end: int) -> str:
    return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(minutes, minutes, times)
def test_a_time_is_quiet_as_a_clock_on_the_wall_says(start, end, time_ms):
    assume(start != end)
    hours = QuietHours.parse(written(start, end))
    assert str(hours) == written(start, end)
    minute = time_ms % DAY_MS // 60_000
    expected = start <= minute < end if start < end else minute >= start or minute < end
    assert hours.contain(time_ms) is expected


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(minutes, minutes, times)
def test_the_last_window_has_begun_and_no_later_one_has(start, end, time_ms):
    assume(start != end)
    hours = QuietHours.parse(written(start, end))
    begins, ends = hours.last_window(time_ms)
    assert begins <= time_ms < begins + DAY_MS
    assert 0 < ends - begins < DAY_MS
    times = (begins - 1, begins, ends - 1, ends)
    assert [hours.contain(each) for each in times] == [False, True, True, False]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(max_size=20), st.integers(), st.none(), st.from_regex(r"\d\d:\d\d-\d\d:\d\d")))
def test_any_value_means_hours_or_is_refused(text):
    try:
        hours = QuietHours.parse(text)
    except ValueError:
        return
    assert QuietHours.parse(str(hours)) == hours


@pytest.mark.parametrize("text", ["24:00-07:00", "22:60-07:00", "22-7", "", "22:00-22:00"])
def test_what_is_no_part_of_a_day_is_refused(text):
    with pytest.raises(ValueError, match=r'"22:00-07:00"|length'):
        QuietHours.parse(text)

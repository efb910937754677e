"""The rules of the verdicts, as properties; a live day against windows that are drawn like it, or not."""

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.verdicts import JOINT_ALPHA, WATCH_P, Change, CheckName, MismatchCause, Verdict
from firstwatch.trading.watch import Check, Mismatch
from firstwatch.watch import report
from firstwatch.watch.changes import OWN_CHANGES
from firstwatch.watch.day import LiveDay
from firstwatch.watch.fill_prices import FillsJudged
from firstwatch.watch.joint import JOINT_CHECKS, Tables, judge, make_tables
from firstwatch.watch.locking import recipe_of_day
from firstwatch.watch.recipe import Recipe
from firstwatch.watch.windows import Carried, Floats, Looks, look_grid

HOUR_MS = 3_600_000
GRID_MS = look_grid(Timeframe.H1)
BEGIN_MS = 400 * 24 * HOUR_MS


def looks_of(rate: float, loss: float, windows: int, seed: int) -> Looks:
    """Return invented days of hourly bars: entries at a rate per hour, half of them stopped, a loss each."""
    random = np.random.default_rng(seed)
    entered = random.random((windows, 24)) < rate
    stopped = entered & (random.random((windows, 24)) < 0.5)
    equity = np.cumprod(1 + random.normal(-loss, 0.004, (windows, 24)), axis=1)
    value = np.log(np.column_stack([np.ones(windows), equity]))
    fall = np.maximum.accumulate(value, axis=1) - value
    hours = np.arange(1, 25)
    last = np.maximum.accumulate(np.where(entered, hours, 0), axis=1)
    first = len(hours) - len(GRID_MS)

    def seen(values: Floats) -> Floats:
        return values.astype(np.float64)[:, first:]

    return Looks(
        np.arange(windows, dtype=np.int64),
        seen(fall[:, 1:]),
        seen(np.cumsum(entered, axis=1)),
        seen(np.cumsum(stopped, axis=1)),
        seen((hours - last) * HOUR_MS),
        seen(equity),
    )


@cache
def tables() -> Tables:
    true = looks_of(0.4, 0.0, 300, 1)
    altered = {
        Change.HALF_RATE: looks_of(0.2, 0.0, 300, 2),
        Change.QUARTER_RATE: looks_of(0.05, 0.0, 300, 3),
        Change.DOUBLE_RATE: looks_of(0.8, 0.0, 300, 4),
        Change.DOUBLE_LOSSES: looks_of(0.4, 0.006, 300, 5),
    }
    return make_tables(GRID_MS, true, altered, np.random.default_rng(6))


def until(looks: Looks, count: int) -> Looks:
    """Return the day as it was after so many looks."""
    parts = [
        np.where(np.arange(len(GRID_MS)) < count, values, np.nan)
        for values in (looks.drawdown, looks.entries, looks.stops, looks.since_entry_ms, looks.equity)
    ]
    return Looks(looks.day, *parts)


def day_of(looks: Looks, count: int) -> LiveDay:
    """Return a day whose closes are its first looks."""
    zeros = np.zeros(count, dtype=np.int64)
    return LiveDay(
        number=1,
        timeframe=Timeframe.H1,
        begin_ms=BEGIN_MS,
        close_ms=BEGIN_MS + GRID_MS[:count],
        equity=looks.equity[0, :count],
        entries=looks.entries[0, :count].astype(np.int64),
        stops=looks.stops[0, :count].astype(np.int64),
        exits=looks.stops[0, :count].astype(np.int64),
        last_entry_ms=zeros + BEGIN_MS,
        is_lost=zeros > 0,
        is_down=zeros > 0,
    )


LIVE = st.tuples(
    st.floats(0, 1), st.floats(-0.002, 0.02), st.integers(0, len(GRID_MS)), st.integers(0, 10_000)
)


@settings(deadline=None)
@given(LIVE, st.sampled_from(["", "entries were paused at noon"]))
def test_the_joint_calibration_alone_decides_and_low_power_hides_nothing(
    live: tuple[float, float, int, int], paused: str
) -> None:
    rate, loss, count, seed = live
    looks = until(looks_of(rate, loss, 1, seed), count)
    judged = judge(tables(), looks)
    for check in report.joint_checks(report.Joint(tables(), looks, paused), judged, day_of(looks, count), ""):
        p, enough = judged.checks[check.name].p_adjusted, tables().enough_look(check.name)
        if p is not None and p <= JOINT_ALPHA:
            assert check.verdict is Verdict.DIVERGED
            assert check.first_at in BEGIN_MS + GRID_MS[:count]
        elif p is not None and p <= WATCH_P:
            assert check.verdict is Verdict.WATCH
        else:
            is_known = enough is not None and enough < count
            assert check.verdict is (Verdict.CONSISTENT if is_known else Verdict.NOT_ENOUGH_DATA)
        assert (check.first_at is None) == (check.verdict is not Verdict.DIVERGED)
        if check.verdict is Verdict.NOT_ENOUGH_DATA and enough is not None and not paused:
            assert check.more_at == BEGIN_MS + GRID_MS[enough]
        own = OWN_CHANGES[check.name]
        power = [tables().power_of(check.name, change, count - 1) for change in own]
        assert check.smallest_effect == next(
            (c for c, share in zip(own, power, strict=True) if share >= 0.8), None
        )
        assert check.sentence.endswith(".")
        assert not paused or paused in check.sentence


def test_a_day_unlike_the_baseline_is_found_and_said_in_words() -> None:
    looks = looks_of(0.4, 0.02, 1, 9)
    judged = judge(tables(), looks)
    joint = report.Joint(tables(), looks)
    checks = {
        check.name: check for check in report.joint_checks(joint, judged, day_of(looks, len(GRID_MS)), "")
    }
    drawdown = checks[CheckName.DRAWDOWN]
    assert drawdown.verdict is Verdict.DIVERGED
    assert "is beyond 9" in drawdown.sentence
    assert "24 hours" in drawdown.sentence
    assert checks[CheckName.TRADE_FREQUENCY].verdict is Verdict.CONSISTENT


def test_without_tables_each_joint_check_says_why() -> None:
    looks = looks_of(0.4, 0.0, 1, 9)
    for check in report.joint_checks(None, None, day_of(looks, 5), "no baseline was stored"):
        assert (check.verdict, check.sentence) == (Verdict.NOT_ENOUGH_DATA, "No baseline was stored.")
    assert {check.name for check in report.joint_checks(None, None, day_of(looks, 0), "x")} == set(
        JOINT_CHECKS
    )


@given(st.sampled_from(list(Verdict)), st.floats(0, 1))
def test_fills_give_no_green_light_before_a_tenth_of_the_day(verdict: Verdict, share: float) -> None:
    check = report.fills_check(FillsJudged(verdict, 9, "9 fills.", first_at_ms=5), share)
    if verdict is Verdict.CONSISTENT and share < 0.1:
        assert check.verdict is Verdict.NOT_ENOUGH_DATA
    else:
        assert check.verdict is verdict
    assert (check.first_at == 5) == (verdict is Verdict.DIVERGED)


VERDICTS = st.sampled_from(list(Verdict))


def checks_of(verdicts: list[Verdict]) -> list[Check]:
    """Return the seven checks; costs are never diverged."""
    by_name = dict(zip(CheckName, verdicts, strict=True))
    if by_name[CheckName.COSTS] is Verdict.DIVERGED:
        by_name[CheckName.COSTS] = Verdict.WATCH
    return [Check(name=name, verdict=verdict, sentence="It says so.") for name, verdict in by_name.items()]


ALL_CHECKS = st.lists(VERDICTS, min_size=7, max_size=7).map(checks_of)


@given(ALL_CHECKS)
def test_a_run_is_as_bad_as_its_worst_check_without_the_edge(checks: list[Check]) -> None:
    by_name = {check.name: check.verdict for check in checks}
    counted = [verdict for name, verdict in by_name.items() if name is not CheckName.EDGE]
    found = report.run_verdict(checks)
    if Verdict.DIVERGED in counted:
        assert found is Verdict.DIVERGED
    elif Verdict.WATCH in counted:
        assert found is Verdict.WATCH
    else:
        is_sure = by_name[CheckName.SIGNAL_PARITY] is Verdict.CONSISTENT and Verdict.CONSISTENT in (
            by_name[CheckName.TRADE_FREQUENCY],
            by_name[CheckName.DRAWDOWN],
        )
        assert found is (Verdict.CONSISTENT if is_sure else Verdict.NOT_ENOUGH_DATA)


@given(st.lists(st.tuples(VERDICTS, st.integers(1, 99)), min_size=1, max_size=12))
def test_diverged_stays_for_its_day_with_the_time_when_it_began(looks: list[tuple[Verdict, int]]) -> None:
    before: Check | None = None
    first: int | None = None
    for verdict, time_ms in looks:
        first_at = time_ms if verdict is Verdict.DIVERGED else None
        check = report.kept(
            Check(name=CheckName.EXITS, verdict=verdict, first_at=first_at, sentence="It says so."), before
        )
        if first_at is not None:
            first = first_at if first is None else min(first, first_at)
        assert check.verdict is (verdict if first is None else Verdict.DIVERGED)
        assert check.first_at == first
        before = check


@given(ALL_CHECKS, st.booleans(), st.booleans())
def test_there_is_always_a_next_thing_to_do(checks: list[Check], is_paused: bool, is_over: bool) -> None:
    sentence = report.what_next(checks, is_paused=is_paused, is_over=is_over)
    assert sentence.endswith(".")
    assert sentence[0].isupper()


def mismatch(cause: MismatchCause, time: int = 1_000) -> Mismatch:
    return Mismatch(time=time, what="entry long", cause=cause, live="enter long")


def test_a_mismatch_without_a_cause_diverges_at_once() -> None:
    check = report.parity_check(
        1, [mismatch(MismatchCause.UNEXPLAINED, 7), mismatch(MismatchCause.GUARD, 3)], bars=9
    )
    assert (check.verdict, check.first_at) == (Verdict.DIVERGED, 7)


def test_only_causes_that_were_chosen_leave_parity_consistent() -> None:
    for cause in MismatchCause:
        verdict = report.parity_check(9, [mismatch(cause)], bars=9).verdict
        if cause is MismatchCause.UNEXPLAINED:
            assert verdict is Verdict.DIVERGED
        else:
            assert verdict is (Verdict.CONSISTENT if cause.is_harmless else Verdict.WATCH)
    assert report.parity_check(0, [], bars=0).verdict is Verdict.NOT_ENOUGH_DATA


def test_a_steady_loss_with_a_usual_drawdown_says_why_it_diverged() -> None:
    looks = looks_of(0.4, 0.0, 1, 11)
    value = -0.0004 * np.arange(1, len(GRID_MS) + 1)
    steady = replace(looks, equity=np.exp(value)[None, :], drawdown=-value[None, :])
    count = len(GRID_MS)
    judged = judge(tables(), steady)
    joint = report.Joint(tables(), steady, "")
    check = next(
        each
        for each in report.joint_checks(joint, judged, day_of(steady, count), "")
        if each.name is CheckName.DRAWDOWN
    )
    assert check.verdict is Verdict.DIVERGED
    assert "is within what the backtest does" in check.sentence
    assert re.search(
        r"but its worst moment is beyond \d\d\.\d % of the backtest's days, by drawdown or by loss for its "
        "volatility",
        check.sentence,
    ), check.sentence


def test_a_recipe_of_an_earlier_program_is_read_and_the_next_day_has_the_statistics_of_this_one() -> None:
    mine = Recipe(baseline="b", settings="{}", seed=3, begin_ms=BEGIN_MS)
    old = json.loads(mine.canonical_json())
    old |= {"statistics": ["drawdown"], "enters_less": ["few"], "program": "0"}
    read = Recipe.model_validate_json(json.dumps(old))
    assert (read.statistics, read.program) == (("drawdown",), "0")
    second = recipe_of_day(read, 2, BEGIN_MS, Carried())
    assert (second.statistics, second.twice, second.program) == (mine.statistics, mine.twice, mine.program)
    assert (second.baseline, second.seed, second.begin_ms) == ("b", 3, BEGIN_MS + 24 * HOUR_MS)

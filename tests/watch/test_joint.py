"""The joint calibration: its level, its references, what it says of a live day, and its bytes."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch import watch
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.verdicts import JOINT_ALPHA, WATCH_P, Change, CheckName
from firstwatch.watch.joint import (
    JOINT_CHECKS,
    MOST_KEPT,
    STATISTICS_OF,
    TWICE,
    Statistic,
    Tables,
    crossings,
    judge,
    look_weights,
    loss_by_volatility,
    make_reference,
    make_tables,
    statistics_of,
)
from firstwatch.watch.recipe import generator
from firstwatch.watch.windows import Looks, Lost
from tests.watch.days import GRID_MS, LOOKS, invented_days


def tables_of(days, *, seed=1, lost=(), altered=None):
    return make_tables(GRID_MS, days, altered or {}, generator(seed), lost=lost)


def one(looks, row, upto=LOOKS):
    """One live day of which only the first looks were made."""
    day = looks.where(np.array([row]))
    columns = {}
    for name in ("drawdown", "entries", "stops", "since_entry_ms", "equity"):
        values = getattr(day, name).copy()
        values[:, upto:] = np.nan
        columns[name] = values
    return replace(day, **columns)


def test_the_maximum_holds_its_level_over_400_seeded_nulls():
    """Baseline and live days from the same law: at most 4 % of the live ones are called diverged."""
    called = seen = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        days = invented_days(random, 60)
        reference = make_reference(statistics_of(days), days.day, generator(seed))
        live = invented_days(random, 10, starts=1)
        crossed = crossings(reference, reference.critical(JOINT_ALPHA), live)
        called += int(crossed[:, :, -1].any(axis=0).sum())
        seen += len(live)
    assert seen == 4_000
    # Binomial sd 0.31 points.
    assert 0.025 <= called / seen <= 0.05


def test_no_statistic_spends_the_budget_of_the_others():
    """Balanced: of the days that are called diverged, each check calls some."""
    first = dict.fromkeys(JOINT_CHECKS, 0)
    for seed in range(60):
        random = np.random.default_rng(1_000 + seed)
        days = invented_days(random, 60)
        reference = make_reference(statistics_of(days), days.day, generator(seed))
        live = invented_days(random, 40, starts=1)
        crossed = crossings(reference, reference.critical(JOINT_ALPHA), live)[:, :, -1]
        for name, hits in zip(JOINT_CHECKS, crossed.sum(axis=1).tolist(), strict=True):
            first[name] += hits
    assert min(first.values()) >= 0.1 * sum(first.values()), first


def test_each_direction_has_the_same_share_of_the_budget():
    """Loss and fewer entries are read twice, and call no more days than more entries or more stops."""
    random = np.random.default_rng(14)
    days = invented_days(random, 400, rate=20)
    reference = make_reference(statistics_of(days), days.day, generator(1))
    live = invented_days(random, 4_000, starts=1, rate=20)
    is_beyond = (reference.z(statistics_of(live)) >= reference.critical(JOINT_ALPHA)[:, None]).any(axis=2)
    directions = [*map(list, TWICE), [Statistic.MANY], [Statistic.STOPS]]
    assert sorted(place for of in directions for place in of) == sorted(Statistic)
    shares = [is_beyond[:, of].any(axis=1).mean() for of in directions]
    assert max(shares) <= 2 * min(shares), shares
    for of in TWICE:
        assert min(is_beyond[:, list(of)].mean(axis=0)) > 0, "both are read"


def test_statistics_have_a_stable_variance_and_both_tails_of_the_entries():
    days = invented_days(np.random.default_rng(1), 3)
    x = statistics_of(days)
    assert x.shape == (6, 6, LOOKS)
    np.testing.assert_allclose(x[:, Statistic.MANY], 2 * np.sqrt(days.entries + 3 / 8))
    np.testing.assert_array_equal(x[:, Statistic.FEW], -x[:, Statistic.MANY])
    np.testing.assert_allclose(x[:, Statistic.DRAWDOWN] ** 2, days.drawdown, atol=1e-15)
    np.testing.assert_allclose(x[:, Statistic.STOPS], 2 * np.sqrt(days.stops + 3 / 8))
    np.testing.assert_allclose(x[:, Statistic.SINCE_ENTRY] ** 2, days.since_entry_ms / 3_600_000)
    np.testing.assert_array_equal(x[:, Statistic.LOSS], loss_by_volatility(days.equity))


def _loss_in_words(equity):
    """The same by the book, look after look: the negative sum of returns over the root of their squares."""
    found, returns, before = [], [], 1.0
    for now in equity:
        if math.isnan(now):
            found.append(math.nan)
            continue
        returns.append(math.log(now / before))
        before = now
        length = math.sqrt(math.fsum(each * each for each in returns))
        found.append(-math.fsum(returns) / length if length else 0.0)
    return found


@given(
    st.lists(st.one_of(st.just(1.0), st.floats(0.5, 2), st.just(math.nan)), min_size=LOOKS, max_size=LOOKS)
)
def test_a_loss_is_measured_by_the_volatility_of_its_day(equity):
    loss = loss_by_volatility(np.array([equity]))[0]
    np.testing.assert_allclose(loss, _loss_in_words(equity), rtol=1e-9, atol=1e-9)
    assert np.nanmax(np.abs(loss), initial=0.0) <= math.sqrt(LOOKS) + 1e-9


def test_a_day_that_lost_everything_is_judged_to_its_end():
    days = invented_days(np.random.default_rng(17), 40)
    day = one(days, 3)
    gone = day.equity.copy()
    gone[0, 5:], gone[0, 8] = 0.0, -0.1
    judged = judge(
        tables_of(days), replace(day, equity=gone, drawdown=np.maximum(-np.log(np.maximum(gone, 1e-12)), 0))
    )
    assert judged.look == LOOKS - 1
    assert judged.checks[CheckName.DRAWDOWN].first_look is not None


def test_looks_that_are_not_made_are_passed_over_in_the_windows_as_in_the_live_day():
    is_open = np.ones(LOOKS, dtype=np.bool_)
    is_open[4:7] = False
    days = invented_days(np.random.default_rng(15), 5)
    live = np.where(is_open, days.equity, np.nan)
    np.testing.assert_array_equal(
        loss_by_volatility(days.equity, is_open)[:, is_open], loss_by_volatility(live)[:, is_open]
    )


def test_a_steady_loss_in_a_quiet_market_is_seen_although_the_drawdown_is_usual():
    """Fills that cost more: little at a time, and never regained."""
    days = invented_days(np.random.default_rng(16), 100)
    tables = tables_of(days)
    day = one(days, int(np.argmin(days.drawdown[:, -1])))
    value = -0.0005 * np.arange(1, LOOKS + 1)
    steady = replace(day, equity=np.exp(value)[None, :], drawdown=-value[None, :])
    assert -value[-1] < np.quantile(days.drawdown[:, -1], 0.75)
    judged = judge(tables, steady).checks[CheckName.DRAWDOWN]
    assert judged.first_look is not None
    assert judged.p_adjusted <= JOINT_ALPHA


def test_little_is_spent_early():
    weights = look_weights(96)
    assert weights[-1] == pytest.approx(1)
    assert weights[0] == pytest.approx(np.sqrt((1 + 9.6) / 105.6))
    assert (np.diff(weights) > 0).all()


def test_means_are_those_of_the_windows_and_the_sd_has_a_floor():
    days = invented_days(np.random.default_rng(2), 40)
    x = statistics_of(days)
    reference = make_reference(x, days.day, generator(1))
    np.testing.assert_allclose(reference.mean, x.mean(axis=0))
    sd = x.std(axis=0)
    floor = 0.35 * sd[:, -1]
    floor[Statistic.SINCE_ENTRY] = 0.35 * sd[Statistic.SINCE_ENTRY].max()
    np.testing.assert_allclose(reference.sd, np.maximum(sd, floor[:, None]))
    assert (reference.sd > sd).any()


def test_critical_values_are_where_the_adjusted_p_passes_alpha():
    days = invented_days(np.random.default_rng(3), 40)
    reference = make_reference(statistics_of(days), days.day, generator(1))
    for alpha in (JOINT_ALPHA, WATCH_P):
        critical = reference.critical(alpha)
        for place in Statistic:
            grid = np.linspace(-3, 12, 4_001).astype(np.float32)
            grid = np.sort(np.append(grid, critical[place]))
            rows = np.full((len(Statistic), len(grid)), -np.inf, dtype=np.float32)
            rows[place] = grid
            p = reference.adjusted(reference.tail(rows)[place])
            np.testing.assert_array_equal(p <= alpha, grid >= critical[place])


def test_a_live_day_is_judged_by_its_looks_so_far():
    random = np.random.default_rng(4)
    tables = tables_of(invented_days(random, 90))
    wild = one(invented_days(random, 1, starts=1, rate=40), 0, upto=5)
    judged = judge(tables, wild)
    frequency = judged.checks[CheckName.TRADE_FREQUENCY]
    assert judged.look == 4
    assert frequency.p_adjusted is not None
    assert frequency.p_adjusted <= JOINT_ALPHA
    assert frequency.first_look is not None
    assert frequency.first_look <= 4
    assert judge(tables, one(wild, 0, upto=0)).look == -1


def test_the_running_maximum_stays():
    """A day that was diverged at a look is diverged at all later ones."""
    random = np.random.default_rng(5)
    tables = tables_of(invented_days(random, 60))
    days = invented_days(random, 200, starts=1, rate=12)
    seen = 0
    for row in range(len(days)):
        verdicts = [judge(tables, one(days, row, upto)) for upto in range(1, LOOKS + 1)]
        for name in JOINT_CHECKS:
            p = [each.checks[name].p_adjusted for each in verdicts]
            assert p == sorted(p, reverse=True)
            firsts = {each.checks[name].first_look for each in verdicts} - {None}
            assert len(firsts) <= 1
            seen += len(firsts)
            for look, each in enumerate(verdicts):
                first = each.checks[name].first_look
                assert (first is not None) == (each.checks[name].p_adjusted <= JOINT_ALPHA)
                assert first is None or first <= look
    assert seen > 20


def test_judging_a_day_and_crossing_are_the_same():
    random = np.random.default_rng(6)
    tables = tables_of(invented_days(random, 60))
    days = invented_days(random, 100, starts=1, rate=12)
    crossed = crossings(tables.reference, tables.critical, days)
    for row in range(len(days)):
        judged = judge(tables, one(days, row))
        for place, name in enumerate(JOINT_CHECKS):
            expected = int(np.argmax(crossed[place, row])) if crossed[place, row].any() else None
            assert judged.checks[name].first_look == expected


def test_a_constant_statistic_is_left_out_and_another_value_of_it_is_never_seen():
    random = np.random.default_rng(7)
    days = invented_days(random, 60, stops=0.0)
    tables = tables_of(days)
    assert not tables.reference.is_active[Statistic.STOPS]
    live = one(invented_days(random, 1, starts=1, stops=0.0), 0)
    quiet = judge(tables, live).checks[CheckName.EXITS]
    assert (quiet.p_adjusted, quiet.is_watch, quiet.is_never_seen) == (None, False, False)
    stopped = judge(tables, replace(live, stops=live.stops + 1)).checks[CheckName.EXITS]
    assert (stopped.p_adjusted, stopped.is_watch, stopped.is_never_seen) == (None, True, True)


def test_a_baseline_without_trades_decides_nothing_and_says_no_number():
    random = np.random.default_rng(8)
    tables = tables_of(invented_days(random, 30, rate=0.0, spread=0.0))
    assert not tables.reference.is_active.any()
    judged = judge(tables, one(invented_days(random, 1, starts=1, rate=0.0, spread=0.0), 0))
    assert all(check.p_adjusted is None and not check.is_watch for check in judged.checks.values())
    traded = judge(tables, one(invented_days(random, 1, starts=1), 0))
    assert traded.checks[CheckName.TRADE_FREQUENCY].is_never_seen


def test_looks_inside_of_time_lost_are_left_out():
    random = np.random.default_rng(9)
    days = invented_days(random, 60)
    lost = (Lost(int(GRID_MS[4]), int(GRID_MS[-1]), is_down=False),)
    tables = tables_of(days, lost=lost)
    assert tables.reference.is_open.tolist() == [True] * 5 + [False] * (LOOKS - 5)
    # What happens inside of it changes nothing.
    calm, wild = one(days, 0), one(days, 0)
    wild.entries[:, 5:] += 50
    assert judge(tables, calm) == judge(tables, wild)
    assert judge(tables, calm).look == 4
    with pytest.raises(WrongUseError, match="no look of this day"):
        tables_of(days, lost=(Lost(0, int(GRID_MS[-1]), is_down=True),))


def test_too_few_days_are_refused():
    with pytest.raises(WrongUseError, match="9 days"):
        tables_of(invented_days(np.random.default_rng(1), 9))
    nothing = Looks(np.empty(0, np.int64), *(np.empty((0, LOOKS)) for _ in range(5)))
    with pytest.raises(WrongUseError, match="0 days"):
        tables_of(nothing)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    days = invented_days(np.random.default_rng(1), 40)
    first, again, other = (tables_of(days, seed=seed).pack() for seed in (1, 1, 2))
    assert first == again != other


def test_packed_tables_judge_as_the_original():
    random = np.random.default_rng(11)
    days = invented_days(random, 60)
    altered = {Change.DOUBLE_RATE: replace(days, entries=2 * days.entries)}
    tables = tables_of(days, altered=altered)
    again = Tables.unpack(tables.pack())
    assert again.pack() == tables.pack()
    assert (again.windows, again.days) == (120, 60)
    for row in range(20):
        live = one(invented_days(random, 1, starts=1, rate=9), 0, upto=row % LOOKS + 1)
        assert judge(again, live) == judge(tables, live)
    assert again.power_of(CheckName.TRADE_FREQUENCY, Change.DOUBLE_RATE, LOOKS - 1) > 0


def test_a_long_baseline_is_packed_into_a_megabyte():
    days = invented_days(np.random.default_rng(12), 730, starts=1)
    tables = tables_of(days)
    assert tables.reference.size == 60 * 730
    assert tables.reference.largest.shape == (len(Statistic), MOST_KEPT)
    assert len(tables.pack()) <= 1_000_000
    # What was cut off is a p near 1, not a wrong small one.
    assert all(
        check.p_adjusted is None or check.p_adjusted > WATCH_P or check.is_watch
        for row in range(30)
        for check in judge(tables, one(days, row)).checks.values()
    )


@pytest.mark.parametrize("damage", ["short", "empty", "other", "inside", "longer"])
def test_damaged_tables_are_a_sentence(damage):
    packed = tables_of(invented_days(np.random.default_rng(1), 20)).pack()
    broken = {
        "short": packed[:-40],
        "empty": b"",
        "other": b"xx" + packed,
        "inside": packed[:50] + bytes([packed[50] ^ 255]) + packed[51:],
        "longer": packed[:3] + packed[3:] * 2,
    }[damage]
    with pytest.raises(DamagedRowError, match="computed anew"):
        Tables.unpack(broken)


def test_power_names_the_mildest_effect_and_when_it_is_enough():
    random = np.random.default_rng(13)
    days = invented_days(random, 120, rate=30)
    tables = tables_of(
        days,
        altered={
            Change.HALF_RATE: invented_days(random, 120, starts=1, rate=15),
            Change.QUARTER_RATE: invented_days(random, 120, starts=1, rate=4),
        },
    )
    name = CheckName.TRADE_FREQUENCY
    last = LOOKS - 1
    assert tables.power_of(name, Change.QUARTER_RATE, last) >= 0.8
    assert tables.power_of(name, Change.HALF_RATE, last) < 0.8
    assert tables.smallest_effect(name, last) is Change.QUARTER_RATE
    assert tables.smallest_effect(name, -1) is None
    enough = tables.enough_look(name)
    assert enough is not None
    assert tables.power_of(name, Change.QUARTER_RATE, enough) >= 0.5
    assert max(tables.power_of(name, change, enough - 1) for change in Change) < 0.5
    assert tables.enough_look(CheckName.EXITS) is None


def test_each_check_has_its_own_statistics():
    places = [place for of in STATISTICS_OF.values() for place in of]
    assert sorted(places) == list(Statistic)


def test_random_numbers_are_those_of_a_named_generator_in_every_process_and_version():
    """Frozen with numpy 1.26 and 2.4: with others the same recipe would lock other tables."""
    drawn = generator(7, 1, 2)
    assert drawn.integers(0, 1_000, size=4).tolist() == [688, 923, 971, 720]
    assert drawn.random(2).tolist() == [0.2663851419363449, 0.5792492134281088]
    assert drawn.standard_t(3, 2) == pytest.approx([2.6704349369137974, 3.203397075511389], rel=1e-15)
    assert drawn.standard_exponential(2) == pytest.approx([0.14145044145036012, 0.007211242319249778])
    sources = [path.read_text(encoding="utf-8") for path in Path(watch.__file__).parent.glob("*.py")]
    made = [call for text in sources for call in re.findall(r"np\.random\.[\w.]+\(\S*", text)]
    assert made
    assert all(each.startswith("np.random.Generator(np.random.PCG64(") for each in made)

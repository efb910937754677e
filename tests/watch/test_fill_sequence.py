"""The confidence sequence of fill prices: its level, its power, and that its two forms are one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstwatch.trading.verdicts import FILLS_ALPHA, Change
from firstwatch.watch.fill_sequence import (
    LEAST_EXCESS_BPS,
    NOISE_BPS,
    FillSequence,
    crosses,
    log_e_values,
    power_by_fills,
    skewed_noise,
    student_noise,
)
from tests.watch.witness import fills_of, table

ROWS, FILLS = 20_000, 200
excesses = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=40)


def share_of(noise, alpha=FILLS_ALPHA):
    return float((crosses(noise, alpha) >= 0).mean())


@pytest.mark.parametrize(
    "noise",
    [
        lambda generator: student_noise(generator, (ROWS, FILLS)),
        lambda generator: skewed_noise(generator, (ROWS, FILLS), sign=1),
        lambda generator: skewed_noise(generator, (ROWS, FILLS), sign=-1),
        lambda generator: generator.normal(0, NOISE_BPS, (ROWS, FILLS)),
    ],
    ids=["heavy-tailed", "skewed up", "skewed down", "normal"],
)
def test_true_fills_cross_within_200_in_at_most_one_of_a_hundred(noise):
    assert share_of(noise(np.random.default_rng(7))) <= FILLS_ALPHA


def test_the_share_of_true_fills_that_cross_is_not_zero_either():
    """So that the level above is not held by a sequence that sees nothing."""
    noise = np.random.default_rng(7).normal(0, NOISE_BPS, (ROWS, FILLS))
    assert share_of(noise) > FILLS_ALPHA / 10


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(0.001, 1)), min_size=2, max_size=6),
    st.floats(0.05, 1),
)
@settings(deadline=None)
def test_the_factor_of_a_true_fill_has_a_mean_of_at_most_one_whatever_its_shape(points, share_of_noise):
    """The proof, case by case: any discrete distribution of mean zero with at most the noise."""
    values = np.array([value for value, _ in points])
    weights = np.array([weight for _, weight in points])
    weights /= weights.sum()
    values = values - values @ weights
    deviation = math.sqrt(weights @ values**2)
    if deviation < 1e-9:
        return
    values *= NOISE_BPS * share_of_noise / deviation
    factors = np.exp(log_e_values(values[:, None])[:, 0])
    assert weights @ factors <= 1 + 1e-9


@pytest.mark.parametrize(("fills", "least"), [(20, 0.86), (30, 0.95)])
def test_five_basis_points_are_seen(fills, least):
    noise = student_noise(np.random.default_rng(11), (4_000, fills))
    assert share_of(noise + 5) >= least


def test_without_noise_eight_basis_points_are_seen_within_ten_fills():
    assert crosses(np.full((1, 10), 8.0), FILLS_ALPHA)[0] in range(3, 10)


@given(st.floats(-1e6, 1e6), st.integers(1, 3))
@settings(deadline=None)
def test_three_fills_decide_nothing_however_bad(excess, fills):
    assert crosses(np.full((1, fills), excess), FILLS_ALPHA)[0] == -1


def test_an_excess_below_half_a_basis_point_never_crosses():
    assert crosses(np.full((1, 100_000), LEAST_EXCESS_BPS * 0.99), FILLS_ALPHA)[0] == -1
    assert crosses(np.full((1, 1_000), LEAST_EXCESS_BPS * 2), FILLS_ALPHA)[0] > 0
    # Certain of being above zero, but by less than matters.
    certain = np.full((1, 100_000), LEAST_EXCESS_BPS * 0.99)
    assert log_e_values(certain, 0.1).max() > 100
    assert crosses(certain, FILLS_ALPHA, 0.1)[0] == -1


@given(excesses, st.sampled_from([0.01, 0.02, 0.2]), st.sampled_from([1.0, 5.0]))
@settings(deadline=None)
def test_the_lower_bound_is_above_zero_exactly_where_the_sequence_has_crossed(values, alpha, noise_bps):
    sequence = FillSequence(noise_bps)
    for value in values:
        sequence.add(value)
    lower = sequence.lower(alpha)
    highest = log_e_values(np.array([values]), noise_bps).max()
    if abs(highest + math.log(alpha)) > 1e-6:
        assert (lower is not None and lower >= 0) == (highest >= -math.log(alpha))
    mean = sum(values) / len(values)
    assert sequence.mean_bps == pytest.approx(mean)
    if sequence.first_crossing(alpha) is not None:
        assert lower is not None
        assert lower >= 0


@given(excesses, st.floats(-100, 100))
@settings(deadline=None)
def test_the_lower_bound_moves_with_the_excess(values, shift):
    first, second = FillSequence(), FillSequence()
    for value in values:
        first.add(value)
        second.add(value + shift)
    lower, moved = first.lower(0.2), second.lower(0.2)
    assert (lower is None) == (moved is None)
    if lower is not None and moved is not None:
        assert moved - lower == pytest.approx(shift, abs=1e-5)


@given(st.lists(excesses, min_size=1, max_size=5))
@settings(deadline=None)
def test_rows_of_different_lengths_are_judged_as_each_by_itself(rows):
    longest = max(map(len, rows))
    table = np.full((len(rows), longest), np.nan)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    together = crosses(table, 0.2)
    assert together.tolist() == [int(crosses(np.array([row]), 0.2)[0]) for row in rows]


@given(excesses, st.integers(0, 39))
@settings(deadline=None)
def test_a_gap_within_a_row_changes_nothing(values, place):
    place = min(place, len(values))
    row = np.array([[*values[:place], np.nan, *values[place:]]])
    plain = np.array([values])
    assert np.delete(log_e_values(row), place, axis=1) == pytest.approx(log_e_values(plain))


@given(excesses)
@settings(deadline=None)
def test_a_fill_does_not_change_what_was_said_before_it(values):
    whole = log_e_values(np.array([values]))[0]
    for end in range(1, len(values)):
        assert whole[end - 1] == pytest.approx(log_e_values(np.array([values[:end]]))[0, -1])


@given(excesses, st.sampled_from([1.0, 5.0]))
@settings(deadline=None)
def test_the_array_form_is_the_formula_written_as_a_loop(values, noise_bps):
    products = {0.3: 0.3, 0.8: 0.7}
    seen = []
    for value in values:
        mean = sum(seen) / len(seen) if seen else 0.0
        squares = sum((each - mean) ** 2 for each in seen)
        variance = (10 * noise_bps**2 + 1.5 * squares) / (10 + max(len(seen), 1) - 1)
        scale = max(noise_bps, math.sqrt(variance))
        for bet in products:
            y = min(max(bet * value / scale, -1.0), 2.0)
            products[bet] *= (1 + y + y * y / 2) / (1 + bet * bet / 2)
        seen.append(value)
    sequence = FillSequence(noise_bps)
    for value in values:
        sequence.add(value)
    assert sequence.e_value == pytest.approx(sum(products.values()), rel=1e-6)
    assert sequence.n == len(values)


def test_an_empty_sequence_says_nothing():
    sequence = FillSequence()
    assert (sequence.n, sequence.e_value, sequence.lower(0.01), sequence.mean_bps) == (0, 1.0, None, None)
    assert sequence.first_crossing(0.01) is None
    assert crosses(np.empty((3, 0)), 0.01).tolist() == [-1, -1, -1]


def test_an_excess_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        FillSequence().add(math.nan)


def test_evidence_without_end_stays_a_number():
    sequence = FillSequence()
    for _ in range(3_000):
        sequence.add(1e6)
    assert math.isfinite(sequence.e_value)


def test_power_rises_with_fills_and_with_what_they_cost():
    power = power_by_fills()
    for shares in power.values():
        assert (np.diff(shares) >= 0).all()
    at_20 = [power[change][19] for change in (Change.SLIPPAGE_2, Change.SLIPPAGE_5, Change.SLIPPAGE_10)]
    assert at_20 == sorted(at_20)


@pytest.mark.parametrize(
    "case",
    table("fill_sequence"),
    ids=lambda case: f"{case['seed']}-{case['n']}-{case['shift']:g}-{case['noise_bps']:g}",
)
def test_evidence_and_bound_agree_with_the_program_of_the_sequences_authors(case):
    sequence = FillSequence(case["noise_bps"])
    for fill in fills_of(case["seed"], case["n"], case["shift"]):
        sequence.add(fill)
    assert sequence.e_value == pytest.approx(case["e_value"], rel=1e-9)
    lower = sequence.lower(0.01)
    assert lower == (None if case["lower"] is None else pytest.approx(case["lower"], abs=2e-6))


@pytest.mark.parametrize(("name", "noise"), [("student", student_noise), ("exponential", skewed_noise)])
def test_the_noise_has_the_quantiles_of_its_distribution(name, noise):
    drawn = noise(np.random.default_rng(5), (400_000,))
    for case in table(name):
        assert (drawn <= case["bps"]).mean() == pytest.approx(case["share"], abs=0.002)


def test_the_bound_of_an_enormous_excess_is_found_all_the_same():
    sequence = FillSequence()
    for _ in range(10):
        sequence.add(1e15)
    assert sequence.lower(0.01) == pytest.approx(1e15)

"""The use of conditions: counts against loops over the closes, scores where the answer is planted."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from firstwatch.backtest.simulate import simulate
from firstwatch.backtest.tester import Tester
from firstwatch.backtest.usefulness import measure_usefulness, score_of, to_json
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.evaluation import ArrayEvaluator
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.market import Market
from firstwatch.trading.orders import Side
from firstwatch.trading.why import GroupKind
from tests.backtest.planted import planted_candles
from tests.backtest.specifications import random_candles, specifications

COSTS = Costs(Decimal(1), Decimal(1), slippage_bps=Decimal(1))
SEEDS = range(20)
NEEDED = 18


def algorithm(entry, leave='required = ["close > 0"]', direction="long"):
    return AlgorithmSpec.from_toml(
        f'name = "A"\ndirection = "{direction}"\ntimeframe = "1h"\n[entry.{direction}]\n{entry}\n'
        f"[exit.{direction}]\n{leave}\n[sizing]\nequity = 0.9\n"
    )


PLANTED = algorithm('required = ["roc(1) < -0.5", "volume > sma(20, source=volume)", "close > 0"]')
"""A condition that knows something, one of noise, one that is never false; out after one bar."""


def subject_on(candles):
    return Tester(candles, market=Market(), costs=COSTS)


def test_what_is_planted_is_found_and_noise_is_not():
    right = 0
    for seed in SEEDS:
        planted, noise, never_false = measure_usefulness(subject(seed), PLANTED).conditions[:3]
        assert never_false.score == 0
        right += noise.score <= 10 and planted.score > max(noise.score, 10)
    assert right >= NEEDED


def test_where_nothing_can_be_known_no_condition_scores_high():
    for seed in SEEDS:
        scores = [each.score for each in measure_usefulness(subject(seed, reversion=0.0), PLANTED).conditions]
        assert max(scores) < 50


def subject(seed, **planted):
    return subject_on(planted_candles(seed, **planted))


def by_loops(spec, candles, whole):
    """Count over the closes, one by one, from the truth of each condition alone."""
    first = candles.index_at(int(whole.time_ms[0]))
    end = first + whole.bars
    evaluator = ArrayEvaluator(spec, candles.part(0, end), {})
    counts = {}
    for kind in GroupKind:
        for side in Side:
            placed = spec.placed(kind, side)
            if not placed:
                continue
            document = spec.document()[kind][side]
            holds = {each.place: evaluator.truth(each.condition)[first:] for each in placed}
            at = range(1, whole.bars)

            def met(bar, changed=None, document=document, holds=holds, around=f"{kind}.{side}"):
                """Whether the group is true; ``changed``: as if the condition at that place were true."""
                values = {place: each[bar] or place == changed for place, each in holds.items()}
                return truth(document, values, around)

            for each in placed:
                here, place = holds[each.place], each.place
                counts[each.group, each.number] = (
                    sum(bool(here[bar] != here[bar - 1]) for bar in at),
                    sum(
                        bool(met(bar) and not met(bar - 1) and here[bar] and not here[bar - 1]) for bar in at
                    ),
                    sum(
                        not met(bar) and [other for other in holds if met(bar, other)] == [place]
                        for bar in range(whole.bars)
                    ),
                )
    return counts


def truth(item, values, place):
    """Return the truth of a group's document or a tree by those of the conditions at their places."""
    if isinstance(item, str):
        return values[place]
    parts = {
        key: [truth(each, values, f"{place}.{key}[{number}]") for number, each in enumerate(found)]
        for key, found in item.items()
        if isinstance(found, list)
    }
    if "required" in parts:
        has_tree = "when" in item
        return (
            all(parts["required"])
            and (not parts["optional"] or any(parts["optional"]))
            and (not has_tree or truth(item["when"], values, f"{place}.when"))
        )
    if "of" in parts:
        return sum(parts["of"]) >= item["at_least"]
    return any(parts["any"]) if "any" in parts else all(parts["all"])


@given(spec=specifications(), seed=st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_the_counts_are_those_of_loops_over_the_closes(spec, seed):
    candles = random_candles(seed, 300, 0.02)
    subject = subject_on(candles)
    holdout_ms = int(candles.time_ms[len(candles) * 4 // 5])
    whole = subject.run(spec, end_ms=holdout_ms)
    found = measure_usefulness(subject, spec)
    counted = {
        (each.group, each.number): (each.flips, each.completed, each.blocked_alone)
        for each in found.conditions
    }
    assert counted == by_loops(spec, candles, whole)
    assert found.closes == whole.bars
    assert all(each.score is None for each in found.conditions)


def test_an_ablation_is_the_test_of_the_algorithm_without_the_condition():
    candles = planted_candles(1, bars=2_000)
    entry = ["roc(1) < -0.5", "volume > sma(20, source=volume)"]
    spec = algorithm(f"required = {entry}".replace("'", '"'))
    found = measure_usefulness(subject_on(candles), spec)
    part = candles.part(0, 1_600)
    whole = simulate(spec, part, market=Market(), costs=COSTS)
    without = simulate(
        algorithm('required = ["roc(1) < -0.5"]'),
        part,
        market=Market(),
        costs=COSTS,
        start_ms=int(whole.time_ms[0]),
    )
    noise = found.conditions[1]
    assert noise.condition == entry[1]
    assert noise.ablation.net_pnl == pytest.approx(without.metrics.net_pnl - whole.metrics.net_pnl)
    assert noise.ablation.sharpe == pytest.approx(without.metrics.sharpe - whole.metrics.sharpe)


def test_without_its_last_condition_a_side_never_enters():
    found = measure_usefulness(subject_on(planted_candles(2)), algorithm('required = ["roc(1) < -0.5"]'))
    only = found.conditions[0]
    whole = subject_on(planted_candles(2).part(0, 7_008)).run(algorithm('required = ["roc(1) < -0.5"]'))
    assert only.ablation.net_pnl == pytest.approx(-whole.metrics.net_pnl)
    assert only.ablation.sharpe is None
    assert only.score > 50
    assert found.near_misses == ()


def test_the_score_is_by_the_contrast_at_equal_time_in_position():
    random = np.random.default_rng(1)
    with_it, without = random.normal(0.004, 0.01, 300), random.normal(0.0, 0.02, 300)
    t = stats.ttest_1samp(with_it - 0.5 * without, 0).statistic
    assert score_of(with_it, without, 0.5) == pytest.approx(100 * (1 - (1.96 / t) ** 2))
    assert score_of(-with_it, without, 0.5) == 0
    assert score_of(with_it, with_it, 1.0) == 0
    assert score_of(with_it[:29], without[:29], 0.5) is None


def test_a_score_never_leaves_its_range_and_rises_with_the_effect():
    noise = np.random.default_rng(2).normal(0, 0.01, 365)
    scores = [score_of(noise + effect, np.zeros(365), 0.0) for effect in (-1, 0, 0.002, 0.01, 1)]
    assert scores == sorted(scores)
    assert (scores[0], scores[1]) == (0, 0)
    assert 99 < scores[-1] <= 100


def test_near_misses_are_stretches_that_lacked_one_condition():
    """Of 40 bars 32 are tested; the group is true at bar 10, one short at 4-5, 8-9 and 20-22."""
    close = np.full(40, 100.0)
    close[[4, 5, 8, 9, 10, 20, 21, 22]] = 90.0
    volume = np.full(40, 1.0)
    volume[[10, 30]] = 5.0
    candles = random_candles(1, 41, 0.0)
    times = int(candles.time_ms[0]) + np.arange(40, dtype=np.int64) * 3_600_000
    candles = type(candles)(times, close, close, close, close, volume, candles.timeframe)
    spec = algorithm('required = ["close < 95", "volume > 2"]')
    found = measure_usefulness(subject_on(candles), spec)
    # The stretch 8-9 ends with the entry; bar 30 has the volume without the price.
    assert [(each.group, each.missing, each.count, each.last_ms) for each in found.near_misses] == [
        ("entry.long", "volume > 2", 2, int(times[22])),
        ("entry.long", "close < 95", 1, int(times[30])),
    ]


def test_optional_conditions_are_missing_together():
    close = np.array([100.0, 90.0, 100.0] * 10)
    candles = random_candles(1, 10, 0.0)
    times = int(candles.time_ms[0]) + np.arange(30, dtype=np.int64) * 3_600_000
    candles = type(candles)(times, close, close, close, close, np.ones(30), candles.timeframe)
    spec = algorithm('required = ["close < 95"]\noptional = ["volume > 2", "volume > 3"]')
    found = measure_usefulness(subject_on(candles), spec)
    assert [(each.missing, each.count) for each in found.near_misses] == [("volume > 2 or volume > 3", 8)]
    assert [each.blocked_alone for each in found.conditions] == [0, 0, 0, 0]


def test_a_condition_left_out_of_a_tree_leaves_the_rest_of_its_list():
    of, every = '{at_least = 2, of = ["volume > 2", "volume > 3"]}', '{all = ["close < 9"]}'
    candles = random_candles(1, 60, 0.02)
    when = f'when = {{any = ["close > 90", {of}, {every}]}}'
    found = measure_usefulness(subject_on(candles), algorithm(when))
    assert [(each.group, each.number) for each in found.conditions if each.group.startswith("entry")] == [
        ("entry.long.when.any", 0),
        ("entry.long.when.any[1].of", 0),
        ("entry.long.when.any[1].of", 1),
        ("entry.long.when.any[2].all", 0),
    ]
    trees = (
        '{any = [{at_least = 2, of = ["volume > 2", "volume > 3"]}, {all = ["close < 9"]}]}',
        '{any = ["close > 90", {at_least = 1, of = ["volume > 3"]}, {all = ["close < 9"]}]}',
        '{any = ["close > 90", {at_least = 1, of = ["volume > 2"]}, {all = ["close < 9"]}]}',
        '{any = ["close > 90", {at_least = 2, of = ["volume > 2", "volume > 3"]}]}',
    )
    assert list(found.tried_sha256[1:5]) == [algorithm(f"when = {tree}").sha256() for tree in trees]


def test_a_tree_lacks_one_condition_or_any_of_several():
    close = np.array([100.0, 90.0, 100.0] * 10)
    candles = random_candles(1, 10, 0.0)
    times = int(candles.time_ms[0]) + np.arange(30, dtype=np.int64) * 3_600_000
    candles = type(candles)(times, close, close, close, close, np.ones(30), candles.timeframe)
    of = '"close < 95", "volume > 2", "volume > 3"'
    found = measure_usefulness(subject_on(candles), algorithm(f"when = {{at_least = 2, of = [{of}]}}"))
    assert [(each.missing, each.count) for each in found.near_misses] == [("volume > 2 or volume > 3", 8)]
    alone = measure_usefulness(
        subject_on(candles), algorithm('when = {all = ["close < 95", {any = ["volume > 2"]}]}')
    )
    assert [each.blocked_alone for each in alone.conditions[:2]] == [0, 8]
    # Any one of them is enough: there is nothing to be near to.
    assert not measure_usefulness(subject_on(candles), algorithm(f"when = {{any = [{of}]}}")).near_misses


def test_the_lowest_score_is_found():
    found = measure_usefulness(subject_on(planted_candles(1)), PLANTED)
    assert found.least().score == 0
    short = measure_usefulness(subject_on(planted_candles(1, bars=200)), PLANTED)
    assert short.least() is None


def test_the_shape_of_the_json():
    document = to_json(measure_usefulness(subject_on(planted_candles(1, bars=2_000)), PLANTED))
    assert set(document) == {"conditions", "near_misses", "formula", "from", "to", "closes"}
    first = document["conditions"][0]
    assert list(first) == [
        "group", "condition", "score", "flips", "true_share", "completed", "blocked_alone", "ablation",
    ]  # fmt: skip
    assert first["group"] == "entry.long.required"
    assert set(first["ablation"]) == {"net_pnl", "sharpe"}
    assert math.isfinite(first["ablation"]["net_pnl"])
    assert document["from"] == "2024-01-01T19:00:00Z"
    assert {each["group"] for each in document["near_misses"]} == {"entry.long"}


def test_too_few_candles_are_refused_in_a_sentence():
    with pytest.raises(WrongUseError, match="Too few candles"):
        measure_usefulness(subject_on(planted_candles(1, bars=4)), PLANTED)


def test_progress_rises():
    shares = []
    measure_usefulness(
        subject_on(planted_candles(1, bars=500)), PLANTED, progress=lambda share, _: shares.append(share)
    )
    assert shares == sorted(shares)
    assert len(shares) == 5

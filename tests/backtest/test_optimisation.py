"""The search for better numbers: rounds, repeats, resuming, winners; and the figures of a study."""

import math

import numpy as np
import pytest

from firstwatch.backtest import study_figures
from firstwatch.backtest.optimisation import (
    FIRST_PART,
    ROUND,
    Search,
    pareto_front,
    parse_constraint,
    parse_objectives,
    run_study,
    winner,
)
from firstwatch.backtest.trial import Outcome, Trial, daily_pnl, returns_of
from firstwatch.strategy.parameters import parse_parameters
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.trials import TrialState

PERIOD = "entry.long.required[0].rsi.period"
LIMIT = "entry.long.required[0].right"
SAMPLE = AlgorithmSpec.from_toml(sample_toml())


def _search(*parameters, **options):
    texts = parameters or (f"{PERIOD}=5..30", f"{LIMIT}=15..45:0.5")
    return Search(**{"spec": SAMPLE, "parameters": parse_parameters(texts, SAMPLE), "trials": 40} | options)


def _hill(period, limit):
    """Return a figure that is best at 12 and 27."""
    return 3 - ((period - 12) / 10) ** 2 - ((limit - 27) / 12) ** 2


class Formula:
    """Tests specifications by a formula, and remembers which."""

    def __init__(
        self, figures=lambda period, limit: {"sharpe": _hill(period, limit), "max_drawdown": limit / 100}
    ):
        self.figures = figures
        self.rounds = []

    def __call__(self, specs, share):
        self.rounds.append((share, [spec.sha256() for spec in specs]))
        return [self._one(spec, share) for spec in specs]

    def _one(self, spec, share):
        condition = spec.entry.long.required[0]
        metrics = self.figures(condition.left.parameters[0], condition.right.value)
        if metrics is None:
            return Outcome(None, problem="no bar")
        seed = condition.left.parameters[0] * 1000 + int(condition.right.value * 2)
        pnl = np.random.default_rng(seed).normal((metrics["sharpe"] or 0.0) * 5, 100, 200)
        return Outcome(metrics, pnl * share)

    @property
    def tested(self):
        return [sha256 for share, specs in self.rounds for sha256 in specs if share == 1.0]


def _shape(trials):
    return [(each.number, each.parameters, each.state, each.spec_sha256, each.metrics) for each in trials]


def test_the_search_finds_the_hill_and_begins_with_the_algorithm_itself():
    trials = run_study(_search(), Formula())
    assert [trial.number for trial in trials] == list(range(40))
    assert trials[0].parameters == {PERIOD: 14, LIMIT: 30.0}
    assert trials[0].spec_sha256 == SAMPLE.sha256()
    best = winner(_search(), trials)
    assert best.metrics["sharpe"] > 2.9
    assert best.metrics["sharpe"] == max(trial.metrics["sharpe"] for trial in trials)


def test_a_study_depends_on_its_definition_alone():
    once, again = run_study(_search(), Formula()), run_study(_search(), Formula())
    assert _shape(once) == _shape(again)
    assert _shape(run_study(_search(seed=1), Formula())) != _shape(once)
    same = _search("entry.long.required[0].left.timeperiod=5..30", f"{LIMIT}=15..45:0.50")
    written = [list(trial.parameters.values()) for trial in run_study(same, Formula())]
    assert written == [list(trial.parameters.values()) for trial in once], "the way a place is written"


@pytest.mark.parametrize("known", [0, 1, 7, 8, 9, 20, 39, 40])
def test_a_study_that_is_resumed_anywhere_goes_on_as_if_it_had_not_stopped(known):
    whole = run_study(_search(), Formula())
    tests, kept = Formula(), []
    resumed = run_study(_search(), tests, known=whole[known - 1 :: -1] if known else (), keep=kept.extend)
    assert _shape(resumed) == _shape(whole)
    assert [trial.number for trial in kept] == list(range(known, 40))
    before = {trial.spec_sha256 for trial in whole[:known]}
    assert not before & set(tests.tested), "what is known is not tested again"


def test_a_longer_study_begins_like_a_shorter_one():
    short = run_study(_search(trials=21), Formula())
    assert _shape(run_study(_search(trials=40), Formula(), known=short)) == _shape(
        run_study(_search(trials=40), Formula())
    )


def test_each_round_is_asked_before_it_is_tested_and_kept_before_the_next():
    tests, kept = Formula(), []

    def keep(trials):
        kept.append([trial.number for trial in trials])
        assert len(tests.rounds) == len(kept)

    run_study(_search(trials=20), tests, keep=keep)
    assert kept == [list(range(8)), list(range(8, 16)), list(range(16, 20))]


def test_a_keeper_that_raises_ends_the_study():
    def keep(trials):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run_study(_search(), Formula(), keep=keep)


def test_a_specification_is_tested_once_and_its_repeats_have_its_value():
    tests = Formula()
    search = _search(f"{PERIOD}=10..14", trials=40)
    trials = run_study(search, tests)
    assert len(tests.tested) == len(set(tests.tested)) == 5
    by_period = {trial.parameters[PERIOD]: trial for trial in trials}
    for trial in trials:
        assert trial.metrics == by_period[trial.parameters[PERIOD]].metrics
        assert trial.daily_pnl is not None


def test_a_warm_start_is_tried_right_after_the_algorithm():
    starts = ({PERIOD: 9}, {PERIOD: 100, LIMIT: 20.4})
    trials = run_study(_search(starts=starts, trials=8), Formula())
    assert trials[1].parameters == {PERIOD: 9, LIMIT: 30.0}
    assert trials[2].parameters == {PERIOD: 30, LIMIT: 20.5}, "the nearest values of the ranges"
    many = tuple({PERIOD: 5 + number} for number in range(10))
    trials = run_study(_search(starts=many, trials=16), Formula())
    assert [trial.parameters[PERIOD] for trial in trials[1:11]] == list(range(5, 15))


def test_what_has_no_value_or_cannot_be_tested_is_avoided_and_never_wins():
    def figures(period, limit):
        if period > 20:
            return None
        return {"sharpe": None if limit > 30 else _hill(period, limit), "max_drawdown": 0.1}

    trials = run_study(_search(trials=80), Formula(figures))
    states = [trial.state for trial in trials]
    assert {TrialState.COMPLETE, TrialState.UNDEFINED, TrialState.INVALID} == set(states)
    late = states[40:]
    assert late.count(TrialState.COMPLETE) > len(late) * 0.7
    assert winner(_search(), trials).parameters[LIMIT] <= 30
    assert winner(_search(), [each for each in trials if each.state is not TrialState.COMPLETE]) is None


def test_numbers_that_do_not_go_together_are_not_tested():
    spec = AlgorithmSpec.from_toml(
        sample_toml() + '\n[[reset.follow_up]]\nafter = ["signal"]\nwait_bars = 2\nwithin_bars = 5\n'
    )
    names = ("reset.follow_up[0].wait_bars", "reset.follow_up[0].within_bars")
    search = Search(spec, parse_parameters([f"{name}=1..9" for name in names], spec), 40)

    def evaluate(specs, share):
        assert all(spec.reset.follow_up[0].wait_bars < spec.reset.follow_up[0].within_bars for spec in specs)
        return [Outcome({"sharpe": 1.0}, np.ones(50)) for _ in specs]

    trials = run_study(search, evaluate)
    invalid = [trial for trial in trials if trial.state is TrialState.INVALID]
    assert invalid
    assert all(trial.parameters[names[0]] >= trial.parameters[names[1]] for trial in invalid)


def test_constraints_bound_the_winner_and_steer_the_search():
    search = _search(constraints=(parse_constraint("max_drawdown<0.2"),), trials=80)
    trials = run_study(search, Formula())
    best = winner(search, trials)
    assert best.metrics["max_drawdown"] < 0.2
    kept = [trial.metrics["max_drawdown"] < 0.2 for trial in trials]
    assert sum(kept[40:]) > 1.5 * sum(kept[:16]) * 40 / 16
    free = winner(_search(), trials)
    assert free.metrics["sharpe"] > best.metrics["sharpe"]


@pytest.mark.parametrize(
    ("text", "value", "is_kept"),
    [
        ("max_drawdown<0.2", 0.2, False),
        ("max_drawdown <= 0.2", 0.2, True),
        ("total_trades>=30", 30, True),
        ("total_trades>30", 30, False),
        ("total_trades>-5", 0, True),
        ("sharpe>1", None, False),
    ],
)
def test_a_constraint_is_kept_or_broken(text, value, is_kept):
    constraint = parse_constraint(text)
    violation = constraint.violation({constraint.metric: value})
    assert (violation == 0.0) is is_kept
    assert math.isfinite(violation)
    assert violation >= 0


@pytest.mark.parametrize("text", ["max_drawdown", "max_drawdown<x", "max_drawdown=0.2", "drawdown<0.2", "<1"])
def test_what_is_no_constraint_is_one_sentence(text):
    with pytest.raises(WrongUseError) as raised:
        parse_constraint(text)
    assert "\n" not in str(raised.value)


def test_objectives_are_one_or_two_metrics():
    assert parse_objectives("sharpe") == ("sharpe",)
    assert parse_objectives("net_pnl, max_drawdown") == ("net_pnl", "max_drawdown")
    for text in ("", "sharp", "sharpe,sharpe", "sharpe,sortino,calmar", "sharpe,"):
        with pytest.raises(WrongUseError):
            parse_objectives(text)


def test_a_metric_of_loss_is_minimised():
    search = _search(objectives=("max_drawdown",), trials=64)
    assert winner(search, run_study(search, Formula())).parameters[LIMIT] <= 15.5


def test_two_objectives_give_the_front_that_no_trial_beats():
    search = _search(objectives=("sharpe", "max_drawdown"), trials=120)
    trials = run_study(search, Formula())
    front = pareto_front(search, trials)
    points = [(trial.metrics["sharpe"], trial.metrics["max_drawdown"]) for trial in front]
    assert points == sorted(points, reverse=True)
    assert len({trial.spec_sha256 for trial in front}) == len(front) > 3
    for trial in trials:
        beats = [
            trial.metrics["sharpe"] >= sharpe
            and trial.metrics["max_drawdown"] <= drawdown
            and (trial.metrics["sharpe"], trial.metrics["max_drawdown"]) != (sharpe, drawdown)
            for sharpe, drawdown in points
        ]
        assert not any(beats)
    assert _shape(run_study(search, Formula(), known=trials[:33])) == _shape(trials)


def test_two_objectives_of_which_one_may_have_no_value():
    def figures(period, limit):
        sharpe = None if limit > 30 else _hill(period, limit)
        return None if period > 25 else {"sharpe": sharpe, "max_drawdown": limit / 100}

    search = _search(objectives=("sharpe", "max_drawdown"), trials=48)
    trials = run_study(search, Formula(figures))
    assert {trial.state for trial in trials} == {
        TrialState.COMPLETE,
        TrialState.UNDEFINED,
        TrialState.INVALID,
    }
    front = pareto_front(search, trials)
    assert front
    assert all(trial.parameters[LIMIT] <= 30 for trial in front)
    assert set(study_figures.importance(search, trials)) == {PERIOD, LIMIT}


def test_a_study_that_prunes_gives_up_what_is_below_the_median_of_earlier_rounds():
    tests = Formula()
    search = _search(prunes=True, trials=64)
    trials = run_study(search, tests)
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert pruned
    assert min(trial.number for trial in pruned) >= 2 * ROUND
    assert all(trial.metrics is None and trial.first_value is not None for trial in pruned)
    for trial in trials[16:]:
        start = trial.number // ROUND * ROUND
        known = [each.first_value for each in trials[:start] if each.state is TrialState.COMPLETE]
        assert (trial.state is TrialState.PRUNED) is (trial.first_value < float(np.median(known)))
    assert {share for share, _ in tests.rounds} == {FIRST_PART, 1.0}
    assert _shape(run_study(search, Formula(), known=trials[:29])) == _shape(trials)
    assert winner(search, trials).metrics["sharpe"] > 2.9


# --- figures ---------------------------------------------------------------------------------------


def test_importance_finds_the_parameter_that_matters():
    search = _search(trials=120)
    tests = Formula(lambda period, limit: {"sharpe": -abs(period - 12) + limit / 1e6})
    shares = study_figures.importance(search, run_study(search, tests))
    assert list(shares) == [PERIOD, LIMIT]
    assert shares[PERIOD] > 1.5 * shares[LIMIT]
    assert math.isclose(sum(shares.values()), 1.0)
    assert study_figures.importance(search, []) == {}


def test_a_slice_shows_the_best_and_the_median_at_each_value():
    search = _search(trials=3)
    trials = [
        Trial(0, {PERIOD: 5, LIMIT: 20.0}, TrialState.COMPLETE, "a", None, {"sharpe": 1.0}),
        Trial(1, {PERIOD: 5, LIMIT: 30.0}, TrialState.COMPLETE, "b", None, {"sharpe": 3.0}),
        Trial(2, {PERIOD: 9, LIMIT: 30.0}, TrialState.UNDEFINED, "c", None, {"sharpe": None}),
        Trial(3, {PERIOD: 7, LIMIT: 30.0}, TrialState.COMPLETE, "d", None, {"sharpe": -1.0}),
    ]
    assert study_figures.slice_of(search, trials, PERIOD) == (
        study_figures.SlicePoint(5.0, 3.0, 2.0, 2),
        study_figures.SlicePoint(7.0, -1.0, -1.0, 1),
    )
    assert study_figures.slice_of(search, [], PERIOD) == ()
    many = [
        Trial(n, {PERIOD: 5, LIMIT: 15 + n / 2}, TrialState.COMPLETE, str(n), None, {"sharpe": float(n)})
        for n in range(61)
    ]
    points = study_figures.slice_of(search, many, LIMIT)
    assert len(points) == study_figures.MOST_POINTS
    assert sum(point.trials for point in points) == 61


def test_a_map_shows_the_best_of_each_cell():
    search = _search(f"{PERIOD}=5..8", f"{LIMIT}=15..45:0.5", objectives=("max_drawdown",))
    trials = [
        Trial(0, {PERIOD: 5, LIMIT: 15.0}, TrialState.COMPLETE, "a", None, {"max_drawdown": 0.3}),
        Trial(1, {PERIOD: 5, LIMIT: 15.5}, TrialState.COMPLETE, "b", None, {"max_drawdown": 0.1}),
        Trial(2, {PERIOD: 8, LIMIT: 45.0}, TrialState.COMPLETE, "c", None, {"max_drawdown": 0.4}),
    ]
    found = study_figures.map_of(search, trials, PERIOD, LIMIT)
    assert found.x == (5, 6, 7, 8)
    assert len(found.y) == study_figures.MOST_CELLS
    assert found.best[0] == (0.1, None, None, None)
    assert found.best[-1] == (None, None, None, 0.4)
    assert sum(value is not None for row in found.best for value in row) == 2


def test_the_statistics_are_those_of_distinct_completed_trials():
    search = _search(trials=60)
    trials = run_study(search, Formula())
    best = winner(search, trials)
    doubled = (*trials, *trials)
    assert study_figures.overfitting(doubled) == study_figures.overfitting(trials)
    one = study_figures.deflated(best, trials, 10_000.0, 1)
    many = study_figures.deflated(best, trials, 10_000.0, 10_000)
    assert 0 <= many < one <= 1
    assert study_figures.deflated(best, doubled, 10_000.0, 60) == pytest.approx(
        study_figures.deflated(best, trials, 10_000.0, 60)
    )
    assert study_figures.needed_days(best, 60) < study_figures.needed_days(best, 6_000)
    assert study_figures.overfitting([]) is None
    assert study_figures.deflated(Trial(0, {}, TrialState.UNDEFINED), trials, 1.0, 1) is None


def test_daily_pnl_has_the_days_of_the_period_and_returns_end_at_ruin():
    day = 86_400_000
    times = np.array([day + 5, day + 9, 3 * day, 3 * day + 1])
    pnl = daily_pnl(times, np.array([101.0, 103.0, 90.0, 95.0]), 100.0, 7, 5 * day)
    assert pnl.tolist() == [0.0, 3.0, 0.0, -8.0, 0.0]
    assert returns_of(pnl, 100.0).tolist() == pytest.approx([0, 0.03, 0, -8 / 103, 0])
    assert returns_of(np.array([50.0, -200.0, 10.0]), 100.0).tolist() == [0.5, -1.0]

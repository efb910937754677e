"""``CORE_VERSION`` says when the decision core decides otherwise: the golden backtests notice it."""

from firstwatch.strategy.core_settings import CORE_VERSION
from tests.backtest import golden


def test_a_golden_backtest_changes_only_with_the_version_of_the_core():
    assert not (problem := golden.complaint(golden.digests(), golden.kept(), CORE_VERSION)), problem


def test_a_change_without_a_new_version_names_the_cases_and_what_to_raise():
    kept = {"core_version": 4, "digests": {"long": "a", "short": "b"}}
    problem = golden.complaint({"long": "a", "short": "other"}, kept, 4)
    assert "backtests short give" in problem
    assert "raise CORE_VERSION" in problem


def test_a_new_version_asks_for_new_digests():
    kept = {"core_version": 4, "digests": {"long": "a"}}
    assert "python -m tests.backtest.golden" in golden.complaint({"long": "a"}, kept, 5)


def test_a_case_that_is_gone_is_noticed():
    kept = {"core_version": 4, "digests": {"long": "a", "short": "b"}}
    assert golden.complaint({"long": "a"}, kept, 4)

"""Each template is a valid algorithm that trades, and says what it trades on."""

from pathlib import Path

import pytest

from firstwatch.strategy.specification import AlgorithmSpec, name_problem
from firstwatch.strategy.templates import NAMES, template, templates
from firstwatch.trading.errors import WrongUseError
from tests.strategy.template_table import backtest, markdown


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_valid_and_trades_each_side_that_it_may_take(name):
    found = template(name)
    spec = AlgorithmSpec.from_toml(found.text)
    assert spec.name == found.name == name
    assert not name_problem(name)
    # A stop is missing only where that is said.
    assert [each for each in spec.warnings() if "no stop_loss" not in each] == []
    assert (spec.stop_loss is None) == ("It has no stop." in found.idea)
    result = backtest(spec)
    sides = {trade.side.value for trade in result.trades}
    assert sides == ({"long", "short"} if spec.direction == "both" else {spec.direction.value})
    assert len(result.trades) >= 10


def test_each_has_a_title_an_idea_in_sentences_and_parameters_in_comments():
    for found in templates():
        assert found.title
        assert found.title[0].isupper()
        assert found.idea.endswith(".")
        assert "#" not in found.idea + found.title
        body = found.text.partition("\n\n")[2]
        assert "#" in body, found.name


def test_an_unknown_template_is_answered_with_the_nearest():
    with pytest.raises(WrongUseError, match="did you mean rsi-reversion"):
        template("rsi-revision")
    with pytest.raises(WrongUseError, match="no template"):
        template("../sample")


def test_the_readmes_table_is_what_the_templates_do_now():
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert markdown() in text, "write it anew: python -m tests.strategy.template_table README.md"

"""How urgent each alarm is."""

import pytest

from firstwatch.trading.alarms import AlarmSeverity, severity_of


@pytest.mark.parametrize("topic", ["unprotected", "left over", "liquidation near", "vault", "unprotected X"])
def test_what_may_cost_money_without_bound_is_critical(topic):
    assert severity_of(topic) is AlarmSeverity.CRITICAL


@pytest.mark.parametrize("topic", ["watch", "stop", "venue", "stream silent bars", "failedly", ""])
def test_the_rest_is_a_warning(topic):
    assert severity_of(topic) is AlarmSeverity.WARNING

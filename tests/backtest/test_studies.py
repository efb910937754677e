"""What a study says of its winner, in short; ``python -m tests.backtest.studies`` is the whole proof."""

import numpy as np

from firstwatch.backtest.overfitting import SURE
from tests.backtest import studies


def test_on_noise_the_best_of_many_is_said_to_be_luck():
    found = [studies.noise(seed, specifications=60) for seed in (0, 1, 4)]
    assert all(each.deflated < SURE for each in found)
    assert all("may look as good as this winner" in each.words for each in found)
    assert 0.2 < np.mean([each.overfitting for each in found]) < 0.8


def test_a_planted_edge_is_found_and_believed():
    found = studies.edge(1, trials=48)
    assert found.deflated >= SURE
    assert found.overfitting < 0.2
    assert "more than the luck of" in found.words

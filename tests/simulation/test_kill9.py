"""Twenty times kill -9 (``tests.simulation.kill9`` says how; its command does it a thousand times)."""

from pathlib import Path

import pytest

from tests.live import kill9
from tests.simulation.kill9 import kill_again_and_again


@pytest.mark.slow
def test_killed_nineteen_times_the_result_is_the_undisturbed_ones(tmp_path: Path) -> None:
    report = kill_again_and_again(tmp_path, times=19, seed=1)
    assert report.kills == 19
    assert report.phases.total() == 19


@pytest.mark.slow
def test_killed_once_on_a_loopback_venue_the_books_are_the_venues(tmp_path: Path) -> None:
    assert kill9.kill_again_and_again(tmp_path, times=1, seed=1) == 1

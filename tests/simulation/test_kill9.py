"""Twenty times kill -9 (``tests.simulation.kill9`` says how; its command does it a thousand times)."""

from pathlib import Path

import pytest

from tests.engine.host.conftest import folder  # noqa: F401
from tests.live import kill9
from tests.simulation.kill9 import kill_again_and_again


@pytest.mark.slow
def test_killed_eighteen_times_the_result_is_the_undisturbed_ones(folder: Path) -> None:  # noqa: F811
    report = kill_again_and_again(folder, times=18, seed=1)
    assert report.kills == 18
    assert report.phases.total() == 18


@pytest.mark.slow
def test_killed_twice_on_a_loopback_venue_the_books_are_the_venues(folder: Path) -> None:  # noqa: F811
    assert kill9.kill_again_and_again(folder, times=2, seed=1) == 1

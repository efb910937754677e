"""Twenty times kill -9 (``tests.simulation.kill9`` says how; its command does it two hundred times)."""

from pathlib import Path

import pytest

from tests.engine.host.conftest import folder  # noqa: F401
from tests.simulation.kill9 import kill_again_and_again


@pytest.mark.slow
def test_killed_twenty_times_the_result_is_the_undisturbed_ones(folder: Path) -> None:  # noqa: F811
    report = kill_again_and_again(folder, times=20, seed=1)
    assert report.kills == 20
    assert report.phases.total() == 20

"""A manager without an engine, on a store with an algorithm and an invented market."""

import pytest

from firstwatch.manager.manager import RunManager
from tests.ui import bench_scene


@pytest.fixture
def settings(tmp_path):
    return bench_scene.make(tmp_path / "home")


@pytest.fixture
def manager(settings):
    manager = RunManager(settings, hosts_engine=False)
    manager.open()
    yield manager
    manager.close()

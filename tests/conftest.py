"""What every test begins with."""

import gc
import sys

import pytest

_RECURSION_LIMIT = sys.getrecursionlimit()
_YOUNG_OBJECTS = 50_000


def pytest_collection_finish():
    """Collect garbage seldom, and leave out what was imported: it took a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


@pytest.fixture(autouse=True)
def _recursion_limit():
    """Undo what a witness does on import: eth-account lets Python recurse until the C stack overflows.

    The program itself does not import it; a test of nested input would crash instead of failing.
    """
    sys.setrecursionlimit(_RECURSION_LIMIT)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Share nothing with the programs that this user runs, nor with another worker of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_watch():
    """Start no process of the first watch beside each engine of the tests; those of the watch turn it on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRSTWATCH_WATCH__ENABLED", "false")
        yield

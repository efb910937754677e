"""The venues that must keep the contract: one factory each."""

import pytest

from tests.contract.hyperliquid_rig import HyperliquidRig
from tests.contract.rig import PaperRig

RIGS = {
    "paper in memory": lambda tmp_path, **kwargs: PaperRig(**kwargs),
    "paper in a store": lambda tmp_path, **kwargs: PaperRig(tmp_path / "data", **kwargs),
    "hyperliquid": lambda tmp_path, **kwargs: HyperliquidRig(**kwargs),
}
LASTING = ("paper in a store", "hyperliquid")
PHASED = "phased"


def pytest_configure(config):
    config.addinivalue_line(
        "markers", f"{PHASED}: of feeds whose bars come in phases; a venue with a book of its own has none"
    )


def _maker(request, tmp_path):
    if request.node.get_closest_marker(PHASED) and request.param == "hyperliquid":
        pytest.skip("this venue's bars have no phases")
    rigs = []

    def make(**kwargs):
        rigs.append(RIGS[request.param](tmp_path, **kwargs))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture(params=RIGS)
def make_rig(request, tmp_path):
    """A factory of rigs of one venue; keyword arguments reach it."""
    yield from _maker(request, tmp_path)


@pytest.fixture
def rig(make_rig):
    """A venue with a funded account and one subscriber, standing at the close of a bar at 100."""
    rig = make_rig()
    rig.listen()
    rig.settle()
    return rig


@pytest.fixture(params=LASTING)
def lasting_rig(request, tmp_path):
    """As ``rig``, of a venue whose books survive."""
    for make in _maker(request, tmp_path):
        rig = make()
        rig.listen()
        rig.settle()
        yield rig

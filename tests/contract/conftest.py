"""The venues that must keep the contract: one factory each."""

import pytest

from tests.contract.rig import PaperRig

RIGS = {
    "paper in memory": lambda tmp_path, **kwargs: PaperRig(**kwargs),
    "paper in a store": lambda tmp_path, **kwargs: PaperRig(tmp_path / "data", **kwargs),
}


@pytest.fixture(params=RIGS)
def make_rig(request, tmp_path):
    """A factory of rigs of one venue; keyword arguments reach it."""
    return lambda **kwargs: RIGS[request.param](tmp_path, **kwargs)


@pytest.fixture
def rig(make_rig):
    """A venue with a funded account and one subscriber, standing at the close of a bar at 100."""
    rig = make_rig()
    rig.listen()
    rig.settle()
    return rig


@pytest.fixture
def lasting_rig(tmp_path):
    """As ``rig``, of a venue whose books survive."""
    rig = PaperRig(tmp_path / "data")
    rig.listen()
    rig.settle()
    return rig

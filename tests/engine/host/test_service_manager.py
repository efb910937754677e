"""What a service manager is sent."""

import socket

import pytest

from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.host.service_manager import ALIVE, READY, STOPPING, notify
from firstwatch.store.database import open_store
from tests.engine.host.rig import make_folder


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, monkeypatch):
    name = (
        str(tmp_path / "notify") if request.param == "path" else f"@firstwatch-{tmp_path.name}-{id(tmp_path)}"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name[1:]}" if name[0] == "@" else name)
        channel.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield channel


def test_an_engine_is_ready_then_alive_with_each_heartbeat_then_stopping(manager, tmp_path):
    settings = make_folder(tmp_path / "home")
    store = open_store(settings.home)
    host = EngineHost(store, settings)
    host.start()
    try:
        got = [manager.recv(100).decode() for _ in range(4)]
    finally:
        host.drain_and_stop()
        store.close()
    assert set(got) == {READY, ALIVE}
    assert got.count(READY) == 1
    while (last := manager.recv(100).decode()) != STOPPING:
        assert last == ALIVE


@pytest.mark.parametrize(
    "name", ["/nowhere/at/all", "@nothing-listens-here", "relative", "", "/" + "x" * 300]
)
def test_a_manager_that_is_not_there_is_no_error(monkeypatch, name):
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    notify(READY)

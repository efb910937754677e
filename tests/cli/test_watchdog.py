"""``watchdog`` says when the engine is gone, by the addresses of [alerts], and ends with exit code 1."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from firstwatch.cli import watchdog as command
from firstwatch.engine.host import pulse
from tests.engine.alerts.receiver import SECRET, receiving
from tests.engine.host.processes import engine_process
from tests.engine.host.rig import make_folder, until


@pytest.fixture
def watched(home):
    """A data folder whose settings have an address that takes messages."""
    with receiving() as receiver:
        make_folder(home)
        home.chmod(0o700)
        path = home / "config.toml"
        path.write_text(f"[alerts]\nurls = {json.dumps([receiver.url])}\n{path.read_text()}")
        yield home, receiver


@pytest.fixture
def manager(tmp_path):
    """A service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(30)
        yield channel


def start(home, tmp_path, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "firstwatch", "watchdog", "--every", "0.5", *options],
        env={**os.environ, "FIRSTWATCH_HOME": str(home), "NOTIFY_SOCKET": str(tmp_path / "notify")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_engine_is_alerted(watched, manager, tmp_path):
    home, receiver = watched
    with engine_process(home) as engine:
        engine.wait_holding()
        watchdog = start(home, tmp_path, "--json")
        try:
            got = [manager.recv(100) for _ in range(3)]
            engine.signal(signal.SIGKILL)
            out, err = watchdog.communicate(timeout=120)
        finally:
            watchdog.kill()
    assert got == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    assert watchdog.returncode == 1, err
    document = json.loads(out)
    assert document["sentence"].startswith("No engine runs on this data folder; the last heartbeat is of 2")
    assert document["alerts"] == [{"address": "1. json://…", "delivered": True, "problem": ""}]
    (message,) = receiver.messages
    assert message["title"].endswith(": NO ENGINE")
    assert message["type"] == "failure"
    assert message["message"] == document["sentence"]
    assert SECRET not in out + err


def test_an_engine_that_stands_still_is_alerted_until_an_address_takes_it(firstwatch, watched, monkeypatch):
    monkeypatch.setattr(pulse, "GONE_AFTER_S", 1.0)
    monkeypatch.setattr(pulse, "_CONFIRMED_AFTER_S", 0.5)
    monkeypatch.setattr(command, "_PAUSES_S", (0.0, 0.1))
    home, receiver = watched
    receiver.statuses = [500]
    with engine_process(home) as engine:
        engine.wait_holding()
        engine.stop()
        answer = firstwatch("watchdog", "--every", "0.5")
        engine.signal(signal.SIGCONT)
    assert answer.code == 1
    first, sentence, last = answer.out.splitlines()
    assert first == "the engine is watched; its end is said to 1. json://…"
    assert sentence.startswith(f"The engine is not responding, pid {engine.pid}: its process is stopped")
    assert last == "1. json://…: delivered"
    assert receiver.tries == 2
    assert [message["message"] for message in receiver.messages] == [sentence]


def test_a_watchdog_that_is_ended_says_nothing(watched, manager, tmp_path):
    home, receiver = watched
    with engine_process(home) as engine:
        engine.wait_holding()
        watchdog = start(home, tmp_path)
        try:
            until(lambda: manager.recv(100) == b"WATCHDOG=1" or None, "a sign of life")
            watchdog.terminate()
            err = watchdog.communicate(timeout=60)[1]
        finally:
            watchdog.kill()
    assert (watchdog.returncode, err) == (0, "")
    assert receiver.tries == 0


def test_without_an_engine_there_is_nothing_to_watch(firstwatch, watched):
    answer = firstwatch("watchdog")
    assert answer.code == 3
    assert "firstwatch engine" in answer.err
    assert SECRET not in answer.out + answer.err

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firstwatch.engine.lock import (
    LOCK_FILE,
    EngineHeldError,
    EngineLock,
    EngineState,
    LockLostError,
    holder_of,
    presence,
)
from firstwatch.trading.errors import StoreError

_HOLD = """
import sys
from pathlib import Path
from firstwatch.engine.lock import EngineLock
lock = EngineLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path):
    """Another process that holds the lock of ``tmp_path``."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def _wait_stopped(pid: int) -> None:
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


def test_one_holder(tmp_path: Path) -> None:
    first, second = EngineLock(tmp_path), EngineLock(tmp_path)
    assert holder_of(tmp_path) is None
    with first:
        holder = holder_of(tmp_path)
        assert holder is not None
        assert holder.pid == os.getpid()
        with pytest.raises(EngineHeldError, match=f"pid {os.getpid()}"):
            second.acquire()
    second.acquire()
    assert second.is_held
    second.release()
    assert holder_of(tmp_path) is None


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_file_that_is_removed_or_replaced_is_noticed(tmp_path: Path, replaced: bool) -> None:
    with EngineLock(tmp_path) as lock:
        lock.verify()
        (tmp_path / LOCK_FILE).unlink()
        if replaced:
            (tmp_path / LOCK_FILE).touch()
        with pytest.raises(LockLostError, match="check that no other engine runs"):
            lock.verify()


def test_the_kernel_frees_it_at_death(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(EngineHeldError, match=f"pid {other.pid}"):
        EngineLock(tmp_path).acquire()
    other.kill()
    other.wait()
    with EngineLock(tmp_path) as lock:
        assert lock.is_held


def test_a_stopped_holder_is_not_overtaken(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    assert presence(tmp_path, 0.1).state is EngineState.RUNNING
    other.send_signal(signal.SIGSTOP)
    _wait_stopped(other.pid)
    seen = presence(tmp_path, 0.1)
    assert seen.state is EngineState.NOT_RESPONDING
    assert f"not responding, pid {other.pid}" in seen.sentence
    with pytest.raises(EngineHeldError, match="not responding"):
        EngineLock(tmp_path).acquire()
    other.send_signal(signal.SIGCONT)


def test_an_old_heartbeat_is_not_responding(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    seen = presence(tmp_path, 7.4)
    assert seen.state is EngineState.NOT_RESPONDING
    assert "no heartbeat for 7 s" in seen.sentence
    assert presence(tmp_path, None).state is EngineState.RUNNING


def test_no_engine(tmp_path: Path) -> None:
    assert presence(tmp_path, 100.0).state is EngineState.NONE
    assert presence(tmp_path / "missing", None).state is EngineState.NONE


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        EngineLock(tmp_path / "missing").acquire()

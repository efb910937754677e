"""A passphrase is nowhere in an engine's memory once the vault is open, and no process leaves a core dump."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.trading.clock import ManualClock
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.forgetting import forget
from firstwatch.wallets.vault import Vault, new_secret

# Put together here, so that neither this file nor a table of names holds it as one piece.
WORD = "-".join(["correct", "horse", str(4_711 * 3), "battery", "staple"])


@given(st.text(min_size=2, max_size=50).map(lambda text: f"{text}!"))
def test_a_text_that_is_forgotten_holds_nothing_of_what_it_was(text):
    copy = (text + "x")[:-1]
    encoded = copy.encode("utf-8", "surrogatepass")
    kept = bytearray(encoded)
    forget(copy, encoded, kept)
    assert set(map(ord, copy)) == set(encoded) == set(kept) == {0}


def test_what_the_interpreter_shares_is_left_alone():
    forget("", "a", b"", b"a")
    assert ("a" + "b")[:1] == chr(97)


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    Vault(folder, ManualClock(1), work_factor=2).open(WORD).add(
        new_secret(), venue="hl", account="0x" + "1" * 40, kind=KeyKind.AGENT
    )
    return folder


def started(home):
    """Start an engine that reads the passphrase from a descriptor; return it when it has said so."""
    reading, writing = os.pipe()
    environment = {name: text for name, text in os.environ.items() if not name.startswith("FIRSTWATCH_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "firstwatch", "engine", "--passphrase-fd", str(reading)],
        env=environment | {"FIRSTWATCH_HOME": str(home)},
        pass_fds=(reading,),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.close(reading)
    os.write(writing, f"{WORD}\n".encode())
    os.close(writing)
    said = process.stdout.readline()
    assert "the engine runs" in said, said + process.stdout.read()
    return process


def found_in(pid: int) -> int:
    """Return how often the passphrase stands in the memory of a process, in any width of characters."""
    needles = [WORD.encode(), WORD.encode("utf-16-le"), WORD.encode("utf-32-le")]
    count = 0
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if bounds is None:
                continue
            first, last = (int(each, 16) for each in bounds.groups())
            try:
                memory.seek(first)
                content = memory.read(last - first)
            except (OSError, ValueError, OverflowError):
                continue
            count += sum(content.count(needle) for needle in needles)
    return count


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process by /proc")
def test_the_passphrase_of_a_descriptor_is_not_in_the_engine_s_memory(home):
    process = started(home)
    try:
        try:
            found = found_in(process.pid)
        except PermissionError:
            pytest.skip("this system lets nobody read the memory of a process")
        assert found == 0
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)
    finally:
        process.terminate()
        process.wait(60)

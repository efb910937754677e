"""Around every command: one sentence and an exit code for whatever goes wrong, closed streams included."""

import io
import json
import os
import subprocess
import sys

import pytest

from firstwatch.store import runs, wallets
from firstwatch.store.database import open_store
from firstwatch.trading.runs import Exposure
from tests.store.made import made_run

PLACES = {0: "<&-", 1: ">&-", 2: "2>&-"}


@pytest.fixture
def shell(home, tmp_path):
    """Run a command line of a shell with the program as ``$F``."""

    def run(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", line],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | {"F": f"{sys.executable} -m firstwatch"} | environment,
        )

    return run


def test_an_error_that_nobody_has_foreseen_is_a_sentence_and_its_traceback_is_in_the_log(
    firstwatch, home, monkeypatch
):
    firstwatch("wallet", "create", "w", "--venue", "paper")

    def broken(*_: object, **__: object) -> None:
        raise KeyError("surprise \x1b[2J")

    monkeypatch.setattr(wallets, "list_wallets", broken)
    answer = firstwatch("wallet", "list", "--json")
    assert answer.code == 1
    assert answer.err.count("\n") == 1
    assert "Unexpected failure at" in answer.err
    assert "Traceback" not in answer.err + answer.out
    assert json.loads(answer.out)["exit_code"] == 1
    log = home / "commands.log"
    assert str(log) in answer.err
    text = log.read_text(encoding="utf-8")
    assert "surprise" in text
    assert "in broken" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert log.stat().st_mode & 0o077 == 0


def test_a_question_that_is_not_answered_is_a_sentence(firstwatch, home, monkeypatch):
    class Ended(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Ended())
    store = open_store(home)
    with store.write() as session:
        run = made_run(session)
        runs.update_side_facts(session, run.id, runs.SideFacts(exposure=Exposure.EXPOSED))
    store.close()
    answer = firstwatch("run", "stop", run.id, "--mode", "leave_unprotected")
    assert answer.code == 1
    assert answer.err.endswith("firstwatch: A question was not answered; nothing more was done.\n")
    assert not (home / "commands.log").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is full")
@pytest.mark.parametrize("words", ["wallet list --json", "--help", "doctor"])
def test_an_output_that_takes_nothing_is_a_failure(shell, words):
    done = shell(f"$F {words} > /dev/full")
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_reader_that_has_left_is_no_noise(shell):
    done = shell("$F --help | true; $F status | true")
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
@pytest.mark.parametrize(
    "words", ["status", "wallet import x --venue paper", "wallet unlock", "status --bad", ""]
)
def test_closed_streams_are_no_traceback_and_no_file_of_ours(shell, home, words, closed):
    done = shell(f"$F {words} {' '.join(PLACES[each] for each in closed)}; echo code $? > code")
    assert "Traceback" not in done.stdout + done.stderr
    for path in home.glob("firstwatch.db*"):
        assert b"engine runs" not in path.read_bytes()


def test_a_terminal_of_ascii_is_no_traceback(shell):
    shell("$F wallet create w --venue paper")
    done = shell("$F wallet show 名前", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "\\u540d" in done.stderr


def test_a_word_that_is_not_utf_8_is_a_sentence(shell):
    done = shell("$F wallet show \"$(printf 'a\\377')\"")
    assert done.returncode == 2
    assert "not UTF-8" in done.stderr

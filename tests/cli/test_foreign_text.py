"""What others wrote is printed as text: it cannot steer the terminal, and it does not fill it."""

import pytest

from firstwatch.cli.output import say, say_table, say_to_stderr
from firstwatch.store.database import open_store
from firstwatch.store.journal import append_events
from firstwatch.store.runs import transition
from firstwatch.trading.events import Noted
from firstwatch.trading.runs import Author, RunState
from tests.store.made import NOW_MS, made_run

STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e"
ESCAPED = "".join(f"\\u{ord(sign):04x}" for sign in STEERING)


def assert_plain(answer):
    for line in (answer.out + answer.err).splitlines():
        assert line.isprintable(), line
        assert len(line) <= 1_200
    assert len(answer.out + answer.err) < 20_000


@pytest.mark.parametrize(
    "content",
    [
        f"{STEERING},open,high\n1,2,3\n",
        f"time,open,{STEERING * 3_000}\n1,2,3\n",
        "a" * 34_000 + "\n1\n",
        "time,open,high,low,close,volume\n" + f"{STEERING},1,1,1,1,1\n" * 2_000,
    ],
    ids=["header", "wide header", "one long line", "cells"],
)
def test_a_candle_file_cannot_speak_to_the_terminal(firstwatch, algorithm, tmp_path, content):
    path = tmp_path / "candles.csv"
    path.write_text(content, encoding="utf-8")
    answer = firstwatch("backtest", algorithm, "--candles", path)
    assert answer.code == 2
    assert_plain(answer)


@pytest.mark.parametrize(
    "content",
    [
        f"'{STEERING}' = 1",
        "name = '" + "x" * 34_000 + "'",
        f'name = "{ESCAPED}"',
        "\n".join(f"key{number} = {number}" for number in range(3_000)),
    ],
    ids=["key", "long", "escaped", "many"],
)
def test_an_algorithm_file_cannot_speak_to_the_terminal(firstwatch, tmp_path, content):
    path = tmp_path / f"a{STEERING}.toml"
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    answer = firstwatch("algorithm", "check", path)
    assert answer.code == 2
    assert_plain(answer)


@pytest.mark.parametrize(
    "words",
    [
        ("wallet", "show", STEERING),
        ("run", "show", STEERING),
        ("run", "show", "ab", f"--{STEERING}"),
        ("wallet", "create", STEERING, "--venue", "paper"),
        ("wallet", "create", "w", "--venue", STEERING),
        ("run", "stop", "ab", "--mode", STEERING),
        (STEERING,),
        ("algorithm", "show", f"x@{STEERING}"),
    ],
)
def test_a_word_of_the_command_line_is_quoted_as_text(firstwatch, words):
    answer = firstwatch(*words)
    assert answer.code == 2
    assert_plain(answer)


def test_the_journal_is_printed_as_text(firstwatch, home):
    store = open_store(home)
    try:
        with store.write() as session:
            run_id = made_run(session).id
            transition(session, run_id, RunState.CANCELLED, "", author=Author.OPERATOR, local_time_ms=NOW_MS)
            append_events(
                session,
                run_id,
                [Noted(sentence=f"the venue said {STEERING}")],
                author=Author.SYSTEM,
                venue_time_ms=None,
                local_time_ms=NOW_MS,
            )
    finally:
        store.close()
    answer = firstwatch("run", "follow", run_id)
    assert answer.code == 0
    assert "the venue said" in answer.out
    assert_plain(answer)


def test_whatever_is_printed_is_printed_as_text(capsys):
    """Also what nothing has cleaned before."""
    say(f"first {STEERING}\nsecond {STEERING}")
    say_table(["WORDS"], [[STEERING], [None]])
    say_to_stderr(f"first {STEERING}\nsecond {STEERING}")
    printed = capsys.readouterr()
    lines = (printed.out + printed.err).splitlines()
    assert len(lines) == 7
    assert all(line.isprintable() for line in lines)
